"""What is made of Envoy's counters: nothing is counted twice, nothing is negative, and the sums are right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.elbv2.measures import (
    CLASSES,
    Carry,
    Front,
    Group,
    Reading,
    front,
    group,
    own_answers,
    split,
)


def counted(answered: dict[str, int], lost: int = 0, waiting: int = 0, cut: int = 0) -> dict[str, int]:
    """Envoy's counters of a cluster whose targets answered, and `lost` requests that none did.

    `waiting` are at a target, `cut` were broken off by a target, which makes them lost as well.
    """
    done = sum(answered.values())
    codes = {f"upstream_rq_{each}xx": answered.get(each, 0) for each in CLASSES}
    codes["upstream_rq_5xx"] += lost + cut
    return {
        **codes,
        "upstream_rq_completed": done + lost + cut,
        "upstream_rq_total": done + waiting + cut,
        "upstream_rq_active": waiting,
        "upstream_rq_rx_reset": cut,
    }


codes = st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 100))
periods = st.lists(st.tuples(codes, st.integers(0, 10), st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=8)


@given(periods)
def test_what_is_said_of_periods_adds_up(history: list[tuple[dict[str, int], int, int, int]]) -> None:
    before, carry = Reading(), Carry()
    answered: dict[str, int] = dict.fromkeys(CLASSES, 0)
    lost = cut = 0
    said: dict[str, int] = dict.fromkeys(CLASSES, 0)
    unanswered = requests = 0
    for more, more_lost, waiting, more_cut in history:
        answered = {each: answered[each] + more.get(each, 0) for each in CLASSES}
        lost, cut = lost + more_lost, cut + more_cut
        now = Reading(counted(answered, lost, waiting, cut))
        found = group(before, now, carry)
        assert found.requests >= 0
        assert all(count >= 0 for count in found.codes.values())
        said = {each: said[each] + found.codes[each] for each in CLASSES}
        unanswered += found.unanswered
        requests += found.requests
        before = now
    assert said == answered
    assert unanswered == lost + cut
    assert requests == sum(answered.values()) + lost + cut


@given(st.lists(st.integers(-5, 50), max_size=20))
def test_what_was_said_too_much_is_taken_off(differences: list[int]) -> None:
    carry, said = Carry(), 0
    for difference in differences:
        told = carry.settle("x", difference)
        assert told >= 0
        said += told
    assert said - carry.owed.get("x", 0) == sum(differences)


def test_a_new_envoy_begins_at_nothing() -> None:
    old = Reading(counted({"2": 100}), {1.0: 100})
    new = Reading(counted({"2": 3}), {1.0: 3})
    assert group(old, new, Carry()).codes["2"] == 3
    assert group(old, new, Carry()).times == {0.001: 3}
    assert front([(Reading({"downstream_cx_total": 9}), Reading({"downstream_cx_total": 2}))]).opened == 2


def test_answers_of_its_own() -> None:
    at_front = Front({"2": 10, "3": 4, "4": 3, "5": 6}, 0, 0, 0, 0)
    one = Group(9, {"2": 10, "3": 1, "4": 0, "5": 2}, {}, 3, 0, 0, 0)
    assert own_answers(at_front, [one], frozenset(), Carry()) == {"3": 3, "4": 3, "5": 4}
    assert own_answers(at_front, [one], frozenset("45"), Carry()) == {"3": 3, "5": 3}


def test_readings_are_told_apart() -> None:
    counters = {"cluster.tg-1.upstream_cx_total": 1, "cluster.tg-12.upstream_cx_total": 2, "http.l-1.x": 3}
    assert split(counters, {"cluster.tg-1.upstream_rq_time": {5.0: 1}}, "cluster.tg-1") == Reading(
        {"upstream_cx_total": 1}, {5.0: 1}
    )
