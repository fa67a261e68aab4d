"""The agent's end of a data channel, as a protocol without a connection: frames in, frames out. Pure.

The agent asks for a handshake, then output goes out and input comes in, each numbered and acknowledged; what is not
acknowledged is sent again. It is what amazon-ssm-agent does (github.com/aws/amazon-ssm-agent,
`agent/session/datachannel`), without encryption by a key of KMS. Times are seconds on a clock that never jumps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tidegate.cloud.documents import from_json
from tidegate.cloud.services.ecs.agent_message import (
    ACKNOWLEDGE,
    ACKNOWLEDGING,
    CLOSED,
    FIRST,
    FLAG,
    HANDSHAKE_COMPLETE,
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    INPUT,
    OUTPUT,
    SIZE,
    TERMINAL,
    AgentMessage,
    MalformedError,
    packed,
    unpacked,
)

_VERSION = "3.3.0.0"  # of the agent
_LARGEST = 1024  # bytes of one message's output
_RESEND_AFTER, _GIVE_UP_AFTER = 1.0, 60.0  # seconds without an acknowledgement
_HANDSHAKE_WITHIN = 15.0  # seconds
_EARLIEST = 1000  # messages kept that have come before their turn
_SUCCESS = 1
_TERMINATE = 2  # the flag by which a client ends the session


class ChannelError(Exception):
    """The other end does not do what it should; the message is told to it."""


@dataclass(slots=True)
class Heard:
    """What a frame has brought: what was typed, how large the terminal is, frames to send in answer."""

    typed: list[bytes] = field(default_factory=list)
    size: tuple[int, int] | None = None  # columns, rows
    answers: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Sent:
    frame: bytes
    first: float
    last: float


def token_in(text: str) -> str:
    """Return the token that a client opens a channel with; raise `MalformedError`."""
    try:
        document = from_json(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("TokenValue"), str):
        raise MalformedError("a channel is opened with a TokenValue")
    return str(document["TokenValue"])


class AgentChannel:
    """One channel. `created` gives the time that messages carry, in milliseconds since 1970."""

    def __init__(self, session: str, created: Callable[[], int]) -> None:
        self._session = session
        self._created = created
        self._next = 0
        self._sent: dict[int, _Sent] = {}
        self._expected = 0
        self._early: dict[int, AgentMessage] = {}
        self._asked_at: float | None = None
        self.ready = False  # the handshake is over: input and output flow
        self.ended = False  # the client wants no more

    def handshake(self, now: float) -> bytes:
        """Return the frame that asks the client for a handshake."""
        self._asked_at = now
        action = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "InteractiveCommands", "Properties": {}},
        }
        return self._output({"AgentVersion": _VERSION, "RequestedClientActions": [action]}, HANDSHAKE_REQUEST, now)

    def output(self, data: bytes, now: float) -> list[bytes]:
        """Return the frames that carry what a program has written."""
        parts = (data[begin : begin + _LARGEST] for begin in range(0, len(data), _LARGEST))
        return [self._frame(part, TERMINAL, now) for part in parts]

    def heard(self, data: bytes, now: float) -> Heard:
        """Take a frame; raise `MalformedError` or `ChannelError`."""
        message, heard = unpacked(data), Heard()
        if message.type == ACKNOWLEDGE:
            self._sent.pop(message.document().get("AcknowledgedMessageSequenceNumber"), None)
        elif message.type == INPUT:
            self._take(message, heard, now)
        return heard

    def overdue(self, now: float) -> list[bytes]:
        """Return the frames to send again; raise `ChannelError` where nobody has answered for long."""
        if not self.ready and self._asked_at is not None and now - self._asked_at > _HANDSHAKE_WITHIN:
            raise ChannelError(
                "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."
            )
        late = [each for each in self._sent.values() if now - each.last >= _RESEND_AFTER]
        for each in late:
            if now - each.first >= _GIVE_UP_AFTER:
                raise ChannelError("the client acknowledges nothing any more")
            each.last = now
        return [each.frame for each in late]

    @property
    def unacknowledged(self) -> int:
        """Return how many frames the client has not acknowledged yet."""
        return len(self._sent)

    def closing(self, output: str = "") -> bytes:
        """Return the frame that closes the channel; `output` is a last word to the user."""
        content = {
            "MessageType": CLOSED,
            "MessageId": str(uuid4()),
            "DestinationId": self._session,
            "SessionId": self._session,
            "SchemaVersion": 1,
            "CreatedDate": str(self._created()),
            "Output": output,
        }
        return packed(AgentMessage(CLOSED, self._created(), json.dumps(content).encode(), flags=ACKNOWLEDGING))

    def _take(self, message: AgentMessage, heard: Heard, now: float) -> None:
        if message.sequence > self._expected and len(self._early) >= _EARLIEST:
            return  # not acknowledged: it comes again
        heard.answers.append(self._acknowledgement(message))
        if message.sequence < self._expected:
            return
        self._early[message.sequence] = message
        while (each := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            self._understand(each, heard, now)

    def _understand(self, message: AgentMessage, heard: Heard, now: float) -> None:
        if message.kind == HANDSHAKE_RESPONSE:
            self._greet(message.document(), heard, now)
        elif not self.ready:
            return  # as the agent does: nothing counts before the handshake
        elif message.kind == TERMINAL:
            heard.typed.append(message.payload)
        elif message.kind == SIZE:
            size = message.document()
            heard.size = (int(size["cols"]), int(size["rows"]))
        elif message.kind == FLAG and int.from_bytes(message.payload, "big") == _TERMINATE:
            self.ended = True

    def _greet(self, response: Any, heard: Heard, now: float) -> None:
        for action in response.get("ProcessedClientActions") or ():
            if action.get("ActionStatus") != _SUCCESS:
                raise ChannelError(
                    f"{action.get('ActionType')} failed on client with status {action.get('ActionStatus')} error: "
                    f"{action.get('Error', '')}"
                )
        if self.ready:
            return
        self.ready = True
        nanoseconds = int((now - (self._asked_at or now)) * 1e9)
        complete = {"HandshakeTimeToComplete": nanoseconds, "CustomerMessage": ""}
        heard.answers.append(self._output(complete, HANDSHAKE_COMPLETE, now))

    def _acknowledgement(self, message: AgentMessage) -> bytes:
        content = {
            "AcknowledgedMessageType": message.type,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        payload = json.dumps(content).encode()
        return packed(AgentMessage(ACKNOWLEDGE, self._created(), payload, flags=ACKNOWLEDGING))

    def _output(self, content: Any, kind: int, now: float) -> bytes:
        return self._frame(json.dumps(content).encode(), kind, now)

    def _frame(self, payload: bytes, kind: int, now: float) -> bytes:
        flags = FIRST if self._next == 0 else 0
        frame = packed(AgentMessage(OUTPUT, self._created(), payload, kind, self._next, flags))
        self._sent[self._next] = _Sent(frame, now, now)
        self._next += 1
        return frame
