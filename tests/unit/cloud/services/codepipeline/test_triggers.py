"""Which pushes start a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.cloud.services.codepipeline.triggers import Criteria, Filter, connected_sources, filters, matches


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("*.java", ["a.java", ".java"], ["a/b.java", "a.jav"]),
        ("*.*", ["a.b"], ["ab"]),
        ("*.{java,class}", ["a.java", "a.class"], ["a.jar"]),
        ("foo.?", ["foo.a"], ["foo.", "foo.ab", "foo./"]),
        ("web/**", ["web/a", "web/a/b/c.py"], ["web", "other/web/a"]),
        ("web/*", ["web/a"], ["web/a/b"]),
        ("**/README.md", ["a/README.md", "a/b/README.md"], ["README.md"]),
        ("**.md", ["README.md", "a/b.md"], ["a.mdx"]),
        ("release-[0-9]", ["release-1"], ["release-x", "release-10"]),
        ("[!ab]c", ["cc"], ["ac", "/c"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("a{b,c{d,e}}f", ["abf", "acdf", "acef"], ["af", "acf"]),
        ("a.b+c(d)", ["a.b+c(d)"], ["axb+c(d)"]),
        ("odd[", ["odd["], ["odd"]),
        ("{odd", ["{odd"], ["odd"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    assert [each for each in fits if not matches(pattern, each)] == []
    assert [each for each in fits_not if matches(pattern, each)] == []


def test_what_is_excluded_is_not_included() -> None:
    both = Criteria(["release/*"], ["release/old*"])
    assert both.fit("release/1")
    assert not both.fit("release/old1")
    assert not both.fit("main")
    assert Criteria([], ["main"]).fit("other")


def test_one_file_that_fits_is_enough() -> None:
    one = Filter(branches=Criteria(["main"], []), paths=Criteria(["web/**"], ["**.md"]))
    assert one.takes("refs/heads/main")
    assert not one.takes("refs/tags/main")
    assert one.takes_paths(["docs/a", "web/b"])
    assert not one.takes_paths(["web/a.md", "docs/b"])
    assert not one.takes_paths([])
    assert Filter(tags=Criteria([], [])).takes("refs/tags/v1")


def pipeline(configuration: dict[str, str] | None = None, **declared: Any) -> Any:
    action = {
        "name": "Source",
        "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeStarSourceConnection", "version": "1"},
        "configuration": {"BranchName": "feature/[x]", **(configuration or {})},
    }
    return {"stages": [{"name": "Source", "actions": [action]}], **declared}


def test_without_a_trigger_the_branch_decides_unless_changes_are_not_detected() -> None:
    declared = pipeline()
    (action,) = connected_sources(declared)
    (own,) = filters(declared, action)
    assert own.takes("refs/heads/feature/[x]")  # a name, no pattern
    assert not own.takes("refs/heads/feature/x")
    assert connected_sources(pipeline({"DetectChanges": "false"})) == []


def test_a_trigger_takes_the_place_of_the_branch() -> None:
    push = [{"branches": {"includes": ["release/**"]}}, {"tags": {"excludes": ["v0*"]}}]
    trigger = {"gitConfiguration": {"sourceActionName": "Source", "push": push}}
    declared = pipeline({"DetectChanges": "false"}, triggers=[trigger])
    (action,) = connected_sources(declared)
    taken = filters(declared, action)
    for reference, fits in (
        ("refs/heads/release/1/2", True),
        ("refs/heads/feature/[x]", False),
        ("refs/tags/v1", True),
        ("refs/tags/v0.1", False),
    ):
        assert any(each.takes(reference) for each in taken) is fits
    bare = pipeline(triggers=[{"gitConfiguration": {"sourceActionName": "Source"}}])
    assert [each.takes("refs/heads/feature/[x]") for each in filters(bare, action)] == [True]
