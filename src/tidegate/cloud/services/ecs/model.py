"""ECS's records, the names and ARNs they go by, and the questions asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from tidegate.cloud.services.ecs.express import ExpressRecord, GatewayRecord
from tidegate.cloud.store import Collection, Index, Key, Store

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

DEFAULT_CLUSTER = "default"
MOST_EVENTS = 100
TASK_ENDPOINT = "/_ecs/"  # below it tasks find their credentials and metadata
DATA_CHANNEL = "/v1/data-channel/"  # below it are the sessions of ECS Exec
HISTORY = timedelta(days=90)  # service deployments and revisions can be described that long

# statuses of clusters, services and deployments; of rollouts; of tasks
PRIMARY: Final = "PRIMARY"
ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"
DRAINING: Final = "DRAINING"

IN_PROGRESS: Final = "IN_PROGRESS"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"

PROVISIONING: Final = "PROVISIONING"
PENDING: Final = "PENDING"
ACTIVATING: Final = "ACTIVATING"
RUNNING: Final = "RUNNING"
DEACTIVATING: Final = "DEACTIVATING"
STOPPING: Final = "STOPPING"
DEPROVISIONING: Final = "DEPROVISIONING"
STOPPED: Final = "STOPPED"

# statuses of service deployments: under way, being ended, over
SUCCESSFUL: Final = "SUCCESSFUL"
STOP_REQUESTED: Final = "STOP_REQUESTED"
ROLLBACK_REQUESTED: Final = "ROLLBACK_REQUESTED"
ROLLBACK_IN_PROGRESS: Final = "ROLLBACK_IN_PROGRESS"
ROLLBACK_SUCCESSFUL: Final = "ROLLBACK_SUCCESSFUL"
ROLLBACK_FAILED: Final = "ROLLBACK_FAILED"
ONGOING = (PENDING, IN_PROGRESS, STOP_REQUESTED, ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS)

# states of a network that stands by
OPENING: Final = "OPENING"
OPEN: Final = "OPEN"
CLOSING: Final = "CLOSING"


class ClusterRecord(TypedDict):
    """A cluster; its counts are counted when it is described."""

    cluster: t.ClusterTypeDef


class TaskDefinitionRecord(TypedDict):
    """One revision of a family."""

    definition: t.TaskDefinitionTypeDef
    tags: list[t.TagTypeDef]


class DeploymentRecord(TypedDict):
    """One deployment of a service: what its tasks are made of, and how far it has come.

    `failed` counts the tasks that failed one after the other, `images` the digests that the first task's images had,
    which all later ones use (version consistency). It is the scheduler's side of a *service revision*. Where requests
    are shifted, its tasks are in the `alternate` target groups or in the others, and were last to get `traffic` and
    `test_traffic` percent of the requests.
    """

    id: str  # ecs-svc/0123456789012345678
    revision: str  # the service revision's ARN
    status: str  # PRIMARY, ACTIVE
    rollout: str  # IN_PROGRESS, COMPLETED, FAILED
    reason: str
    definition: str
    network: t.AwsVpcConfigurationOutputTypeDef
    platform_version: str
    created_at: datetime
    updated_at: datetime
    finished_at: NotRequired[datetime]
    failed: int
    last_failure: NotRequired[datetime]
    watched: NotRequired[bool]  # by alarms: not where one was raised before it began
    arrived_at: NotRequired[datetime]  # when all its tasks, and no others, served for the first time
    images: dict[str, str]
    balancers: list[t.LoadBalancerTypeDef]
    registries: NotRequired[list[t.ServiceRegistryTypeDef]]
    providers: list[t.CapacityProviderStrategyItemTypeDef]
    alternate: bool
    traffic: float
    test_traffic: float


class ServiceDeploymentRecord(TypedDict):
    """A service deployment, from its beginning to its end: the way from some revisions to another, and maybe back.

    `deployment` is AWS's shape; the counts of its tasks are counted while it goes on, and stay as they were at its end.
    `target` and `sources` are the ids of deployments (`ecs-svc/…`).
    """

    deployment: t.ServiceDeploymentTypeDef
    target: str
    sources: list[str]
    shift: NotRequired[ShiftRecord]
    error: NotRequired[str]  # why the load balancer could not be told
    ended_by: NotRequired[str]  # the name of a `plan.Cause`
    failures: NotRequired[int]  # tasks that had failed by then
    alarms: NotRequired[list[str]]  # those that were raised then
    hooks: NotRequired[list[HookRecord]]  # the pauses that there were, and are


class HookRecord(TypedDict):
    """A lifecycle hook that was begun: which of the configured ones, and before which step of the shift."""

    hook: int
    stage: str
    step: int
    detail: t.DeploymentLifecycleHookDetailTypeDef


class EventRecord(TypedDict):
    """An event on its way to the event bus; `detail` is JSON."""

    at: datetime
    detail_type: str
    resources: list[str]
    detail: dict[str, Any]


class ShiftRecord(TypedDict):
    """How far requests have been shifted: see `plan.Shift`. `source` is the deployment that they come from."""

    source: str | None
    since: datetime
    step: int
    moved_at: NotRequired[datetime]


class ServiceRevisionRecord(TypedDict):
    """A service revision as AWS shows it, and the id of its deployment."""

    revision: t.ServiceRevisionTypeDef
    deployment: str


class TaskSetRecord(TypedDict):
    """A task set in AWS's shape, without its status and what is counted, and what its tasks are made of."""

    task_set: t.TaskSetTypeDef
    deployment: DeploymentRecord
    token: NotRequired[str]  # the client token that it was made with


class SessionRecord(TypedDict):
    """A command that somebody may run in a container: who brings the token, in time, and once.

    `token` is the token's SHA-256, in hexadecimal.
    """

    token: str
    expires: datetime
    cluster: str
    task: str
    container: str
    command: str


class ServiceRecord(TypedDict):
    """A service: what is wanted of it, its deployments (the newest first), its last events (the newest first)."""

    service: t.ServiceTypeDef
    deployments: list[DeploymentRecord]
    events: list[t.ServiceEventTypeDef]
    last_completed: NotRequired[DeploymentRecord]  # the one to roll back to
    current: NotRequired[str]  # the id of its service deployment: the one that goes on, or was the last
    task_sets: NotRequired[list[TaskSetRecord]]  # where it has an external deployment controller
    steady: bool  # whether its steady state has been told
    tokens: dict[str, str]  # client tokens that made it


class Registration(TypedDict):
    """A task's place in a target group."""

    target_group: str
    container: str
    port: int
    role: NotRequired[str]  # as which it is registered, where the service names one


class RegistryPlace(TypedDict):
    """A task's place in a service of Cloud Map (its ARN), and how healthy Cloud Map was `told` that it is."""

    service: str
    port: NotRequired[int]
    told: NotRequired[str]


class TaskRecord(TypedDict):
    """A task, whose it is, and where it is registered.

    `deployment` and `service` name a service's task; a failure is `counted` once by its deployment.
    """

    task: t.TaskTypeDef
    definition: str
    network: t.AwsVpcConfigurationOutputTypeDef
    interface: NotRequired[str]  # the network interface's id
    vpc: NotRequired[str]
    address: NotRequired[str]
    service: NotRequired[str]
    deployment: NotRequired[str]
    token: NotRequired[str]  # the client token that it was run with
    log_mode: NotRequired[str]  # of containers that do not say whether they wait for their output to be taken
    secret: NotRequired[str]  # what its containers prove with that they are its own
    images: dict[str, str]  # container -> digest to use instead of the tag
    registrations: list[Registration]
    registries: NotRequired[list[RegistryPlace]]
    registered: bool
    draining: bool
    counted: bool
    was_healthy: bool
    protected_until: NotRequired[datetime]


class StandbyRecord(TypedDict):
    """A network that stands by for a service's next task: see `reconciler.standby`. Its key ends in the task's id."""

    state: str  # OPENING, OPEN, CLOSING
    network: t.AwsVpcConfigurationOutputTypeDef
    ports: list[int]
    interface: NotRequired[str]
    vpc: NotRequired[str]
    resolves: NotRequired[bool]  # whether it asks the VPC's own resolver for names


class EcsModel:
    """ECS's records, by region first; tasks and services by the name of their cluster then."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clusters: Collection[ClusterRecord] = Collection(store, "ecs.cluster")
        self.definitions: Collection[TaskDefinitionRecord] = Collection(store, "ecs.task-definition")
        self.revisions: Collection[int] = Collection(store, "ecs.latest-revision")
        self.services: Collection[ServiceRecord] = Collection(store, "ecs.service")
        self.tasks: Collection[TaskRecord] = Collection(store, "ecs.task")
        self.service_deployments: Collection[ServiceDeploymentRecord] = Collection(store, "ecs.service-deployment")
        self.service_revisions: Collection[ServiceRevisionRecord] = Collection(store, "ecs.service-revision")
        self.standby: Collection[StandbyRecord] = Collection(store, "ecs.standby")
        self.sessions: Collection[SessionRecord] = Collection(store, "ecs.session")
        self.log_positions: Collection[datetime] = Collection(store, "ecs.log-position")
        self.events: Collection[EventRecord] = Collection(store, "ecs.event")
        self.settings: Collection[str] = Collection(store, "ecs.account-setting")
        self.express: Collection[ExpressRecord] = Collection(store, "ecs.express")
        self.express_gateways: Collection[GatewayRecord] = Collection(store, "ecs.express-gateway")
        self._tasks_by_service = Index(self.tasks, lambda key, task: [(*key[:2], task.get("service"))])
        self._tasks_by_address = Index(self.tasks, lambda key, task: [(key[0], task.get("address"))])
        self._services_by_name = Index(self.services, lambda key, service: _named_by(key[0], service))

    def put_settings(self, region: str) -> dict[tuple[str, str], str]:
        """Return the account settings that were put, by principal and name."""
        return {(key[1], key[2]): value for key, value in self.settings.items(region)}

    def definition(self, region: str, family: str, revision: int) -> TaskDefinitionRecord | None:
        """Return one revision."""
        return self.definitions.get(region, family, _padded(revision))

    def put_definition(self, region: str, record: TaskDefinitionRecord) -> None:
        """Write one revision."""
        definition = record["definition"]
        self.definitions.put((region, definition["family"], _padded(definition["revision"])), record)

    def definition_by_arn(self, arn: str) -> TaskDefinitionRecord | None:
        """Return the revision of an ARN, active or not."""
        region, family, revision = arn.split(":")[3], *arn.rpartition("/")[2].split(":")
        return self.definition(region, family, int(revision))

    def latest_active(self, region: str, family: str) -> TaskDefinitionRecord | None:
        """Return a family's newest active revision."""
        active = [each for each in self.definitions.values(region, family) if each["definition"]["status"] == ACTIVE]
        return active[-1] if active else None

    def service_tasks(self, region: str, cluster: str, service: str) -> dict[str, TaskRecord]:
        """Return a service's tasks by their ids, those that stopped a while ago included."""
        return {key[2]: each for key, each in self._tasks_by_service.items((region, cluster, service))}

    def behind_gateway(self, region: str, gateway: str) -> list[ExpressRecord]:
        """Return the express services that share a load balancer, those that are being removed included."""
        return [
            each for each in self.express.values(region) if each["gateway"] == gateway and each["status"] != INACTIVE
        ]

    def services_of_target_group(self, region: str, target_group: str) -> list[Key]:
        """Return the keys of the services that register their tasks with a target group."""
        return self._services_by_name.keys((region, "target group", target_group))

    def services_of_rule(self, region: str, arn: str) -> list[Key]:
        """Return the keys of the services whose requests a listener rule, or a listener, shares out."""
        return self._services_by_name.keys((region, "rule", arn))

    def current(self, key: Key, record: ServiceRecord) -> ServiceDeploymentRecord | None:
        """Return a service's service deployment: the one that goes on, or was the last."""
        return self.service_deployments.get(*key, record["current"]) if "current" in record else None

    def forget_history(self, key: Key, before: datetime | None = None) -> None:
        """Forget a service's service deployments from before a moment (None: all), and revisions nobody refers to."""
        kept = set()
        for at, each in self.service_deployments.items(*key):
            if before is None or each["deployment"]["createdAt"] < before:
                self.service_deployments.delete(*at)
            else:
                kept |= {each["target"], *each["sources"]}
        service = self.services.get(*key)
        if service is not None and before is not None:
            kept |= {each["id"] for each in service["deployments"]}
        for at, revision in self.service_revisions.items(*key):
            if revision["deployment"] not in kept:
                self.service_revisions.delete(*at)

    def services_of_alarm(self, region: str, alarm: str) -> list[Key]:
        """Return the keys of the services whose deployments an alarm ends."""
        return self._services_by_name.keys((region, "alarm", alarm))

    def tasks_at(self, region: str, target: str) -> list[Key]:
        """Return the keys of the tasks registered at `address:port`."""
        return self._tasks_by_address.keys((region, target.rpartition(":")[0]))

    def standby_pods(self) -> set[str]:
        """Return the names of the pods that stand by, or are becoming so."""
        return {pod_name(standby_task(key)) for key, _ in self.standby.items()}

    def take_standby(self, service: Key, network: t.AwsVpcConfigurationOutputTypeDef, ports: list[int]) -> str | None:
        """Return the task id that an open network waits for, which is the caller's from now on; None without one."""
        for key, record in self.standby.items(*service):
            if record["state"] == OPEN and (record["network"], record["ports"]) == (network, ports):
                self.standby.delete(*key)
                return key[3]
        return None

    def writing_containers(self) -> list[Key]:
        """Return the keys (region, cluster, task, container) of what may have written since the daemon last ran."""
        return [
            (*key, container["name"])
            for key, record in self.tasks.items()
            if record["task"]["lastStatus"] != STOPPED
            for container in record["task"]["containers"]
            if "runtimeId" in container
        ]

    def service_of_task(self, key: Key) -> list[Key]:
        """Return the key of the service that a task belongs to, as a list of one or none."""
        record = self.tasks.get(*key)
        if record is None or "service" not in record:
            return []
        return [(key[0], key[1], record["service"])]


def _named_by(region: str, record: ServiceRecord) -> Iterator[tuple[str, str, str]]:
    """Yield what a service names, whose changes it has to hear of: target groups, listener rules, alarms."""
    for balancer in balancers_of(record):
        for group in target_groups(balancer):
            yield region, "target group", group
        for value in balancer.get("advancedConfiguration", {}).values():
            yield region, "rule", str(value)
    for alarm in record["service"].get("deploymentConfiguration", {}).get("alarms", {}).get("alarmNames", []):
        yield region, "alarm", alarm


def cluster_name(name_or_arn: str | None) -> str:
    """Return a cluster's name from its name, its ARN, or nothing (the default cluster)."""
    return (name_or_arn or DEFAULT_CLUSTER).rpartition("/")[2]


def resource_id(name_or_arn: str) -> str:
    """Return a task's id or a service's name from an id, a name, or an ARN in the old or the new form."""
    return name_or_arn.rpartition("/")[2]


def task_key(record: TaskRecord) -> Key:
    """Return the key of a task's record."""
    arn = record["task"]["taskArn"]
    return (arn.split(":")[3], record["task"]["clusterArn"].rpartition("/")[2], resource_id(arn))


def task_arn(cluster_arn: str, task_id: str) -> str:
    """Return a task's ARN."""
    return f"{cluster_arn.replace(':cluster/', ':task/')}/{task_id}"


def standby_task(key: Key) -> Key:
    """Return the key of the task that a network stands by for: (region, cluster, service, task) without the service."""
    return (key[0], key[1], key[3])


def pod_name(key: Key) -> str:
    """Return the name that a task's containers go by on the engine; `task_key_of` turns it back."""
    return ".".join(key)


def task_key_of(pod: str) -> Key:
    """Return the key of the task that a pod is."""
    return tuple(pod.split("."))


def balancers_of(record: ServiceRecord) -> list[Mapping[str, Any]]:
    """Return the load balancers of a service, of its deployments and of its task sets."""
    made = [*record["deployments"], *(each["deployment"] for each in record.get("task_sets", []))]
    return [*record["service"].get("loadBalancers", []), *(each for one in made for each in one["balancers"])]


def target_groups(balancer: Mapping[str, Any]) -> list[str]:
    """Return the ARNs of the target groups that a service's load balancer entry names."""
    named = (balancer.get("targetGroupArn"), balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"))
    return [arn for arn in named if arn]


def is_ongoing(record: ServiceDeploymentRecord | None) -> bool:
    """Return whether there is a service deployment that is not over."""
    return record is not None and record["deployment"]["status"] in ONGOING


def primary(record: ServiceRecord) -> DeploymentRecord:
    """Return the deployment that a service is on its way to, or has arrived at."""
    return next(each for each in record["deployments"] if each["status"] == PRIMARY)


def is_live(record: TaskRecord) -> bool:
    """Return whether a task runs or is on its way to running."""
    return record["task"]["desiredStatus"] == RUNNING


def count(tasks: Iterable[TaskRecord]) -> tuple[int, int]:
    """Return how many tasks run, those that are being stopped included, and how many are on their way to running."""
    running = pending = 0
    for task in tasks:
        status = task["task"]["lastStatus"]
        if status == RUNNING:
            running += 1
        elif is_live(task) and status != STOPPED:
            pending += 1
    return running, pending


def is_external(record: ServiceRecord) -> bool:
    """Return whether somebody else deploys a service, by task sets."""
    return record["service"]["deploymentController"]["type"] == "EXTERNAL"


def _padded(revision: int) -> str:
    return f"{revision:010d}"
