"""The agent's end of a data channel against the client's: whatever is lost or comes twice, all arrives in order."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.ecs.agent_message import CLOSED, AgentMessage, MalformedError, packed, unpacked
from tidegate.cloud.services.ecs.channel import AgentChannel, ChannelError, token_in
from tidegate.deploy.data_channel import Stream


def created() -> int:
    return 1_700_000_000_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    st.lists(st.binary(min_size=1, max_size=3000), max_size=8),
    st.integers(0, 2**32).map(random.Random),
)
def test_everything_arrives_in_order(typed: list[bytes], written: list[bytes], chance: random.Random) -> None:
    agent, client = AgentChannel("s", created), Stream(created)
    to_client, to_agent, now = [agent.handshake(0.0)], list[bytes](), 0.0
    at_client, at_agent = b"", b""
    expected = (b"".join(typed), b"".join(written))
    for _ in range(400):
        now += 0.3
        # neither end knows what the other has not got
        chance.shuffle(to_client)
        chance.shuffle(to_agent)
        some, to_client = to_client, []
        for frame in some:
            if chance.random() < 0.2 and client.ready:
                continue
            received = client.received(frame, now)
            at_client += b"".join(received.output)
            to_agent += received.answers
        some, to_agent = to_agent, []
        for frame in some:
            if chance.random() < 0.2 and agent.ready:
                continue
            heard = agent.heard(frame, now)
            at_agent += b"".join(heard.typed)
            to_client += heard.answers
        if agent.ready and client.ready:
            if typed:
                to_agent += client.typed(typed.pop(0), now)
            if written:
                to_client += agent.output(written.pop(0), now)
        to_client += agent.overdue(now)
        to_agent += client.overdue(now)
        if not (to_client or to_agent or typed or written or agent.unacknowledged or client._sent):
            break
    assert (at_agent, at_client) == expected
    received = client.received(agent.closing("bye"), now)
    assert (client.closed, client.last_word) == (True, "bye")


def test_input_before_the_handshake_counts_for_nothing() -> None:
    agent, client = AgentChannel("s", created), Stream(created)
    (frame,) = client.typed(b"x", 0.0)
    assert agent.heard(frame, 0.0).typed == []
    assert not agent.ready


def test_who_does_not_shake_hands_is_left() -> None:
    agent = AgentChannel("s", created)
    agent.handshake(0.0)
    agent.overdue(10.0)
    with pytest.raises(ChannelError, match="Handshake timed out"):
        agent.overdue(16.0)


def test_the_size_of_a_terminal() -> None:
    agent, client = AgentChannel("s", created), Stream(created)
    (answer, *_) = [each for each in client.received(agent.handshake(0.0), 0.0).answers if unpacked(each).payload]
    for each in client.received(packed(unpacked(answer)), 0.0).answers:
        agent.heard(each, 0.0)
    agent.ready = True
    agent._expected = 1
    assert agent.heard(client.resized(80, 25, 0.0), 0.0).size == (80, 25)


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"TokenValue": 1}'])
def test_what_opens_no_channel(text: str) -> None:
    with pytest.raises(MalformedError):
        token_in(text)


def test_messages() -> None:
    assert token_in(Stream.opening("t")) == "t"
    message = unpacked(AgentChannel("s", created).closing("over"))
    content = json.loads(message.payload)
    assert (message.type, content["SessionId"], content["Output"]) == (CLOSED, "s", "over")
    damaged = packed(AgentMessage("output_stream_data", 1, b"abc"))
    for wrong in (damaged[:50], damaged[:-1], damaged[:-1] + b"x"):
        with pytest.raises(MalformedError):
            unpacked(wrong)
