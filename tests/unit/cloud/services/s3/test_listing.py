"""Pages of a listing add up to what a simple account of it says, whatever the keys, the delimiter and the page size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.s3.api.lists import page
from tidegate.cloud.services.s3.model import escaped, unescaped
from tidegate.cloud.store import Store

keys = st.text(st.sampled_from("ab/-\x1e\x1f\U0001f680"), min_size=1, max_size=6)


def simple(names: list[str], prefix: str, delimiter: str) -> list[str]:
    found = []
    for name in sorted(name for name in names if name.startswith(prefix)):
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        each = name if end < 0 else name[: end + len(delimiter)] + " (prefix)"
        if each not in found:
            found.append(each)
    return found


@settings(deadline=None)
@given(st.sets(keys, max_size=12), st.sampled_from(["", "a", "a/", "b"]), st.sampled_from(["", "/", "-", "ab"]),
       st.integers(1, 4))  # fmt: skip
def test_pages_add_up(names: set[str], prefix: str, delimiter: str, size: int) -> None:
    def read(key: str, mark: str) -> Iterator[tuple[str, str, None]]:
        return iter([(name, "", None) for name in sorted(names) if name > key and name.startswith(prefix)])

    found: list[str] = []
    after = ("", "")
    for _ in range(20):
        one = page(read, prefix, delimiter, after, size)
        assert len(one.entries) + len(one.prefixes) <= size
        found += sorted([entry[0] for entry in one.entries] + [f"{each} (prefix)" for each in one.prefixes])
        if one.next is None:
            break
        after = one.next
    assert found == simple(sorted(names), prefix, delimiter)


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=5), max_size=8))
def test_stored_keys_order_as_s3_lists_them(names: set[str]) -> None:
    names = {name for name in names if ("\0" not in name and name.isprintable()) or set(name) <= set("\x1e\x1fab")}
    assert all(unescaped(escaped(name)) == name and "\x1f" not in escaped(name) for name in names)
    by_bytes = sorted(names, key=str.encode)
    assert [unescaped(each) for each in sorted((escaped(name) for name in names), key=str.encode)] == by_bytes


def test_the_store_orders_by_bytes(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    for name in ("é", "z", "Z", "🚀", "\uffff"):
        store.put("k", ("b", name), {})
    assert [key[1] for key, _ in store.items("k", ("b",))] == ["Z", "z", "é", "\uffff", "🚀"]
    store.close()
