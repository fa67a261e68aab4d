"""Which containers of a task are started, and started again."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cloud.services.ecs.lifecycle import Container, Stage, next_starts, restarts


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


@pytest.mark.parametrize(
    ("timeout", "ran", "hopeless"), [(5, 4, False), (5, 5, True), (None, 179, False), (None, 180, True)]
)
def test_nobody_waits_for_ever(timeout: int | None, ran: float, hopeless: bool) -> None:
    first = {"name": "db", **({} if timeout is None else {"startTimeout": timeout})}
    second = {"name": "app", "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]}
    decided = next_starts([first, second], {"db": Container(Stage.RUNNING, health="starting", ran=ran)})
    why = "Container dependency timed out: app waits for db to be HEALTHY"
    assert (decided.start, decided.hopeless) == ((), why if hopeless else None)
