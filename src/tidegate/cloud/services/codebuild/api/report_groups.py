"""Report groups: create, update, get, list, delete; and how their reports went over time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codebuild.api.shared import group_name, invalid
from tidegate.cloud.services.codebuild.model import CodeBuildModel

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAGE = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,127}")
_TESTS: Mapping[str, Callable[[Any], float]] = {
    "PASS_RATE": lambda it: 100 * it["statusCounts"].get("SUCCEEDED", 0) / it["total"] if it["total"] else 0.0,
    "DURATION": lambda it: float(it["durationInNanoSeconds"]),
    "TOTAL": lambda it: float(it["total"]),
}
_COVERAGES = {
    "LINE_COVERAGE": "lineCoveragePercentage",
    "LINES_COVERED": "linesCovered",
    "LINES_MISSED": "linesMissed",
    "BRANCH_COVERAGE": "branchCoveragePercentage",
    "BRANCHES_COVERED": "branchesCovered",
    "BRANCHES_MISSED": "branchesMissed",
}


def _arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    named = request.get("name", request.get("arn", request.get("reportGroupArn", "")))
    return str(api.model.report_group_arn(context.region, group_name(named)))


class ReportGroupsApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateReportGroup.html and its siblings."""

    def __init__(self, model: CodeBuildModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=_arn)
    async def create_report_group(
        self, context: Context, request: t.CreateReportGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Create a report group."""
        name, now = request["name"], self._clock.now()
        if _NAME.fullmatch(name) is None:
            raise invalid("Invalid report group name: it has 2 to 128 letters, digits, hyphens and underscores")
        arn = self.model.report_group_arn(context.region, name)
        if self.model.report_groups.get(context.region, name) is not None:
            raise ServiceError("ResourceAlreadyExistsException", f"Report group already exists: {arn}")
        group: t.ReportGroupTypeDef = {
            "arn": arn,
            "name": name,
            "type": request["type"],
            "exportConfig": _checked(request["exportConfig"]),
            "created": now,
            "lastModified": now,
            "tags": list(request.get("tags", [])),
            "status": "ACTIVE",
        }
        self.model.report_groups.put((context.region, name), group)
        return {"reportGroup": group}

    @operation(resource=_arn)
    async def update_report_group(
        self, context: Context, request: t.UpdateReportGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Replace where a group's reports are exported to, or its tags."""
        group = self._find(context, request["arn"])
        if "exportConfig" in request:
            group["exportConfig"] = _checked(request["exportConfig"])
        if "tags" in request:
            group["tags"] = list(request["tags"])
        group["lastModified"] = self._clock.now()
        self.model.report_groups.put((context.region, group["name"]), group)
        return {"reportGroup": group}

    @operation(
        resource=lambda api, context, request: [
            api.model.report_group_arn(context.region, group_name(arn)) for arn in request["reportGroupArns"]
        ]
    )
    async def batch_get_report_groups(
        self, context: Context, request: t.BatchGetReportGroupsInputTypeDef
    ) -> Mapping[str, Any]:
        """Return report groups by their ARNs, and those ARNs that are none."""
        found = {
            arn: self.model.report_groups.get(context.region, group_name(arn)) for arn in request["reportGroupArns"]
        }
        return {
            "reportGroups": [group for group in found.values() if group is not None],
            "reportGroupsNotFound": [arn for arn, group in found.items() if group is None],
        }

    @operation()
    async def list_report_groups(self, context: Context, request: t.ListReportGroupsInputTypeDef) -> Mapping[str, Any]:
        """List the ARNs of the report groups, by name or by a time."""
        groups = self.model.report_groups.values(context.region)
        by = request.get("sortBy", "NAME")
        if by != "NAME":
            groups.sort(key=lambda each: each["created" if by == "CREATED_TIME" else "lastModified"])
        if request.get("sortOrder", "ASCENDING") == "DESCENDING":
            groups.reverse()
        ordered = [(f"{place:09d}", each["arn"]) for place, each in enumerate(groups)]
        chosen, token = page(
            ordered,
            request.get("nextToken"),
            request.get("maxResults", _PAGE),
            key=lambda each: each[0],
            invalid="InvalidInputException",
        )
        return {"reportGroups": [arn for _, arn in chosen], **({"nextToken": token} if token else {})}

    @operation(resource=_arn)
    async def delete_report_group(
        self, context: Context, request: t.DeleteReportGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Delete a report group, and its reports if that is asked for. One that does not exist is no error."""
        name = group_name(request["arn"])
        reports = self.model.reports_of(context.region, self._clock.now(), name)
        if reports and not request.get("deleteReports"):
            raise invalid(f"Report group {request['arn']} has reports: delete them first, or set deleteReports")
        for key, _ in self.model.reports.items(context.region, starting=f"{name}:"):
            self.model.delete_report(*key)
        self.model.report_groups.delete(context.region, name)
        return {}

    @operation(resource=_arn)
    async def get_report_group_trend(
        self, context: Context, request: t.GetReportGroupTrendInputTypeDef
    ) -> Mapping[str, Any]:
        """Return one number of each of a group's latest reports, and their average, least and greatest."""
        group = self._find(context, request["reportGroupArn"])
        field = request["trendField"]
        if (field in _TESTS) is not (group["type"] == "TEST"):
            raise invalid(f"Invalid trend field: {field} is no number of a report group of type {group['type']}")
        reports = self.model.reports_of(context.region, self._clock.now(), group["name"])
        numbers: list[tuple[str, float]] = []
        for record in reports[-request.get("numOfReports", _PAGE) :]:
            number = _number(record["report"], field)
            if number is not None:
                numbers.append((record["report"]["arn"], number))
        answer: dict[str, Any] = {"rawData": [{"reportArn": arn, "data": _text(number)} for arn, number in numbers]}
        if numbers:
            values = [number for _, number in numbers]
            average = sum(values) / len(values)
            answer["stats"] = {"average": _text(average), "max": _text(max(values)), "min": _text(min(values))}
        return answer

    def _find(self, context: Context, arn: str) -> t.ReportGroupTypeDef:
        group = self.model.report_groups.get(context.region, group_name(arn))
        if group is None:
            raise ServiceError("ResourceNotFoundException", f"Report group does not exist: {arn}")
        return group


def _checked(config: t.ReportExportConfigTypeDef) -> t.ReportExportConfigTypeDef:
    kind = config.get("exportConfigType", "NO_EXPORT")
    if kind == "NO_EXPORT":
        return {"exportConfigType": "NO_EXPORT"}
    place = config.get("s3Destination", {})
    if not place.get("bucket"):
        raise invalid("Invalid export config: the bucket of s3Destination must be given for the type S3")
    return {"exportConfigType": "S3", "s3Destination": {"packaging": "NONE", **place}}


def _number(report: t.ReportTypeDef, field: str) -> float | None:
    """Return a report's number of a field; None where it has come to nothing."""
    tests, coverage = report.get("testSummary"), report.get("codeCoverageSummary")
    if field in _TESTS:
        return None if tests is None else _TESTS[field](tests)
    found: Any = None if coverage is None else coverage.get(_COVERAGES[field])
    return None if found is None else float(found)


def _text(number: float) -> str:
    return str(int(number)) if number == int(number) else str(round(number, 2))
