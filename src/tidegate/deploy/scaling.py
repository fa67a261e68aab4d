"""How many tasks a service has: set for now, and compared with what tidegate.yml says.

The manifest is what counts: `scale` lasts until the next `up`, which shows in its plan that it takes it back.
Autoscaling moves the count between its bounds all the time; that is nothing to be taken back.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.releases import running_service
from tidegate.deploy.stacks import Change, StackPlan, Standing
from tidegate.manifest import Service
from tidegate.template import names

_DIMENSION = "ecs:service:DesiredCount"
_BOUNDS = ("MinCapacity", "MaxCapacity")


@dataclass(frozen=True, slots=True)
class Scale:
    """How many tasks a service wants; its bounds are None where nothing scales it."""

    desired: int
    minimum: int | None = None
    maximum: int | None = None

    @property
    def key(self) -> str:
        """Return it as tidegate.yml writes it."""
        if self.minimum is None or self.maximum is None:
            return f"count: {self.desired}"
        return f"count: {{min: {self.minimum}, desired: {self.desired}, max: {self.maximum}}}"


@dataclass(frozen=True, slots=True)
class Scaled:
    """What `scale` has changed; `manifest` is what tidegate.yml says."""

    before: Scale
    after: Scale
    manifest: Scale

    @property
    def kept(self) -> bool:
        """Return whether the next `up` leaves it as it is."""
        if self.manifest.minimum is None or self.manifest.maximum is None:
            return self.after.desired == self.manifest.desired
        bounds = (self.after.minimum, self.after.maximum) == (self.manifest.minimum, self.manifest.maximum)
        return bounds and self.manifest.minimum <= self.after.desired <= self.manifest.maximum


def scale(project: Project, service: str, minimum: int | None, desired: int | None, maximum: int | None) -> Scaled:
    """Set a service's count and the bounds of its autoscaling; raise `UserError` for what does not go together."""
    found = running_service(project, service)
    target = targets(project, [service]).get(service)
    wanted = Scale(found["desiredCount"], *(bounds(target) if target else (None, None)))
    if target is None and (minimum is not None or maximum is not None):
        low = minimum or min(1, wanted.desired)
        example = Scale(max(wanted.desired, low), low, max(maximum or 2 * wanted.desired, wanted.desired, low + 1))
        raise UserError(
            f"scale {service}",
            "nothing scales it: tidegate.yml gives it a fixed count",
            f"write services.{service}.{example.key}, then tidegate up",
        )
    after = wished(wanted, minimum, desired, maximum)
    if target is not None and (after.minimum, after.maximum) != (wanted.minimum, wanted.maximum):
        _set_bounds(project, service, after)
    if after.desired != wanted.desired:
        project.session.client("ecs").update_service(
            cluster=project.cluster, service=service, desiredCount=after.desired
        )
    return Scaled(wanted, after, of_manifest(project.manifest.services[service]))


def wished(now: Scale, minimum: int | None, desired: int | None, maximum: int | None) -> Scale:
    """Return what is wanted: what is not named stays, a count that is not named moves within the bounds.

    Raises `UserError` where the numbers do not go together.
    """
    if now.minimum is None or now.maximum is None:
        return Scale(now.desired if desired is None else desired)
    low = now.minimum if minimum is None else minimum
    high = now.maximum if maximum is None else maximum
    count = min(max(now.desired, low), high) if desired is None else desired
    if not low <= count <= high:
        why = f"min <= desired <= max does not hold: {low}, {count}, {high}"
        raise UserError("scale", why, "name --min or --max as well")
    return Scale(count, low, high)


def of_manifest(service: Service) -> Scale:
    """Return what the manifest says."""
    count = service.count
    return Scale(count.desired, count.min, count.max) if service.scales else Scale(count.desired)


def targets(project: Project, services: Sequence[str]) -> dict[str, Any]:
    """Return the scalable targets of services, by service; none for those that nothing scales."""
    answer = project.session.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[_resource(project, each) for each in services]
    )
    return {each["ResourceId"].rpartition("/")[2]: each for each in answer["ScalableTargets"]}


def bounds(target: Any) -> tuple[int, int]:
    """Return a scalable target's bounds."""
    return target["MinCapacity"], target["MaxCapacity"]


def with_drift(project: Project, service: str, desired: int, plan: StackPlan) -> StackPlan:
    """Return the plan of a service's stack with what somebody has scaled by hand since, which `up` takes back."""
    if plan.standing is None:
        return plan
    if of_manifest(project.manifest.services[service]).minimum is None:
        declared = plan.standing.parameters.get(names.COUNT_PARAMETER, "")
        return _drifted(plan, "Service", {"DesiredCount": desired}, {"DesiredCount": int(declared or desired)})
    target = targets(project, [service]).get(service)
    stood = plan.standing.body["Resources"].get("ScalableTarget")
    if target is None or stood is None:
        return plan
    actual = dict(zip(_BOUNDS, bounds(target), strict=True))
    return _drifted(plan, "ScalableTarget", actual, {name: stood["Properties"][name] for name in _BOUNDS})


def _drifted(plan: StackPlan, resource: str, actual: Mapping[str, int], stood: Mapping[str, int]) -> StackPlan:
    """Return a plan in which what differs from what the stack has made is changed, and what stands is what is there."""
    differing = {name for name, value in actual.items() if value != stood[name]}
    assert plan.standing is not None
    declared = plan.standing.body["Resources"].get(resource)
    if not differing or declared is None:
        return plan
    properties = {**declared["Properties"], **{name: actual[name] for name in differing if name != "DesiredCount"}}
    resources = {**plan.standing.body["Resources"], resource: {**declared, "Properties": properties}}
    parameters = dict(plan.standing.parameters)
    if "DesiredCount" in differing:
        parameters[names.COUNT_PARAMETER] = str(actual["DesiredCount"])
    known = next((each for each in plan.changes if each.resource == resource), None)
    change = known or Change("Modify", resource, declared["Type"])
    merged = tuple(sorted({*change.properties, *differing}))
    others = tuple(each for each in plan.changes if each is not known)
    return replace(
        plan,
        changes=(*others, replace(change, properties=merged, by_hand=True)),
        standing=Standing({**plan.standing.body, "Resources": resources}, parameters),
    )


def restore(project: Project, service: str) -> None:
    """Give a service the count and the bounds that tidegate.yml says; what autoscaling decides is left to it."""
    wanted = of_manifest(project.manifest.services[service])
    if wanted.minimum is None:
        ecs = project.session.client("ecs")
        ecs.update_service(cluster=project.cluster, service=service, desiredCount=wanted.desired)
    elif targets(project, [service]):
        _set_bounds(project, service, wanted)


def _set_bounds(project: Project, service: str, wanted: Scale) -> None:
    project.session.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=_resource(project, service),
        ScalableDimension=_DIMENSION,
        MinCapacity=wanted.minimum,
        MaxCapacity=wanted.maximum,
    )


def _resource(project: Project, service: str) -> str:
    return f"service/{project.cluster}/{service}"
