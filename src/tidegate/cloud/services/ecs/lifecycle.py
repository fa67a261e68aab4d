"""What a task's containers mean for the task: which may start, whether it must stop, how healthy it is. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Stage(Enum):
    """Where a container is in its life."""

    ABSENT = "absent"
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is. `health` is starting, healthy, unhealthy, or None without a health check.

    `ran` is for how many seconds it has run, or had when it exited.
    """

    stage: Stage
    exit_code: int | None = None
    health: str | None = None
    ran: float = 0.0


_ABSENT = Container(Stage.ABSENT)
_START_TIMEOUT = 180  # seconds that others wait for a container by default
_RESTART_PERIOD = 300  # seconds that a container must run before it can be restarted


@dataclass(frozen=True, slots=True)
class Next:
    """The next step of a task that starts: the containers to start now, or the reason why it never can."""

    start: tuple[str, ...] = ()
    ready: bool = False
    hopeless: str | None = None
    again: float | None = None  # seconds after which somebody has waited for too long


def next_starts(definitions: Sequence[Mapping[str, Any]], actual: Mapping[str, Container]) -> Next:
    """Decide which containers may start, by their `dependsOn`; others wait for one for its `startTimeout`."""
    start = []
    waiting = False
    left: list[float] = []
    patience = {each["name"]: each.get("startTimeout", _START_TIMEOUT) for each in definitions}
    for definition in definitions:
        name = definition["name"]
        if actual.get(name, _ABSENT).stage not in (Stage.ABSENT, Stage.CREATED):
            continue
        met = [_is_met(on, actual.get(on["containerName"], _ABSENT)) for on in definition.get("dependsOn", [])]
        if False in met:
            return Next(hopeless="Container dependency was not met: " + _unmet(definition, actual))
        for on, done in zip(definition.get("dependsOn", []), met, strict=True):
            other = actual.get(on["containerName"], _ABSENT)
            if done is not None or other.stage is not Stage.RUNNING:
                continue
            left.append(patience[on["containerName"]] - other.ran)
            if left[-1] <= 0:
                return Next(hopeless=f"Container dependency timed out: {_waits(definition, on)}")
        if all(met):
            start.append(name)
        else:
            waiting = True
    return Next(tuple(start), ready=not start and not waiting, again=min(left, default=None))


def restarts(definitions: Sequence[Mapping[str, Any]], actual: Mapping[str, Container]) -> list[str]:
    """Return the containers that have exited and are started again, by their restart policies.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html: one that did not run for
    the policy's period ends as it would without one.
    """
    found = []
    for definition in definitions:
        policy, container = definition.get("restartPolicy", {}), actual.get(definition["name"], _ABSENT)
        if (
            policy.get("enabled")
            and container.stage is Stage.EXITED
            and container.exit_code not in policy.get("ignoredExitCodes", ())
            and container.ran >= policy.get("restartAttemptPeriod", _RESTART_PERIOD)
        ):
            found.append(str(definition["name"]))
    return found


def ended(definitions: Sequence[Mapping[str, Any]], actual: Mapping[str, Container]) -> str | None:
    """Return the name of an essential container that has ended (or is lost), None while all run."""
    for definition in definitions:
        stage = actual.get(definition["name"], _ABSENT).stage
        if definition.get("essential", True) and stage in (Stage.EXITED, Stage.ABSENT):
            return str(definition["name"])
    return None


def health(definitions: Sequence[Mapping[str, Any]], actual: Mapping[str, Container]) -> str:
    """Return the task's health status: that of its essential containers which have a health check."""
    found = [
        actual.get(definition["name"], _ABSENT).health
        for definition in definitions
        if definition.get("essential", True) and "healthCheck" in definition
    ]
    if not found:
        return "UNKNOWN"
    if "unhealthy" in found:
        return "UNHEALTHY"
    return "HEALTHY" if all(each == "healthy" for each in found) else "UNKNOWN"


def stop_layers(definitions: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the containers in the order of stopping: each before those that it depends on."""
    needs = {each["name"]: {on["containerName"] for on in each.get("dependsOn", [])} for each in definitions}
    layers: list[list[str]] = []
    left = set(needs)
    while left:
        needed = set().union(*(needs[name] for name in left))
        layer = sorted(left - needed) or sorted(left)
        layers.append(layer)
        left -= set(layer)
    return layers


def _is_met(on: Mapping[str, Any], container: Container) -> bool | None:
    """Return whether a condition is met; None while it still may be, False once it never will be."""
    condition = on["condition"]
    if condition == "START":
        return True if container.stage in (Stage.RUNNING, Stage.EXITED) else None
    if condition == "HEALTHY":
        if container.health == "healthy":
            return True
        return False if container.health == "unhealthy" or container.stage is Stage.EXITED else None
    if container.stage is not Stage.EXITED:
        return None
    return condition == "COMPLETE" or container.exit_code == 0


def _unmet(definition: Mapping[str, Any], actual: Mapping[str, Container]) -> str:
    on = next(on for on in definition["dependsOn"] if _is_met(on, actual.get(on["containerName"], _ABSENT)) is False)
    return _waits(definition, on)


def _waits(definition: Mapping[str, Any], on: Mapping[str, Any]) -> str:
    return f"{definition['name']} waits for {on['containerName']} to be {on['condition']}"
