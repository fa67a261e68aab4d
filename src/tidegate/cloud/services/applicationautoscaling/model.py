"""The records of Application Auto Scaling: targets, policies, what was done last, and the activities to be shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Store

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

NAMESPACE: Final = "ecs"
DIMENSION: Final = "ecs:service:DesiredCount"
_KEPT = timedelta(weeks=6)  # as AWS shows activities


class TargetRecord(TypedDict):
    """A scalable target as AWS shows it, and its tags."""

    target: t.ScalableTargetTypeDef
    tags: dict[str, str]


class StateRecord(TypedDict):
    """What was done to a target last: for the cooldowns, and to see an activity through."""

    scaled_out: NotRequired[datetime]
    before_scale_out: NotRequired[int]  # the count that it started from
    scaled_in: NotRequired[datetime]
    activity: NotRequired[list[str]]  # the key of the one that is in progress
    wanted: NotRequired[int]  # the count that it set
    used: NotRequired[dict[str, str]]  # alarm -> what it was raised by when something was last done by it


class ScheduledRecord(TypedDict):
    """A scheduled action as AWS shows it, and when it is due next, if ever."""

    action: t.ScheduledActionTypeDef
    due: datetime | None


class AutoScalingModel:
    """Everything by region and resource id (`service/CLUSTER/SERVICE`)."""

    def __init__(self, store: Store) -> None:
        self.transaction = store.transaction
        self.targets = Collection[TargetRecord](store, "autoscaling.target")
        self.policies: Collection[t.ScalingPolicyTypeDef] = Collection(store, "autoscaling.policy")  # …, name
        self.scheduled = Collection[ScheduledRecord](store, "autoscaling.scheduled-action")  # …, name
        self.states = Collection[StateRecord](store, "autoscaling.state")
        self.activities: Collection[t.ScalingActivityTypeDef] = Collection(store, "autoscaling.activity")  # …, when

    def tags_of(self, arn: str) -> dict[str, str] | None:
        """Return the tags of the target of an ARN; None where there is none yet."""
        found = self.targets.values(arn.split(":")[3])
        return next((each["tags"] for each in found if each["target"]["ScalableTargetARN"] == arn), None)

    def following(self, region: str) -> set[tuple[str, ...]]:
        """Return the keys of a region's targets that have a policy."""
        return {key[:2] for key, _ in self.policies.items(region)}

    def add_activity(self, region: str, activity: t.ScalingActivityTypeDef) -> tuple[str, ...]:
        """Add an activity and return its key; those that are weeks old go."""
        resource, now = activity["ResourceId"], activity["StartTime"]
        for key, old in self.activities.items(region, resource):
            if old["StartTime"] >= now - _KEPT:
                break
            self.activities.delete(*key)
        key = (region, resource, f"{now.timestamp():017.3f} {activity['ActivityId']}")
        self.activities.put(key, activity)
        return key

    def remove_target(self, region: str, resource: str) -> None:
        """Remove a target with its policies and scheduled actions; its activities stay to be seen."""
        with self.transaction():
            for key, _ in self.scheduled.items(region, resource):
                self.scheduled.delete(*key)
            for key, _ in self.policies.items(region, resource):
                self.policies.delete(*key)
            self.states.delete(region, resource)
            self.targets.delete(region, resource)
