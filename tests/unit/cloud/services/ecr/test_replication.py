"""Where images go, and by which template their repositories are made."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cloud.services.ecr.creation import fitting
from tidegate.cloud.services.ecr.replication import destinations


def rule(*regions: str, filters: tuple[str, ...] = (), deletes: bool | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"destinations": [{"region": each, "registryId": "0" * 12} for each in regions]}
    if filters:
        found["repositoryFilters"] = [{"filter": each, "filterType": "PREFIX_MATCH"} for each in filters]
    return found if deletes is None else {**found, "deleteReplication": {"enabled": deletes}}


def test_each_rule_adds_its_regions_once() -> None:
    rules = [rule("b", "a", filters=("team/", "x")), rule("a", "c", deletes=True), rule("d", deletes=False)]
    assert destinations(rules, "team/app") == ["a", "b", "c", "d"]
    assert destinations(rules, "app") == ["a", "c", "d"]
    assert destinations(rules, "team/app", deletes=True) == ["a", "c"]
    assert destinations([], "app") == []


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("a/b/c", "a/b"), ("a/b", "a"), ("ab/c", "ROOT"), ("a", "ROOT"), ("p/x", "ROOT")],
)
def test_the_longest_prefix_counts_and_root_last(name: str, prefix: str) -> None:
    templates: Any = [{"prefix": each, "appliedFor": ["REPLICATION"]} for each in ("ROOT", "a", "a/b")]
    templates.append({"prefix": "p", "appliedFor": ["CREATE_ON_PUSH"]})
    found = fitting(templates, name, "REPLICATION")
    assert found is not None
    assert found["prefix"] == prefix
    assert fitting(templates, "a/b", "CREATE_ON_PUSH") is None
