"""ECS Exec: a program in a container that runs, talked to by the client of AWS's own protocol."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.daemon import Daemon
from tests.fargate import Fargate, until
from tidegate.deploy.data_channel import DataChannel, connected
from tidegate.deploy.errors import UserError

_ACTIONS = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"]
SLEEPER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


class Executable(Fargate):
    """Fargate with a task role whose tasks may be looked into, and one such task."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.task_role = self.make_role("task")
        self.let(*_ACTIONS)
        self.arn = ""

    def let(self, *actions: str) -> None:
        statement = {
            "Effect": "Allow",
            "Action": [f"ssmmessages:{each}" for each in actions] or "s3:x",
            "Resource": "*",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName="task", PolicyName="p", PolicyDocument=document)

    def start(self, *names: str, **more: Any) -> str:
        containers = [self.container(name, SLEEPER) for name in names or ("app",)]
        definition = self.register(*containers, taskRoleArn=self.task_role)
        request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": self.network, **more}
        self.arn = str(self.ecs.run_task(**request)["tasks"][0]["taskArn"])
        self.wait_for(self.arn, "RUNNING")
        return self.arn

    def execute(self, command: str, **more: Any) -> Any:
        return self.ecs.execute_command(cluster="c", task=self.arn, command=command, interactive=True, **more)

    def output(self, command: str) -> str:
        """Return what a command has written, once its channel was closed."""
        session, written = self.execute(command)["session"], bytearray()
        with connected(session["streamUrl"]) as channel:
            channel.run(session["tokenValue"], written.extend)
        return written.decode()

    def processes(self) -> str:
        """Return what runs in the task's container."""
        container = self.task(self.arn)["containers"][0]["runtimeId"]
        return subprocess.run(["docker", "top", container], capture_output=True, text=True, check=True).stdout


@contextmanager
def talking(session: Any) -> Iterator[tuple[DataChannel, bytearray, threading.Thread]]:
    """Open a channel that goes on in a thread."""
    written = bytearray()

    def run(channel: DataChannel) -> None:
        try:
            channel.run(session["tokenValue"], written.extend)
        except UserError as error:
            written.extend(f"[{error}]".encode())

    with connected(session["streamUrl"]) as channel:
        thread = threading.Thread(target=run, args=(channel,))
        thread.start()
        yield channel, written, thread
    thread.join(10)


@pytest.fixture
def executable(cloud: Daemon) -> Executable:
    return Executable(cloud)


def test_a_command_and_its_output(executable: Executable) -> None:
    executable.start(enableExecuteCommand=True)
    answer = executable.execute("sh -c 'echo $((6 * 7)); id -u; tty >/dev/null && echo a terminal'")
    task = executable.task(executable.arn)
    assert (answer["taskArn"], answer["containerName"], answer["interactive"]) == (executable.arn, "app", True)
    assert answer["containerArn"] == task["containers"][0]["containerArn"]
    assert task["enableExecuteCommand"]
    (agent,) = task["containers"][0]["managedAgents"]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    session = answer["session"]
    assert re.fullmatch(
        rf"ws://.*/v1/data-channel/{session['sessionId']}\?role=publish_subscribe", session["streamUrl"]
    )
    written = bytearray()
    with connected(session["streamUrl"]) as channel:
        assert channel.run(session["tokenValue"], written.extend) == (None, "")
    assert written.decode().split() == ["42", "0", "a", "terminal"]
    big = executable.output("head -c 300000 /dev/zero")
    assert len(big) == 300_000
    assert "no such file or directory" in executable.output("/no/such/program")
    assert executable.processes().count("\n") == 3, "the header, the shell, and its sleep"


def test_a_shell_that_is_talked_to(executable: Executable) -> None:
    executable.start("app", "other", enableExecuteCommand=True)
    session = executable.execute("/bin/sh", container="app")["session"]
    with talking(session) as (channel, written, thread):
        channel.resize(97, 41)
        channel.write(b"stty size; cat\n")
        until(lambda: b"41 97" in written)
        channel.write(b"half a li\x7fne\n")
        until(lambda: written.count(b"half a lne") >= 1)
        channel.write(b"\x03")
        # until the shell asks again: what is written before that, a dying `cat` may still read
        until(lambda: b"# " in written.partition(b"^C")[2])
        channel.write(b"exit\n")
        thread.join(10)
        assert not thread.is_alive()


def test_a_session_ends_with_its_client_and_with_its_task(executable: Executable) -> None:
    executable.start(enableExecuteCommand=True)
    stubborn = executable.execute("sh -c 'trap : INT HUP TERM; echo up; while :; do sleep 77; done'")["session"]
    with talking(stubborn) as (_, written, _thread):
        until(lambda: b"up" in written)
        assert "sleep 77" in executable.processes()
    until(lambda: "trap : INT" not in executable.processes())
    session = executable.execute("sh")["session"]
    with talking(session) as (_, _written, thread):
        executable.ecs.stop_task(cluster="c", task=executable.arn)
        thread.join(20)
        assert not thread.is_alive()
    executable.wait_for(executable.arn, "STOPPED")


def test_a_token_is_good_once(executable: Executable) -> None:
    executable.start(enableExecuteCommand=True)
    session = executable.execute("sh -c 'echo once'")["session"]
    opening = {"MessageSchemaVersion": "1.0", "RequestId": "x", "TokenValue": "wrong"}
    with connect(session["streamUrl"]) as connection:
        connection.send(json.dumps(opening))
        with pytest.raises(ConnectionClosed, match="the token is not valid"):
            connection.recv(timeout=10)
    with connected(session["streamUrl"]) as channel:
        channel.run(session["tokenValue"], lambda data: None)
    with connected(session["streamUrl"]) as channel, pytest.raises(UserError, match="the token is not valid"):
        channel.run(session["tokenValue"], lambda data: None)
    with connect(session["streamUrl"]) as connection:
        connection.send("nonsense")
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=10)
    for path in ("/", "/v1/repos/x", "/v2/"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(executable.cloud.endpoint.replace("http", "ws") + path)
    headers = {"Host": "evil.example"}
    with pytest.raises(InvalidStatus, match="403"):
        connect(session["streamUrl"], additional_headers=headers)


def test_what_keeps_commands_from_being_executed(executable: Executable) -> None:
    def refused(**more: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            executable.execute("sh", **more)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    executable.start()
    code, why = refused()
    assert code == "InvalidParameterException"
    assert "execute command was not enabled when the task was run" in why
    executable.ecs.stop_task(cluster="c", task=executable.arn)
    executable.start("app", "other", enableExecuteCommand=True)
    assert refused()[0] == "InvalidParameterException"
    assert refused(container="nobody")[0] == "InvalidParameterException"
    executable.let(*_ACTIONS[:3])
    code, why = refused(container="app")
    assert code == "TargetNotConnectedException"
    assert "ssmmessages:OpenDataChannel" in why
    definition = executable.register(executable.container("app", SLEEPER))
    request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": executable.network}
    with pytest.raises(ClientError, match="a valid taskRoleArn is not being used"):
        executable.ecs.run_task(**request, enableExecuteCommand=True)
    with pytest.raises(ClientError, match="The service couldn't be created because a valid taskRoleArn"):
        executable.ecs.create_service(**request, serviceName="s", enableExecuteCommand=True)


def test_who_may_execute(executable: Executable) -> None:
    executable.start(enableExecuteCommand=True)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{**trust, "Principal": {"AWS": "arn:aws:iam::000000000000:user/administrator"}}],
        }
    )
    arn = executable.iam.create_role(RoleName="dev", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    keys = executable.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="dev")["Credentials"]
    executable.ecs = executable.cloud.client("ecs", keys=keys)
    with pytest.raises(ClientError, match="not authorized to perform: ecs:ExecuteCommand"):
        executable.execute("sh")
