"""ECS Exec: a command in a container that runs. What is answered is where to talk to it; see `reconciler.sessions`."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.api.shared import cluster_arn, find_task, in_cluster, task_arn
from tidegate.cloud.services.ecs.containers import role
from tidegate.cloud.services.ecs.model import (
    DATA_CHANNEL,
    RUNNING,
    EcsModel,
    SessionRecord,
    TaskRecord,
    cluster_name,
    resource_id,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_VALID = timedelta(minutes=2)  # a session that nobody connects to by then is over
# what the agent in the container needs: these actions know no resource
_NEEDED = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
_NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn't running. Wait and try again or run a new task with execute command enabled and try again."
)


class ExecutionApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock, endpoint: str) -> None:
        """`endpoint` is the daemon's own address, which the data channel is at."""
        self.model = model
        self._calls = calls
        self._clock = clock
        self._endpoint = endpoint

    @operation(
        resource=lambda api, context, request: [
            cluster_arn(api, context, request),
            task_arn(api, context, request),
        ],
        conditions=lambda api, context, request: {
            **in_cluster(api, context, request),
            **({"ecs:container-name": request["container"]} if "container" in request else {}),
        },
    )
    async def execute_command(self, context: Context, request: t.ExecuteCommandRequestTypeDef) -> Mapping[str, Any]:
        """Have a command run once somebody brings the token."""
        record = find_task(self.model, context, request.get("cluster"), request["task"])
        if not request["interactive"]:
            raise _invalid("Interactive is the only mode supported currently.")
        _check_command(request["command"])
        container = _container(record, request.get("container"))
        agents = container.get("managedAgents", [])
        if not record["task"]["enableExecuteCommand"] or not any(each["lastStatus"] == RUNNING for each in agents):
            raise _invalid(_NOT_ENABLED)
        if container["lastStatus"] != RUNNING or record["task"]["lastStatus"] != RUNNING:
            raise _invalid(_NOT_ENABLED)
        await self._check_role(context, record)
        session = f"ecs-execute-command-{self._clock.hex(17)}"
        token = self._clock.secret(96)
        now = self._clock.now()
        for key, each in self.model.sessions.items(context.region):
            if each["expires"] < now:
                self.model.sessions.delete(*key)
        known: SessionRecord = {
            "token": hashlib.sha256(token.encode()).hexdigest(),
            "expires": now + _VALID,
            "cluster": cluster_name(request.get("cluster")),
            "task": resource_id(record["task"]["taskArn"]),
            "container": container["name"],
            "command": request["command"],
        }
        self.model.sessions.put((context.region, session), known)
        url = f"ws://{self._endpoint}{DATA_CHANNEL}{session}?role=publish_subscribe"
        return {
            "clusterArn": record["task"]["clusterArn"],
            "containerArn": container["containerArn"],
            "containerName": container["name"],
            "interactive": True,
            "session": {"sessionId": session, "streamUrl": url, "tokenValue": token},
            "taskArn": record["task"]["taskArn"],
        }

    async def _check_role(self, context: Context, record: TaskRecord) -> None:
        """Raise what ECS answers where the agent could not have connected, for the task's role does not let it."""
        definition = self.model.definition_by_arn(record["definition"])
        arn = None if definition is None else role(record, definition["definition"], "taskRoleArn")
        try:
            if arn is None:
                raise ServiceError("AccessDenied", "the task has no role")
            task_id = resource_id(record["task"]["taskArn"])
            session = await self._calls.as_role(arn, "ecs-tasks.amazonaws.com", task_id, context.region)
            for name in _NEEDED:
                session.authorize(f"ssmmessages:{name}", "*")
        except ServiceError as error:
            raise ServiceError(
                "TargetNotConnectedException",
                f"The execute command failed due to an internal error. Try again later. ({error.message})",
            ) from error


def _container(record: TaskRecord, name: str | None) -> t.ContainerTypeDef:
    containers = record["task"]["containers"]
    if name is None:
        if len(containers) > 1:
            raise _invalid("A container name must be specified for tasks with multiple containers.")
        return containers[0]
    found = next((each for each in containers if each["name"] == name), None)
    if found is None:
        raise _invalid(f"The container {name} was not found in the task.")
    return found


def _check_command(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _invalid(f"The command cannot be read: {error}.") from error
    if not words:
        raise _invalid("Command cannot be empty.")


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
