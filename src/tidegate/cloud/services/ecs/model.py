"""ECS's records, the names and ARNs they go by, and the questions asked of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

DEFAULT_CLUSTER = "default"
MOST_EVENTS = 100

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
    which all later ones use (version consistency).
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


class ServiceRecord(TypedDict):
    """A service: what is wanted of it, its deployments (the newest first), its last events (the newest first)."""

    service: t.ServiceTypeDef
    deployments: list[DeploymentRecord]
    events: list[t.ServiceEventTypeDef]
    last_completed: NotRequired[DeploymentRecord]  # the one to roll back to
    steady: bool  # whether its steady state has been told
    tokens: dict[str, str]  # client tokens that made it


class Registration(TypedDict):
    """A task's place in a target group."""

    target_group: str
    container: str
    port: int


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
    images: dict[str, str]  # container -> digest to use instead of the tag
    registrations: list[Registration]
    registered: bool
    draining: bool
    counted: bool
    was_healthy: bool


class StandbyRecord(TypedDict):
    """A network that stands by for a service's next task: see `reconciler.standby`. Its key ends in the task's id."""

    state: str  # OPENING, OPEN, CLOSING
    network: t.AwsVpcConfigurationOutputTypeDef
    ports: list[int]
    interface: NotRequired[str]


class EcsModel:
    """ECS's records, by region first; tasks and services by the name of their cluster then."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clusters: Collection[ClusterRecord] = Collection(store, "ecs.cluster")
        self.definitions: Collection[TaskDefinitionRecord] = Collection(store, "ecs.task-definition")
        self.revisions: Collection[int] = Collection(store, "ecs.latest-revision")
        self.services: Collection[ServiceRecord] = Collection(store, "ecs.service")
        self.tasks: Collection[TaskRecord] = Collection(store, "ecs.task")
        self.standby: Collection[StandbyRecord] = Collection(store, "ecs.standby")
        self.log_positions: Collection[datetime] = Collection(store, "ecs.log-position")
        self.settings: Collection[str] = Collection(store, "ecs.account-setting")

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
        return {key[2]: each for key, each in self.tasks.items(region, cluster) if each.get("service") == service}

    def services_of_target_group(self, region: str, target_group: str) -> list[Key]:
        """Return the keys of the services that register their tasks with a target group."""
        return [
            key
            for key, record in self.services.items(region)
            if any(each.get("targetGroupArn") == target_group for each in record["service"].get("loadBalancers", []))
        ]

    def services_of_alarm(self, region: str, alarm: str) -> list[Key]:
        """Return the keys of the services whose deployments an alarm ends."""
        return [
            key
            for key, record in self.services.items(region)
            if alarm in record["service"].get("deploymentConfiguration", {}).get("alarms", {}).get("alarmNames", [])
        ]

    def tasks_at(self, region: str, target: str) -> list[Key]:
        """Return the keys of the tasks registered at `address:port`."""
        address = target.rpartition(":")[0]
        return [key for key, record in self.tasks.items(region) if record.get("address") == address]

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


def primary(record: ServiceRecord) -> DeploymentRecord:
    """Return the deployment that a service is on its way to, or has arrived at."""
    return next(each for each in record["deployments"] if each["status"] == PRIMARY)


def is_live(record: TaskRecord) -> bool:
    """Return whether a task runs or is on its way to running."""
    return record["task"]["desiredStatus"] == RUNNING


def _padded(revision: int) -> str:
    return f"{revision:010d}"
