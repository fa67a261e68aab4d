"""A buildspec's patterns find what they mean, and nothing outside of the build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidegate.cloud.services.codebuild.files import NothingFoundError, Tree

PLACES = ["a.txt", "b.xml", ".hidden", "x/a.txt", "x/y/a.txt", "x/y/z/b.xml", "xy/b[1].txt"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for place in PLACES:
        path = tmp_path / "build" / "src" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return tmp_path / "build" / "src"


def found(source: Path, *patterns: str, excludes: tuple[str, ...] = ()) -> list[str]:
    tree = Tree(source.parent, lambda _: None)
    return sorted(path.relative_to(source).as_posix() for path in tree.files(source, patterns, excludes))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["a.txt"], ["a.txt"]),
        (["./a.txt", "a.txt"], ["a.txt"]),
        (["*"], [".hidden", "a.txt", "b.xml"]),
        (["**/*"], sorted(PLACES)),
        (["**"], sorted(PLACES)),
        (["**/a.txt"], ["a.txt", "x/a.txt", "x/y/a.txt"]),
        (["x/**/*"], ["x/a.txt", "x/y/a.txt", "x/y/z/b.xml"]),
        (["x/*"], ["x/a.txt"]),
        (["x/**/b.xml"], ["x/y/z/b.xml"]),
        (["x?/b[[]1].txt"], ["xy/b[1].txt"]),
        (["[!a].xml"], ["b.xml"]),
        (["nothing/**/*", ".", "../*", "../../outside/secret.txt"], []),
    ],
)
def test_patterns(source: Path, patterns: list[str], expected: list[str]) -> None:
    assert found(source, *patterns) == expected


def test_what_is_left_out(source: Path) -> None:
    assert found(source, "**/*", excludes=("x/**/*", "**/*.xml")) == [".hidden", "a.txt", "xy/b[1].txt"]


def test_no_link_leads_out(source: Path) -> None:
    (source / "file").symlink_to("../../outside/secret.txt")
    (source / "folder").symlink_to("../../outside")
    (source / "around").symlink_to("x")
    os.mkfifo(source / "pipe")
    patterns = ("file", "folder/*", "folder/secret.txt", "**/secret.txt", "pipe", "around/a.txt", "around/*")
    assert found(source, *patterns) == ["around/a.txt"]
    with pytest.raises(NothingFoundError):
        Tree(source.parent, lambda _: None).bases(source, "folder")
    with pytest.raises(NothingFoundError):
        Tree(source.parent, lambda _: None).bases(source, "/etc")


def test_a_thousand_folders_in_each_other(source: Path) -> None:
    deep = source
    for _ in range(900):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("x")
    assert found(source, "**/bottom") == ["/".join(["d"] * 900 + ["bottom"])]
