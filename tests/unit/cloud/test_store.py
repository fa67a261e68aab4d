"""What was written is there, whole or not at all, and whoever subscribed hears of it once it is."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.errors import StateError
from tidegate.cloud.store import Collection, Index, Store

parts = st.text("ab/.-é\x20\x7f", min_size=1, max_size=4)
keys = st.lists(parts, min_size=1, max_size=3).map(tuple)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


def test_times_come_back_as_times(store: Store) -> None:
    record = {"at": datetime(2026, 11, 23, 17, 38, 0, 123000, UTC), "deep": [{"text": "é", "none": None}]}
    store.put("kind", ("a", "b"), record)
    assert store.get("kind", ("a", "b")) == record
    assert store.get("kind", ("a",)) is None


@given(st.sets(keys, max_size=12), keys)
def test_a_prefix_finds_what_is_under_it_and_nothing_else(
    all_keys: set[tuple[str, ...]], prefix: tuple[str, ...]
) -> None:
    store = Store(Path(":memory:"))
    for key in all_keys:
        store.put("kind", key, list(key))
    found = [key for key, _ in store.items("kind", prefix)]
    assert set(found) == {key for key in all_keys if key[: len(prefix)] == prefix}
    assert [store.get("kind", key) for key in found] == [list(key) for key in found]
    store.close()


def test_starting_after_and_limit_walk_through_a_level(store: Store) -> None:
    for name in ("a", "ab", "abc", "b"):
        store.put("kind", ("bucket", name), name)
    walk = [record for _, record in store.items("kind", ("bucket",), starting="a", after="a", limit=1)]
    assert walk == ["ab"]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    heard: list[tuple[str, ...]] = []
    store.subscribe(lambda _kind, key: heard.append(key))

    def fail_within() -> None:
        with store.transaction():
            store.put("kind", ("a",), 1)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail_within()
    assert (store.get("kind", ("a",)), heard) == (None, [])
    with store.transaction():
        store.put("kind", ("a",), 1)
        store.put("kind", ("a",), 2)
        store.put("kind", ("b",), 3)
        assert heard == []
    assert heard == [("a",), ("b",)]


def test_an_update_that_changes_nothing_tells_nobody(store: Store) -> None:
    heard: list[tuple[str, ...]] = []
    numbers: Collection[dict[str, int]] = Collection(store, "kind")
    numbers.put(("a",), {"n": 1})
    store.subscribe(lambda _kind, key: heard.append(key))
    numbers.update(("a",), lambda record: record.update(n=1))
    assert heard == []
    numbers.update(("a",), lambda record: record.update(n=2))
    assert heard == [("a",)]
    assert numbers.update(("absent",), lambda record: record.clear()) is None


def test_a_journal_keeps_its_order(store: Store) -> None:
    store.append("log", [(30, "c"), (10, "a")])
    store.append("log", [(20, "b")])
    assert [entry.body for entry in store.entries("log")] == ["c", "a", "b"]
    assert [entry.body for entry in store.entries("log", start=20)] == ["c", "b"]
    assert [entry.body for entry in store.entries("log", newest_first=True, limit=1)] == ["b"]
    assert [entry.body for entry in store.entries("log", after=1, before=3)] == ["a"]


def test_state_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StateError, match="cannot be read"):
        Store(path)


def test_another_formats_state_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(StateError, match="its format is 99"):
        Store(path)


WRITER = """
import sys
from pathlib import Path
from tidegate.cloud.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with store.transaction():
        store.put("kind", ("first",), number)
        store.put("kind", ("second",), number)
    print(number, flush=True)
"""


class TakenBackError(Exception):
    pass


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(["put", "delete", "take back", "clear"]), st.sets(st.integers(0, 3))
        )
    )
)
def test_an_index_finds_what_a_look_at_all_would(writes: list[tuple[str, str, set[int]]]) -> None:
    store = Store(Path(":memory:"))
    collection: Collection[list[int]] = Collection(store, "kind")
    index = Index(collection, lambda key, record: record)
    for name, what, values in writes:
        with contextlib.suppress(TakenBackError), store.transaction():
            if what == "clear":
                store.clear()
            elif what == "delete":
                collection.delete("r", name)
            else:
                collection.put(("r", name), sorted(values))
            if what == "take back":
                raise TakenBackError
        for value in range(4):
            expected = [(key, record) for key, record in collection.items() if value in record]
            assert index.items(value) == expected
            assert index.count(value) == len(expected)
    store.close()


def test_nothing_acknowledged_is_lost_in_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _, line in zip(range(50), process.stdout, strict=False):
                acknowledged = int(line)
            process.kill()
        store = Store(path)
        first, second = int(store.get("kind", ("first",)) or 0), int(store.get("kind", ("second",)) or 0)
        assert first == second >= acknowledged
        store.close()
