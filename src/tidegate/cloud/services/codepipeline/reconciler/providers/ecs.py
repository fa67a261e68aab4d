"""Deploy, ECS: the images that a build has made, as a new revision of what a service runs.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import RoleSession
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts, FileTooLargeError, MissingFileError
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    ActionFailedError,
    ActionRun,
    Done,
    Later,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_DEFAULT_FILE = "imagedefinitions.json"
_LARGEST_FILE = 100 * 1024  # bytes
_TOLD_EVENTS = 3
_TOLD_TASKS = 100  # that DescribeTasks takes
# what describes a revision and is no part of what it was registered with
_DESCRIPTION = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
    }
)


class ImageDefinitionsError(Exception):
    """An image definitions file that cannot be used; the message says why."""


class EcsDeploy:
    """Registers the revision, updates the service, and waits until its deployment has arrived or has not."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def advance(self, run: ActionRun) -> Later | Done:
        """Take the next step that is not taken yet."""
        session = await run.session()
        cluster, service = run.configuration["ClusterName"], run.configuration["ServiceName"]
        described = await _service(session, cluster, service)
        if "revision" not in run.progress:
            await self._register(run, session, described)
        if "deployment" not in run.progress:
            described = await _deploy(run, session, cluster, service, described)
        await _tell(run, session, described)
        return _arrived(run, described)

    async def _register(self, run: ActionRun, session: RoleSession, service: t.ServiceTypeDef) -> None:
        """Register the revision, or find the one that was registered before a kill."""
        images = await self._images(run, session)
        if "base" not in run.progress:
            run.keep(base=service["taskDefinition"])
        base = await _definition(session, run.progress["base"])
        wanted = _with_images(base, images)
        newest = await _definition(session, wanted["family"])
        if newest["taskDefinition"]["revision"] > base["taskDefinition"]["revision"] and (
            newest["taskDefinition"]["registeredAt"] >= run.action["started"] and _registration(newest) == wanted
        ):
            arn = newest["taskDefinition"]["taskDefinitionArn"]
        else:
            registered = await session("ecs", "register_task_definition", **wanted)
            arn = registered["taskDefinition"]["taskDefinitionArn"]
        run.keep(revision=arn)

    async def _images(self, run: ActionRun, session: RoleSession) -> dict[str, str]:
        name = run.configuration.get("FileName", _DEFAULT_FILE)
        (place,) = run.inputs.values()
        try:
            return image_definitions(await self._artifacts.read(session, place, name, _LARGEST_FILE))
        except MissingFileError:
            why = f"Did not find the image definition file {name} in the input artifacts ZIP file"
        except FileTooLargeError:
            why = f"The image definition file {name} is larger than {_LARGEST_FILE // 1024} KB"
        except ImageDefinitionsError as error:
            why = f"The image definition file {name} contains invalid content: {error}"
        where = f"Verify the file is stored in your pipeline's Amazon S3 artifact bucket: {place['bucket']} key: "
        raise ActionFailedError(CONFIGURATION_ERROR, f"{why}. {where}{place['key']}")


def image_definitions(content: bytes) -> dict[str, str]:
    """Return the image of each container from an image definitions file; raise `ImageDefinitionsError`.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/file-reference.html#pipelines-create-image-definitions
    """
    try:
        entries = from_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ImageDefinitionsError("it is not UTF-8") from None
    except ValueError as error:
        raise ImageDefinitionsError(f"it is not JSON ({error})") from None
    if not isinstance(entries, list) or not entries:
        raise ImageDefinitionsError("it must be an array of at least one container's name and imageUri")
    images: dict[str, str] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ImageDefinitionsError(f"entry {number} is not an object with a name and an imageUri")
        for member in ("name", "imageUri"):
            if not isinstance(entry.get(member), str) or not entry[member].strip():
                raise ImageDefinitionsError(f"entry {number} has no {member}")
        if entry["name"] in images:
            raise ImageDefinitionsError(f"the container {entry['name']} is there twice")
        images[entry["name"]] = entry["imageUri"].strip()
    return images


async def _service(session: RoleSession, cluster: str, service: str) -> t.ServiceTypeDef:
    try:
        answer = await session("ecs", "describe_services", cluster=cluster, services=[service])
    except ServiceError as error:
        if is_denied(error) or error.code != "ClusterNotFoundException":
            raise
        raise ActionFailedError(CONFIGURATION_ERROR, f"The Amazon ECS cluster {cluster} does not exist") from error
    found: Sequence[t.ServiceTypeDef] = [each for each in answer["services"] if each["status"] == "ACTIVE"]
    if not found:
        raise ActionFailedError(
            CONFIGURATION_ERROR, f"The Amazon ECS service {service} does not exist in the cluster {cluster}"
        )
    return found[0]


async def _definition(session: RoleSession, name: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = await session("ecs", "describe_task_definition", taskDefinition=name, include=["TAGS"])
    return answer


def _registration(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a revision was registered with."""
    request = {
        name: value
        for name, value in described["taskDefinition"].items()
        if name not in _DESCRIPTION and value is not None
    }
    return {**request, "tags": described["tags"]} if described.get("tags") else request


def _with_images(described: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    """Return what a revision is registered with, with other images; raise for a container that it does not have."""
    request = _registration(described)
    known = [each["name"] for each in request["containerDefinitions"]]
    for name in images:
        if name not in known:
            family = described["taskDefinition"]["taskDefinitionArn"].rpartition("/")[2]
            raise ActionFailedError(
                CONFIGURATION_ERROR,
                f"The AWS ECS container {name} does not exist: the containers of the task definition {family} are "
                f"{', '.join(known)}",
            )
    request["containerDefinitions"] = [
        {**each, "image": images.get(each["name"], each["image"])} for each in request["containerDefinitions"]
    ]
    return request


async def _deploy(
    run: ActionRun, session: RoleSession, cluster: str, service: str, described: t.ServiceTypeDef
) -> t.ServiceTypeDef:
    """Have the service run the revision; one that it runs since before a kill it is not given again."""
    revision = run.progress["revision"]
    if not _deployments_of(described, revision):
        answer = await session("ecs", "update_service", cluster=cluster, service=service, taskDefinition=revision)
        described = answer["service"]
    deployment = _deployments_of(described, revision)[0]
    place, name = described["clusterArn"].rpartition("/")[2], described["serviceName"]
    run.keep(
        deployment=deployment["id"],
        waits_for=["ecs.service", run.region, place, name],
        external_id=deployment["id"],
        external_url=console(run.region, f"ecs/home?region={run.region}#/clusters/{place}/services/{name}/events"),
        summary=f"Deploying {revision.rpartition('/')[2]} to the service {name}",
    )
    return described


async def _tell(run: ActionRun, session: RoleSession, service: t.ServiceTypeDef) -> None:
    """Keep in the action's summary how many of the service's tasks run the revision by now."""
    place: Any = {"cluster": service["clusterArn"]}
    listed = await session("ecs", "list_tasks", **place, serviceName=service["serviceName"], maxResults=_TOLD_TASKS)
    tasks = []
    if listed["taskArns"]:
        tasks = (await session("ecs", "describe_tasks", **place, tasks=listed["taskArns"]))["tasks"]
    revision = run.progress["revision"]
    number = sum(each["taskDefinitionArn"] == revision and each["lastStatus"] == "RUNNING" for each in tasks)
    summary = f"Deploying {revision.rpartition('/')[2]} to the service {service['serviceName']}: {number} running"
    if summary != run.action.get("summary"):
        run.keep(summary=summary)


def _deployments_of(service: t.ServiceTypeDef, revision: str) -> list[t.DeploymentTypeDef]:
    return [each for each in service["deployments"] if each.get("taskDefinition") == revision]


def _arrived(run: ActionRun, service: t.ServiceTypeDef) -> Later | Done:
    """Return whether the deployment has arrived; raise where it has failed or another one is in its place."""
    own = next((each for each in service["deployments"] if each["id"] == run.progress["deployment"]), None)
    family = run.progress["revision"].rpartition("/")[2]
    if own is not None and own.get("rolloutState") == "FAILED":
        raise _undone(service, f"The deployment of {family} failed: {own.get('rolloutStateReason', '')}")
    primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
    if own is None or own["id"] != primary["id"]:
        reason = primary.get("rolloutStateReason", "")
        raise _undone(service, f"The deployment of {family} was replaced by the deployment {primary['id']}: {reason}")
    if own.get("rolloutState") == "COMPLETED":
        return Done(summary=f"{family} is deployed to the service {service['serviceName']}")
    return Later()


def _undone(service: t.ServiceTypeDef, why: str) -> ActionFailedError:
    events = " ".join(each["message"] for each in service.get("events", [])[:_TOLD_EVENTS])
    return ActionFailedError(JOB_FAILED, f"{why} Last events: {events}" if events else why)
