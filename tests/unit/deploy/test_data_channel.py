"""The data channel: the protocol without a connection, then over a real websocket, then with a real terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.server import ServerConnection, serve

from tidegate.deploy.agent_message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT,
    OUTPUT,
    Message,
    Payload,
    decode,
    encode,
)
from tidegate.deploy.data_channel import AgentSilentError, Stream, connected
from tidegate.deploy.errors import UserError

HANDSHAKE = {
    "AgentVersion": "3.3.0",
    "RequestedClientActions": [
        {"ActionType": "SessionType", "ActionParameters": {"SessionType": "InteractiveCommands", "Properties": {}}}
    ],
}


def output(payload: bytes | Any, sequence: int, kind: int = Payload.OUTPUT) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode(Message(OUTPUT, uuid4(), 1, data, kind, sequence))


def closed(text: str = "") -> bytes:
    return encode(Message(CHANNEL_CLOSED, uuid4(), 1, json.dumps({"Output": text}).encode()))


def acknowledged(frames: list[bytes]) -> list[int]:
    found = [decode(each) for each in frames]
    return [each.document()["AcknowledgedMessageSequenceNumber"] for each in found if each.type == ACKNOWLEDGE]


class TestStream:
    """The protocol, with a clock of the test's own."""

    def setup_method(self) -> None:
        self.stream = Stream(lambda: 1)

    def test_the_opening_carries_the_token(self) -> None:
        opening = json.loads(Stream.opening("secret"))
        assert opening["TokenValue"] == "secret"
        assert opening["MessageSchemaVersion"] == "1.0"
        assert set(opening) == {"MessageSchemaVersion", "RequestId", "TokenValue", "ClientId", "ClientVersion"}

    def test_the_handshake_is_answered(self) -> None:
        received = self.stream.received(output(HANDSHAKE, 0, Payload.HANDSHAKE_REQUEST), 0)
        acknowledgement, response = (decode(each) for each in received.answers)
        assert acknowledgement.type == ACKNOWLEDGE
        assert (response.type, response.kind, response.sequence) == (INPUT, Payload.HANDSHAKE_RESPONSE, 0)
        assert response.document()["ProcessedClientActions"] == [
            {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}
        ]
        assert response.document()["Errors"] == []
        assert not self.stream.ready
        complete = output({"HandshakeTimeToComplete": 1, "CustomerMessage": "Welcome"}, 1, Payload.HANDSHAKE_COMPLETE)
        assert self.stream.received(complete, 0).output == [b"Welcome\r\n"]
        assert self.stream.ready

    def test_encryption_is_refused_by_name(self) -> None:
        request = {"RequestedClientActions": [{"ActionType": "KMSEncryption", "ActionParameters": {}}]}
        received = self.stream.received(output(request, 0, Payload.HANDSHAKE_REQUEST), 0)
        assert decode(received.answers[1]).document()["Errors"] == ["Unsupported action KMSEncryption"]
        assert self.stream.unsupported == ["KMSEncryption"]

    def test_output_is_passed_on_once_and_in_order(self) -> None:
        frames = [output(b"a", 0), output(b"b", 1), output(b"c", 2)]
        shown, answers = [], []
        for each in (frames[2], frames[1], frames[1], frames[0], frames[2]):
            received = self.stream.received(each, 0)
            shown += received.output
            answers += received.answers
        assert shown == [b"a", b"b", b"c"]
        assert acknowledged(answers) == [2, 1, 1, 0, 2]  # what comes twice was not heard of: it is told again

    def test_what_is_typed_is_numbered_and_sent_again_until_it_is_acknowledged(self) -> None:
        frames = self.stream.typed(b"x" * 1500, 0.0)
        assert [(len(decode(each).payload), decode(each).sequence) for each in frames] == [(1024, 0), (476, 1)]
        assert self.stream.overdue(0.5) == []
        assert self.stream.overdue(1.0) == frames
        assert self.stream.overdue(1.5) == []
        content = {"AcknowledgedMessageSequenceNumber": 0}
        self.stream.received(encode(Message(ACKNOWLEDGE, uuid4(), 1, json.dumps(content).encode())), 1.6)
        assert self.stream.overdue(2.5) == frames[1:]
        with pytest.raises(AgentSilentError):
            self.stream.overdue(61.0)

    def test_the_terminals_size(self) -> None:
        message = decode(self.stream.resized(80, 24, 0))
        assert (message.kind, message.document()) == (Payload.SIZE, {"cols": 80, "rows": 24})

    def test_the_end(self) -> None:
        self.stream.received(output(b"3", 0, Payload.EXIT_CODE), 0)
        self.stream.received(closed("Session timed out"), 0)
        assert (self.stream.closed, self.stream.last_word, self.stream.exit_code) == (True, "Session timed out", 3)


class Agent:
    """The other end, as the agent in a container behaves."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.opening = json.loads(connection.recv())
        self.sequence = 0
        self._seen: set[int] = set()
        self.write(HANDSHAKE, Payload.HANDSHAKE_REQUEST)
        assert self.next().kind == Payload.HANDSHAKE_RESPONSE
        self.write({"HandshakeTimeToComplete": 1, "CustomerMessage": ""}, Payload.HANDSHAKE_COMPLETE)

    def write(self, payload: bytes | Any, kind: int = Payload.OUTPUT) -> None:
        self.connection.send(output(payload, self.sequence, kind))
        self.sequence += 1

    def next(self) -> Message:
        """Return the next input that is new, the terminal's size included; it is acknowledged."""
        while True:
            message = decode(self.connection.recv())  # type: ignore[arg-type]
            if message.type != INPUT:
                continue
            content = {"AcknowledgedMessageSequenceNumber": message.sequence}
            self.connection.send(encode(Message(ACKNOWLEDGE, uuid4(), 1, json.dumps(content).encode())))
            if message.sequence in self._seen:
                continue
            self._seen.add(message.sequence)
            return message


@contextmanager
def agent(behave: Callable[[Agent], None]) -> Iterator[str]:
    """Yield the address of an agent that behaves so."""
    with serve(lambda connection: behave(Agent(connection)), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_over_a_websocket() -> None:
    def echo(found: Agent) -> None:
        assert found.opening["TokenValue"] == "token"
        typed = b""
        while not typed.endswith(b"\x04"):
            typed += found.next().payload
        found.write(typed[:-1].upper())
        found.write(b"7", Payload.EXIT_CODE)
        found.connection.send(closed("done"))

    shown: list[bytes] = []
    with agent(echo) as url, connected(url) as channel:
        threading.Thread(target=channel.write, args=(b"text " * 1000 + b"\x04",)).start()
        assert channel.run("token", shown.append) == (7, "done")
    assert b"".join(shown) == b"TEXT " * 1000


def test_a_connection_that_breaks_is_told() -> None:
    with (
        agent(lambda found: found.connection.close(1011, "agent stopped")) as url,
        connected(url) as channel,
        pytest.raises(UserError) as caught,
    ):
        channel.run("token", lambda _: None)
    assert caught.value.why == "agent stopped"


def test_nothing_answers() -> None:
    with pytest.raises(UserError) as caught, connected("ws://127.0.0.1:9"):
        pass
    assert "no connection to the container's agent" in caught.value.why


_CLIENT = """
import sys
from tidegate.cli.terminal import lent
from tidegate.deploy.data_channel import connected

def show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

with connected(sys.argv[1]) as channel, lent(channel.write, channel.resize):
    channel.run("token", show)
print("back")
"""


def test_a_terminal_is_lent_and_given_back() -> None:
    keys: list[bytes] = []
    sizes: list[Any] = []

    def behave(found: Agent) -> None:
        while b"".join(keys) != b"\x03\x1aq" or {"cols": 90, "rows": 30} not in sizes:
            message = found.next()
            if message.kind == Payload.SIZE:
                sizes.append(message.document())
            else:
                keys.append(message.payload)
        found.write(b"bye")
        found.connection.send(closed())

    mine, its = pty.openpty()
    before = termios.tcgetattr(its)
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 81, 0, 0))
    with agent(behave) as url:
        client = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, url], stdin=its, stdout=its, stderr=subprocess.PIPE, start_new_session=True
        )
        while termios.tcgetattr(its)[3] & termios.ICANON:
            assert client.poll() is None, client.stderr and client.stderr.read()
            time.sleep(0.01)
        os.write(mine, b"\x03\x1aq")  # Ctrl-C and Ctrl-Z are the other end's, too
        ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        client.send_signal(signal.SIGWINCH)
        assert client.wait(timeout=20) == 0
    assert b"bye" in os.read(mine, 1000)
    assert termios.tcgetattr(its) == before
    os.close(mine)
    os.close(its)
    assert client.stderr is not None
    client.stderr.close()
