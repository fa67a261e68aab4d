"""ECS: its operations, and tasks and services made real on the container engine."""

from __future__ import annotations

from tidegate.cloud.services.ecs.api import (
    AccountSettingsApi,
    CapacityApi,
    ClustersApi,
    ExecutionApi,
    ExpressApi,
    ProtectionApi,
    ServiceDeploymentsApi,
    ServicesApi,
    TagsApi,
    TaskDefinitionsApi,
    TasksApi,
    TaskSetsApi,
)
from tidegate.cloud.services.ecs.coverage import COVERAGE
from tidegate.cloud.services.ecs.interruption import Interruptions
from tidegate.cloud.services.ecs.model import DATA_CHANNEL, TASK_ENDPOINT, EcsModel, task_key_of
from tidegate.cloud.services.ecs.reconciler.discovery import Discovery
from tidegate.cloud.services.ecs.reconciler.endpoint import TaskEndpoint
from tidegate.cloud.services.ecs.reconciler.events import EventReconciler
from tidegate.cloud.services.ecs.reconciler.express import ExpressReconciler
from tidegate.cloud.services.ecs.reconciler.launch import Launcher
from tidegate.cloud.services.ecs.reconciler.logs import LogShipper
from tidegate.cloud.services.ecs.reconciler.metrics import Metrics
from tidegate.cloud.services.ecs.reconciler.network import TaskNetwork
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.services.ecs.reconciler.secrets import Secrets
from tidegate.cloud.services.ecs.reconciler.service import ServiceReconciler
from tidegate.cloud.services.ecs.reconciler.sessions import Sessions
from tidegate.cloud.services.ecs.reconciler.standby import StandbyReconciler
from tidegate.cloud.services.ecs.reconciler.task import TaskReconciler
from tidegate.cloud.store import Key
from tidegate.cloud.wiring.parts import Parts

_EVERYTHING = ("all",)


def add_ecs(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = EcsModel(parts.store)
    parts.dispatcher.register(
        "ecs",
        AccountSettingsApi(model, parts.calls),
        ClustersApi(model, parts.calls),
        CapacityApi(model),
        TaskDefinitionsApi(model, parts.calls, parts.clock, parts.endpoint),
        ServicesApi(model, parts.calls, parts.clock),
        ServiceDeploymentsApi(model, parts.clock),
        TasksApi(model, parts.calls, parts.clock),
        TaskSetsApi(model, parts.calls, parts.clock),
        ProtectionApi(model, parts.clock),
        ExecutionApi(model, parts.calls, parts.clock, parts.endpoint),
        ExpressApi(model, parts.calls, parts.clock),
        TagsApi(model),
        coverage=COVERAGE,
    )
    docker = parts.docker
    roles = Roles(model, parts.calls)
    shipper = LogShipper(model, docker.pods, roles)
    endpoint = TaskEndpoint(
        model, parts.calls, parts.clock, docker.pods, roles, docker.endpoint, parts.listen, parts.port
    )
    parts.routes[TASK_ENDPOINT] = endpoint
    launcher = Launcher(
        model,
        docker.pods,
        docker.images,
        roles,
        Secrets(roles),
        shipper,
        endpoint,
        parts.endpoint,
        parts.region,
    )
    network = TaskNetwork(parts.calls, docker.pods, docker.networks, docker.resolvers)
    discovery = Discovery(model, parts.calls)
    tasks = TaskReconciler(
        model,
        parts.calls,
        parts.clock,
        docker.pods,
        network,
        discovery,
        launcher,
        shipper,
        lambda key: parts.loop.enqueue("ecs.logs", key),
    )
    services = ServiceReconciler(model, parts.calls, parts.clock)
    standby = StandbyReconciler(model, parts.clock, docker.pods, network)

    parts.controls["POST", "interrupt"] = Interruptions(model, parts.clock, parts.region).interrupt
    parts.sockets[DATA_CHANNEL] = Sessions(model, docker.terminals, parts.clock, parts.allows)

    def task_keys() -> list[Key]:
        return [key for key, _ in model.tasks.items()]

    parts.loop.add("ecs.task", tasks.reconcile, keys=task_keys, workers=64)
    parts.loop.add("ecs.service", services.reconcile, keys=lambda: [key for key, _ in model.services.items()])
    parts.loop.add("ecs.standby", standby.reconcile, keys=standby.doubt)
    parts.loop.add("ecs.logs", shipper.reconcile, keys=model.writing_containers, workers=10_000)
    parts.loop.add("ecs.discovery", discovery.reconcile, keys=task_keys)
    parts.loop.watch("ecs.task", "ecs.discovery")
    parts.loop.add("ecs.sweep", tasks.sweep)
    parts.loop.add("ecs.endpoint", endpoint.open, keys=lambda: [_EVERYTHING] if model.writing_containers() else [])
    events = EventReconciler(model, parts.calls)
    parts.loop.add("ecs.event", events.reconcile, keys=lambda: [key for key, _ in model.events.items()])
    parts.loop.watch("ecs.event", "ecs.event")
    express = ExpressReconciler(model, parts.calls, parts.clock)
    parts.loop.add("ecs.express", express.reconcile, keys=lambda: [key for key, _ in model.express.items()])
    parts.loop.watch("ecs.express", "ecs.express")
    parts.loop.watch("ecs.service", "ecs.express")
    metrics = Metrics(model, parts.calls, parts.clock, docker.pods)
    parts.loop.add("ecs.metrics", metrics.reconcile, keys=lambda: [key for key, _ in model.services.items()])
    parts.loop.watch("ecs.service", "ecs.metrics")
    parts.loop.watch("ecs.task", "ecs.task")
    parts.loop.watch("ecs.task", "ecs.service", model.service_of_task)
    parts.loop.watch("ecs.service", "ecs.service")
    parts.loop.watch("ecs.service", "ecs.standby")
    parts.loop.watch("route53.zone", "ecs.standby", lambda key: [each for each, _ in model.services.items()])
    parts.loop.watch("ecs.standby", "ecs.service", lambda key: [key[:3]])
    parts.loop.watch("cloudwatch.alarm", "ecs.service", lambda key: model.services_of_alarm(key[0], key[1]))
    parts.loop.watch("ecs.service-deployment", "ecs.service", lambda key: [key[:3]])
    for kind in ("elbv2.rule", "elbv2.listener"):
        parts.loop.watch(kind, "ecs.service", lambda key: model.services_of_rule(key[0], key[1]))
    parts.loop.watch("elbv2.target", "ecs.task", lambda key: model.tasks_at(key[0], key[2]))
    parts.loop.watch("elbv2.target", "ecs.service", lambda key: model.services_of_target_group(key[0], key[1]))

    def engine_returned() -> None:
        parts.loop.enqueue("ecs.sweep", _EVERYTHING)
        for key in task_keys():
            parts.loop.enqueue("ecs.task", key)
        for key in standby.doubt():
            parts.loop.enqueue("ecs.standby", key)

    def sweep_after_reset() -> None:
        if docker.engine.in_use:
            parts.loop.enqueue("ecs.sweep", _EVERYTHING)

    docker.engine.listen(lambda pod: parts.loop.enqueue("ecs.task", task_key_of(pod)), engine_returned)
    parts.background["engine"] = docker.engine.run
    parts.resets.append(sweep_after_reset)
    parts.stops.extend([tasks.stop_all, docker.engine.close])
