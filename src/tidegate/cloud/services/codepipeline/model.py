"""CodePipeline's records and the questions asked of them.

An execution is one record, `codepipeline.execution` by (region, pipeline, execution id), with all that its actions did:
every step is one atomic write. While it is not over there is a `codepipeline.open` record of the same key, so that
nobody who follows the work reads the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.configuration import is_true
from tidegate.cloud.services.codepipeline.custom import CustomActions
from tidegate.cloud.services.codepipeline.triggers import CONNECTION, connected_sources, is_connection
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t
    from types_boto3_codepipeline.literals import (
        ActionExecutionStatusType,
        ConditionExecutionStatusType,
        PipelineExecutionStatusType,
        StageExecutionStatusType,
    )

IN_PROGRESS: Final = "InProgress"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
ABANDONED: Final = "Abandoned"
STOPPING: Final = "Stopping"
STOPPED: Final = "Stopped"
SUPERSEDED: Final = "Superseded"
CANCELLED: Final = "Cancelled"
SKIPPED: Final = "Skipped"

BEFORE_ENTRY: Final = "BEFORE_ENTRY"
ON_SUCCESS: Final = "ON_SUCCESS"
ON_FAILURE: Final = "ON_FAILURE"

INBOUND: Final = "Inbound"
OUTBOUND: Final = "Outbound"

POLLED = (TypeName("Source", "CodeCommit"), TypeName("Source", "S3"))

MOST_AT_ONCE = 50  # executions that are not over, in the modes in which none supersedes another


class GateRecord(TypedDict):
    """A transition that somebody opened or closed."""

    enabled: bool
    by: str
    at: datetime
    reason: NotRequired[str]


class PipelineRecord(TypedDict):
    """A pipeline as it is declared now, and what is remembered from one execution to the next."""

    pipeline: t.PipelineDeclarationOutputTypeDef
    created: datetime
    updated: datetime
    tags: list[t.TagTypeDef]
    gates: dict[str, GateRecord]  # "Inbound/STAGE", "Outbound/STAGE"
    executions: int  # how many were started
    entered: dict[str, str]  # stage -> the execution that entered it last
    seen: dict[str, str]  # source action -> the revision that was last run
    heads: NotRequired[dict[str, dict[str, str]]]  # source action -> reference -> the commit that was last looked at


class ActionRecord(TypedDict):
    """One run of an action, or of a condition's rule. `progress` is what its provider remembers of what it has done."""

    id: str
    stage: str
    name: str
    status: ActionExecutionStatusType
    started: datetime
    updated: datetime
    deadline: datetime
    input: t.ActionExecutionInputTypeDef
    outputs: list[t.ArtifactDetailTypeDef]
    variables: dict[str, str]
    progress: dict[str, Any]
    summary: NotRequired[str]
    updated_by: NotRequired[str]
    token: NotRequired[str]
    external_id: NotRequired[str]
    external_url: NotRequired[str]
    error: NotRequired[t.ErrorDetailsTypeDef]
    revision: NotRequired[t.ArtifactRevisionTypeDef]  # of a source action
    log_stream: NotRequired[str]  # the ARN, of what a build without a project does
    percent: NotRequired[int]  # of its work that is done, where somebody tells
    condition: NotRequired[str]  # of a rule: BEFORE_ENTRY, ON_SUCCESS, ON_FAILURE


class ConditionRunRecord(TypedDict):
    """How an execution fares with a stage's condition: which run of each rule counts, and who overrode it."""

    rules: dict[str, str]
    overridden_by: NotRequired[str]
    overridden: NotRequired[datetime]


class StageRunRecord(TypedDict):
    """How an execution fares in a stage; `actions` tells which run of each action counts."""

    status: StageExecutionStatusType
    actions: dict[str, str]
    automatic: int  # how often the stage was tried again by itself
    manual: int
    retried_by: NotRequired[str]
    conditions: NotRequired[dict[str, ConditionRunRecord]]


class StopRecord(TypedDict):
    """A request to stop an execution."""

    abandon: bool
    reason: NotRequired[str]


class ExecutionRecord(TypedDict):
    """One execution: where it is, and everything that it did."""

    id: str
    number: int
    version: int  # the pipeline's version when it started
    mode: str
    status: PipelineExecutionStatusType
    summary: NotRequired[str]
    trigger: t.ExecutionTriggerTypeDef
    started: datetime
    updated: datetime
    variables: dict[str, str]
    at: str  # the stage that it is in or waits for; the last one, when it is over
    inside: bool
    stages: dict[str, StageRunRecord]
    actions: list[ActionRecord]  # in the order in which they started; the runs of rules among them
    artifacts: dict[str, t.S3LocationTypeDef]
    namespaces: dict[str, dict[str, str]]
    revisions: list[t.ArtifactRevisionTypeDef]
    sources: dict[str, t.SourceRevisionTypeDef]  # source action -> its revision
    pinned: dict[str, dict[str, str]]  # source action -> revision type -> value, where it is not to be the newest
    token: NotRequired[str]
    stop: NotRequired[StopRecord]
    rollback_of: NotRequired[str]  # a rollback: the execution whose artifacts it has


class CodePipelineModel:
    """Pipelines by region and name; their executions below them."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.store = store
        self.pipelines = Collection[PipelineRecord](store, "codepipeline.pipeline")
        self.versions: Collection[t.PipelineDeclarationOutputTypeDef] = Collection(store, "codepipeline.version")
        self.executions = Collection[ExecutionRecord](store, "codepipeline.execution")
        self.open = Collection[dict[str, Any]](store, "codepipeline.open")
        self.sources = Collection[dict[str, Any]](store, "codepipeline.source")  # what is watched, and for whom
        self.custom = CustomActions(store)
        self.changes = Collection[dict[str, Any]](store, "codepipeline.change")  # EventBridge has still to hear of

    def arn(self, region: str, pipeline: str) -> str:
        """Return a pipeline's ARN."""
        return f"arn:aws:codepipeline:{region}:{self.account}:{pipeline}"

    # pipelines

    def put_declaration(self, region: str, record: PipelineRecord) -> None:
        """Write a pipeline whose declaration is new: its version is kept, its sources are watched."""
        pipeline = record["pipeline"]
        name = pipeline["name"]
        with self.store.transaction():
            self.pipelines.put((region, name), record)
            self.versions.put((region, name, _padded(pipeline["version"])), pipeline)
            self._watch_nothing(region, name)
            for action in [*polled_sources(pipeline), *connected_sources(pipeline)]:
                self.sources.put((*watched(action, region), region, name), {})

    def version(self, region: str, name: str, version: int) -> t.PipelineDeclarationOutputTypeDef | None:
        """Return one version of a pipeline's declaration."""
        return self.versions.get(region, name, _padded(version))

    def delete(self, region: str, name: str) -> None:
        """Remove a pipeline and all its executions."""
        with self.store.transaction():
            self.pipelines.delete(region, name)
            self._watch_nothing(region, name)
            for job, _ in self.custom.jobs_of(region, name):
                self.custom.jobs.delete(*job)
            for collection in (self.versions, self.executions, self.open):
                for key, _ in self.store.items(collection.kind, (region, name)):
                    self.store.delete(collection.kind, key)

    def pipelines_of_source(self, provider: str, place: Key) -> list[Key]:
        """Return the keys of the pipelines that watch a place: a branch, a repository, an object."""
        return [key[-2:] for key, _ in self.sources.items(provider, *place) if key[1:-2] == place]

    def if_watching(self, key: Key) -> list[Key]:
        """Return the key of the pipeline that a key starts with, if that pipeline watches its sources."""
        record = self.pipelines.get(*key[:2])
        return [key[:2]] if record is not None and any(polled_sources(record["pipeline"])) else []

    def if_connected(self, key: Key) -> list[Key]:
        """Return the key of the pipeline that a key starts with, if pushes through a connection start that pipeline."""
        record = self.pipelines.get(*key[:2])
        return [key[:2]] if record is not None and connected_sources(record["pipeline"]) else []

    def watching_pipelines(self) -> list[Key]:
        """Return the keys of all pipelines that watch their sources."""
        return sorted({key[-2:] for key, _ in self.sources.items() if key[0] != CONNECTION.provider})

    def connected_pipelines(self) -> list[Key]:
        """Return the keys of all pipelines that pushes through a connection start."""
        return sorted({key[-2:] for key, _ in self.sources.items(CONNECTION.provider)})

    # executions

    def put_execution(self, region: str, pipeline: str, record: ExecutionRecord) -> None:
        """Write an execution."""
        key = (region, pipeline, record["id"])
        with self.store.transaction():
            self.executions.put(key, record)
            if is_over(record):
                self.open.delete(*key)
            elif self.open.get(*key) is None:
                self.open.put(key, {})

    def open_executions(self, region: str, pipeline: str) -> list[ExecutionRecord]:
        """Return the executions of a pipeline that are not over, the oldest first."""
        records = [self.executions.get(*key) for key, _ in self.open.items(region, pipeline)]
        return sorted((each for each in records if each is not None), key=lambda each: each["number"])

    def history(self, region: str, pipeline: str) -> list[ExecutionRecord]:
        """Return all executions of a pipeline, the newest first."""
        return sorted(self.executions.values(region, pipeline), key=lambda each: -each["number"])

    def busy_pipelines(self) -> list[Key]:
        """Return the keys of the pipelines with an execution that is not over."""
        return sorted({key[:2] for key, _ in self.open.items()})

    def running_actions(self, key: Key) -> list[Key]:
        """Return the keys (region, pipeline, execution, action execution) of what an execution has in progress."""
        record = self.executions.get(*key)
        if record is None or is_over(record):
            return []
        return [(*key, each["id"]) for each in record["actions"] if each["status"] == IN_PROGRESS]

    def all_running_actions(self) -> list[Key]:
        """Return the keys of all actions in progress."""
        return [each for key, _ in self.open.items() for each in self.running_actions(key)]

    def actions_waiting_for(self, kind: str, key: Key) -> list[Key]:
        """Return the keys of the actions in progress that wait for a record of another service."""
        waited = [kind, *key]
        return [
            (*execution, action["id"])
            for execution, _ in self.open.items()
            for action in self._actions(execution)
            if action["status"] == IN_PROGRESS and action["progress"].get("waits_for") == waited
        ]

    def _actions(self, key: Key) -> Sequence[ActionRecord]:
        record = self.executions.get(*key)
        return () if record is None else record["actions"]

    def _watch_nothing(self, region: str, name: str) -> None:
        watching = [key for key, _ in self.sources.items() if key[-2:] == (region, name)]
        for key in watching:
            self.sources.delete(*key)


def is_over(record: ExecutionRecord) -> bool:
    """Return whether an execution has ended."""
    return record["status"] not in (IN_PROGRESS, STOPPING)


def find_action(record: ExecutionRecord, action_id: str) -> ActionRecord | None:
    """Return a run of an action by its id."""
    return next((each for each in record["actions"] if each["id"] == action_id), None)


def counted(record: ExecutionRecord, stage: str, action: str) -> ActionRecord | None:
    """Return the run of an action that counts in a stage, or None where it has not been run there."""
    run = record["stages"].get(stage)
    return None if run is None or action not in run["actions"] else find_action(record, run["actions"][action])


def condition_rules(record: ExecutionRecord, run: ConditionRunRecord) -> list[ActionRecord]:
    """Return the runs of a condition's rules that count."""
    found = (find_action(record, each) for each in run["rules"].values())
    return [each for each in found if each is not None]


def condition_status(record: ExecutionRecord, run: ConditionRunRecord) -> ConditionExecutionStatusType:
    """Return how a condition stands: it is met where each of its rules is."""
    if "overridden_by" in run:
        return "Overridden"
    statuses = {each["status"] for each in condition_rules(record, run)}
    if IN_PROGRESS in statuses:
        return IN_PROGRESS
    if FAILED in statuses:
        return FAILED
    return ABANDONED if ABANDONED in statuses else SUCCEEDED


def stage_names(pipeline: t.PipelineDeclarationOutputTypeDef) -> list[str]:
    """Return the names of a pipeline's stages, in order."""
    return [stage["name"] for stage in pipeline["stages"]]


def find_stage(pipeline: t.PipelineDeclarationOutputTypeDef, name: str) -> t.StageDeclarationOutputTypeDef | None:
    """Return a stage's declaration by its name."""
    return next((stage for stage in pipeline["stages"] if stage["name"] == name), None)


def polled_sources(
    pipeline: t.PipelineDeclarationOutputTypeDef,
) -> Iterator[t.ActionDeclarationOutputTypeDef]:
    """Yield the source actions that are polled: their changes start the pipeline without anybody telling it."""
    for action in pipeline["stages"][0]["actions"]:
        if _provider(action) in POLLED and is_true(action["configuration"], "PollForSourceChanges", default=True):
            yield action


def watched(action: t.ActionDeclarationOutputTypeDef, region: str) -> Key:
    """Return the place that a source action takes its revision from."""
    configuration = action["configuration"]
    if is_connection(action):
        return (CONNECTION.provider, configuration["FullRepositoryId"].lower())
    kind = action["actionTypeId"]
    if kind["owner"] != "AWS":
        return (kind["owner"], kind["provider"], *(f"{key}={value}" for key, value in sorted(configuration.items())))
    if _provider(action) == TypeName("Source", "ECR"):
        return ("ECR", region, configuration["RepositoryName"], configuration.get("ImageTag", "latest"))
    if _provider(action) == TypeName("Source", "CodeCommit"):
        return ("CodeCommit", region, configuration["RepositoryName"], configuration["BranchName"])
    return ("S3", configuration["S3Bucket"], configuration["S3ObjectKey"])


def _provider(action: t.ActionDeclarationOutputTypeDef) -> TypeName:
    return TypeName(action["actionTypeId"]["category"], action["actionTypeId"]["provider"])


def _padded(version: int) -> str:
    return f"{version:010d}"
