"""What goes together, and what a health check is at first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.plan import Check, Outcome, after, checking, passes, registered
from tidegate.cloud.services.elbv2.policies import POLICIES
from tidegate.cloud.services.elbv2.protocols import check_group, check_settings, codes_of, group_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_", "protocol", "timeout", "path", "matcher"),
    [
        ({}, "HTTP", 5, "/", {"HttpCode": "200"}),
        ({"ProtocolVersion": "GRPC"}, "HTTP", 5, "/AWS.ALB/healthcheck", {"GrpcCode": "12"}),
        ({"Protocol": "TCP"}, "TCP", 10, None, None),
        ({"Protocol": "TLS", "HealthCheckProtocol": "HTTP"}, "HTTP", 6, "/", {"HttpCode": "200-399"}),
        ({"Protocol": "TCP", "HealthCheckProtocol": "HTTPS"}, "HTTPS", 10, "/", {"HttpCode": "200-399"}),
    ],
)
def test_a_check_at_first(request_: Any, protocol: str, timeout: int, path: Any, matcher: Any) -> None:
    settings = group_settings(request_)
    found = (settings["HealthCheckProtocol"], settings["HealthCheckTimeoutSeconds"])
    assert found == (protocol, timeout)
    assert (settings.get("HealthCheckPath"), settings.get("Matcher")) == (path, matcher)


def test_a_check_changes_its_protocol() -> None:
    group = group_settings({"Protocol": "TCP", "HealthyThresholdCount": 3})
    asked = check_settings(group, {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/up"})
    assert (asked["HealthCheckPath"], asked["Matcher"], asked["HealthyThresholdCount"]) == (
        "/up",
        {"HttpCode": "200-399"},
        3,
    )
    back = check_settings({**group, **asked}, {"HealthCheckProtocol": "TCP"})
    assert not {"HealthCheckPath", "Matcher"} & back.keys()


@pytest.mark.parametrize(
    ("listener", "group", "fits"),
    [
        ("HTTP", {"Protocol": "HTTP"}, True),
        ("HTTP", {"Protocol": "HTTPS"}, True),
        ("HTTP", {"Protocol": "HTTP", "ProtocolVersion": "GRPC"}, False),
        ("HTTPS", {"Protocol": "HTTP", "ProtocolVersion": "GRPC"}, True),
        ("HTTPS", {"Protocol": "TCP"}, False),
        ("TCP", {"Protocol": "TCP"}, True),
        ("TCP", {"Protocol": "TLS"}, False),
        ("TLS", {"Protocol": "TLS"}, True),
        ("TLS", {"Protocol": "HTTP"}, False),
    ],
)
def test_listeners_and_groups(listener: str, group: dict[str, Any], *, fits: bool) -> None:
    named = {"TargetGroupArn": "g", **group}
    if fits:
        check_group(listener, named)
    else:
        with pytest.raises(ServiceError):
            check_group(listener, named)


def test_what_passes() -> None:
    tcp = Check(5, 2, 5, 2, codes_of(group_settings({"Protocol": "TCP"})))
    assert passes(Outcome(connected=True), tcp)
    assert not passes(Outcome(timed_out=True), tcp)
    grpc = Check(5, 2, 5, 2, codes_of(group_settings({"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "0-2,12"}})))
    assert passes(Outcome(12, connected=True), grpc)
    assert not passes(Outcome(connected=True), grpc)
    health = registered(NOW, used=True)
    for number in (1, 2, 3):
        health = after(checking(health), Outcome(14, connected=True), grpc, NOW + timedelta(seconds=5 * number))
    assert (health.state, health.description) == ("unhealthy", "Health checks failed with these codes: [14]")


def test_every_policy_leaves_something_to_speak() -> None:
    for name, policy in POLICIES.items():
        assert policy.versions, name
        assert policy.offered_ciphers or policy.versions == ("TLSv1.3",), name
        assert ("-PQ-" in name) is bool(policy.curves)
