"""Back to a release that ran before: its image with its settings, deployed again as a release of its own.

It is registered again, as a copy, rather than run as the revision that it is: a stack that was updated since has
deregistered its revision, and jobs run the newest revision of the family, which has to be the one that serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.deployments import follow
from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.progress import StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.releases import COPY_TAG, before, content, copied, image_tags, number_of, releases, running_service
from tidegate.template import names

_LOOKED_BACK = 100  # deployments
_ROLES = ("executionRoleArn", "taskRoleArn")
_LISTS = ("environment", "secrets")  # settings of a container that have names of their own


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback would do: from which release to which, and in which settings they differ.

    `under_way` is the commit that the pipeline is about to deploy over it, empty where there is none.
    """

    service: str
    current: int
    target: int
    definition: Any
    tags: list[dict[str, str]]
    settings: list[str]
    under_way: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback that serves: the number that the release has got, and how many seconds it took."""

    number: int
    seconds: float


def prepare(project: Project, service: str, number: int | None) -> Rollback:
    """Return what a rollback to release `number` (None: the one before) would do.

    Raises `UserError` for what cannot be: no such release, no earlier one, an image that is gone, what runs already.
    """
    ecs = project.session.client("ecs")
    current = number_of(running_service(project, service)["taskDefinition"])
    if number is None:
        history = releases(project, service, _LOOKED_BACK)
        earlier = before(history, current)
        if earlier is None:
            raise UserError(
                f"rollback of {service}", "no release before this one has ever served", f"tidegate history {service}"
            )
        number = earlier.copy_of or earlier.number
    now = _described(ecs, project, service, current)
    then = _described(ecs, project, service, number)
    definition = then["taskDefinition"]
    if content(definition) == content(now["taskDefinition"]):
        why = "it is what runs" if number == current else f"what runs is the same: release {current}"
        raise UserError(f"release {number}", why, f"tidegate history {service}")
    number = copied(definition, then.get("tags", [])) or number
    _check_image(project, service, number, _container(definition, service)["image"])
    return Rollback(
        service,
        current,
        number,
        definition,
        [tag for tag in then.get("tags", []) if tag["key"] != COPY_TAG and not tag["key"].startswith("aws:")],
        list(differences(now["taskDefinition"], definition)),
        _under_way(project),
    )


def roll_back(project: Project, prepared: Rollback) -> RolledBack:
    """Deploy the release again and wait until it serves; raise `UserError` where it does not."""
    ecs, service = project.session.client("ecs"), prepared.service
    known = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    request = {name: value for name, value in prepared.definition.items() if name in known}
    if prepared.tags:
        request["tags"] = prepared.tags
    arn = ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    number = number_of(arn)
    ecs.tag_resource(resourceArn=arn, tags=[{"key": COPY_TAG, "value": f"{number}={prepared.target}"}])
    answer = ecs.update_service(cluster=project.cluster, service=service, taskDefinition=arn)
    deployment = next(each for each in answer["service"]["deployments"] if each["taskDefinition"] == arn)
    try:
        return RolledBack(number, follow(project, service, deployment))
    except (KeyboardInterrupt, StoppedError):  # the same command again would go back further
        raise UserError("stopped", "the rollback goes on by itself", "tidegate status") from None


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    """Yield in which settings two task definitions differ; images are no settings."""
    for name in ("cpu", "memory", "runtimePlatform", "ephemeralStorage", *_ROLES, "volumes"):
        if (now.get(name) or None) != (then.get(name) or None):
            yield _words(name)
    own, other = ({each["name"]: each for each in definition["containerDefinitions"]} for definition in (now, then))
    for name in sorted(own.keys() | other.keys()):
        if name not in own or name not in other:
            yield f"container {name}"
            continue
        yield from _container_differences(own[name], other[name])


def _container_differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(now.keys() | then.keys()):
        first, second = now.get(key) or None, then.get(key) or None
        if key in ("name", "image") or first == second:
            continue
        if key not in _LISTS:
            yield f"{_words(key)} of {now['name']}"
            continue
        own, other = ({each["name"]: each for each in some or []} for some in (first, second))
        yield from (name for name in sorted(own.keys() | other.keys()) if own.get(name) != other.get(name))


def _words(key: str) -> str:
    """Return a member's name as people read it: `executionRoleArn` -> `execution role`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)
    return spaced.removesuffix(" arn")


def _described(ecs: Any, project: Project, service: str, number: int) -> Any:
    family = names.service_stack(project.app, project.environment, service)
    try:
        answer = ecs.describe_task_definition(taskDefinition=f"{family}:{number}", include=["TAGS"])
    except ClientError as error:
        why = error.response["Error"]["Message"]
        if "Unable to describe task definition" in why:
            why = f"{service} has none of this number in {project.environment}"
        raise UserError(f"release {number}", why, f"tidegate history {service}") from error
    return answer


def _container(definition: Any, service: str) -> Any:
    return next(each for each in definition["containerDefinitions"] if each["name"] == service)


def _check_image(project: Project, service: str, number: int, image: str) -> None:
    """Raise where the registry does not have the image any more; what is in another registry is not looked into."""
    repository = names.repository(project.app, service)
    place, _, digest = image.partition("@")
    tag = place.rpartition("/")[2].partition(":")[2]
    if place.removesuffix(f":{tag}").partition("/")[2] != repository:
        return
    known = image_tags(project, service)
    if known is None or digest in known or (not digest and any(tag in tags for tags in known.values())):
        return
    kept = f"the registry does not have its image {digest[:19] or tag} any more"
    raise UserError(f"release {number}", kept, f"tidegate history {service}")


def _under_way(project: Project) -> str:
    for summary in Executions(project).summaries():
        if summary["status"] == "InProgress":
            revision = (summary.get("sourceRevisions") or [{}])[0]
            return str(revision.get("revisionId", ""))[:8] or "a new commit"
    return ""
