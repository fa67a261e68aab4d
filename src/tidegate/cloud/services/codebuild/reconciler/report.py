"""The reports of a build: its files read in a process of their own, what is in them kept, the files exported.

https://docs.aws.amazon.com/codebuild/latest/userguide/test-reporting.html
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild import reports
from tidegate.cloud.services.codebuild.buildspec import ReportFiles
from tidegate.cloud.services.codebuild.files import NothingFoundError, Tree
from tidegate.cloud.services.codebuild.model import BuildRecord, CodeBuildModel
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe, put_files
from tidegate.cloud.services.codebuild.reconciler.commands import Commands
from tidegate.cloud.services.codebuild.reconciler.environment import Environment
from tidegate.cloud.services.codebuild.reconciler.failure import describe_os

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_LIFE = timedelta(days=30)
_QUIET = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}


class Reports:
    """Makes the reports of one build, as its role."""

    def __init__(
        self,
        model: CodeBuildModel,
        calls: Calls,
        clock: Clock,
        session: RoleSession,
        environment: Environment,
        commands: Commands,
    ) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._session = session
        self._environment = environment
        self._commands = commands

    async def make(self, build: t.BuildTypeDef, wanted: ReportFiles) -> str | None:
        """Make one report and return what went wrong, as CodeBuild writes it between brackets."""
        region = self._session.region
        self._drop_expired(region)
        try:
            group = await self._group(build, wanted)
            found = await self._files(wanted)
            report = self._begin(build, group)
        except (NothingFoundError, _UnfitError) as error:
            return str(error)
        except ServiceError as error:
            return describe(error)
        identity = report["arn"].partition(":report/")[2]
        self._environment.log.say(f"Preparing to copy {group['type']} report {wanted.group}")
        try:
            change = await self._read(identity, report, wanted, [path for path, _ in found])
            await self._export(report, found, build)
        except _UnfitError as error:
            self._end(identity, {"status": "INCOMPLETE"})
            return f"error processing report: [{error}]"
        except (ServiceError, OSError) as error:
            self._end(identity, {"status": "INCOMPLETE"})
            return describe(error) if isinstance(error, ServiceError) else describe_os(error)
        self._end(identity, change)
        return None

    async def _group(self, build: t.BuildTypeDef, wanted: ReportFiles) -> t.ReportGroupTypeDef:
        """Return the report group, made by the build's role where it is named and not there."""
        region, kind = self._session.region, "TEST" if wanted.format in reports.TESTS else "CODE_COVERAGE"
        is_arn = wanted.group.startswith("arn:")
        name = wanted.group.partition(":report-group/")[2] if is_arn else f"{build['projectName']}-{wanted.group}"
        group = self._model.report_groups.get(region, name)
        if group is None and not is_arn:
            made: Any = await self._session(
                "codebuild",
                "create_report_group",
                name=name,
                type=kind,
                exportConfig={"exportConfigType": "NO_EXPORT"},
            )
            group = made["reportGroup"]
        if group is None:
            raise ServiceError("ResourceNotFoundException", f"Report group does not exist: {wanted.group}")
        if group["type"] != kind:
            raise _UnfitError(f"report group {name} is of type {group['type']}, {wanted.format} of type {kind}")
        return group

    async def _files(self, wanted: ReportFiles) -> list[tuple[Path, str]]:
        evaluate, source = self._commands.evaluate, self._environment.source
        expanded = replace(
            wanted, base=await evaluate(wanted.base), files=[await evaluate(each) for each in wanted.files]
        )
        return await asyncio.to_thread(self._find, expanded, source)

    def _find(self, wanted: ReportFiles, source: Path) -> list[tuple[Path, str]]:
        said: list[str] = []
        tree = Tree(self._environment.folder, said.append)
        found: dict[str, Path] = {}
        for base in tree.bases(source, wanted.base):
            for path in tree.files(base, wanted.files):
                if path.is_file():
                    found[path.name if wanted.discard_paths else path.relative_to(base).as_posix()] = path
        if not found:
            raise NothingFoundError("no matching report paths found")
        return [(path, name) for name, path in sorted(found.items())]

    def _begin(self, build: t.BuildTypeDef, group: t.ReportGroupTypeDef) -> t.ReportTypeDef:
        region, now = self._session.region, self._clock.now()
        self._authorize("CreateReport", group["arn"])
        name = self._clock.new_id()
        identity = f"{group['name']}:{name}"
        report: t.ReportTypeDef = {
            "arn": self._model.report_arn(region, identity),
            "type": group["type"],
            "name": name,
            "reportGroupArn": group["arn"],
            "executionId": build["arn"],
            "status": "GENERATING",
            "created": now,
            "expired": now + _LIFE,
            "exportConfig": group["exportConfig"],
            "truncated": False,
        }
        with self._model.store.transaction():
            order = self._model.next_order(region)
            self._model.reports.put((region, identity), {"report": report, "order": order})
            self._model.builds.update((region, build["id"]), lambda each: _refer(each, report["arn"]))
        return report

    async def _read(
        self, identity: str, report: t.ReportTypeDef, wanted: ReportFiles, paths: Sequence[Path]
    ) -> t.ReportTypeDef:
        """Read the files, keep what is in them, and return how the report changes."""
        here = self._environment
        listing, output = here.state / "report-files", here.state / "report"
        listing.write_bytes(b"\0".join(str(path).encode("utf-8", "surrogateescape") for path in paths))
        program = [sys.executable, "-P", "-m", reports.__name__, wanted.format, str(listing), str(output)]
        status, printed = await here.run_client(program, _QUIET)
        if status != 0:
            raise _UnfitError((printed.strip().splitlines() or [f"it cannot be read: exit status {status}"])[-1])
        document = json.loads(output.read_text())
        self._authorize("UpdateReport", report["reportGroupArn"])
        if report["type"] == "TEST":
            self._authorize("BatchPutTestCases", report["reportGroupArn"])
            return self._keep_cases(identity, report, document)
        self._authorize("BatchPutCodeCoverages", report["reportGroupArn"])
        return self._keep_coverage(identity, report, document)

    def _keep_cases(self, identity: str, report: t.ReportTypeDef, document: Any) -> t.ReportTypeDef:
        region, source = self._session.region, self._environment.source
        with self._model.store.transaction():
            for number, each in enumerate(document["cases"]):
                case: t.TestCaseTypeDef = {
                    "reportArn": report["arn"],
                    "testRawDataPath": _below(each["file"], source),
                    "prefix": each["prefix"],
                    "name": each["name"],
                    "status": each["status"],
                    "durationInNanoSeconds": each["duration"],
                    "message": self._environment.log.masked(each["message"]),
                    "expired": report["expired"],
                    "testSuiteName": each["suite"],
                }
                self._model.cases.put((region, identity, f"{number:06d}"), case)
        counts = document["counts"]
        return {
            "status": "FAILED" if counts.get("FAILED") or counts.get("ERROR") else "SUCCEEDED",
            "truncated": document["total"] > len(document["cases"]),
            "testSummary": {
                "total": document["total"],
                "statusCounts": counts,
                "durationInNanoSeconds": document["duration"],
            },
        }

    def _keep_coverage(self, identity: str, report: t.ReportTypeDef, document: Any) -> t.ReportTypeDef:
        region = self._session.region
        with self._model.store.transaction():
            for number, (path, numbers) in enumerate(document["files"].items()):
                covered: t.CodeCoverageTypeDef = _shares(numbers)
                covered |= {"id": self._clock.new_id(), "reportARN": report["arn"], "filePath": path}
                covered["expired"] = report["expired"]
                self._model.coverages.put((region, identity, f"{number:06d}"), covered)
        return {
            "status": "SUCCEEDED",
            "truncated": document.get("truncated", False),
            "codeCoverageSummary": _shares(document["whole"]),
        }

    async def _export(self, report: t.ReportTypeDef, found: list[tuple[Path, str]], build: t.BuildTypeDef) -> None:
        """Put the files themselves where the group has them go."""
        config = report["exportConfig"]
        if config.get("exportConfigType") != "S3":
            return
        place: Any = config.get("s3Destination", {})
        group = report["reportGroupArn"].partition(":report-group/")[2]
        key = "/".join(part for part in (place.get("path", "").strip("/"), group, report["name"]) if part)
        where = {**place, "location": place["bucket"]}
        await put_files(self._session, where, key, found, build, self._environment.scratch)

    def _end(self, identity: str, change: t.ReportTypeDef) -> None:
        self._model.reports.update((self._session.region, identity), lambda each: each["report"].update(change))

    def _authorize(self, action: str, arn: str) -> None:
        context = Context(self._session.principal, self._session.region, self._clock.new_id())
        self._calls.authorize(context, f"codebuild:{action}", arn)

    def _drop_expired(self, region: str) -> None:
        now: datetime = self._clock.now()
        for key, record in self._model.reports.items(region):
            if record["report"]["expired"] <= now:
                self._model.delete_report(*key)


class _UnfitError(Exception):
    """A report that cannot be made of its files; the message says why."""


def _refer(record: BuildRecord, arn: str) -> None:
    record["build"]["reportArns"] = [*record["build"].get("reportArns", []), arn]


def _below(path: str, source: Path) -> str:
    return str(Path(path).relative_to(source)) if Path(path).is_relative_to(source) else path


def _shares(numbers: Sequence[int]) -> Any:
    """Return lines and branches covered and missed, with their percentages."""
    lines, left, branches, others = numbers
    return {
        "lineCoveragePercentage": round(100 * lines / (lines + left), 2) if lines + left else 0.0,
        "linesCovered": lines,
        "linesMissed": left,
        "branchCoveragePercentage": round(100 * branches / (branches + others), 2) if branches + others else 0.0,
        "branchesCovered": branches,
        "branchesMissed": others,
    }
