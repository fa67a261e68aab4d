"""Waiting for what happens soon, and no longer than it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 20.0  # seconds


def until(ask: Callable[[], T], wanted: T, patience: float = _PATIENCE) -> bool:
    """Return whether `ask` comes to answer `wanted`; fail with its last answer when it does not."""
    return wait_for(ask, lambda answer: answer == wanted, patience) == wanted


def wait_for(ask: Callable[[], T], enough: Callable[[T], bool], patience: float = _PATIENCE) -> T:
    """Return the first answer of `ask` that is enough; fail with its last answer when none comes."""
    deadline = time.monotonic() + patience
    while not enough(answer := ask()):
        assert time.monotonic() < deadline, f"after {patience:.0f} s it is still {answer!r}"
        time.sleep(0.02)
    return answer
