"""A task as the target of load balancers: registered, and taken out again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import Registration, TaskRecord
from tidegate.cloud.services.ecs.reconciler.launch import TaskFailedError

_SERVICE = "ecs.amazonaws.com"
_SESSION = "ecs-service-scheduler"
_GONE = ("TargetGroupNotFound", "InvalidTarget")
_DENIED = ("AccessDenied", "AccessDeniedException")


class Targets:
    """Registers tasks as the role that their service names, or as ECS itself. Everything can be asked twice."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def register(self, region: str, record: TaskRecord) -> None:
        """Register a task with its target groups; raise `TaskFailedError` where that is refused."""
        for each in record["registrations"]:
            target = {"Id": record["address"], "Port": each["port"]}
            try:
                caller = await self._caller(region, each)
                await caller("elbv2", "register_targets", TargetGroupArn=each["target_group"], Targets=[target])
            except ServiceError as error:
                raise TaskFailedError(
                    f"Task failed to register targets in (target-group {each['target_group']}) with "
                    f"(error {error.message})"
                ) from error

    async def deregister(self, region: str, record: TaskRecord) -> bool:
        """Take a task out of its target groups; return whether requests to it are still open."""
        own = self._calls.as_service(_SERVICE, region)
        waiting = False
        for each in record["registrations"] if record["registered"] else ():
            target = {"Id": record["address"], "Port": each["port"]}
            request = {"TargetGroupArn": each["target_group"], "Targets": [target]}
            try:
                if not record["draining"]:
                    await self._take_out(region, each, request)
                found = (await own("elbv2", "describe_target_health", **request))["TargetHealthDescriptions"]
            except ServiceError as error:
                if error.code in _GONE:
                    continue  # it is gone, or knows the target no more: nothing is left to drain
                raise
            waiting = waiting or any(found["TargetHealth"]["State"] == "draining" for found in found)
        return waiting

    async def _caller(self, region: str, registration: Registration) -> Caller:
        if "role" not in registration:
            return self._calls.as_service(_SERVICE, region)
        return await self._calls.as_role(registration["role"], _SERVICE, _SESSION, region)

    async def _take_out(self, region: str, registration: Registration, request: Mapping[str, Any]) -> None:
        """Deregister a task; where the service's role may not (any more), ECS's own does, for it has to go."""
        try:
            caller = await self._caller(region, registration)
            await caller("elbv2", "deregister_targets", **request)
        except ServiceError as error:
            if "role" not in registration or error.code not in _DENIED:
                raise
            await self._calls.as_service(_SERVICE, region)("elbv2", "deregister_targets", **request)
