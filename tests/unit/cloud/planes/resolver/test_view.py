"""What a resolver knows by itself."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.planes.resolver.upstream import nameservers
from tidegate.cloud.planes.resolver.view import Names, RecordSet, View, Zone, read, written

START = "ns. admin. 1 7200 900 1209600 86400"


def names(*records: RecordSet, zone: str = "shop.local.") -> Names:
    return Names(View((Zone(zone, START, 15, records),)))


def several(number: int, choice: str) -> list[RecordSet]:
    return [
        RecordSet("web.shop.local.", "A", 10 + each, (f"10.0.0.{each}",), choice)  # type: ignore[arg-type]
        for each in range(number)
    ]


@given(st.integers(1, 20), st.integers())
def test_of_many_values_up_to_eight_are_drawn_and_of_weighted_ones_one(number: int, seed: int) -> None:
    chance = random.Random(seed)
    drawn = names(*several(number, "any")).ask("web.shop.local.", "A", chance)
    assert drawn is not None
    assert len(set(drawn.sets)) == len(drawn.sets) == min(number, 8)
    one = names(*several(number, "one")).ask("web.shop.local.", "A", chance)
    assert one is not None
    assert len(one.sets) == 1


@pytest.mark.parametrize(
    ("name", "kind", "values", "exists"),
    [
        ("web.shop.local.", "A", ("10.0.0.1",), True),
        ("web.shop.local.", "TXT", (), True),
        ("deep.shop.local.", "A", (), True),  # there is a name below it
        ("none.shop.local.", "A", (), False),
        ("any.wild.shop.local.", "A", ("10.0.0.3",), True),
        ("real.wild.shop.local.", "A", (), True),  # a name of its own is not covered by the wildcard
        ("also.shop.local.", "A", ("10.0.0.1",), True),
        ("loop.shop.local.", "A", (), True),
    ],
)
def test_answers(name: str, kind: str, values: tuple[str, ...], *, exists: bool) -> None:
    known = names(
        RecordSet("web.shop.local.", "A", 10, ("10.0.0.1",)),
        RecordSet("a.deep.shop.local.", "A", 10, ("10.0.0.2",)),
        RecordSet(r"\052.wild.shop.local.", "A", 10, ("10.0.0.3",)),
        RecordSet("real.wild.shop.local.", "TXT", 10, ('"x"',)),
        RecordSet("also.shop.local.", "A", 10, alias="web.shop.local."),
        RecordSet("loop.shop.local.", "A", 10, alias="loop.shop.local."),
    )
    answer = known.ask(name, kind, random.Random(0))
    assert answer is not None
    assert tuple(value for each in answer.sets for value in each.values) == values
    assert answer.exists is exists
    assert all(each.name == name for each in answer.sets)


def test_a_chain_is_followed_to_its_end_or_to_others() -> None:
    known = names(
        RecordSet("a.shop.local.", "CNAME", 10, ("b.shop.local",)),
        RecordSet("b.shop.local.", "A", 10, ("10.0.0.1",)),
        RecordSet("c.shop.local.", "CNAME", 10, ("example.com",)),
        RecordSet("d.shop.local.", "CNAME", 10, ("d.shop.local",)),
    )
    answer = known.ask("a.shop.local.", "A", random.Random(0))
    assert answer is not None
    assert [(each.name, each.type) for each in answer.sets] == [("a.shop.local.", "CNAME"), ("b.shop.local.", "A")]
    outside = known.ask("c.shop.local.", "A", random.Random(0))
    assert outside is not None
    assert outside.elsewhere == "example.com."
    assert known.ask("d.shop.local.", "A", random.Random(0)) is not None  # and comes to an end


def test_names_of_nobody_here_are_none_of_ours() -> None:
    known = names(*several(1, "all"))
    assert known.ask("example.com.", "A", random.Random(0)) is None
    assert known.ask("ashop.local.", "A", random.Random(0)) is None
    both = Names(View((Zone("local.", START, 1, ()), Zone("shop.local.", START, 1, tuple(several(1, "all"))))))
    smallest = both.zone_of("web.shop.local.")
    assert smallest is not None
    assert smallest.name == "shop.local."


def test_a_view_is_read_as_it_was_written() -> None:
    view = View((Zone("shop.local.", START, 15, (*several(2, "one"), RecordSet("x.", "A", 1, alias="y."))),))
    assert read(written(view)) == view


def test_resolvers_of_the_machine() -> None:
    assert nameservers("# a\nsearch x\nnameserver 10.0.0.2\nnameserver\noptions ndots:0\nnameserver ::1\n") == [
        "10.0.0.2",
        "::1",
    ]
