"""CodeBuild's records: projects, builds, report groups and reports; `codebuild.build` by (region, build id)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

CODEPIPELINE = "codepipeline.amazonaws.com"
# what the builds begin with that CodePipeline runs for its own actions: no project of the account has a slash
MANAGED = "codepipeline/"
MOST_RUNNING = 20  # builds of the account at once; more wait in the queue


class ProjectRecord(TypedDict):
    """A project as AWS shows it, and the number of its last build."""

    project: t.ProjectTypeDef
    builds: int
    cache_generation: NotRequired[int]  # grows when its cache is invalidated
    batches: NotRequired[int]  # the number of its last batch


class BuildRecord(TypedDict):
    """A build as AWS shows it, and what only the local cloud knows of it."""

    build: t.BuildTypeDef
    order: int  # grows with every build of the region
    token: str | None  # of the request that started it
    request: dict[str, Any]  # that request, for a retry
    artifacts: t.ProjectArtifactsTypeDef  # where they go, as the project or the override has it
    secondary_artifacts: list[t.ProjectArtifactsTypeDef]
    logs: t.LogsConfigTypeDef
    stop: bool  # somebody asked for it to be stopped
    starts: int  # how often it was begun: more than once after a kill
    announced: str | None  # the status that EventBridge has heard of
    cache_generation: NotRequired[int]  # of the project, when the build was started


class BatchRecord(TypedDict):
    """A batch of builds as AWS shows it, and what only the local cloud knows of it."""

    batch: t.BuildBatchTypeDef
    order: int  # grows with every build and batch of the region
    token: str | None  # of the request that started it
    retry: dict[str, Any] | None  # the last request that started it again
    request: dict[str, Any]
    artifacts: t.ProjectArtifactsTypeDef  # where they go, as the project or the override has it
    fast_fail: bool
    builds: list[dict[str, Any]]  # what the specification asks for; empty until it was read
    stop: bool  # somebody asked for it to be stopped
    fault: list[str] | None  # the code and the message of what its builds could not be started or stopped for


class ReportRecord(TypedDict):
    """A report as AWS shows it. What is in it is in records of its own."""

    report: t.ReportTypeDef
    order: int  # grows with every report of the region


class CounterRecord(TypedDict):
    """A number that only grows."""

    last: int


class CodeBuildModel:
    """Projects and report groups by region and name, builds and reports by region and id."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.store = store
        self.projects = Collection[ProjectRecord](store, "codebuild.project")
        self.builds = Collection[BuildRecord](store, "codebuild.build")
        self.batches = Collection[BatchRecord](store, "codebuild.batch")  # by region, `PROJECT:UUID`
        self.report_groups = Collection["t.ReportGroupTypeDef"](store, "codebuild.reportgroup")  # by region, name
        self.reports = Collection[ReportRecord](store, "codebuild.report")  # by region, `GROUP:UUID`
        self.cases = Collection["t.TestCaseTypeDef"](store, "codebuild.testcase")  # by region, report, number
        self.coverages = Collection["t.CodeCoverageTypeDef"](store, "codebuild.coverage")  # the same
        self._counters = Collection[CounterRecord](store, "codebuild.counter")

    def project_arn(self, region: str, name: str) -> str:
        """Return a project's ARN."""
        return f"arn:aws:codebuild:{region}:{self.account}:project/{name}"

    def pipeline_arn(self, region: str, name: str) -> str:
        """Return the ARN of a pipeline, whose managed builds there may be."""
        return f"arn:aws:codepipeline:{region}:{self.account}:{name}"

    def build_arn(self, region: str, identity: str) -> str:
        """Return a build's ARN."""
        return f"arn:aws:codebuild:{region}:{self.account}:build/{identity}"

    def batch_arn(self, region: str, identity: str) -> str:
        """Return the ARN of a batch of builds."""
        return f"arn:aws:codebuild:{region}:{self.account}:build-batch/{identity}"

    def report_group_arn(self, region: str, name: str) -> str:
        """Return a report group's ARN."""
        return f"arn:aws:codebuild:{region}:{self.account}:report-group/{name}"

    def report_arn(self, region: str, identity: str) -> str:
        """Return a report's ARN; its identity is `GROUP:UUID`."""
        return f"arn:aws:codebuild:{region}:{self.account}:report/{identity}"

    def reports_of(self, region: str, now: datetime, group: str | None = None) -> list[ReportRecord]:
        """Return the reports of a region, or of one of its groups, that have not expired, oldest first."""
        starting = "" if group is None else f"{group}:"
        found = (record for _, record in self.reports.items(region, starting=starting))
        return sorted((each for each in found if each["report"]["expired"] > now), key=lambda each: each["order"])

    def delete_report(self, region: str, identity: str) -> None:
        """Delete a report and what is in it."""
        with self.store.transaction():
            for contents in (self.cases, self.coverages):
                for key, _ in list(contents.items(region, identity)):
                    contents.delete(*key)
            self.reports.delete(region, identity)

    def next_order(self, region: str) -> int:
        """Return a number above that of every build of the region."""
        last = (self._counters.get(region) or {"last": 0})["last"] + 1
        self._counters.put((region,), {"last": last})
        return last

    def builds_of(self, region: str, project: str | None = None) -> list[BuildRecord]:
        """Return the builds of a region, or of one of its projects, oldest first."""
        starting = "" if project is None else f"{project}:"
        return sorted(
            (record for _, record in self.builds.items(region, starting=starting)), key=lambda each: each["order"]
        )

    def batches_of(self, region: str, project: str | None = None) -> list[BatchRecord]:
        """Return the batches of a region, or of one of its projects, oldest first."""
        starting = "" if project is None else f"{project}:"
        found = (record for _, record in self.batches.items(region, starting=starting))
        return sorted(found, key=lambda each: each["order"])

    def batch_key(self, build: Key) -> list[Key]:
        """Return the batch that a build is of, as one that it concerns."""
        record = self.builds.get(*build)
        arn = None if record is None else record["build"].get("buildBatchArn")
        return [] if arn is None else [(build[0], batch_id(arn))]

    def open_batches(self) -> list[Key]:
        """Return the batches that are not over."""
        return [key for key, record in self.batches.items() if not record["batch"]["complete"]]

    def open_keys(self) -> list[Key]:
        """Return the builds that are not over, or whose end EventBridge has not heard of."""
        return [key for key, record in self.builds.items() if is_open(record)]


def managed_pipeline(project: str) -> str | None:
    """Return the pipeline that a build is of by its project's name; None for one of an ordinary project."""
    return project.removeprefix(MANAGED) if project.startswith(MANAGED) else None


def batch_id(identity: str) -> str:
    """Return a batch's id from its id or its ARN."""
    return identity.partition(":build-batch/")[2] if identity.startswith("arn:") else identity


def is_open(record: BuildRecord) -> bool:
    """Return whether there is still something to do about a build."""
    build = record["build"]
    return not build["buildComplete"] or record["announced"] != build["buildStatus"]


def is_begun(record: BuildRecord) -> bool:
    """Return whether a build has left the queue and is not over."""
    build = record["build"]
    return not build["buildComplete"] and build["currentPhase"] not in ("SUBMITTED", "QUEUED")


def begin_phase(build: Any, phase: Any, now: datetime) -> None:
    """Let a build, or a batch of them, enter a phase."""
    build["currentPhase"] = phase
    build["phases"] = [*build.get("phases", []), {"phaseType": phase, "startTime": now}]


def end_phase(build: Any, status: Any, now: datetime, code: str = "", message: str = "") -> None:
    """Let a build, or a batch of them, leave the phase that it is in."""
    phases = list(build["phases"])
    last = phases[-1]
    phases[-1] = {
        "phaseType": last["phaseType"],
        "phaseStatus": status,
        "startTime": last["startTime"],
        "endTime": now,
        "durationInSeconds": int((now - last["startTime"]).total_seconds()),
        "contexts": [{"statusCode": code, "message": message}],
    }
    build["phases"] = phases


def complete(build: t.BuildTypeDef, status: Any, now: datetime) -> None:
    """End a build."""
    begin_phase(build, "COMPLETED", now)
    build["buildStatus"] = status
    build["buildComplete"] = True
    build["endTime"] = now
