"""Capacity reservations.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/capacity-unit-reservation.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.shared import ElbApi, arn_in, find_balancer
from tidegate.cloud.services.elbv2.model import BalancerRecord, CapacityRecord

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

_MOST_DECREASES = 2  # within a day
_DAY = timedelta(days=1)
_LEAST = {"application": 100, "network": 2750}  # units; of a network load balancer, in each of its zones


class CapacityApi(ElbApi):
    """See API_ModifyCapacityReservation.html and siblings in the API reference of Elastic Load Balancing."""

    @operation(resource=arn_in("LoadBalancerArn"))
    async def describe_capacity_reservation(
        self, context: Context, request: t.DescribeCapacityReservationInputTypeDef
    ) -> Mapping[str, Any]:
        """Return what was reserved. It is recorded only: Envoy has the whole machine either way."""
        return self._shown(find_balancer(self.model, context.region, request["LoadBalancerArn"]))

    @operation(resource=arn_in("LoadBalancerArn"))
    async def modify_capacity_reservation(
        self, context: Context, request: t.ModifyCapacityReservationInputTypeDef
    ) -> Mapping[str, Any]:
        """Record what is reserved, or that nothing is, within AWS's limits; it changes nothing of how Envoy serves."""
        region, arn = context.region, request["LoadBalancerArn"]
        record = find_balancer(self.model, region, arn)
        wanted = request.get("MinimumLoadBalancerCapacity", {}).get("CapacityUnits")
        reset = request.get("ResetCapacityReservation", False)
        if (wanted is None) is not reset:
            raise ServiceError(
                "ValidationError",
                "You must specify either 'MinimumLoadBalancerCapacity' or 'ResetCapacityReservation', but not both",
            )
        kind, zones = record["balancer"]["Type"], len(record["balancer"]["AvailabilityZones"])
        least = _LEAST[kind] * (zones if kind == "network" else 1)
        if wanted is not None and wanted < least:
            raise ServiceError(
                "InvalidConfigurationRequest", f"The minimum capacity of this load balancer must be at least {least}"
            )
        now = self.clock.now()
        present = record.get("capacity")
        units = 0 if present is None else present["units"] or 0
        decreases = [] if present is None else [each for each in present["decreases"] if now - each < _DAY]
        if wanted is not None and wanted < units:
            if len(decreases) >= _MOST_DECREASES:
                raise ServiceError(
                    "CapacityDecreaseRequestLimitExceeded",
                    f"The capacity of a load balancer can be reduced at most {_MOST_DECREASES} times a day",
                )
            decreases.append(now)
        changed: CapacityRecord = {"units": wanted, "modified": now, "decreases": decreases}
        record["capacity"] = changed
        self.model.balancers.put((region, arn), record)
        return self._shown(record)

    def _shown(self, record: BalancerRecord) -> dict[str, Any]:
        capacity = record.get("capacity")
        if capacity is None:
            return {"DecreaseRequestsRemaining": _MOST_DECREASES, "CapacityReservationState": []}
        recent = [each for each in capacity["decreases"] if self.clock.now() - each < _DAY]
        answer: dict[str, Any] = {
            "LastModifiedTime": capacity["modified"],
            "DecreaseRequestsRemaining": _MOST_DECREASES - len(recent),
            "CapacityReservationState": [],
        }
        if capacity["units"] is not None:
            zones = [each["ZoneName"] for each in record["balancer"]["AvailabilityZones"]]
            answer["MinimumLoadBalancerCapacity"] = {"CapacityUnits": capacity["units"]}
            answer["CapacityReservationState"] = [
                {
                    "State": {"Code": "provisioned"},
                    "AvailabilityZone": zone,
                    "EffectiveCapacityUnits": capacity["units"] / len(zones),
                }
                for zone in zones
            ]
        return answer
