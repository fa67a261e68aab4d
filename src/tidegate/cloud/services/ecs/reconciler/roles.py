"""The two roles of a task, assumed when they are needed."""

from __future__ import annotations

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.containers import role
from tidegate.cloud.services.ecs.model import EcsModel, TaskRecord, task_key

_SERVICE = "ecs-tasks.amazonaws.com"


class Roles:
    """Sessions of a task's execution role (images, logs, secrets) and of its task role (the application)."""

    def __init__(self, model: EcsModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    async def execution(self, record: TaskRecord, region: str | None = None) -> RoleSession:
        """Return a session of the execution role, to call in `region`; raise `ServiceError`."""
        return await self._assume(record, "executionRoleArn", region)

    async def task(self, record: TaskRecord) -> RoleSession:
        """Return a session of the task role; raise `ServiceError`."""
        return await self._assume(record, "taskRoleArn", None)

    async def _assume(self, record: TaskRecord, kind: str, region: str | None) -> RoleSession:
        definition = self._model.definition_by_arn(record["definition"])
        arn = None if definition is None else role(record, definition["definition"], kind)
        if arn is None:
            raise ServiceError("ClientException", f"the task definition has no {kind}")
        home, _, task_id = task_key(record)
        try:
            return await self._calls.as_role(arn, _SERVICE, task_id, region or home)
        except ServiceError as error:
            raise ServiceError(
                "ClientException",
                f"ECS was unable to assume the role '{arn}' that was provided for this task. Please verify that the "
                "role being passed has the proper trust relationship and permissions and that your IAM user has "
                "permissions to pass this role.",
            ) from error
