"""Reads a report's files and writes what is in them as one JSON document."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tidegate.cloud.services.codebuild.reports import TESTS
from tidegate.cloud.services.codebuild.reports.coverage import Covered, coverages
from tidegate.cloud.services.codebuild.reports.elements import ReportError
from tidegate.cloud.services.codebuild.reports.tests import cases

MOST_CASES = 500  # of a report; the summary counts all
MOST_FILES = 5000

_MEMORY = 2 << 30  # bytes


def main() -> int:
    """Return 0, or 1 after what is wrong was printed."""
    form, listing, output = sys.argv[1:]
    _limit()
    read = _tests if form in TESTS else _coverage
    path = ""
    try:
        document: dict[str, Any] = {}
        for path in Path(listing).read_text().split("\0"):
            read(document, Path(path), form)
    except ReportError as error:
        sys.stdout.write(f"{path}: {error}\n")
        return 1
    except (MemoryError, RecursionError):
        sys.stdout.write(f"{path}: it takes more than {_MEMORY >> 30} GB of memory to read it\n")
        return 1
    except OSError as error:
        sys.stdout.write(f"{path}: {error.strerror}\n")
        return 1
    Path(output).write_bytes(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    return 0


def _tests(document: dict[str, Any], path: Path, form: str) -> None:
    document.setdefault("cases", [])
    document.setdefault("total", 0)
    document.setdefault("duration", 0)
    counts = Counter(document.get("counts", {}))
    for case in cases(path, form):
        counts[case.status] += 1
        document["total"] += 1
        document["duration"] += case.duration
        if len(document["cases"]) < MOST_CASES:
            document["cases"].append({**asdict(case), "file": str(path)})
    document["counts"] = dict(counts)


def _coverage(document: dict[str, Any], path: Path, form: str) -> None:
    files = document.setdefault("files", {})
    whole = document.setdefault("whole", [0, 0, 0, 0])
    for each in coverages(path, form):
        numbers = _numbers(each)
        document["whole"] = whole = [before + more for before, more in zip(whole, numbers, strict=True)]
        known = files.get(each.path)
        if known is not None:
            files[each.path] = [before + more for before, more in zip(known, numbers, strict=True)]
        elif len(files) < MOST_FILES:
            files[each.path] = numbers
        else:
            document["truncated"] = True


def _numbers(each: Covered) -> list[int]:
    return [each.lines_covered, each.lines_missed, each.branches_covered, each.branches_missed]


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system knows it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    sys.exit(main())
