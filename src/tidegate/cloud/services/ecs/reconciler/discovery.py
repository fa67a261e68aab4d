"""Has tasks be found by Cloud Map, as healthy as their containers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.discovery import attributes, is_well
from tidegate.cloud.services.ecs.model import RUNNING, EcsModel, RegistryPlace, TaskRecord
from tidegate.cloud.services.ecs.reconciler.launch import TaskFailedError
from tidegate.cloud.store import Key

_GONE = ("InstanceNotFound", "ServiceNotFound")


class Discovery:
    """Registers tasks with their service registries, and takes them out. Everything can be asked twice."""

    def __init__(self, model: EcsModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    async def register(self, key: Key, record: TaskRecord) -> None:
        """Have a task be found; raise `TaskFailedError` where that cannot be."""
        for place in record.get("registries", ()):
            request: dict[str, Any] = {"ServiceId": place["service"], "InstanceId": key[2], "CreatorRequestId": key[2]}
            values = attributes(record, place, key[0])
            try:
                service = (await self._caller(key)("servicediscovery", "get_service", Id=place["service"]))["Service"]
                if "HealthCheckCustomConfig" in service:
                    values["AWS_INIT_HEALTH_STATUS"] = self._status(record)
                    place["told"] = values["AWS_INIT_HEALTH_STATUS"]
                await self._caller(key)("servicediscovery", "register_instance", Attributes=values, **request)
            except ServiceError as error:
                raise TaskFailedError(
                    f"Task failed to register with (service-registry {place['service']}) with (error {error.message})"
                ) from error
        told = record.get("registries", [])

        def note(record: TaskRecord) -> None:
            if told:
                record["registries"] = told

        self._model.tasks.update(key, note)

    async def deregister(self, key: Key, record: TaskRecord) -> bool:
        """Have a task be found no more; return False where that has to be tried again, a moment later."""
        for place in record.get("registries", ()):
            about = {"ServiceId": place["service"], "InstanceId": key[2]}
            try:
                await self._caller(key)("servicediscovery", "deregister_instance", **about)
            except ServiceError as error:
                if error.code == "DuplicateRequest":
                    return False  # it is just being registered
                if error.code not in _GONE:
                    raise

        def note(record: TaskRecord) -> None:
            if record.get("registries"):
                record["registries"] = []

        self._model.tasks.update(key, note)
        return True

    async def reconcile(self, key: Key) -> float | None:
        """Tell Cloud Map how healthy a task is, where that has changed."""
        record = self._model.tasks.get(*key)
        if record is None or record["task"]["lastStatus"] != RUNNING:
            return None
        now = self._status(record)
        for place in record.get("registries", ()):
            if place.get("told", now) != now:
                await self._tell(key, place, now)
        return None

    async def _tell(self, key: Key, place: RegistryPlace, status: str) -> None:
        about: Mapping[str, Any] = {"ServiceId": place["service"], "InstanceId": key[2], "Status": status}
        try:
            await self._caller(key)("servicediscovery", "update_instance_custom_health_status", **about)
        except ServiceError as error:
            if error.code != "ServiceNotFound":
                raise  # an instance that is not there yet soon will be

        def note(record: TaskRecord) -> None:
            for each in record.get("registries", ()):
                if each["service"] == place["service"]:
                    each["told"] = status

        self._model.tasks.update(key, note)

    def _status(self, record: TaskRecord) -> str:
        found = self._model.definition_by_arn(record["definition"])
        return "HEALTHY" if found is None or is_well(record, found["definition"]) else "UNHEALTHY"

    def _caller(self, key: Key) -> Caller:
        return self._calls.as_service("ecs.amazonaws.com", key[0])
