"""Task scale-in protection: tasks that neither scaling in nor a deployment stops, until it expires.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.api.shared import find_cluster, in_cluster, missing, task_arn
from tidegate.cloud.services.ecs.model import EcsModel, TaskRecord, cluster_name, is_live, resource_id
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_DEFAULT, _LONGEST = 120, 2880  # minutes
_MOST = 10


def _tasks(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    return [task_arn(api, context, {**request, "task": each}) for each in request.get("tasks", [])]


class ProtectionApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateTaskProtection.html and its sibling."""

    def __init__(self, model: EcsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=_tasks, conditions=in_cluster)
    async def update_task_protection(
        self, context: Context, request: t.UpdateTaskProtectionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Protect tasks of services, or protect them no more."""
        minutes = request.get("expiresInMinutes", _DEFAULT)
        if not 1 <= minutes <= _LONGEST:
            raise _invalid(f"expiresInMinutes must be between 1 and {_LONGEST}.")
        until = self._clock.now() + timedelta(minutes=minutes)

        def change(record: TaskRecord) -> None:
            record.pop("protected_until", None)
            if request["protectionEnabled"]:
                record["protected_until"] = until

        tasks, failures = self._found(context, request["cluster"], request["tasks"])
        for key, record in tasks:
            if "service" not in record or not is_live(record):
                failures.append({"arn": record["task"]["taskArn"], "reason": "TASK_NOT_VALID"})
            else:
                self.model.tasks.update(key, change)
        refused = {each["arn"] for each in failures}
        changed = [self.model.tasks.get(*key) for key, each in tasks if each["task"]["taskArn"] not in refused]
        return {"protectedTasks": [self._shown(each) for each in changed if each is not None], "failures": failures}

    @operation(resource=_tasks, conditions=in_cluster)
    async def get_task_protection(
        self, context: Context, request: t.GetTaskProtectionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which tasks are protected, and until when."""
        tasks, failures = self._found(context, request["cluster"], request.get("tasks", []))
        shown = []
        for _, record in tasks:
            if "service" in record:
                shown.append(self._shown(record))
            else:
                failures.append({"arn": record["task"]["taskArn"], "reason": "TASK_NOT_VALID"})
        return {"protectedTasks": shown, "failures": failures}

    def _found(
        self, context: Context, cluster: str, names: Sequence[str]
    ) -> tuple[list[tuple[Key, TaskRecord]], list[dict[str, str]]]:
        """Return the tasks of these names with their keys, and a failure for each that there is not."""
        find_cluster(self.model, context, cluster)
        if not names:
            raise _invalid("Tasks cannot be empty.")
        if len(names) > _MOST:
            raise _invalid(f"Tasks cannot have more than {_MOST} items.")
        tasks: list[tuple[Key, TaskRecord]] = []
        failures = []
        for name in names:
            key = (context.region, cluster_name(cluster), resource_id(name))
            record = self.model.tasks.get(*key)
            if record is None:
                failures.append(missing(context.arn("ecs", f"task/{key[1]}/{key[2]}")))
            else:
                tasks.append((key, record))
        return tasks, failures

    def _shown(self, record: TaskRecord) -> dict[str, Any]:
        until = record.get("protected_until")
        if until is None or until <= self._clock.now():
            return {"taskArn": record["task"]["taskArn"], "protectionEnabled": False}
        return {"taskArn": record["task"]["taskArn"], "protectionEnabled": True, "expirationDate": until}


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
