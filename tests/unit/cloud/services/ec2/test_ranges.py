"""Addresses are given out once, and late again after they came back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.ec2.ranges import assignable, available, next_address, parse

subnets = st.integers(16, 28).flatmap(
    lambda bits: st.integers(0, (1 << 16) - 1).map(
        lambda n: str(IPv4Network((0x0A000000 | n << 8, bits), strict=False))
    )
)


@given(subnets, st.integers(0, 40))
def test_addresses_are_new_and_assignable_until_there_are_none(cidr: str, count: int) -> None:
    taken: set[str] = set()
    last = None
    for _ in range(count):
        last = next_address(cidr, taken.__contains__, last)
        if last is None:
            assert available(cidr, len(taken)) == 0
            return
        assert last not in taken
        assert assignable(cidr, last)
        taken.add(last)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_what_came_back_is_given_out_last(steps: list[bool]) -> None:
    cidr, taken, last = "10.0.0.0/28", set[str](), None
    for take in steps:
        if take or not taken:
            address = next_address(cidr, taken.__contains__, last)
            if address is None:
                continue
            assert address != last
            taken.add(address)
            last = address
        else:
            taken.remove(min(taken, key=IPv4Address))


def test_what_is_a_range() -> None:
    assert str(parse("10.0.0.7/16")) == "10.0.0.0/16"
    assert parse("10.0.0.0") is None
    assert parse("10.0.0.0/33") is None
    assert parse("300.0.0.0/8") is None
    assert not assignable("10.0.0.0/24", "10.0.0.3")
    assert not assignable("10.0.0.0/24", "10.0.0.255")
    assert not assignable("10.0.0.0/24", "10.0.1.4")
