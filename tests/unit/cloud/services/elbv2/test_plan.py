"""Health, routing and draining: what must hold whatever happens."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.elbv2.plan import (
    DRAIN_PAUSE,
    LONGEST_QUICK_PAUSE,
    Check,
    Health,
    Member,
    Outcome,
    after,
    allows,
    checking,
    cut_off,
    dns_name,
    drain,
    draining,
    glob,
    parse_codes,
    passes,
    pause,
    registered,
    routing,
    unused,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASS, BROKEN, LATE, REFUSED = Outcome(200), Outcome(500), Outcome(timed_out=True), Outcome()

checks = st.builds(
    Check,
    interval=st.sampled_from([5, 10, 30]),
    timeout=st.just(2),
    healthy_after=st.integers(2, 10),
    unhealthy_after=st.integers(2, 10),
    codes=st.just(((200, 299),)),
)
EARLY = 8  # tries more in a target's first second than there would be by the longest quick pause
outcomes = st.lists(st.sampled_from([PASS, BROKEN, LATE, REFUSED]), max_size=60)
states = st.sampled_from(["initial", "healthy", "unhealthy", "draining", "unused"])
members = st.dictionaries(st.text(min_size=1, max_size=3), st.builds(Member, states, st.booleans()), max_size=8)


def run(results: list[Outcome], check: Check) -> list[Health]:
    """Return a new target's health after each check, each begun when it is due."""
    health, now, history = registered(NOW, used=True), NOW, []
    for each in results:
        health = after(checking(health), each, check, now)
        history.append(health)
        now += timedelta(seconds=pause(health, check, now))
    return history


@given(outcomes, checks)
def test_health_changes_only_after_enough_checks_in_a_row(results: list[Outcome], check: Check) -> None:
    previous = "initial"
    for number, health in enumerate(run(results, check)):
        in_a_row = [passes(each, check) for each in results[: number + 1]]
        if health.state != previous and health.state == "healthy":
            needed = 1 if previous == "initial" else check.healthy_after
            assert all(in_a_row[-needed:])
            assert len(in_a_row) >= needed
        elif health.state != previous:
            assert health.state == "unhealthy"
            assert not any(in_a_row[-check.unhealthy_after :])
            assert len(in_a_row) >= check.unhealthy_after
        assert (health.reason is None) is (health.state == "healthy")
        previous = health.state


@given(outcomes, checks)
def test_health_follows_what_does_not_change_any_more(results: list[Outcome], check: Check) -> None:
    settled = [*results, *[PASS] * check.healthy_after]
    assert run(settled, check)[-1].state == "healthy"
    failing = [
        *results,
        *[BROKEN] * (check.unhealthy_after * round(check.interval / LONGEST_QUICK_PAUSE + 1) + EARLY),
    ]
    assert run(failing, check)[-1].state == "unhealthy"


@given(checks)
def test_a_new_target_is_tried_often_and_its_failures_count_once_an_interval(check: Check) -> None:
    expected = check.interval * check.unhealthy_after / LONGEST_QUICK_PAUSE + EARLY
    history = run([REFUSED] * round(expected * 1.1), check)
    tries = next(number for number, each in enumerate(history) if each.state == "unhealthy")
    assert tries == pytest.approx(expected, abs=2 * check.unhealthy_after)


@pytest.mark.parametrize(
    ("outcome", "reason", "description"),
    [
        (BROKEN, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
        (LATE, "Target.Timeout", "Request timed out"),
        (REFUSED, "Target.FailedHealthChecks", "Health checks failed"),
    ],
)
def test_the_reason_is_the_last_one(outcome: Outcome, reason: str, description: str) -> None:
    check = Check(5, 2, 5, 2, ((200, 200),))
    sick = replace(registered(NOW, used=True), state="unhealthy", reason="old", description="old", failures=2)
    health = after(sick, outcome, check, NOW)
    assert (health.state, health.reason, health.description) == ("unhealthy", reason, description)
    recovering = after(health, PASS, check, NOW)
    assert (recovering.state, recovering.passes, recovering.reason) == ("unhealthy", 1, reason)


def test_checks_change_nothing_for_what_is_not_checked() -> None:
    check = Check(5, 2, 5, 2, ((200, 200),))
    for health in (unused(NOW), draining(NOW)):
        assert after(health, PASS, check, NOW) == health


@given(members, st.integers(1, 4), st.none() | st.integers(1, 100))
def test_routing(targets: dict[str, Member], count: int, percentage: int | None) -> None:
    traffic = routing(targets, count, percentage)
    assert traffic.keys() == targets.keys()
    for name, each in targets.items():
        assert (traffic[name] == "draining") is (each.state == "draining")
        if traffic[name] == "healthy":
            assert each.state in ("healthy", "unhealthy")
            assert not each.blocked
        if each.state == "healthy" and not each.blocked:
            assert traffic[name] == "healthy"
    open_to_all = any(traffic[name] == "healthy" for name, each in targets.items() if each.state == "unhealthy")
    healthy = sum(each.state == "healthy" for each in targets.values())
    live = healthy + sum(each.state == "unhealthy" for each in targets.values())
    if open_to_all:
        assert healthy < max(count, -(-live * (percentage or 0) // 100))
    if cut_off(targets):
        assert "healthy" not in traffic.values()


def test_a_balancer_fails_open() -> None:
    assert routing({"a": Member("unhealthy"), "b": Member("initial")}) == {"a": "healthy", "b": "unhealthy"}
    assert routing({"a": Member("unhealthy"), "b": Member("healthy")}) == {"a": "unhealthy", "b": "healthy"}


@given(st.floats(0, 400), st.floats(0, 300), st.none() | st.integers(0, 5), st.none() | st.floats(0, 10))
def test_draining_ends_in_time_and_not_before(
    spent: float, delay: float, requests: int | None, idle_for: float | None
) -> None:
    now = NOW + timedelta(seconds=spent)
    decision = drain(since=NOW, now=now, delay=delay, requests=requests, idle_for=idle_for)
    if (now - NOW).total_seconds() >= delay:
        assert decision.done
    elif requests != 0 or idle_for is None or idle_for < DRAIN_PAUSE:
        assert not decision.done
        assert decision.again is not None
        assert 0 < decision.again <= delay
    else:
        assert decision.done


@given(st.text("ab.*?", max_size=6), st.text("ab.", max_size=6))
def test_patterns(pattern: str, text: str) -> None:
    assert (re.fullmatch(glob(pattern), text, re.DOTALL) is not None) is fnmatchcase(text, pattern)


def test_escaped_patterns() -> None:
    assert re.fullmatch(glob(r"a\*b\?*"), "a*b?c")
    assert not re.fullmatch(glob(r"a\*b"), "axb")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("200", ((200, 200),)),
        ("200,202", ((200, 200), (202, 202))),
        ("200-299,404", ((200, 299), (404, 404))),
        ("299-200", None),
        ("", None),
        ("2xx", None),
    ],
)
def test_matchers(text: str, codes: Any) -> None:
    assert parse_codes(text) == codes


@pytest.mark.parametrize(
    ("ports", "name"),
    [
        ([], "127.1.2.3:18080"),
        ([(80, 80)], "127.1.2.3"),
        ([(80, 18080)], "127.1.2.3:18080"),
        ([(8080, 8080), (80, 18080)], "127.1.2.3:18080"),
        ([(80, None)], "127.1.2.3"),
    ],
)
def test_names(ports: list[tuple[int, int | None]], name: str) -> None:
    assert dns_name("127.1.2.3", 18080, ports) == name


def permission(
    port: int | None, *, group: str | None = None, cidr: str | None = None, protocol: str = "tcp"
) -> dict[str, Any]:
    return {
        "IpProtocol": protocol,
        **({} if port is None else {"FromPort": port, "ToPort": port}),
        "UserIdGroupPairs": [{"GroupId": group}] if group else [],
        "IpRanges": [{"CidrIp": cidr}] if cidr else [],
    }


EVERYWHERE = permission(None, cidr="0.0.0.0/0", protocol="-1")


@pytest.mark.parametrize(
    ("egress", "ingress", "allowed"),
    [
        (EVERYWHERE, permission(80, group="sg-alb"), True),
        (EVERYWHERE, permission(80, cidr="10.0.0.0/16"), True),
        (EVERYWHERE, permission(80, cidr="192.168.0.0/16"), False),
        (EVERYWHERE, permission(81, group="sg-alb"), False),
        (EVERYWHERE, permission(80, group="sg-other"), False),
        (EVERYWHERE, permission(80, group="sg-alb", protocol="udp"), False),
        (permission(80, group="sg-task"), permission(80, group="sg-alb"), True),
        (permission(443, cidr="0.0.0.0/0"), permission(80, group="sg-alb"), False),
    ],
)
def test_security_groups(egress: dict[str, Any], ingress: dict[str, Any], allowed: bool) -> None:
    alb = {"GroupId": "sg-alb", "IpPermissions": [], "IpPermissionsEgress": [egress]}
    task = {"GroupId": "sg-task", "IpPermissions": [ingress], "IpPermissionsEgress": []}
    assert allows([alb], ["10.0.0.7", "10.0.1.7"], [task], "10.0.2.9", 80) is allowed
