"""Steady load on one address: who answered with what, and what failed. Standard library only."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

_PAUSE = 0.01  # seconds between two requests of a worker


@dataclass
class Load:
    """Workers that ask again and again, half of them on connections that they keep. Use it as a context manager."""

    url: str
    workers: int = 4
    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    first_seen: dict[str, float] = field(default_factory=dict)
    last_seen: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number % 2 == 0,)) for number in range(self.workers)]

    @property
    def sent(self) -> int:
        """Return how many requests were sent."""
        return self.answers.total() + self.failures.total()

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        """Wait until an answer has been seen; fail when it is not in time."""
        deadline = time.monotonic() + seconds
        while text not in self.answers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} was not seen within {seconds:.0f} s: {dict(self.answers)}")
            time.sleep(0.02)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _work(self, keep: bool) -> None:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=10)
        while not self._ending.wait(_PAUSE):
            try:
                connection.request("GET", parts.path or "/", headers={} if keep else {"Connection": "close"})
                response = connection.getresponse()
                text = response.read().decode().strip()
                failure = "" if response.status == 200 else f"{response.status} {text[:80]}"
            except (OSError, http.client.HTTPException) as error:
                failure, text = f"{type(error).__name__}: {error}", ""
                connection.close()
            self._note(text, failure)
        connection.close()

    def _note(self, text: str, failure: str) -> None:
        now = time.monotonic()
        with self._lock:
            if failure:
                self.failures[failure] += 1
                return
            self.answers[text] += 1
            self.first_seen.setdefault(text, now)
            self.last_seen[text] = now
