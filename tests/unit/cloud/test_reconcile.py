"""The loop's promises: one worker a key, nothing missed, failures tried again, cancelled at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidegate.cloud.reconcile import Loop
from tidegate.cloud.store import Key


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_every_key_is_worked_at_the_start() -> None:
    seen: list[Key] = []

    async def note(key: Key) -> None:
        seen.append(key)

    loop = Loop()
    loop.add("c", note, keys=lambda: [("a",), ("b",)])
    async with running(loop):
        await settled()
    assert seen == [("a",), ("b",)]


async def test_a_key_is_never_worked_twice_at_once_and_never_missed() -> None:
    active = 0
    most = 0
    worked = 0
    release = asyncio.Event()

    async def work(key: Key) -> None:
        nonlocal active, most, worked
        active += 1
        most = max(most, active)
        await release.wait()
        active -= 1
        worked += 1

    loop = Loop()
    loop.add("c", work)
    async with running(loop):
        for _ in range(5):
            loop.enqueue("c", ("a",))
        await settled()
        loop.enqueue("c", ("a",))  # it changes while it is worked
        release.set()
        await settled()
    assert (most, worked) == (1, 2)


async def test_a_failure_is_tried_again() -> None:
    tries = 0
    done = asyncio.Event()

    async def fail_twice(key: Key) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("not yet")
        done.set()

    loop = Loop()
    loop.add("c", fail_twice)
    async with running(loop):
        loop.enqueue("c", ("a",))
        await asyncio.wait_for(done.wait(), 5)
    assert tries == 3


async def test_an_earlier_appointment_stands() -> None:
    times: list[float] = []
    again = iter([0.05, None])

    async def note(key: Key) -> float | None:
        times.append(asyncio.get_running_loop().time())
        return next(again)

    loop = Loop()
    loop.add("c", note)
    async with running(loop):
        loop.enqueue("c", ("a",))
        await settled()
        loop.enqueue("c", ("a",), after=10)
        await asyncio.sleep(0.2)
    assert len(times) == 2
    assert times[1] - times[0] < 5


async def test_watches_map_records_to_keys() -> None:
    seen: list[Key] = []

    async def note(key: Key) -> None:
        seen.append(key)

    loop = Loop()
    loop.add("c", note)
    loop.watch("kind", "c", lambda key: [key[:1]])
    async with running(loop):
        loop.notice("kind", ("a", "b"))
        loop.notice("other", ("c", "d"))
        await settled()
    assert seen == [("a",)]


async def test_what_is_forgotten_is_cancelled_and_can_begin_anew() -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def work(key: Key) -> None:
        begun.append(key[0])
        await asyncio.sleep(0 if len(begun) > 1 else 60)
        ended.append(key[0])

    loop = Loop()
    loop.add("c", work, keys=lambda: [("a",)])
    async with running(loop):
        await settled()
        loop.forget_all()
        await settled()
        loop.begin()
        await settled()
    assert (begun, ended) == (["a", "a"], ["a"])
