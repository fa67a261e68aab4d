"""The records of load balancers, listeners, rules, target groups and targets, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tidegate.cloud.services.elbv2.plan import Health
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

SERVICE = "elasticloadbalancing.amazonaws.com"  # as whom it calls other services


class InterfaceRecord(TypedDict):
    """A network interface that a load balancer has in a subnet."""

    id: str
    subnet: str
    address: str


class CapacityRecord(TypedDict):
    """What capacity a load balancer is to have at least (units; None: nothing reserved), and when less was wanted."""

    units: int | None
    modified: datetime
    decreases: list[datetime]


class BalancerRecord(TypedDict):
    """A load balancer as AWS shows it, but for its DNS name, which depends on its listeners.

    `address` is where its listeners are on this machine, `reserved` the port for the first of them that cannot
    have its own, where it is known already that there will be one.
    """

    balancer: t.LoadBalancerTypeDef
    attributes: dict[str, str]
    tags: dict[str, str]
    address: str
    reserved: int | None
    interfaces: list[InterfaceRecord]
    capacity: NotRequired[CapacityRecord]


class GroupRecord(TypedDict):
    """A target group as AWS shows it, but for the load balancers that use it."""

    group: t.TargetGroupTypeDef
    attributes: dict[str, str]
    tags: dict[str, str]


class ListenerRecord(TypedDict):
    """A listener as AWS shows it; `bound` is the port that it really has, `default_rule` the ARN of its last rule.

    `certificates` are those beside the default one.
    """

    listener: t.ListenerTypeDef
    attributes: dict[str, str]
    tags: dict[str, str]
    bound: int | None
    default_rule: str
    created: datetime
    certificates: NotRequired[list[str]]


class RuleRecord(TypedDict):
    """A rule that somebody made (the default one is the listener's)."""

    rule: t.RuleTypeDef
    listener: str
    tags: dict[str, str]


class TargetRecord(TypedDict):
    """A target and its health.

    `passes` and `failures` are the last checks in a row, as far as they matter; `counted` is when a failure was
    last counted, `since` when the state began. `blocked` says that security groups do not let the load balancer
    reach it, `routed` that it really gets requests: a healthy target is shown as one only then.
    """

    target: t.TargetDescriptionTypeDef
    state: str
    reason: str | None
    description: str | None
    passes: int
    failures: int
    counted: datetime
    since: datetime
    blocked: NotRequired[bool]
    routed: NotRequired[bool]


class TrustStoreRecord(TypedDict):
    """A trust store as AWS shows it, its bundle (PEM), and the id of the last revocation list that it was given."""

    store: t.TrustStoreTypeDef
    bundle: str
    tags: dict[str, str]
    last_revocation: int


class RevocationRecord(TypedDict):
    """A file of revocation lists as AWS shows it, and the lists (PEM)."""

    revocation: t.TrustStoreRevocationTypeDef
    content: str


class LogRecord(TypedDict):
    """Where a load balancer's log is delivered, and since when (seconds since 1970) there is no more to come.

    `address` is that of its node, as it stands in the names of files.
    """

    bucket: str
    prefix: str
    address: str
    ended: float | None


class DownloadRecord(TypedDict):
    """A text that can be fetched until some time."""

    content: str
    until: datetime


class ElbModel:
    """Everything is keyed `(region, ARN)`, a target `(region, target group's ARN, "address:port")`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.balancers = Collection[BalancerRecord](store, "elbv2.load-balancer")
        self.groups = Collection[GroupRecord](store, "elbv2.target-group")
        self.listeners = Collection[ListenerRecord](store, "elbv2.listener")
        self.rules = Collection[RuleRecord](store, "elbv2.rule")
        self.targets = Collection[TargetRecord](store, "elbv2.target")
        self.trust_stores = Collection[TrustStoreRecord](store, "elbv2.trust-store")
        self.revocations = Collection[RevocationRecord](store, "elbv2.revocation")  # region, trust store's ARN, id
        self.logs = Collection[LogRecord](store, "elbv2.log")  # region, load balancer's ARN, kind (`access_logs`)
        self.downloads = Collection[DownloadRecord](store, "elbv2.download")

    def listeners_of(self, region: str, balancer_arn: str) -> list[ListenerRecord]:
        """Return a load balancer's listeners, the oldest first."""
        listeners = (
            each for each in self.listeners.values(region) if each["listener"]["LoadBalancerArn"] == balancer_arn
        )
        return sorted(listeners, key=lambda each: (each["created"], each["listener"]["ListenerArn"]))

    def rules_of(self, region: str, listener_arn: str) -> list[RuleRecord]:
        """Return a listener's rules in the order in which they are tried, without the default one."""
        rules = (each for each in self.rules.values(region) if each["listener"] == listener_arn)
        return sorted(rules, key=lambda each: int(each["rule"]["Priority"]))

    def tags_of(self, arn: str) -> dict[str, str] | None:
        """Return the tags of what has an ARN; None where nothing has it yet."""
        key = (arn.split(":")[3], arn)
        for kind in (self.balancers, self.groups, self.listeners, self.rules, self.trust_stores):
            found: Any = kind.get(*key)
            if found is not None:
                return dict(found["tags"])
        return None

    def balancer_of(self, region: str, group_arn: str) -> str | None:
        """Return the ARN of the load balancer that sends traffic to a target group, or None."""
        listeners = {each["listener"]["ListenerArn"]: each for each in self.listeners.values(region)}
        for each in listeners.values():
            if group_arn in groups_in(each["listener"]["DefaultActions"]):
                return each["listener"]["LoadBalancerArn"]
        for rule in self.rules.values(region):
            if group_arn in groups_in(rule["rule"]["Actions"]) and rule["listener"] in listeners:
                return listeners[rule["listener"]]["listener"]["LoadBalancerArn"]
        return None

    def trusting(self, region: str, trust_store_arn: str) -> list[ListenerRecord]:
        """Return the listeners that verify clients with a trust store."""
        listeners = self.listeners.values(region)
        return [
            each
            for each in listeners
            if each["listener"].get("MutualAuthentication", {}).get("TrustStoreArn") == trust_store_arn
        ]

    def revoking(self, region: str, trust_store_arn: str) -> list[RevocationRecord]:
        """Return a trust store's revocation lists."""
        return [each for _, each in self.revocations.items(region, trust_store_arn)]

    def targets_of(self, region: str, group_arn: str) -> list[tuple[Key, TargetRecord]]:
        """Return a target group's targets with their keys."""
        return self.targets.items(region, group_arn)

    def target_keys(self, region: str) -> Iterator[Key]:
        """Return the keys of a region's targets."""
        return (key for key, _ in self.targets.items(region))


def groups_in(actions: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ARNs of the target groups that actions forward to."""
    return {
        group["TargetGroupArn"]
        for action in actions
        for group in action.get("ForwardConfig", {}).get("TargetGroups", ())
    }


def tags_from(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by key."""
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def short_id(arn: str) -> str:
    """Return the part of an ARN that tells it from all others of its kind."""
    return arn.rpartition("/")[2]


def revocation_key(region: str, trust_store_arn: str, number: int) -> Key:
    """Return the key of a revocation list; they order by their ids."""
    return (region, trust_store_arn, f"{number:010}")


def name_of(target: Mapping[str, Any]) -> str:
    """Return how a target is called among those of its group: `10.0.0.4:8080`."""
    return f"{target['Id']}:{target['Port']}"


def record_of(target: Any, health: Health) -> TargetRecord:
    """Return the record of a target with this health."""
    return {
        "target": target,
        "state": health.state,
        "reason": health.reason,
        "description": health.description,
        "passes": health.passes,
        "failures": health.failures,
        "counted": health.counted,
        "since": health.since,
    }


def health_of(record: TargetRecord) -> Health:
    """Return the health that is in a record."""
    return Health(
        record["state"],
        record["reason"],
        record["description"],
        record["passes"],
        record["failures"],
        record["counted"],
        record["since"],
    )
