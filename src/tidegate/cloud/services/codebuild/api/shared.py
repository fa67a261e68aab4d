"""What CodeBuild's operations have in common: checks of sources, artifacts, environments and logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.mirrors import HOSTS
from tidegate.cloud.paging import page
from tidegate.cloud.services.codebuild.buildspec import MOST_BUILDS
from tidegate.cloud.services.codebuild.model import BatchRecord, BuildRecord, batch_id

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_HOSTED = {"GITHUB": HOSTS["GitHub"], "GITLAB": HOSTS["GitLab"], "BITBUCKET": HOSTS["Bitbucket"]}
_SOURCES = frozenset({"CODECOMMIT", "CODEPIPELINE", "S3", "NO_SOURCE", *_HOSTED})
_CONNECTION = re.compile(r"^arn:aws(-[\w]+)*:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+$")
_NAMESPACE = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)?")
_SHORTEST_BATCH, _LONGEST_BATCH = 5, 2160  # minutes
_ENVIRONMENTS = frozenset({"LINUX_CONTAINER", "ARM_CONTAINER"})
_TOKEN_LIFE = timedelta(minutes=5)

Started = TypeVar("Started", BuildRecord, BatchRecord)


def invalid(message: str) -> ServiceError:
    """Refuse an input."""
    return ServiceError("InvalidInputException", message)


def check_role(calls: Calls, context: Context, role: str) -> None:
    """Authorize handing a role to CodeBuild."""
    if not role.startswith("arn:aws:iam::"):
        raise invalid(f"Invalid service role: Service role account ID does not match caller's account: {role}")
    calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": "codebuild.amazonaws.com"})


def check_batch_config(calls: Calls, context: Context, config: Any) -> None:
    """Raise for settings of a project's batches that cannot be; authorize handing their role to CodeBuild."""
    if "serviceRole" in config:
        check_role(calls, context, config["serviceRole"])
    if not _SHORTEST_BATCH <= config.get("timeoutInMins", _SHORTEST_BATCH) <= _LONGEST_BATCH:
        raise invalid(f"Invalid build batch config: timeoutInMins is from {_SHORTEST_BATCH} to {_LONGEST_BATCH}")
    if not 1 <= config.get("restrictions", {}).get("maximumBuildsAllowed", 1) <= MOST_BUILDS:
        raise invalid(f"Invalid build batch config: maximumBuildsAllowed is from 1 to {MOST_BUILDS}")


def check_source(source: t.ProjectSourceTypeDef, *, primary: bool = True) -> None:
    """Raise where a source cannot be built from."""
    kind = source["type"]
    if kind not in _SOURCES:
        raise not_offered(f"codebuild source type {kind}")
    if kind in ("CODECOMMIT", "S3", *_HOSTED) and not source.get("location"):
        raise invalid(f"Invalid project source: location must be given for source type {kind}")
    if kind == "S3" and "/" not in source["location"].removeprefix("arn:aws:s3:::"):
        raise invalid("Invalid project source: location must be a valid S3 source: bucket/path")
    if kind in _HOSTED and not source["location"].startswith(f"https://{_HOSTED[kind]}/"):
        raise invalid(f"Invalid project source: location must be a valid {kind} repository URL")
    auth = source.get("auth")
    if auth is not None:
        if auth["type"] != "CODECONNECTIONS":
            raise not_offered(f"codebuild source auth {auth['type']}")
        if not _CONNECTION.match(auth.get("resource", "")):
            raise invalid("Invalid project source: auth resource must be the ARN of a connection")
        if kind not in _HOSTED:
            raise invalid(f"Invalid project source: auth is not supported for source type {kind}")
    if kind == "NO_SOURCE" and primary and "\n" not in source.get("buildspec", ""):
        raise invalid("No-source projects must have a buildspec provided inline, as YAML")
    if not primary and not source.get("sourceIdentifier"):
        raise invalid("Invalid secondary source: sourceIdentifier must be given")


def check_artifacts(artifacts: t.ProjectArtifactsTypeDef, source: str, *, primary: bool = True) -> None:
    """Raise where artifacts have no place to go, or a pipeline's are asked for without a pipeline's source."""
    kind = artifacts["type"]
    if kind == "S3" and not artifacts.get("location"):
        raise invalid("Invalid artifacts: location must be given for artifacts type S3")
    if primary and kind != "NO_ARTIFACTS" and (kind == "CODEPIPELINE") is not (source == "CODEPIPELINE"):
        raise invalid("Invalid artifacts: artifact type CODEPIPELINE goes with source type CODEPIPELINE, and no other")
    if not primary and not artifacts.get("artifactIdentifier"):
        raise invalid("Invalid secondary artifacts: artifactIdentifier must be given")


def check_environment(environment: t.ProjectEnvironmentOutputTypeDef) -> None:
    """Raise where there is no such environment here."""
    if environment["type"] not in _ENVIRONMENTS:
        raise not_offered(f"codebuild environment type {environment['type']}")
    if not environment["computeType"].startswith("BUILD_GENERAL1_"):
        raise not_offered(f"codebuild compute type {environment['computeType']}")


def check_cache(cache: t.ProjectCacheOutputTypeDef | None) -> None:
    """Raise for a cache that has no place. The container engine keeps its layers, and git its objects, by itself."""
    if cache is None or cache["type"] == "NO_CACHE":
        return
    if cache["type"] == "S3" and not cache.get("location", "").removeprefix("arn:aws:s3:::").strip("/"):
        raise invalid("Invalid cache: location must be given for cache type S3, as bucket/prefix")
    if cache["type"] == "LOCAL" and not cache.get("modes"):
        raise invalid("Invalid cache: modes must be given for cache type LOCAL")
    if not _NAMESPACE.fullmatch(cache.get("cacheNamespace", "")):
        raise invalid("Invalid cache: cacheNamespace has letters, digits, hyphens, underscores and dots")


def check_logs(logs: t.LogsConfigTypeDef | None) -> None:
    """Raise for logs that go to S3, but not where."""
    copy = (logs or {}).get("s3Logs", {})
    if copy.get("status") == "ENABLED" and not copy.get("location", "").removeprefix("arn:aws:s3:::").strip("/"):
        raise invalid("Invalid logs config: location must be given for S3 logs, as bucket/prefix")


def project_of(identity: str) -> str:
    """Return the project's name in the id or ARN of a build or a batch."""
    return batch_id(build_id(identity)).partition(":")[0]


def build_id(identity: str) -> str:
    """Return a build's id from its id or its ARN."""
    return identity.partition(":build/")[2] if ":build/" in identity else identity


def project_name(name: str) -> str:
    """Return a project's name from its name or its ARN."""
    return name.partition(":project/")[2] if name.startswith("arn:") else name


def named_project_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a project is authorized on."""
    name = request.get("name", request.get("projectName", ""))
    return str(api.model.project_arn(context.region, project_name(name)))


def projects_of_ids(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    """Return the ARNs that an operation on builds, or on batches, by their ids is authorized on."""
    return sorted({api.model.project_arn(context.region, project_of(each)) for each in request["ids"]})


def no_project(arn: str) -> ServiceError:
    """Refuse a project that is not there."""
    return ServiceError("ResourceNotFoundException", f"Project cannot be found: {arn}")


def started_already(records: Iterable[Started], request: Mapping[str, Any], now: datetime) -> Started | None:
    """Return the record that the same request, told by its idempotency token, has made in the last five minutes.

    Raises where the token came with another request before.
    """
    token = request.get("idempotencyToken")
    for record in records if token is not None else ():
        if record["token"] == token and is_remembered(_began(record), now):
            if record["request"] != dict(request):
                raise invalid("Idempotency token was used for another request before")
            return record
    return None


def is_remembered(moment: datetime, now: datetime) -> bool:
    """Return whether the idempotency token of a request still counts."""
    return now - moment < _TOKEN_LIFE


def _began(record: Any) -> datetime:
    began: datetime = (record.get("build") or record["batch"])["startTime"]
    return began


def report_id(arn: str) -> str:
    """Return a report's identity, `GROUP:UUID`, from its ARN."""
    return arn.partition(":report/")[2] if arn.startswith("arn:") else arn


def group_name(arn: str) -> str:
    """Return a report group's name from its name, its ARN or that of one of its reports."""
    if ":report/" in arn:
        return report_id(arn).partition(":")[0]
    return arn.partition(":report-group/")[2] if arn.startswith("arn:") else arn


def listed(records: Sequence[tuple[int, str]], request: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return a page of ids, the newest first unless asked otherwise; `records` are places that grow, and ids."""
    ordered = list(records)
    if request.get("sortOrder", "DESCENDING") == "DESCENDING":
        # a page's token holds the last place seen: places that grow, whichever way is asked for
        ordered = [(10**9 - order, identity) for order, identity in reversed(ordered)]
    chosen, token = page(
        ordered, request.get("nextToken"), most, key=lambda each: f"{each[0]:010d}", invalid="InvalidInputException"
    )
    return {"ids": [identity for _, identity in chosen], **({"nextToken": token} if token else {})}
