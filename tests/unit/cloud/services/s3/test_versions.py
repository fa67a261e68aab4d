"""The versions of a key against a plain list of them, for whatever is done to it in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.s3.model import NULL, BucketRecord, S3Model
from tidegate.cloud.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
steps = st.lists(
    st.one_of(
        st.just(("put", 0)),
        st.just(("delete", 0)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.sampled_from([("Enabled", 0), ("Suspended", 0)]),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps)
def test_versions(done: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "state.db")
        model = S3Model(store, "000000000000")
        bucket: BucketRecord = {"name": "b", "region": "r", "created": NOW}
        expected: list[tuple[str, bool]] = []  # newest first: version id, is it a marker
        blobs: set[str] = set()
        for number, (what, which) in enumerate(done):
            if what in ("Enabled", "Suspended"):
                bucket["versioning"] = what
                continue
            if what == "remove":
                if which < len(expected):
                    version = expected.pop(which)[0]
                    assert model.remove("b", "k", version) is not None
                    assert model.remove("b", "k", version) is None
            else:
                version = f"v{number}" if bucket.get("versioning") == "Enabled" else NULL
                if version == NULL:
                    expected = [each for each in expected if each[0] != NULL]
                if what == "put":
                    record: Any = {"order": 0, "version": version, "modified": NOW, "blob": f"blob{number}", "size": 1}
                    model.put(bucket, "k", record)
                    blobs.add(f"blob{number}")
                    expected.insert(0, (version, False))
                elif "versioning" in bucket:
                    model.delete(bucket, "k", version, NOW)
                    expected.insert(0, (version, True))
                else:
                    model.delete(bucket, "k", version, NOW)
            current = model.current("b", "k")
            visible = expected[0][0] if expected and not expected[0][1] else None
            assert (current["version"] if current else None) == visible
            found = ([current] if current else []) + model.versions.values("b", "k")
            assert [(each["version"], each.get("marker", False)) for each in found] == expected
            orders = [each["order"] for each in found]
            assert orders == sorted(orders, reverse=True)
            held = {each["blob"] for each in found if "blob" in each}
            gone = {key[0] for key, _ in model.removals.items()}
            assert held | gone == blobs  # every blob is held by one version or on its way out
            assert not held & gone
        store.close()
