"""The data channel to a process in a container: what is typed goes out, what it writes comes back.

`Stream` is the protocol without a connection: bytes in, bytes out, no clock of its own. `DataChannel` drives it over
a websocket. It is what AWS's session-manager-plugin speaks, so that nobody needs that program.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tidegate.deploy.agent_message import (
    ACKNOWLEDGE,
    CHANNEL_CLOSED,
    INPUT,
    OUTPUT,
    MalformedError,
    Message,
    Payload,
    acknowledgement,
    decode,
    encode,
)
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

CLIENT_VERSION = "1.2.707.0"  # the agent does only what a client of this version understands
_LARGEST_INPUT = 1024  # bytes of one message
_RESEND_AFTER, _GIVE_UP_AFTER = 1.0, 60.0  # seconds without an acknowledgement, or the first word
_EARLIEST = 1000  # messages kept that have come before their turn
_LOOK = 0.2  # seconds between two looks for what was not acknowledged
_SUCCESS, _UNSUPPORTED = 1, 3


@dataclass(frozen=True, slots=True)
class Received:
    """What a message has brought: output in its order, and frames to be sent in answer."""

    output: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Sent:
    frame: bytes
    first: float
    last: float


class AgentSilentError(Exception):
    """The agent has acknowledged nothing for a long time."""


class Stream:
    """One end of a data channel. Times are seconds on a clock that never jumps."""

    def __init__(self, created: Callable[[], int]) -> None:
        self._created = created  # milliseconds since 1970
        self._next = 0
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._expected = 0
        self._early: dict[int, Message] = {}
        self.ready = False
        self.closed = False
        self.last_word = ""
        self.exit_code: int | None = None
        self.unsupported: list[str] = []

    @staticmethod
    def opening(token: str) -> str:
        """Return the text that opens the channel."""
        return json.dumps(
            {
                "MessageSchemaVersion": "1.0",
                "RequestId": str(uuid4()),
                "TokenValue": token,
                "ClientId": str(uuid4()),
                "ClientVersion": CLIENT_VERSION,
            }
        )

    def typed(self, data: bytes, now: float) -> list[bytes]:
        """Return the frames that carry input."""
        parts = [data[begin : begin + _LARGEST_INPUT] for begin in range(0, len(data), _LARGEST_INPUT)]
        return [self._input(part, Payload.OUTPUT, now) for part in parts]

    def resized(self, columns: int, rows: int, now: float) -> bytes:
        """Return the frame that tells how large the terminal is."""
        return self._input(json.dumps({"cols": columns, "rows": rows}).encode(), Payload.SIZE, now)

    def received(self, data: bytes, now: float) -> Received:
        """Take a frame; raise `MalformedError` where it is none."""
        message, result = decode(data), Received()
        if message.type == ACKNOWLEDGE:
            self._sent.pop(message.document().get("AcknowledgedMessageSequenceNumber"), None)
        elif message.type == CHANNEL_CLOSED:
            self.closed, self.last_word = True, str(message.document().get("Output") or "")
        elif message.type == OUTPUT:
            self._take(message, result, now)
        return result

    def overdue(self, now: float) -> list[bytes]:
        """Return the frames to be sent again; raise `AgentSilentError` where that has been tried for long enough."""
        late = [each for each in self._sent.values() if now - each.last >= _RESEND_AFTER]
        for each in late:
            if now - each.first >= _GIVE_UP_AFTER:
                raise AgentSilentError
            each.last = now
        return [each.frame for each in late]

    def _take(self, message: Message, result: Received, now: float) -> None:
        """Acknowledge output, and pass on what is its turn; what came twice is acknowledged twice."""
        if message.sequence > self._expected and len(self._early) >= _EARLIEST:
            return  # not acknowledged: it comes again
        result.answers.append(encode(acknowledgement(message, uuid4(), self._created())))
        if message.sequence < self._expected:
            return
        self._early[message.sequence] = message
        while self._expected in self._early:
            each = self._early.pop(self._expected)
            self._expected += 1
            self._understand(each, result, now)

    def _understand(self, message: Message, result: Received, now: float) -> None:
        if message.kind == Payload.HANDSHAKE_REQUEST:
            result.answers.append(self._handshake(message.document(), now))
        elif message.kind == Payload.HANDSHAKE_COMPLETE:
            self.ready = True
            greeting = message.document().get("CustomerMessage")
            if greeting:
                result.output.append(f"{greeting}\r\n".encode())
        elif message.kind == Payload.EXIT_CODE:
            self.exit_code = int(message.payload.decode("ascii", "replace"))
        elif message.kind in (Payload.OUTPUT, Payload.STANDARD_ERROR):
            self.ready = True  # an agent that wants no handshake
            result.output.append(message.payload)

    def _handshake(self, request: Any, now: float) -> bytes:
        """Answer what the agent asks of its client: to know the kind of session; to encrypt is not supported."""
        actions = []
        for action in request.get("RequestedClientActions", []):
            kind = action["ActionType"]
            if kind == "SessionType":
                actions.append({"ActionType": kind, "ActionStatus": _SUCCESS, "ActionResult": None, "Error": ""})
                continue
            self.unsupported.append(kind)
            error = f"Unsupported action {kind}"
            actions.append({"ActionType": kind, "ActionStatus": _UNSUPPORTED, "ActionResult": None, "Error": error})
        response = {
            "ClientVersion": CLIENT_VERSION,
            "ProcessedClientActions": actions,
            "Errors": [action["Error"] for action in actions if action["Error"]],
        }
        return self._input(json.dumps(response).encode(), Payload.HANDSHAKE_RESPONSE, now)

    def _input(self, payload: bytes, kind: Payload, now: float) -> bytes:
        frame = encode(Message(INPUT, uuid4(), self._created(), payload, kind, self._next))
        self._sent[self._next] = _Sent(frame, now, now)
        self._next += 1
        return frame


class DataChannel:
    """A data channel over a websocket. `write` and `resize` may be called by another thread than `run`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._stream = Stream(lambda: time.time_ns() // 1_000_000)
        self._lock = threading.Lock()  # frames leave in the order of their numbers
        self._ready = threading.Event()

    def write(self, data: bytes) -> None:
        """Send what was typed, once the other end listens."""
        self._ready.wait()
        with self._lock:
            self._send(self._stream.typed(data, time.monotonic()))

    def resize(self, columns: int, rows: int) -> None:
        """Tell how large the terminal is, once the other end listens."""
        self._ready.wait()
        with self._lock:
            self._send([self._stream.resized(columns, rows, time.monotonic())])

    def run(self, token: str, output: Callable[[bytes], None]) -> tuple[int | None, str]:
        """Open the channel and pass output on until it is closed; return the exit code, if one was told, and why.

        Raises `UserError` where the connection breaks, or the agent wants what is not supported.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            self._connection.send(self._stream.opening(token))
            started = time.monotonic()
            while not self._stream.closed:
                self._step(output)
                if not self._stream.ready and time.monotonic() - started > _GIVE_UP_AFTER:
                    raise AgentSilentError
        except ConnectionClosed as error:
            why = str(error.rcvd.reason) if error.rcvd is not None and error.rcvd.reason else "the connection broke"
            raise UserError("exec", why, "the same command again") from error
        except MalformedError as error:
            raise UserError("exec", f"the agent sent what nobody understands: {error}", "tidegate status") from error
        except AgentSilentError:
            raise UserError("exec", "the container's agent does not answer", "tidegate status") from None
        finally:
            self._ready.set()  # nobody waits for what does not come any more
        return self._stream.exit_code, self._stream.last_word

    def _step(self, output: Callable[[bytes], None]) -> None:
        now = time.monotonic
        try:
            data = self._connection.recv(timeout=_LOOK)
        except TimeoutError:
            data = None
        with self._lock:
            self._answer(self._stream.overdue(now()))
            if not isinstance(data, bytes):
                return
            received = self._stream.received(data, now())
            self._answer(received.answers)
        for each in received.output:
            output(each)
        if self._stream.unsupported:
            what = ", ".join(self._stream.unsupported)
            why = f"the cluster asks for {what}, which only AWS's session-manager-plugin does"
            raise UserError("exec", why, "aws ecs execute-command")
        if self._stream.ready:
            self._ready.set()

    def _answer(self, frames: list[bytes]) -> None:
        """Send; who does not listen any more may have said last words before, which are still to be read."""
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            self._send(frames)

    def _send(self, frames: list[bytes]) -> None:
        for frame in frames:
            self._connection.send(frame)


@contextmanager
def connected(url: str) -> Iterator[DataChannel]:
    """Yield a channel on the websocket at `url`; raise `UserError` where nothing answers there."""
    from websockets.exceptions import InvalidHandshake, InvalidURI
    from websockets.sync.client import connect

    try:
        connection = connect(url, max_size=None, open_timeout=20)
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise UserError("exec", f"no connection to the container's agent: {error}", "the same command again") from error
    with connection:
        yield DataChannel(connection)
