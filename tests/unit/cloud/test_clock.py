"""Durations are what has really passed, whatever somebody sets the clock to."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tidegate.cloud.clock import Clock

MINUTE = timedelta(minutes=1)


class Machine:
    """Both clocks of a machine, and somebody who sets one of them."""

    def __init__(self) -> None:
        self.wall, self.uptime = 1_790_000_000.0, 5_000.0

    def passes(self, time: timedelta) -> None:
        self.wall += time.total_seconds()
        self.uptime += time.total_seconds()

    def sets(self, by: timedelta) -> None:
        self.wall += by.total_seconds()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("jumps", [[60], [-60], [60, -60], [-60, 60], [60, 60], [-60, -60], [-60, -60, 120]])
def test_a_wait_lasts_as_long_as_it_would_have(machine: Machine, jumps: list[int]) -> None:
    clock = Clock(lambda: machine.wall, lambda: machine.uptime)
    machine.passes(MINUTE)
    since = clock.now()
    for number, minutes in enumerate(jumps, 1):
        machine.passes(MINUTE)
        machine.sets(minutes * MINUTE)
        assert clock.elapsed(since) == number * MINUTE
    machine.passes(MINUTE)
    assert clock.elapsed(since) == (len(jumps) + 1) * MINUTE
    assert clock.elapsed(clock.now()) == timedelta(0)


def test_a_clock_that_is_corrected_does_not_jump(machine: Machine) -> None:
    clock = Clock(lambda: machine.wall, lambda: machine.uptime)
    since = clock.now()
    for _ in range(100):
        machine.passes(MINUTE)
        machine.sets(timedelta(seconds=0.01))
        clock.now()
    assert clock.elapsed(since) == clock.now() - since


def test_the_machines_clocks_are_read() -> None:
    clock = Clock()
    assert abs(clock.now().timestamp() - time.time()) < 60
