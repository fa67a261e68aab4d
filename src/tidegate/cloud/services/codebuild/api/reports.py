"""Reports: get, list, what is in them, delete. Builds make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codebuild.api.shared import group_name, report_id
from tidegate.cloud.services.codebuild.model import CodeBuildModel, ReportRecord

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAGE = 100


def _group_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    arn = request.get("reportGroupArn", request.get("reportArn", request.get("arn", "")))
    return str(api.model.report_group_arn(context.region, group_name(arn)))


class ReportsApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetReports.html and its siblings."""

    def __init__(self, model: CodeBuildModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(
        resource=lambda api, context, request: sorted(
            {api.model.report_group_arn(context.region, group_name(arn)) for arn in request["reportArns"]}
        )
    )
    async def batch_get_reports(self, context: Context, request: t.BatchGetReportsInputTypeDef) -> Mapping[str, Any]:
        """Return reports by their ARNs, and those ARNs that are none, or none any more."""
        found = {arn: self._get(context, arn) for arn in request["reportArns"]}
        return {
            "reports": [record["report"] for record in found.values() if record is not None],
            "reportsNotFound": [arn for arn, record in found.items() if record is None],
        }

    @operation()
    async def list_reports(self, context: Context, request: t.ListReportsInputTypeDef) -> Mapping[str, Any]:
        """List the ARNs of all reports, the newest first unless asked otherwise."""
        return self._listed(request, self.model.reports_of(context.region, self._clock.now()))

    @operation(resource=_group_arn)
    async def list_reports_for_report_group(
        self, context: Context, request: t.ListReportsForReportGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """List the ARNs of a group's reports, the newest first unless asked otherwise."""
        name = group_name(request["reportGroupArn"])
        if self.model.report_groups.get(context.region, name) is None:
            raise ServiceError("ResourceNotFoundException", f"Report group does not exist: {request['reportGroupArn']}")
        return self._listed(request, self.model.reports_of(context.region, self._clock.now(), name))

    @operation(resource=_group_arn)
    async def describe_test_cases(
        self, context: Context, request: t.DescribeTestCasesInputTypeDef
    ) -> Mapping[str, Any]:
        """Return a report's test cases in the order of its files, of one status or with a word in their names."""
        wanted = request.get("filter", {})
        status, word = wanted.get("status"), wanted.get("keyword", "")
        cases = [
            (f"{number:09d}", case)
            for number, case in enumerate(self.model.cases.values(context.region, self._id(context, request)))
            if status in (None, case["status"]) and (word in case["name"] or word in case["prefix"])
        ]
        chosen, token = _page(cases, request)
        return {"testCases": [case for _, case in chosen], **token}

    @operation(resource=_group_arn)
    async def describe_code_coverages(
        self, context: Context, request: t.DescribeCodeCoveragesInputTypeDef
    ) -> Mapping[str, Any]:
        """Return the source files of a report, by path or by how much of them is covered."""
        least, most = request.get("minLineCoveragePercentage", 0), request.get("maxLineCoveragePercentage", 100)
        found = [
            each
            for each in self.model.coverages.values(context.region, self._id(context, request))
            if least <= each["lineCoveragePercentage"] <= most
        ]
        by_path = request.get("sortBy", "FILE_PATH") == "FILE_PATH"
        found.sort(key=lambda each: (0 if by_path else each["lineCoveragePercentage"], each["filePath"]))
        if request.get("sortOrder", "ASCENDING") == "DESCENDING":
            found.reverse()
        chosen, token = _page([(f"{place:09d}", each) for place, each in enumerate(found)], request)
        return {"codeCoverages": [each for _, each in chosen], **token}

    @operation(resource=_group_arn)
    async def delete_report(self, context: Context, request: t.DeleteReportInputTypeDef) -> Mapping[str, Any]:
        """Delete a report. One that does not exist is no error."""
        self.model.delete_report(context.region, report_id(request["arn"]))
        return {}

    def _get(self, context: Context, arn: str) -> ReportRecord | None:
        record = self.model.reports.get(context.region, report_id(arn))
        return None if record is None or record["report"]["expired"] <= self._clock.now() else record

    def _id(self, context: Context, request: Mapping[str, Any]) -> str:
        if self._get(context, request["reportArn"]) is None:
            raise ServiceError("ResourceNotFoundException", f"Report does not exist: {request['reportArn']}")
        return report_id(request["reportArn"])

    def _listed(self, request: Mapping[str, Any], records: Sequence[ReportRecord]) -> dict[str, Any]:
        status = request.get("filter", {}).get("status")
        ordered = [
            (f"{each['order']:010d}", each["report"]["arn"])
            for each in records
            if status in (None, each["report"]["status"])
        ]
        descending = request.get("sortOrder", "DESCENDING") == "DESCENDING"
        if descending:
            ordered.reverse()
        chosen, token = _page(ordered, request, descending=descending)
        return {"reports": [arn for _, arn in chosen], **token}


def _page(
    items: Sequence[tuple[str, Any]], request: Mapping[str, Any], *, descending: bool = False
) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    chosen, token = page(
        items,
        request.get("nextToken"),
        request.get("maxResults", _PAGE),
        key=lambda each: each[0],
        invalid="InvalidInputException",
        descending=descending,
    )
    return chosen, {"nextToken": token} if token else {}
