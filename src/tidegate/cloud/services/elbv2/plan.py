"""What is decided of balancers and targets: pure, no clock, no plane.

Health as https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html has it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Traffic = Literal["healthy", "unhealthy", "draining"]

NO_LISTENER = "Target group is not configured to receive traffic from the load balancer"
OTHER_ZONE = "Target is in an Availability Zone that is not enabled for the load balancer"
# seconds between checks of a target of which nothing is known yet: a fifth of its age, between these
QUICK_PAUSE, LONGEST_QUICK_PAUSE = 0.05, 0.2
DRAIN_PAUSE = 0.1  # seconds for which a draining target has to be seen without a request
_LONG_DRAIN, _LONG_DRAIN_PAUSE = 5.0, 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Check:
    """How a target group's targets are checked.

    `codes` are ranges of statuses, ends included: of HTTP, or of gRPC. Without any, a connection is enough.
    """

    interval: float
    timeout: float
    healthy_after: int
    unhealthy_after: int
    codes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended: with a status, or without one, because it took too long or because it failed."""

    status: int | None = None
    timed_out: bool = False
    connected: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """A target's health: state, reason and description as AWS shows them, and what led there."""

    state: str
    reason: str | None
    description: str | None
    passes: int
    failures: int
    counted: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A target as far as routing is concerned."""

    state: str
    blocked: bool = False


def registered(now: datetime, *, used: bool) -> Health:
    """Return the health of a target that was just registered."""
    if not used:
        return unused(now)
    why = ("Elb.RegistrationInProgress", "Target registration is in progress")
    return Health("initial", *why, 0, 0, now, now)


def unused(now: datetime, why: str = NO_LISTENER) -> Health:
    """Return the health of a target that no traffic is sent to, and why that is."""
    return Health("unused", "Target.NotInUse", why, 0, 0, now, now)


def checking(health: Health) -> Health:
    """Return the health of a target that checks have begun for."""
    if health.reason != "Elb.RegistrationInProgress":
        return health
    return replace(health, reason="Elb.InitialHealthChecking", description="Initial health checks in progress")


def draining(now: datetime) -> Health:
    """Return the health of a target that is being deregistered."""
    why = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
    return Health("draining", *why, 0, 0, now, now)


def after(health: Health, outcome: Outcome, check: Check, now: datetime) -> Health:
    """Return a target's health after a check.

    One pass makes a new target healthy; after that it takes as many in a row as the group says. A failure
    counts once an interval, however often a new target is tried.
    """
    if health.state not in ("initial", "healthy", "unhealthy"):
        return health
    if passes(outcome, check):
        count = min(health.passes + 1, check.healthy_after)
        if health.state == "initial" or count >= check.healthy_after or health.state == "healthy":
            since = health.since if health.state == "healthy" else now
            return Health("healthy", None, None, check.healthy_after, 0, health.counted, since)
        return replace(health, passes=count, failures=0)
    # one that was counted in the future was so before the clock was set back
    if health.state == "initial" and timedelta(0) <= now - health.counted < timedelta(seconds=check.interval):
        return replace(checking(health), passes=0)
    count = min(health.failures + 1, check.unhealthy_after)
    counted = replace(
        checking(health), passes=0, failures=count, counted=now if health.state == "initial" else health.counted
    )
    if health.state != "unhealthy" and count < check.unhealthy_after:
        return counted
    reason, description = _why(outcome)
    since = health.since if health.state == "unhealthy" else now
    return replace(counted, state="unhealthy", reason=reason, description=description, since=since)


def passes(outcome: Outcome, check: Check) -> bool:
    """Return whether a check was passed."""
    if not check.codes:
        return outcome.connected
    return outcome.status is not None and any(first <= outcome.status <= last for first, last in check.codes)


def pause(health: Health, check: Check, now: datetime) -> float:
    """Return the seconds between the start of one check and the next."""
    if health.state != "initial":
        return check.interval
    age = (now - health.since).total_seconds()
    return min(max(QUICK_PAUSE, age / 5), LONGEST_QUICK_PAUSE, check.interval)


def parse_codes(text: str, digits: str = "3") -> tuple[tuple[int, int], ...] | None:
    """Return the ranges of a matcher (`200`, `200,202`, `200-299`), or None for what is none.

    `digits` is how many a code has: `3`, or `1,2` for gRPC's.
    """
    ranges = []
    for part in text.split(","):
        found = re.fullmatch(rf"(\d{{{digits}}})(?:-(\d{{{digits}}}))?", part.strip())
        if found is None:
            return None
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            return None
        ranges.append((first, last))
    return tuple(ranges)


def routing(
    members: Mapping[str, Member], minimum_count: int = 1, minimum_percentage: int | None = None
) -> dict[str, Traffic]:
    """Return which targets get requests (`healthy`), get none, or keep only those that they have.

    Below the group's minimum of healthy targets all get requests, but for those that are not known yet: a
    load balancer fails open. One that cannot be reached gets none in any case.
    """
    live = {name: each for name, each in members.items() if each.state in ("healthy", "unhealthy")}
    healthy = {name for name, each in live.items() if each.state == "healthy"}
    minimum = max(minimum_count, 1)
    if minimum_percentage is not None:
        minimum = max(minimum, -(-len(live) * minimum_percentage // 100))
    chosen = healthy if len(healthy) >= minimum else set(live)
    result: dict[str, Traffic] = {}
    for name, each in members.items():
        if each.state == "draining":
            result[name] = "draining"
        elif name in chosen and not each.blocked:
            result[name] = "healthy"
        else:
            result[name] = "unhealthy"
    return result


def cut_off(members: Mapping[str, Member]) -> bool:
    """Return whether there are targets, but security groups keep the load balancer from every one of them."""
    live = [each for each in members.values() if each.state in ("healthy", "unhealthy")]
    return bool(live) and all(each.blocked for each in live)


@dataclass(frozen=True, slots=True)
class Drain:
    """What a draining target is to do: go, or be looked at again after some seconds."""

    done: bool
    again: float | None = None


def drain(*, since: datetime, now: datetime, delay: float, requests: int | None, idle_for: float | None) -> Drain:
    """Decide on a draining target.

    `requests` are those that it still has, None where it is not known yet that it gets no new ones; `idle_for` is
    for how long it has been seen without any. It goes when it has been idle for a moment, or its time is over.
    """
    spent = (now - since).total_seconds()
    if spent >= delay:
        return Drain(done=True)
    if requests == 0 and idle_for is not None and idle_for >= DRAIN_PAUSE:
        return Drain(done=True)
    often = DRAIN_PAUSE if requests in (0, None) or spent < _LONG_DRAIN else _LONG_DRAIN_PAUSE
    return Drain(done=False, again=min(often, delay - spent))


def allows(
    balancer_groups: Iterable[Mapping[str, Any]],
    balancer_addresses: Collection[str],
    target_groups: Iterable[Mapping[str, Any]],
    target_address: str,
    port: int,
) -> bool:
    """Return whether security groups (as EC2 describes them) let a load balancer reach a target's port.

    One without groups, as a network load balancer may be, is kept from nothing by itself.
    """
    outside, inside = list(balancer_groups), list(target_groups)
    out = not outside or any(
        _permits(permission, port, {each["GroupId"] for each in inside}, [target_address])
        for group in outside
        for permission in group["IpPermissionsEgress"]
    )
    return out and any(
        _permits(permission, port, {each["GroupId"] for each in outside}, balancer_addresses)
        for group in inside
        for permission in group["IpPermissions"]
    )


def dns_name(address: str, reserved: int | None, ports: Iterable[tuple[int, int | None]]) -> str:
    """Return the name under which a load balancer is reached: its address, with a port where it needs one.

    `ports` are, for each listener from the oldest on, the port that it should have and the one that it has. The
    first that could not have its own is named; `reserved` is named while there is no listener at all.
    """
    pairs = list(ports)
    if not pairs:
        return address if reserved is None else f"{address}:{reserved}"
    moved = next((bound for wanted, bound in pairs if bound is not None and bound != wanted), None)
    return address if moved is None else f"{address}:{moved}"


def glob(pattern: str, *, any_character: str = ".") -> str:
    """Return the regular expression for a pattern with `*` and `?`; a backslash takes their meaning away."""
    parts = re.split(r"(\\[*?\\]|\*|\?)", pattern)
    wild = {"*": f"{any_character}*", "?": any_character}
    return "".join(
        wild.get(part) or re.escape(part[1:] if part[:1] == "\\" and len(part) == 2 else part) for part in parts
    )


def _why(outcome: Outcome) -> tuple[str, str]:
    if outcome.timed_out:
        return "Target.Timeout", "Request timed out"
    if outcome.status is not None:
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{outcome.status}]"
    return "Target.FailedHealthChecks", "Health checks failed"


def _permits(permission: Mapping[str, Any], port: int, groups: Collection[str], addresses: Collection[str]) -> bool:
    protocol = permission["IpProtocol"]
    if protocol not in ("-1", "tcp"):
        return False
    if protocol == "tcp" and not permission["FromPort"] <= port <= permission["ToPort"]:
        return False
    if any(pair["GroupId"] in groups for pair in permission["UserIdGroupPairs"]):
        return True
    ranges = [ip_network(each["CidrIp"]) for each in permission["IpRanges"]]
    return any(ip_address(address) in network for network in ranges for address in addresses)
