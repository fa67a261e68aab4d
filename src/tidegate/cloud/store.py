"""Everything that lasts: records and journals in one SQLite file, committed atomically.

A *record* is a dict in AWS's own shape, found by its kind (`ecs.service`) and a key of strings
(`("us-east-1", "default", "web")`). A *journal* is an append-only series of entries with a time, for log
events. Every write is a transaction; whoever subscribed hears of each changed record after its commit. An *index*
finds records by what is in them, at a cost that does not depend on the other records.

All calls are synchronous and short. Between a read and a write there must be no `await`: that is what makes
`update` and `transaction` atomic without locks, for the daemon runs on one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

from tidegate.cloud.errors import StateError

Key = tuple[str, ...]
Notice = Callable[[str, Key], None]

R = TypeVar("R")

_SEPARATOR = "\x1f"  # the ASCII unit separator: cannot occur in an AWS name
_AFTER_SEPARATOR = "\x20"
_AFTER_ALL = "\U0010ffff"  # the greatest code point: follows every text that continues a prefix
_SCHEMA_VERSION = 2  # counts up whenever records are written otherwise than before
_SCHEMA = f"""
create table records (kind text not null, key text not null, body text not null,
                      primary key (kind, key)) without rowid;
create table entries (journal text not null, sequence integer not null, time integer not null, body text not null,
                      primary key (journal, sequence)) without rowid;
create index entries_by_time on entries (journal, time, sequence);
pragma user_version = {_SCHEMA_VERSION};
"""


class Entry(NamedTuple):
    """One entry of a journal: its sequence number, its time in epoch milliseconds, its text."""

    sequence: int
    time: int
    body: str


class Store:
    """The state of the local cloud in one SQLite file (write-ahead log; safe against a kill at any instant)."""

    def __init__(self, path: Path) -> None:
        self._depth = 0
        self._changed: list[tuple[str, Key]] = []
        self._subscribers: list[Notice] = []
        self._indexes: defaultdict[str, list[Index[Any]]] = defaultdict(list)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version == 0:
                self._db.executescript(_SCHEMA)
            elif version != _SCHEMA_VERSION:
                raise StateError(
                    f"{path}: its format is {version}, this version reads {_SCHEMA_VERSION}; "
                    "run `tidegate local reset --yes`, or use the version that wrote it"
                )
        except sqlite3.Error as error:
            raise StateError(f"{path}: cannot be read ({error}); restore it or remove the folder") from error

    def close(self) -> None:
        """Flush the write-ahead log and let go of the file."""
        self._db.close()

    def subscribe(self, notice: Notice) -> None:
        """Have `notice(kind, key)` called after every commit that changed that record."""
        self._subscribers.append(notice)

    def add_index(self, kind: str, index: Index[Any]) -> None:
        """Have an index hear of every write of a kind as it is made, before its commit."""
        self._indexes[kind].append(index)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes inside one atomic commit. Nests; never hold one over an `await`."""
        if self._depth:
            yield
            return
        self._execute("begin immediate")
        self._depth = 1
        try:
            yield
            self._execute("commit")
        except BaseException:
            self._forget_indexes({kind for kind, _ in self._changed})
            self._changed.clear()
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        finally:
            self._depth = 0
        changed, self._changed = self._changed, []
        for kind, key in dict.fromkeys(changed):
            for notice in self._subscribers:
                notice(kind, key)

    def get(self, kind: str, key: Key) -> Any | None:
        """Return a record, or None."""
        row = self._execute("select body from records where kind = ? and key = ?", (kind, _join(key))).fetchone()
        return None if row is None else _decode(row[0])

    def items(
        self, kind: str, prefix: Key = (), *, starting: str = "", after: str = "", limit: int | None = None
    ) -> list[tuple[Key, Any]]:
        """Return the records whose key starts with the parts of `prefix`, in the order of their keys (by bytes).

        Of those, `starting` keeps the ones whose next part starts with that text, and `after` the ones whose next
        part is greater than that text; at most `limit` are read.
        """
        query, parameters = "select key, body from records where kind = ?", [cast("Any", kind)]
        joined = _join(prefix)
        base = joined + _SEPARATOR if prefix else ""
        if starting:
            query += " and key >= ? and key < ?"
            parameters += [base + starting, base + starting + _AFTER_ALL]
        elif prefix:
            query += " and (key = ? or (key >= ? and key < ?))"
            parameters += [joined, base, joined + _AFTER_SEPARATOR]
        if after:
            query += " and key > ?"
            parameters.append(base + after)
        query += " order by key"
        if limit is not None:
            query += f" limit {int(limit)}"
        return [(tuple(key.split(_SEPARATOR)), _decode(body)) for key, body in self._execute(query, parameters)]

    def put(self, kind: str, key: Key, record: Any) -> None:
        """Write a record, new or whole again."""
        with self.transaction():
            self._execute(
                "insert into records values (?, ?, ?) on conflict do update set body = excluded.body",
                (kind, _join(key), _encode(record)),
            )
            self._changed.append((kind, key))
            for index in self._indexes.get(kind, ()):
                index.put(key, record)

    def delete(self, kind: str, key: Key) -> None:
        """Remove a record if it is there."""
        with self.transaction():
            cursor = self._execute("delete from records where kind = ? and key = ?", (kind, _join(key)))
            if cursor.rowcount:
                self._changed.append((kind, key))
                for index in self._indexes.get(kind, ()):
                    index.remove(key)

    def append(self, journal: str, entries: Iterable[tuple[int, str]]) -> int:
        """Append `(epoch milliseconds, text)` entries to a journal and return the last sequence number."""
        with self.transaction():
            (last,) = self._execute(
                "select coalesce(max(sequence), 0) from entries where journal = ?", (journal,)
            ).fetchone()
            rows = [(journal, last + n, time, body) for n, (time, body) in enumerate(entries, 1)]
            self._guard(lambda: self._db.executemany("insert into entries values (?, ?, ?, ?)", rows))
            return cast("int", last) + len(rows)

    def entries(
        self,
        journal: str,
        *,
        after: int = 0,
        before: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int = 10_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return a journal's entries.

        `after` and `before` bound the sequence number, both exclusive; `start` (inclusive) and `end`
        (exclusive) bound the time in epoch milliseconds.
        """
        query, parameters = "select sequence, time, body from entries where journal = ?", [cast("Any", journal)]
        for clause, value in (
            ("sequence > ?", after or None),
            ("sequence < ?", before),
            ("time >= ?", start),
            ("time < ?", end),
        ):
            if value is not None:
                query += f" and {clause}"
                parameters.append(value)
        query += f" order by sequence {'desc' if newest_first else 'asc'} limit ?"
        return [Entry(*row) for row in self._execute(query, [*parameters, limit]).fetchall()]

    def entries_by_time(
        self,
        journal: str,
        *,
        after: tuple[int, int] = (-1, 0),
        before: tuple[int, int] | None = None,
        limit: int = 10_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return a journal's entries ordered by their time, those of one time in the order they were appended.

        `after` and `before` bound (time, sequence), both exclusive: `(t, 0)` comes right before all entries of t.
        """
        query = "select sequence, time, body from entries where journal = ? and (time, sequence) > (?, ?)"
        parameters: list[Any] = [journal, *after]
        if before is not None:
            query += " and (time, sequence) < (?, ?)"
            parameters += before
        way = "desc" if newest_first else "asc"
        query += f" order by time {way}, sequence {way} limit ?"
        return [Entry(*row) for row in self._execute(query, [*parameters, limit]).fetchall()]

    def expire(self, journal: str, before: int, limit: int = 10_000) -> tuple[int, int]:
        """Remove a journal's entries older than `before` (epoch milliseconds), at most `limit` of them.

        Returns how many, and their bytes; as many as `limit`: there may be more.
        """
        chosen = "select sequence from entries where journal = ? and time < ? order by time, sequence limit ?"
        return self._remove(journal, chosen, (journal, before, limit))

    def drop(self, journal: str, limit: int = 10_000) -> tuple[int, int]:
        """Remove a journal's entries, at most `limit` of them; returns what `expire` does."""
        chosen = "select sequence from entries where journal = ? order by sequence limit ?"
        return self._remove(journal, chosen, (journal, limit))

    def _remove(self, journal: str, chosen: str, parameters: tuple[Any, ...]) -> tuple[int, int]:
        with self.transaction():
            rows = self._execute(
                f"delete from entries where journal = ? and sequence in ({chosen}) "  # noqa: S608 - no outside text
                "returning length(cast(body as blob))",
                (journal, *parameters),
            ).fetchall()
        return len(rows), sum(size for (size,) in rows)

    def clear(self) -> None:
        """Remove every record and every journal. Nobody is told: who keeps state of its own is reset too."""
        with self.transaction():
            self._execute("delete from records")
            self._execute("delete from entries")
        self._forget_indexes(self._indexes)

    def _forget_indexes(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            for index in self._indexes.get(kind, ()):
                index.forget()

    def _execute(self, query: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self._guard(lambda: self._db.execute(query, tuple(parameters)))

    def _guard(self, statement: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        try:
            return statement()
        except sqlite3.OperationalError as error:
            raise StateError(
                f"the data folder: {error}; free some space or close what holds it, then try again"
            ) from error


class Collection(Generic[R]):
    """The records of one kind: `Collection[ClusterTypeDef](store, "ecs.cluster")`."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self.kind = kind

    def get(self, *key: str) -> R | None:
        """Return the record of exactly this key, or None."""
        return cast("R | None", self._store.get(self.kind, key))

    def items(self, *prefix: str, starting: str = "", after: str = "", limit: int | None = None) -> list[tuple[Key, R]]:
        """Return keys and records under a key prefix, ordered by key; see `Store.items`."""
        return self._store.items(self.kind, prefix, starting=starting, after=after, limit=limit)

    def values(self, *prefix: str) -> list[R]:
        """Return the records under a key prefix, ordered by key."""
        return [record for _, record in self._store.items(self.kind, prefix)]

    def put(self, key: Key, record: R) -> None:
        """Write a record, new or whole again."""
        self._store.put(self.kind, key, record)

    def update(self, key: Key, change: Callable[[R], None]) -> R | None:
        """Read, change in place and write one record atomically; None where there is none (any more).

        A record that `change` leaves as it was is not written, and nobody is told.
        """
        record = self.get(*key)
        if record is None:
            return None
        before = _encode(record)
        change(record)
        if _encode(record) != before:
            self.put(key, record)
        return record

    def delete(self, *key: str) -> None:
        """Remove the record if it is there."""
        self._store.delete(self.kind, key)

    def join(self, index: Index[R]) -> None:
        """Have an index hear of every write."""
        self._store.add_index(self.kind, index)


class Index(Generic[R]):
    """A collection's records by what is in them: `Index(tasks, lambda key, task: [task["address"]])`.

    It is made by one look at all of them when it is first asked, and kept up with every write from then on.
    """

    def __init__(self, collection: Collection[R], of: Callable[[Key, R], Iterable[Hashable]]) -> None:
        """`of` returns the values by which a record is to be found, which may be none."""
        self._collection = collection
        self._of = of
        self._keys: dict[Hashable, set[Key]] | None = None
        self._values: dict[Key, tuple[Hashable, ...]] = {}
        collection.join(self)

    def keys(self, value: Hashable) -> list[Key]:
        """Return the keys of the records with this value, in their order."""
        return sorted(self._found(value))

    def items(self, value: Hashable) -> list[tuple[Key, R]]:
        """Return keys and records with this value, ordered by key."""
        found = ((key, self._collection.get(*key)) for key in self.keys(value))
        return [(key, record) for key, record in found if record is not None]

    def values(self, value: Hashable) -> list[R]:
        """Return the records with this value, ordered by key."""
        return [record for _, record in self.items(value)]

    def count(self, value: Hashable) -> int:
        """Return how many records have this value."""
        return len(self._found(value))

    def put(self, key: Key, record: R) -> None:
        """Hear that a record is written."""
        if self._keys is None:
            return
        self.remove(key)
        values = tuple(dict.fromkeys(self._of(key, record)))
        if values:
            self._values[key] = values
        for value in values:
            self._keys.setdefault(value, set()).add(key)

    def remove(self, key: Key) -> None:
        """Hear that a record is removed."""
        if self._keys is None:
            return
        for value in self._values.pop(key, ()):
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]

    def forget(self) -> None:
        """Hear that writes were taken back: what is known is made anew when it is asked for."""
        self._keys = None
        self._values = {}

    def _found(self, value: Hashable) -> set[Key]:
        if self._keys is None:
            self._keys = {}
            for key, record in self._collection.items():
                self.put(key, record)
        return self._keys.get(value, set())


def _join(key: Key) -> str:
    if any(_SEPARATOR in part for part in key):
        raise StateError(f"{key!r}: a name cannot hold the control character U+001F")
    return _SEPARATOR.join(key)


def _encode(record: Any) -> str:
    return _ENCODER.encode(record)


def _encode_other(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$time": value.timestamp()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _decode(body: str) -> Any:
    return _DECODER.decode(body)


def _decode_object(value: dict[str, Any]) -> Any:
    if len(value) == 1 and "$time" in value:
        return datetime.fromtimestamp(value["$time"], UTC)
    return value


# made once: `json.dumps` and `json.loads` make theirs anew for every record
_ENCODER = json.JSONEncoder(default=_encode_other, separators=(",", ":"), ensure_ascii=False)
_DECODER = json.JSONDecoder(object_hook=_decode_object)
