"""What a mirror is called: a repository's name and nothing else, whatever a client writes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.mirrors import mirror_id, repository_name


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("github.com", "Example/Shop.git", "example/shop"),
        ("github.com", "example/shop/", "example/shop"),
        ("github.com", "example/.github", None),
        ("github.com", "a/b/c", None),
        ("gitlab.com", "a/b/c/d.git", "a/b/c/d"),
        ("gitlab.com", "a", None),
        ("bitbucket.org", "a/../b", None),
        ("example.com", "a/b", None),
    ],
)
def test_names(host: str, path: str, name: str | None) -> None:
    assert repository_name(host, path) == name


@given(st.text())
def test_nothing_leads_outside(path: str) -> None:
    name = repository_name("gitlab.com", path)
    if name is not None:
        assert not {"", ".", ".."} & set(name.split("/"))
        assert "\0" not in name
    assert re.fullmatch(r"[0-9a-f]{40}", mirror_id("gitlab.com", path.encode("utf-8", "replace").decode()))
