"""Task sets: created, scaled, made the primary one, deleted, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.api.balancers import check_balancers
from tidegate.cloud.services.ecs.api.capacity import checked_platform, chosen_strategy
from tidegate.cloud.services.ecs.api.network import checked_network
from tidegate.cloud.services.ecs.api.shared import (
    check_executable,
    check_fargate,
    find_active_definition,
    find_cluster,
    find_service,
    in_cluster,
    missing,
    new_tags,
    service_arn,
)
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    DRAINING,
    IN_PROGRESS,
    PRIMARY,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    TaskSetRecord,
    cluster_name,
    is_external,
    resource_id,
)
from tidegate.cloud.services.ecs.task_sets import (
    described_task_set,
    desired_of,
    find_task_set,
    new_task_set,
    show_primary,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST = 5
_REFUSED = ("serviceRegistries", "loadBalancers.advancedConfiguration")


def _task_set_arn(context: Context, request: Mapping[str, Any], task_set: str) -> str:
    if task_set.startswith("arn:"):
        return task_set
    return context.arn(
        "ecs", f"task-set/{cluster_name(request['cluster'])}/{resource_id(request['service'])}/{task_set}"
    )


def _new(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return _task_set_arn(context, request, "*")


def _named(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return _task_set_arn(context, request, request["taskSet"])


def _listed(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    return [_task_set_arn(context, request, each) for each in request.get("taskSets") or ["*"]]


def _in_service(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    return {**in_cluster(api, context, request), "ecs:service": service_arn(api, context, request)}


class TaskSetsApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateTaskSet.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=_new, conditions=_in_service, refuse=_REFUSED)
    async def create_task_set(self, context: Context, request: t.CreateTaskSetRequestTypeDef) -> Mapping[str, Any]:
        """Create a task set in a service; its tasks start, as many as its scale says (none without one)."""
        cluster = find_cluster(self.model, context, request["cluster"])["cluster"]
        record = self._service(context, request)
        known = self._known(record, request)
        if known is not None:
            return {"taskSet": self._shown(context, record, known)}
        definition = find_active_definition(self.model, context, request["taskDefinition"])["definition"]
        check_fargate(definition)
        if record["service"].get("enableExecuteCommand"):
            check_executable(definition, "created")
        strategy = chosen_strategy(cluster, request)
        platform = checked_platform(request)
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        network = await checked_network(caller, request.get("networkConfiguration"))
        balancers: Any = [dict(each) for each in request.get("loadBalancers", [])]
        await check_balancers(caller, definition, balancers, shifts=False)
        tags = new_tags(self._calls, context, request, _new(self, context, request), "CreateTaskSet")
        scale = _percent(request.get("scale", {"value": 0.0}))

        # from here on nothing is awaited: the record is read again, so that no change in between is lost
        record = self._service(context, request)
        known = self._known(record, request)
        if known is not None:
            return {"taskSet": self._shown(context, record, known)}
        if len(record.get("task_sets", [])) >= _MOST:
            raise _invalid(
                f"{_MOST} deployments exist on the service. Unable to create new TaskSet since this exceeds the "
                "maximum limit."
            )
        now = self._clock.now()
        number = self._clock.text("123456789", 1) + self._clock.text("0123456789", 18)
        deployment: DeploymentRecord = {
            "id": f"ecs-svc/{number}",
            "revision": "",
            "status": ACTIVE,
            "rollout": IN_PROGRESS,
            "reason": "",
            "definition": definition["taskDefinitionArn"],
            "network": network,
            "platform_version": platform,
            "created_at": now,
            "updated_at": now,
            "failed": 0,
            "images": {},
            "balancers": balancers,
            "providers": strategy,
            "alternate": False,
            "traffic": 0.0,
            "test_traffic": 0.0,
        }
        more = {"externalId": request["externalId"]} if "externalId" in request else {}
        made = new_task_set(record["service"], deployment, scale, tags=tags, **more)
        if "clientToken" in request:
            made["token"] = request["clientToken"]
        record["task_sets"] = [*record.get("task_sets", []), made]
        self._put(context, record)
        return {"taskSet": self._shown(context, record, made)}

    @operation(resource=_listed, conditions=_in_service)
    async def describe_task_sets(
        self, context: Context, request: t.DescribeTaskSetsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe a service's task sets, or some of them."""
        record = self._service(context, request, active=False)
        found: list[dict[str, Any]] = []
        failures = []
        known = [each["task_set"]["id"] for each in record.get("task_sets", [])]
        for name in request.get("taskSets") or known:
            task_set = find_task_set(record, name)
            if task_set is None:
                failures.append(missing(_task_set_arn(context, request, name)))
                continue
            shown = self._shown(context, record, task_set)
            if "TAGS" not in request.get("include", []):
                shown.pop("tags", None)
            found.append(shown)
        return {"taskSets": found, "failures": failures}

    @operation(resource=_named, conditions=_in_service)
    async def update_task_set(self, context: Context, request: t.UpdateTaskSetRequestTypeDef) -> Mapping[str, Any]:
        """Scale a task set: it is what can be changed of one."""
        record = self._service(context, request)
        task_set = _live(record, request["taskSet"])
        task_set["task_set"]["scale"] = {"value": _percent(request["scale"]), "unit": "PERCENT"}
        task_set["task_set"]["updatedAt"] = self._clock.now()
        self._put(context, record)
        return {"taskSet": self._shown(context, record, task_set)}

    @operation(resource=service_arn, conditions=_in_service)
    async def update_service_primary_task_set(
        self, context: Context, request: t.UpdateServicePrimaryTaskSetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Make a task set the primary one: the service shows from now on what that one is made of."""
        record = self._service(context, request)
        chosen = _live(record, request["primaryTaskSet"])
        now = self._clock.now()
        for each in record.get("task_sets", []):
            status = each["deployment"]["status"]
            wanted = PRIMARY if each is chosen else ACTIVE if status == PRIMARY else status
            if status != wanted:
                each["deployment"]["status"] = wanted
                each["task_set"]["updatedAt"] = now
        show_primary(record)
        self._put(context, record)
        return {"taskSet": self._shown(context, record, chosen)}

    @operation(resource=_named, conditions=_in_service)
    async def delete_task_set(self, context: Context, request: t.DeleteTaskSetRequestTypeDef) -> Mapping[str, Any]:
        """Delete a task set: it drains, and is gone once its tasks have stopped."""
        record = self._service(context, request)
        task_set = _found(record, request["taskSet"])
        if not request.get("force"):
            if task_set["deployment"]["status"] == PRIMARY:
                raise _invalid("The primary task set cannot be deleted without force.")
            if desired_of(record, task_set) > 0:
                raise _invalid("The task set cannot be deleted while it is scaled above 0.")
        task_set["deployment"]["status"] = DRAINING
        task_set["task_set"]["updatedAt"] = self._clock.now()
        show_primary(record)
        self._put(context, record)
        return {"taskSet": self._shown(context, record, task_set)}

    def _service(self, context: Context, request: Mapping[str, Any], *, active: bool = True) -> ServiceRecord:
        """Return the service of a request, which must be one that has task sets."""
        record = find_service(self.model, context, request["cluster"], request["service"])
        if active and record["service"]["status"] != ACTIVE:
            raise ServiceError("ServiceNotActiveException", "Service was not ACTIVE.")
        if not is_external(record):
            raise _invalid(
                "Amazon ECS only supports task set management on services configured to use external deployment "
                "controllers."
            )
        return record

    def _known(self, record: ServiceRecord, request: Mapping[str, Any]) -> TaskSetRecord | None:
        token = request.get("clientToken")
        return next((each for each in record.get("task_sets", []) if token and each.get("token") == token), None)

    def _put(self, context: Context, record: ServiceRecord) -> None:
        service = record["service"]
        self.model.services.put((context.region, resource_id(service["clusterArn"]), service["serviceName"]), record)

    def _shown(self, context: Context, record: ServiceRecord, task_set: TaskSetRecord) -> dict[str, Any]:
        service = record["service"]
        tasks = self.model.service_tasks(context.region, resource_id(service["clusterArn"]), service["serviceName"])
        return described_task_set(record, task_set, tasks.values())


def _found(record: ServiceRecord, name: str) -> TaskSetRecord:
    task_set = find_task_set(record, name)
    if task_set is None:
        raise ServiceError("TaskSetNotFoundException", "The specified task set does not exist.")
    return task_set


def _live(record: ServiceRecord, name: str) -> TaskSetRecord:
    task_set = _found(record, name)
    if task_set["deployment"]["status"] == DRAINING:
        raise _invalid("The task set is DRAINING: it is being deleted.")
    return task_set


def _percent(scale: Mapping[str, Any]) -> float:
    value = float(scale.get("value", 0.0))
    if not 0 <= value <= 100:
        raise _invalid("The value of a task set's scale must be between 0 and 100.")
    return value


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
