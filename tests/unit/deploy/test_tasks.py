"""A command in a task that runs: what has to be so before it can, and what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.aws import FakeClient, fake_project
from tidegate.deploy.errors import UserError
from tidegate.deploy.tasks import execute

MANIFEST = "app: hello\nservices: {web: {port: 8080, exec: true}}\n"


def ecs(*, allowed: bool = True, tasks: tuple[dict[str, Any], ...] = ()) -> FakeClient:
    arns = [each["taskArn"] for each in tasks]
    session = {"sessionId": "ecs-execute-command-1", "streamUrl": "wss://stream", "tokenValue": "token"}
    return FakeClient(
        "ecs",
        describe_services={"services": [{"status": "ACTIVE", "enableExecuteCommand": allowed}]},
        list_tasks={"taskArns": arns},
        describe_tasks={"tasks": list(tasks)},
        execute_command={"session": session, "interactive": True},
    )


def task(name: str, minute: int, *, allowed: bool = True, agent: str = "RUNNING", status: str = "RUNNING") -> Any:
    return {
        "taskArn": f"arn:aws:ecs:us-east-1:000000000000:task/hello-local/{name * 32}",
        "lastStatus": status,
        "createdAt": datetime(2026, 11, 27, 9, minute, tzinfo=UTC),
        "enableExecuteCommand": allowed,
        "containers": [
            {"name": "web", "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": agent, "reason": "why"}]}
        ],
    }


def test_the_newest_task_gets_the_command_as_a_shell_reads_it() -> None:
    client = ecs(tasks=(task("a", 1), task("b", 3), task("c", 2), task("d", 4, status="PENDING")))
    session = execute(fake_project(MANIFEST, ecs=client), "web", ["sh", "-c", "echo $HOME; ls"], None)
    assert (session.task, session.url, session.token) == ("bbbbbbbb", "wss://stream", "token")
    _, request = client.requests[-1]
    assert request["command"] == "sh -c 'echo $HOME; ls'"
    assert (request["container"], request["interactive"]) == ("web", True)
    assert execute(fake_project(MANIFEST, ecs=client), "web", ["ls"], "aa").task == "aaaaaaaa"


@pytest.mark.parametrize(
    ("client", "name", "why"),
    [
        (ecs(allowed=False), None, "it is not allowed for this service"),
        (ecs(), None, "none of its tasks runs"),
        (ecs(tasks=(task("a", 1),)), "b", "none whose id begins with b of its tasks runs; there are aaaaaaaa"),
        (ecs(tasks=(task("a", 1, allowed=False),)), None, "task aaaaaaaa was started before it was allowed"),
        (ecs(tasks=(task("a", 1, agent="STOPPED"),)), None, "the agent in task aaaaaaaa is stopped: why"),
    ],
)
def test_what_keeps_a_command_from_being_run(client: FakeClient, name: str | None, why: str) -> None:
    with pytest.raises(UserError, match=why):
        execute(fake_project(MANIFEST, ecs=client), "web", ["ls"], name)
