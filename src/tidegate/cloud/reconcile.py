"""The only loop: take a key, converge what it names, come back when asked or after a back-off.

A *controller* is an async function from a key to the seconds after which it wants to see the key again (None:
not until something changes). The loop promises what the Kubernetes work queue promises: one worker a key,
a key queued twice is worked once, a key that changes while it is worked is worked again, and a failure is
retried with exponential back-off. Nothing is passed but the key, so a controller reads everything anew and it
does not matter how often it runs.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from tidegate.cloud.store import Key

Reconcile = Callable[[Key], Awaitable[float | None]]

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 30.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Item:
    """What the loop knows of one key of one controller."""

    running: asyncio.Task[None] | None = None
    dirty: bool = False
    failures: int = 0
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Controller:
    reconcile: Reconcile
    list_keys: Callable[[], Iterable[Key]]
    slots: asyncio.Semaphore
    items: dict[Key, _Item] = field(default_factory=dict)


class Loop:
    """The keyed work queue that every reconciler runs on."""

    def __init__(self) -> None:
        self._controllers: dict[str, _Controller] = {}
        self._watches: defaultdict[str, list[tuple[str, Callable[[Key], Iterable[Key]]]]] = defaultdict(list)
        self._group: asyncio.TaskGroup | None = None

    def add(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        keys: Callable[[], Iterable[Key]] = tuple,
        workers: int = 32,
    ) -> None:
        """Add a controller. `keys` lists what it looks after, to be worked once when the loop starts."""
        self._controllers[name] = _Controller(reconcile, keys, asyncio.Semaphore(workers))

    def watch(self, kind: str, name: str, keys: Callable[[Key], Iterable[Key]] = lambda key: (key,)) -> None:
        """Queue `keys(key)` for controller `name` whenever a record of `kind` changes in the store."""
        self._watches[kind].append((name, keys))

    def notice(self, kind: str, key: Key) -> None:
        """Hear from the store that a record changed."""
        for name, keys in self._watches.get(kind, ()):
            for each in keys(key):
                self.enqueue(name, each)

    def enqueue(self, name: str, key: Key, after: float = 0.0) -> None:
        """Have a key worked, now or in `after` seconds; an earlier appointment stands."""
        if self._group is None:
            return  # the loop is not running: it starts with every key, and ends by leaving all work
        item = self._controllers[name].items.setdefault(key, _Item())
        if after > 0:
            due = asyncio.get_running_loop().time() + after
            if item.timer is not None and item.timer.when() <= due:
                return
            if item.timer is not None:
                item.timer.cancel()
            item.timer = asyncio.get_running_loop().call_at(due, self._due, name, key)
        elif item.running is not None:
            item.dirty = True
        else:
            self._start(name, key, item)

    def forget_all(self) -> None:
        """Cancel all work and appointments: the state they were about is gone."""
        for controller in self._controllers.values():
            for item in controller.items.values():
                if item.timer is not None:
                    item.timer.cancel()
                if item.running is not None:
                    item.running.cancel()
            controller.items.clear()

    def begin(self) -> None:
        """Have every key of every controller worked once: at the start, and after `forget_all`."""
        for name, controller in self._controllers.items():
            for key in controller.list_keys():
                self.enqueue(name, key)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self.begin()
                await asyncio.Event().wait()
        finally:
            self._group = None
            self.forget_all()

    def _due(self, name: str, key: Key) -> None:
        item = self._controllers[name].items.get(key)
        if item is not None:
            item.timer = None
            self.enqueue(name, key)

    def _start(self, name: str, key: Key, item: _Item) -> None:
        assert self._group is not None
        if item.timer is not None:
            item.timer.cancel()
            item.timer = None
        item.dirty = False
        item.running = self._group.create_task(self._work(name, key, item), name=f"{name}:{'/'.join(key)}")

    async def _work(self, name: str, key: Key, item: _Item) -> None:
        controller = self._controllers[name]
        again: float | None
        try:
            async with controller.slots:
                item.dirty = False
                again = await controller.reconcile(key)
            item.failures = 0
        except Exception:
            again = min(_FIRST_DELAY * 2**item.failures, _LONGEST_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311
            item.failures += 1
            log.exception("%s %s: failed %d times, again in %.1f s", name, "/".join(key), item.failures, again)
        finally:
            item.running = None
        if controller.items.get(key) is not item:
            return  # forgotten while it was worked
        if item.dirty:
            self._start(name, key, item)
        elif again is not None:
            self.enqueue(name, key, again)
        elif item.timer is None:
            del controller.items[key]
