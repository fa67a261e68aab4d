"""Which containers of a task are started again."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cloud.services.ecs.lifecycle import Container, Stage, restarts


@pytest.mark.parametrize(
    ("policy", "container", "again"),
    [
        ({"enabled": True}, Container(Stage.EXITED, 1, ran=300), True),
        ({"enabled": True}, Container(Stage.EXITED, 1, ran=299), False),
        ({"enabled": True, "restartAttemptPeriod": 60}, Container(Stage.EXITED, 0, ran=60), True),
        ({"enabled": True, "ignoredExitCodes": [1]}, Container(Stage.EXITED, 1, ran=999), False),
        ({"enabled": False}, Container(Stage.EXITED, 1, ran=999), False),
        (None, Container(Stage.EXITED, 1, ran=999), False),
        ({"enabled": True}, Container(Stage.RUNNING), False),
    ],
)
def test_restarts(policy: dict[str, Any] | None, container: Container, again: bool) -> None:
    definition = {"name": "app", **({} if policy is None else {"restartPolicy": policy})}
    assert restarts([definition], {"app": container}) == (["app"] if again else [])
