"""Releases: every deployment of a service, with the commit and the image that it brought, and what became of it.

What ran is ECS's to say: its service deployments (kept for 90 days) and the service revisions that they aimed at. A
release has the number of its task definition's revision, which never changes and never comes again. Who or what
brought it is the pipeline's to say, which commit an image was built from the registry's tags. An ECS that does not
offer service deployments has the revisions alone to tell: then nobody knows which failed, or how long they took.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.template import names

COPY_TAG = "tidegate:release"  # on a task definition: `7=4`, revision 7 is release 4 again
LIVE, REPLACED, DEPLOYING = "live", "replaced", "deploying"
_OUTCOMES = {
    "PENDING": DEPLOYING,
    "IN_PROGRESS": DEPLOYING,
    "SUCCESSFUL": REPLACED,  # unless it is the one that runs
    "STOP_REQUESTED": "being stopped",
    "STOPPED": "stopped",
    "ROLLBACK_REQUESTED": "being taken back",
    "ROLLBACK_IN_PROGRESS": "being taken back",
    "ROLLBACK_SUCCESSFUL": "taken back",
    "ROLLBACK_FAILED": "failed",
}
_CONTENT = (
    "containerDefinitions",
    "cpu",
    "memory",
    "runtimePlatform",
    "ephemeralStorage",
    "executionRoleArn",
    "taskRoleArn",
    "volumes",
)
_AT_ONCE = 20  # what DescribeServiceDeployments and DescribeServiceRevisions take
_COMMIT = re.compile(r"^[0-9a-f]{7,40}$")
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Release:
    """One deployment of a service. `number` is its task definition's revision; `copy_of` the release that it repeats.

    `seconds` is None while it goes on; `image_gone` says that the registry does not have its image any more. Two
    releases with the same `content` have the same image and the same settings.
    """

    number: int
    definition: str
    outcome: str
    started: datetime
    seconds: float | None = None
    why: str = ""
    copy_of: int | None = None
    image: str = ""
    digest: str = ""
    image_gone: bool = False
    commit: str = ""
    message: str = ""
    by: str = ""
    content: str = ""

    @property
    def succeeded(self) -> bool:
        """Return whether it has served, as far as anybody knows."""
        return self.outcome in (LIVE, REPLACED)

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Origin:
    """What brought a deployment: the commit, its message's first line, and who or what."""

    by: str
    commit: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Action:
    """A deploy action of the pipeline: when it ran, and in which execution."""

    started: datetime
    ended: datetime
    execution: str
    deployment: str


@dataclass(frozen=True, slots=True)
class _Ran:
    """A deployment as ECS tells it; `status` empty: it does not. `images` are digests by container."""

    id: str
    definition: str
    status: str
    created: datetime
    started: datetime
    finished: datetime | None = None
    why: str = ""
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PipelineHistory:
    """The pipeline's deploy actions for one service, and what its executions were about."""

    actions: list[_Action] = field(default_factory=list)
    executions: dict[str, Origin] = field(default_factory=dict)

    def of(self, deployment: str, started: datetime) -> Origin | None:
        """Return what brought a deployment, by its id, or by the deploy action in whose time it began."""
        for action in self.actions:
            if action.deployment == deployment or action.started <= started <= action.ended:
                return self.executions.get(action.execution)
        return None

    def message(self, commit: str) -> str:
        """Return the first line of a commit's message, where the pipeline has seen it."""
        found = (each.message for each in self.executions.values() if commit and each.commit.startswith(commit))
        return next(found, "")


def releases(project: Project, service: str, number: int) -> list[Release]:
    """Return a service's last releases, the newest first; raise `UserError` where there is no such service."""
    ecs = project.session.client("ecs")
    live = running_service(project, service)["taskDefinition"]
    ran = _ran(project, service, number)
    if not ran:
        return []
    with ThreadPoolExecutor(max_workers=8) as pool:
        tags = pool.submit(image_tags, project, service)
        history = pool.submit(_pipeline_history, project, service, min(each.created for each in ran))
        arns = sorted({each.definition for each in ran})
        known = dict(zip(arns, pool.map(lambda arn: _definition(ecs, arn), arns), strict=True))
        found = []
        for place, each in enumerate(ran):
            again = any(each.definition == older.definition for older in ran[place + 1 :])
            release = _release(each, known[each.definition], service, tags.result(), history.result(), again=again)
            if release.outcome == REPLACED and release.definition == live:
                release, live = replace(release, outcome=LIVE), None
            found.append(release)
    return found


def running_service(project: Project, service: str) -> Any:
    """Return a service as DescribeServices answers it; raise `UserError` where it does not run."""
    ecs = project.session.client("ecs")
    try:
        found = ecs.describe_services(cluster=project.cluster, services=[service])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        found = []
    if not found or found[0]["status"] != "ACTIVE":
        raise UserError(f"service {service}", f"it does not run in {project.environment}", "tidegate up")
    return found[0]


def image_tags(project: Project, service: str) -> dict[str, list[str]] | None:
    """Return the tags of every image in a service's repository by digest; None where it cannot be looked into."""
    ecr = project.home.client("ecr")
    found: dict[str, list[str]] = {}
    try:
        for page in ecr.get_paginator("list_images").paginate(
            repositoryName=names.repository(project.app, service), PaginationConfig={"PageSize": 1000}
        ):
            for image in page["imageIds"]:
                found.setdefault(image["imageDigest"], []).extend([image["imageTag"]] if image.get("imageTag") else [])
    except ClientError:
        return None
    return found


def number_of(definition: str) -> int:
    """Return the revision of a task definition's ARN."""
    return int(definition.rpartition(":")[2])


def copied(definition: Any, tags: Sequence[Mapping[str, str]]) -> int | None:
    """Return the release that a task definition repeats.

    A pipeline gives its revisions the tags of the one before: the tag counts only on the revision that it names.
    """
    value = next((tag["value"] for tag in tags if tag["key"] == COPY_TAG), "")
    own, _, origin = value.partition("=")
    return int(origin) if own == str(definition["revision"]) and origin.isdigit() else None


def before(history: Sequence[Release], current: int) -> Release | None:
    """Return the release that was live before a release, or one of the same content, was brought first; None: none was.

    `history` is the newest first. So a rollback never leads to a release that was rolled back from, two rollbacks go
    two releases back, and none leads to what runs already.
    """
    run = next((each for each in history if each.number == current), None)
    if run is None:
        return None
    oldest_first = list(reversed(history))
    first = next(place for place, each in enumerate(oldest_first) if each.content == run.content)
    earlier = [each for each in oldest_first[:first] if each.succeeded]
    return earlier[-1] if earlier else None


def content(definition: Mapping[str, Any]) -> str:
    """Return what is the same for all task definitions with the same image and settings."""
    what = {name: value for name, value in definition.items() if name in _CONTENT and value}
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def principal(arn: str) -> str:
    """Return whom an ARN names: `arn:aws:iam::123456789012:user/ann` -> `ann`."""
    name = arn.rpartition(":")[2]
    return name.partition("/")[2] or name


def _ran(project: Project, service: str, number: int) -> list[_Ran]:
    """Return the last deployments of a service, the newest first."""
    found = _deployments(project.session.client("ecs"), project.cluster, service, number)
    return sorted(found, key=lambda each: each.created, reverse=True)


def _deployments(ecs: Any, cluster: str, service: str, number: int) -> list[_Ran]:
    arns: list[str] = []
    request: dict[str, Any] = {"cluster": cluster, "service": service, "maxResults": min(number, 100)}
    while len(arns) < number:
        answer = ecs.list_service_deployments(**request)
        arns += [each["serviceDeploymentArn"] for each in answer["serviceDeployments"]]
        if not answer.get("nextToken"):
            break
        request["nextToken"] = answer["nextToken"]
    found = []
    for some in _batches(arns[:number]):
        deployments = ecs.describe_service_deployments(serviceDeploymentArns=some)["serviceDeployments"]
        wanted = sorted({each["targetServiceRevision"]["arn"] for each in deployments})
        revisions = {
            each["serviceRevisionArn"]: each
            for each in ecs.describe_service_revisions(serviceRevisionArns=wanted)["serviceRevisions"]
        }
        found += [_deployment(each, revisions[each["targetServiceRevision"]["arn"]]) for each in deployments]
    return found


def _deployment(deployment: Any, revision: Any) -> _Ran:
    status = deployment["status"]
    why = deployment.get("rollback", {}).get("reason") or deployment.get("statusReason") or ""
    return _Ran(
        "ecs-svc/" + deployment["serviceDeploymentArn"].rpartition("/")[2],
        revision["taskDefinition"],
        status,
        deployment["createdAt"],
        deployment.get("startedAt", deployment["createdAt"]),
        deployment.get("finishedAt"),
        "" if status == "SUCCESSFUL" else why,
        {each["containerName"]: each.get("imageDigest", "") for each in revision.get("containerImages", [])},
    )


def _batches(arns: Sequence[str]) -> Iterator[Sequence[str]]:
    return (arns[begin : begin + _AT_ONCE] for begin in range(0, len(arns), _AT_ONCE))


def _definition(ecs: Any, arn: str) -> Any:
    return ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])


def _release(
    ran: _Ran,
    described: Any,
    service: str,
    tags: Mapping[str, list[str]] | None,
    history: PipelineHistory,
    *,
    again: bool,
) -> Release:
    definition = described["taskDefinition"]
    image = next(each["image"] for each in definition["containerDefinitions"] if each["name"] == service)
    # what the task definition says, or what its tag was when it was deployed
    digest = image.rpartition("@")[2] if "@" in image else ran.images.get(service, "")
    copy = copied(definition, described.get("tags", []))
    brought = None if copy else history.of(ran.id, ran.created)
    if brought is None and again:
        brought = Origin("once more")  # new tasks of the same revision: ECS does not tell who wanted them
    elif brought is None:
        who = principal(definition.get("registeredBy", ""))
        brought = Origin(("rollback" if copy else "up") + (f" by {who}" if who else ""))
    commit = brought.commit or _commit((tags or {}).get(digest, []))
    return Release(
        number=number_of(ran.definition),
        definition=ran.definition,
        outcome=_OUTCOMES.get(ran.status, ran.status.lower()),
        started=ran.started,
        seconds=None if ran.finished is None else (ran.finished - ran.started).total_seconds(),
        why=ran.why,
        copy_of=copy,
        image=image,
        digest=digest,
        image_gone=tags is not None and bool(digest) and f"/{service}" in image and digest not in tags,
        commit=commit[:_SHORT],
        message=brought.message or history.message(commit),
        by=brought.by,
        content=content(definition),
    )


def _commit(tags: Sequence[str]) -> str:
    """Return the commit that an image was built from: buildspec.yml tags it so."""
    return next((tag for tag in tags if _COMMIT.match(tag)), "")


def _pipeline_history(project: Project, service: str, since: datetime) -> PipelineHistory:
    """Return what the pipeline has deployed of a service since then; nothing where there is no pipeline."""
    client, name = project.home.client("codepipeline"), names.pipeline(project.app)
    history = PipelineHistory()
    try:
        for page in client.get_paginator("list_action_executions").paginate(pipelineName=name):
            for action in page["actionExecutionDetails"]:
                if deploys(action, project.cluster, service):
                    history.actions.append(_action(action))
            if page["actionExecutionDetails"] and page["actionExecutionDetails"][-1]["startTime"] < since:
                break
        for page in client.get_paginator("list_pipeline_executions").paginate(pipelineName=name):
            for summary in page["pipelineExecutionSummaries"]:
                history.executions[summary["pipelineExecutionId"]] = _origin(summary)
            if page["pipelineExecutionSummaries"] and page["pipelineExecutionSummaries"][-1]["startTime"] < since:
                break
    except client.exceptions.PipelineNotFoundException:
        pass
    return history


def deploys(action: Any, cluster: str, service: str) -> bool:
    """Return whether an action (of ListActionExecutions) deploys a service of a cluster."""
    given = action.get("input", {})
    configuration = given.get("resolvedConfiguration") or given.get("configuration", {})
    wanted = ("ECS", cluster, service)
    provider = given.get("actionTypeId", {}).get("provider")
    return (provider, configuration.get("ClusterName"), configuration.get("ServiceName")) == wanted


def _action(action: Any) -> _Action:
    result = action.get("output", {}).get("executionResult", {})
    return _Action(
        action["startTime"],
        action["lastUpdateTime"],
        action["pipelineExecutionId"],
        result.get("externalExecutionId", ""),
    )


def _origin(summary: Any) -> Origin:
    revision = (summary.get("sourceRevisions") or [{}])[0]
    message = first_line(revision.get("revisionSummary") or "")
    trigger = summary.get("trigger", {})
    kind, who = trigger.get("triggerType", ""), principal(trigger.get("triggerDetail", ""))
    by = {
        "CreatePipeline": "the new pipeline",
        "StartPipelineExecution": f"pipeline start by {who}",
        "ManualRollback": f"pipeline rollback by {who}",
        "AutomatedRollback": "pipeline rollback",
    }.get(kind, "push")
    return Origin(by, revision.get("revisionId", ""), message)


def first_line(summary: str) -> str:
    """Return the first line of the commit message in a revision's summary; CodeConnections wraps it in JSON."""
    if summary.startswith("{"):
        with suppress(ValueError):
            summary = json.loads(summary).get("CommitMessage", "")
    return next(iter(summary.strip().splitlines()), "")
