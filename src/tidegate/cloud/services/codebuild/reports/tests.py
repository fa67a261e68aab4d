"""Test cases, out of what the test frameworks write.

https://docs.aws.amazon.com/codebuild/latest/userguide/test-reporting.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.services.codebuild.reports.elements import Element, Found, ReportError, elements

JSON_LIMIT = 64 << 20  # bytes of a file that is read whole

_SECOND = 1_000_000_000
_CLOCK = re.compile(r"^(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$")  # of .NET: [days.]hours:minutes:seconds
_MESSAGE = 10_000  # characters


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. `duration` in nanoseconds; the status is AWS's."""

    prefix: str
    name: str
    suite: str
    status: str  # SUCCEEDED, FAILED, ERROR, SKIPPED, UNKNOWN
    duration: int
    message: str = ""


def cases(path: Path, form: str) -> Iterator[Case]:
    """Return the test cases of a file; raise `ReportError`."""
    return _READERS[form](path)


def _junit(path: Path) -> Iterator[Case]:
    for found in elements(path, frozenset({"testcase"}), ("testsuite", "testsuites")):
        case, suite = found.element, found.inside("testsuite")
        faults = {"error": "ERROR", "failure": "FAILED", "skipped": "SKIPPED"}
        fault = next((child for name in faults if (child := case.child(name)) is not None), None)
        yield Case(
            prefix=case.get("classname"),
            name=case.get("name"),
            suite="" if suite is None else suite.get("name"),
            status="SUCCEEDED" if fault is None else faults[fault.name],
            duration=_seconds(case.get("time")),
            message="" if fault is None else _told(fault.get("message"), fault.text),
        )


def _testng(path: Path) -> Iterator[Case]:
    statuses = {"PASS": "SUCCEEDED", "FAIL": "FAILED", "SKIP": "SKIPPED"}
    for found in elements(path, frozenset({"test-method"}), ("testng-results",)):
        case = found.element
        if case.get("is-config") == "true":
            continue
        within, suite, fault = found.inside("class"), found.inside("suite"), case.child("exception")
        yield Case(
            prefix="" if within is None else within.get("name"),
            name=case.get("name"),
            suite="" if suite is None else suite.get("name"),
            status=statuses.get(case.get("status").upper(), "UNKNOWN"),
            duration=int(_number(case.get("duration-ms")) * 1_000_000),
            message="" if fault is None else _told(_text(fault, "message"), _text(fault, "full-stacktrace")),
        )


def _trx(path: Path) -> Iterator[Case]:
    statuses = {
        **dict.fromkeys(("passed", "completed", "passedbutrunaborted", "warning"), "SUCCEEDED"),
        **dict.fromkeys(("failed", "timeout", "aborted"), "FAILED"),
        **dict.fromkeys(("notexecuted", "notrunnable", "inconclusive", "pending", "disconnected"), "SKIPPED"),
        "error": "ERROR",
    }
    classes: dict[str, str] = {}
    for found in elements(path, frozenset({"UnitTest"}), ("TestRun",)):
        method = found.element.child("TestMethod")
        if method is not None:
            classes[found.element.get("id")] = method.get("className")
    for found in elements(path, frozenset({"UnitTestResult"}), ("TestRun",)):
        case, run = found.element, found.inside("TestRun")
        output = case.child("Output")
        fault = None if output is None else output.child("ErrorInfo")
        yield Case(
            prefix=classes.get(case.get("testId"), ""),
            name=case.get("testName"),
            suite="" if run is None else run.get("name"),
            status=statuses.get(case.get("outcome", "Error").lower(), "UNKNOWN"),
            duration=_clock(case.get("duration")),
            message="" if fault is None else _told(_text(fault, "Message"), _text(fault, "StackTrace")),
        )


def _nunit(path: Path) -> Iterator[Case]:
    statuses = {
        "success": "SUCCEEDED",
        "failure": "FAILED",
        "error": "ERROR",
        **dict.fromkeys(("ignored", "skipped", "notrunnable", "inconclusive"), "SKIPPED"),
    }
    for found in elements(path, frozenset({"test-case"}), ("test-results",)):
        case = found.element
        prefix, _, name = (
            case.get("name").rpartition(".") if "(" not in case.get("name") else ("", "", case.get("name"))
        )
        status = statuses.get(case.get("result").lower())
        if status is None:  # before NUnit 2.5 there was no result
            ran, well = case.get("executed").lower() == "true", case.get("success").lower() == "true"
            status = "SKIPPED" if not ran else "SUCCEEDED" if well else "FAILED"
        yield Case(
            prefix=prefix,
            name=name,
            suite=_suite(found, "test-suite"),
            status=status,
            duration=_seconds(case.get("time")),
            message=_nunit_message(case),
        )


def _nunit3(path: Path) -> Iterator[Case]:
    statuses = {
        **dict.fromkeys(("passed", "warning"), "SUCCEEDED"),
        "failed": "FAILED",
        **dict.fromkeys(("skipped", "inconclusive"), "SKIPPED"),
    }
    for found in elements(path, frozenset({"test-case"}), ("test-run",)):
        case = found.element
        status = statuses.get(case.get("result").lower(), "UNKNOWN")
        yield Case(
            prefix=case.get("classname"),
            name=case.get("name"),
            suite=_suite(found, "test-suite"),
            status="ERROR" if status == "FAILED" and case.get("label") == "Error" else status,
            duration=_seconds(case.get("duration")),
            message=_nunit_message(case),
        )


def _cucumber(path: Path) -> Iterator[Case]:
    features = load(path)
    if not isinstance(features, list):
        raise ReportError("expected a list of features")
    for feature in features:
        for scenario in _list(feature, "elements"):
            if not isinstance(scenario, dict) or scenario.get("type") == "background":
                continue
            results = [
                _mapping(step, "result") for part in ("before", "steps", "after") for step in _list(scenario, part)
            ]
            said = [str(each.get("status", "undefined")).lower() for each in results]
            worst = next(
                (each for each in said if each == "failed"), next((e for e in said if e != "passed"), "passed")
            )
            yield Case(
                prefix=str(feature.get("name", "")),
                name=str(scenario.get("name", "")),
                suite=str(feature.get("name", "")),
                status={"failed": "FAILED", "passed": "SUCCEEDED"}.get(worst, "SKIPPED"),
                duration=sum(int(_number(each.get("duration", 0))) for each in results),
                message=_told("", "\n".join(str(each["error_message"]) for each in results if "error_message" in each)),
            )


def load(path: Path) -> Any:
    """Return a JSON file's content; raise `ReportError`."""
    if path.stat().st_size > JSON_LIMIT:
        raise ReportError(f"the file is larger than {JSON_LIMIT >> 20} MB")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ReportError(f"invalid JSON: {error}") from None


def _list(node: Any, name: str) -> list[Any]:
    found = node.get(name, []) if isinstance(node, dict) else None
    if not isinstance(found, list):
        raise ReportError(f"expected {name} to be a list")
    return found


def _mapping(node: Any, name: str) -> Mapping[str, Any]:
    found = node.get(name, {}) if isinstance(node, dict) else None
    if not isinstance(found, dict):
        raise ReportError(f"expected {name} to be an object")
    return found


def _suite(found: Found, name: str) -> str:
    suite = found.inside(name)
    return "" if suite is None else suite.get("name")


def _nunit_message(case: Element) -> str:
    fault = case.child("failure")
    if fault is None:
        fault = case.child("reason")
    return "" if fault is None else _told(_text(fault, "message"), _text(fault, "stack-trace"))


def _text(element: Element, name: str) -> str:
    child = element.child(name)
    return "" if child is None else child.text.strip()


def _told(message: str, trace: str) -> str:
    trace = trace.strip()
    whole = trace if message in trace else f"{message}\n{trace}".strip()
    return whole[:_MESSAGE]


def _number(text: object) -> float:
    try:
        number = float(str(text).replace(",", ""))
    except ValueError:
        return 0.0
    return number if 0 <= number < 10**15 else 0.0


def _seconds(text: str) -> int:
    return int(_number(text) * _SECOND)


def _clock(text: str) -> int:
    match = _CLOCK.match(text)
    if match is None:
        return 0
    days, hours, minutes, seconds = (_number(part or 0) for part in match.groups())
    return int((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * _SECOND)


_READERS: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "CUCUMBERJSON": _cucumber,
    "JUNITXML": _junit,
    "NUNIT3XML": _nunit3,
    "NUNITXML": _nunit,
    "TESTNGXML": _testng,
    "VISUALSTUDIOTRX": _trx,
}
