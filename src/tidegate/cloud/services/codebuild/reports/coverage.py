"""How much of each source file is covered, out of what the coverage tools write.

https://docs.aws.amazon.com/codebuild/latest/userguide/code-coverage-report.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.services.codebuild.reports.elements import Element, ReportError, elements
from tidegate.cloud.services.codebuild.reports.tests import load

_CONDITIONS = re.compile(r"\((\d+)/(\d+)\)")


@dataclass(frozen=True, slots=True)
class Covered:
    """What is covered of a source file, or of a part of it."""

    path: str
    lines_covered: int
    lines_missed: int
    branches_covered: int
    branches_missed: int


def coverages(path: Path, form: str) -> Iterator[Covered]:
    """Return what a file says of source files, of one perhaps several times; raise `ReportError`."""
    return _READERS[form](path)


def _cobertura(path: Path) -> Iterator[Covered]:
    for found in elements(path, frozenset({"class"}), ("coverage",)):
        lines = found.element.child("lines")
        covered = missed = taken = left = 0
        for line in [] if lines is None else lines.children:
            if _count(line.get("hits")):
                covered += 1
            else:
                missed += 1
            conditions = _CONDITIONS.search(line.get("condition-coverage"))
            if conditions is not None:
                taken += int(conditions[1])
                left += max(0, int(conditions[2]) - int(conditions[1]))
        yield Covered(found.element.get("filename"), covered, missed, taken, left)


def _clover(path: Path) -> Iterator[Covered]:
    for found in elements(path, frozenset({"file"}), ("coverage",)):
        file = found.element
        covered = missed = taken = left = 0
        for line in (each for each in file.children if each.name == "line"):
            sides = [_count(line.get("truecount")), _count(line.get("falsecount"))]
            is_branch = line.get("type") == "cond"
            if _count(line.get("count")) or (is_branch and any(sides)):
                covered += 1
            else:
                missed += 1
            if is_branch:
                hit = sum(1 for side in sides if side)
                taken, left = taken + hit, left + 2 - hit
        yield Covered(file.get("path") or file.get("name"), covered, missed, taken, left)


def _jacoco(path: Path) -> Iterator[Covered]:
    for found in elements(path, frozenset({"sourcefile"}), ("report",)):
        file, package = found.element, found.inside("package")
        folder = "" if package is None else package.get("name")
        counters = {each.get("type"): each for each in file.children if each.name == "counter"}
        yield Covered(
            "/".join(part for part in (folder, file.get("name")) if part),
            *_counter(counters.get("LINE")),
            *_counter(counters.get("BRANCH")),
        )


def _counter(counter: Element | None) -> tuple[int, int]:
    return (0, 0) if counter is None else (_count(counter.get("covered")), _count(counter.get("missed")))


def _simplecov(path: Path) -> Iterator[Covered]:
    results = load(path)
    if not isinstance(results, dict):
        raise ReportError("expected an object with a result for each command")
    for result in results.values():
        files = result.get("coverage") if isinstance(result, dict) else None
        if not isinstance(files, dict):
            raise ReportError("expected coverage to be an object with files")
        for name, content in files.items():
            lines = content.get("lines") if isinstance(content, dict) else content
            if not isinstance(lines, list):
                raise ReportError(f"expected the lines of {name} to be a list")
            hits = [each for each in lines if isinstance(each, int)]
            sides = _sides(content.get("branches") if isinstance(content, dict) else None)
            yield Covered(
                str(name),
                sum(1 for each in hits if each),
                sum(1 for each in hits if not each),
                sum(1 for each in sides if each),
                sum(1 for each in sides if not each),
            )


def _sides(branches: Any) -> list[int]:
    if not isinstance(branches, dict):
        return []
    found = [side for each in branches.values() if isinstance(each, dict) for side in each.values()]
    return [each for each in found if isinstance(each, int)]


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


_READERS: Mapping[str, Callable[[Path], Iterator[Covered]]] = {
    "CLOVERXML": _clover,
    "COBERTURAXML": _cobertura,
    "JACOCOXML": _jacoco,
    "SIMPLECOV": _simplecov,
}
