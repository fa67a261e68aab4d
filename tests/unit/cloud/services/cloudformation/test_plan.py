"""The order of resources: never before what they need, always to an end."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.cloudformation.plan import State, plan, replacement, reverse

NAMES = [f"R{number}" for number in range(12)]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, set[str]]:
    """Graphs without circles: each resource may need those before it."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    return {name: set(draw(st.lists(st.sampled_from(names[:at]))) if at else ()) for at, name in enumerate(names)}


def run(needs: dict[str, set[str]], failing: set[str], chance: random.Random, *, stop: bool) -> dict[str, State]:
    """Carry a graph out, ending what is under way in any order, and check each step."""
    states = dict.fromkeys(needs, State.WAITING)
    while True:
        ahead = plan(needs, states, stop_on_failure=stop)
        for name in ahead.start:
            assert states[name] is State.WAITING
            assert all(states[each] is State.DONE for each in needs[name]), "never before what it needs"
            assert not (stop and ahead.failed), "nothing begins after a failure"
            states[name] = State.BUSY
        busy = [name for name, state in states.items() if state is State.BUSY]
        if ahead.over:
            assert not busy
            return states
        assert busy, "a plan that is not over has something under way"
        ended = chance.choice(busy)
        states[ended] = State.FAILED if ended in failing else State.DONE


@given(graphs(), st.randoms(use_true_random=False))
def test_without_failures_everything_is_done(needs: dict[str, set[str]], chance: random.Random) -> None:
    assert set(run(needs, set(), chance, stop=True).values()) == {State.DONE}


@given(graphs(), st.sets(st.sampled_from(NAMES)), st.randoms(use_true_random=False))
def test_after_a_failure_only_what_does_not_need_it_goes_on(
    needs: dict[str, set[str]], failing: set[str], chance: random.Random
) -> None:
    states = run(needs, failing, chance, stop=False)
    for name, state in states.items():
        blocked = any(states[each] in (State.FAILED, State.WAITING) for each in needs[name])
        assert (state is State.WAITING) == blocked
    run(needs, failing, chance, stop=True)


@given(graphs())
def test_taking_away_is_the_other_way_round(needs: dict[str, set[str]]) -> None:
    back = reverse(needs)
    assert {(name, each) for name in needs for each in needs[name]} == {
        (each, name) for name in back for each in back[name]
    }


def test_the_schema_says_what_replaces() -> None:
    group = "AWS::Logs::LogGroup"
    assert replacement(group, {"LogGroupName": "a"}, {"LogGroupName": "a"}) == "NONE"
    assert replacement(group, {"RetentionInDays": 1}, {"RetentionInDays": 7}) == "UPDATE"
    assert replacement(group, {"LogGroupName": "a"}, {"LogGroupName": "b"}) == "REPLACE"
    attachment = "AWS::EC2::VPCGatewayAttachment"
    assert replacement(attachment, {"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}) == "RECREATE"
    assert replacement("AWS::ECS::Service", {"DesiredCount": 1}, {"DesiredCount": 2}) == "UPDATE"
    assert replacement("AWS::ECS::Service", {"Cluster": "a"}, {"Cluster": "b"}) == "REPLACE"
