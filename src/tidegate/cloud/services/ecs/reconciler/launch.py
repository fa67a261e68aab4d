"""Creates a task's containers: images pulled as the execution role, secrets, log streams, environment.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.docker.images import Image, Images
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.values import (
    ContainerError,
    ContainerSpec,
    HealthProbe,
    ImageError,
    RegistryLogin,
)
from tidegate.cloud.services.ecs.containers import container_values, local_image, with_digest
from tidegate.cloud.services.ecs.definition import is_from_ecr
from tidegate.cloud.services.ecs.model import EcsModel, TaskRecord, pod_name
from tidegate.cloud.services.ecs.reconciler.endpoint import TaskEndpoint
from tidegate.cloud.services.ecs.reconciler.logs import LogShipper
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.services.ecs.reconciler.secrets import Given, NotRetrievedError, Secrets
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


_OTHER_REGION = re.compile(r"aws--([^/]+)/(.+)")  # how the registry names what is not in its own region


class TaskFailedError(Exception):
    """A task cannot go on: ECS's stop code and reason, and the container at fault where it is one."""

    def __init__(self, reason: str, code: str = "TaskFailedToStart", container: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.container = container


class Pulled(NamedTuple):
    """What containers are made of, in their order: their images, and the secrets and files that they are given."""

    images: Sequence[Image]
    given: Mapping[str, Given]


class Launcher:
    """Brings containers into being."""

    def __init__(
        self,
        model: EcsModel,
        pods: Pods,
        images: Images,
        roles: Roles,
        secrets: Secrets,
        shipper: LogShipper,
        endpoint: TaskEndpoint,
        registry: str,
        home_region: str,
    ) -> None:
        """`registry` is the local registry's address; it serves `home_region` by plain names."""
        self._model = model
        self._pods = pods
        self._images = images
        self._roles = roles
        self._secrets = secrets
        self._shipper = shipper
        self._endpoint = endpoint
        self._registry = registry
        self._home_region = home_region

    async def pull(self, key: Key, record: TaskRecord, containers: Sequence[Mapping[str, Any]]) -> Pulled:
        """Retrieve these containers' secrets, pull their images, and return both; raise `TaskFailedError`."""
        try:
            given = await self._secrets.given(key, record, containers)
        except NotRetrievedError as error:
            raise TaskFailedError(str(error)) from None
        login = await self._login(record, containers)
        pulls = (self._pull(key, record, each, login) for each in containers)
        images = []
        for image in await asyncio.gather(*pulls, return_exceptions=True):
            if isinstance(image, BaseException):
                raise image
            images.append(image)
        return Pulled(images, given)

    async def create(
        self,
        key: Key,
        record: TaskRecord,
        definition: t.TaskDefinitionTypeDef,
        containers: Sequence[Mapping[str, Any]],
        pulled: Pulled,
    ) -> None:
        """Create these containers from what was pulled for them; raise `TaskFailedError`."""
        volumes = await self._pods.ensure_volumes(pod_name(key), [volume["name"] for volume in definition["volumes"]])

        async def create(container: Mapping[str, Any], image: Image) -> None:
            await self._open_logs(record, container, key[2])
            await self._add(key, record, definition, container, image, volumes, pulled.given[container["name"]])

        work = (create(container, image) for container, image in zip(containers, pulled.images, strict=True))
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _login(self, record: TaskRecord, containers: Sequence[Mapping[str, Any]]) -> RegistryLogin | None:
        if not any(is_from_ecr(each["image"], self._registry) for each in containers):
            return None
        try:
            caller = await self._roles.execution(record)
            answer = await caller("ecr", "get_authorization_token")
        except ServiceError as error:
            raise TaskFailedError(
                "ResourceInitializationError: unable to pull secrets or registry auth: "
                f"execution resource retrieval failed: {error.code}: {error.message}"
            ) from error
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        user, _, password = token.partition(":")
        return RegistryLogin(user, password)

    async def _pull(
        self, key: Key, record: TaskRecord, container: Mapping[str, Any], login: RegistryLogin | None
    ) -> Image:
        name = local_image(container["image"], self._registry, key[0], self._home_region)
        name = with_digest(name, record["images"].get(container["name"]))
        try:
            if name.startswith(f"{self._registry}/"):
                await self._may_download(record, name)
                image = await self._images.pull(name, login)
            else:
                image = await self._here_or_pulled(name)
        except ImageError as error:
            raise TaskFailedError(f"CannotPullContainerError: {error}", container=container["name"]) from error

        def pulled(record: TaskRecord) -> None:
            for each in record["task"]["containers"]:
                if each["name"] == container["name"] and image.digest is not None:
                    each["imageDigest"] = image.digest

        self._model.tasks.update(key, pulled)
        return image

    async def _may_download(self, record: TaskRecord, name: str) -> None:
        """Raise unless the execution role may have an image: Fargate asks for all of it, this engine for what it lacks.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html
        """
        place = name.removeprefix(f"{self._registry}/").partition("@")[0].partition(":")[0]
        elsewhere = _OTHER_REGION.fullmatch(place)
        region, repository = elsewhere.groups() if elsewhere else (self._home_region, place)
        try:
            session = await self._roles.execution(record)
            arn = f"arn:aws:ecr:{region}:{session.principal.account}:repository/{repository}"
            for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
                session.authorize(action, arn)
        except ServiceError as error:
            raise ImageError(f"failed to copy: httpReadSeeker: failed open: {error.message}") from error

    async def _here_or_pulled(self, name: str) -> Image:
        """Return an image of another registry: the engine's own copy where it has one (a laptop may be offline)."""
        try:
            return await self._images.inspect(name)
        except ImageError:
            return await self._images.pull(name)

    async def _open_logs(self, record: TaskRecord, container: Mapping[str, Any], task_id: str) -> None:
        try:
            await self._shipper.open(record, container, task_id)
        except ServiceError as error:
            raise TaskFailedError(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                f"failed to create Cloudwatch log stream: {error.code}: {error.message}",
                container=container["name"],
            ) from error

    async def _add(
        self,
        key: Key,
        record: TaskRecord,
        definition: t.TaskDefinitionTypeDef,
        container: Mapping[str, Any],
        image: Image,
        volumes: Mapping[str, str],
        given: Given,
    ) -> None:
        region, _, _ = key
        environment = {
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **await self._endpoint.environment(record, container["name"]),
            **given.files,
        }
        values = container_values(definition, container, record, environment, volumes)
        values["environment"] |= given.secrets
        probe = values.pop("probe", None)
        spec = ContainerSpec(image=image.id, probe=HealthProbe(**probe) if probe else None, **values)
        try:
            await self._pods.add(pod_name(key), spec, image.id)
        except ContainerError as error:
            raise TaskFailedError(f"CannotCreateContainerError: {error}", container=container["name"]) from error
