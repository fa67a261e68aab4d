"""Which Host headers name this machine's own cloud."""

from __future__ import annotations

import pytest

from tidegate.cloud.gateway.server import HttpServer


async def nothing(scope: object, receive: object, send: object) -> None:
    """Answer nobody."""


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:4650", True),
        ("localhost", True),
        ("data-127.0.0.1:4650", True),
        ("data-8.8.8.8:4650", False),
        ("data-localhost:4650", False),
        ("evil.example:4650", False),
        ("data-evil.example", False),
    ],
)
def test_a_host_is_ours_where_nobody_else_can_own_its_name(host: str, *, own: bool) -> None:
    assert HttpServer(nothing, 4650).allows(host) is own
