"""Reports of builds, asked with boto3."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import build, context_of, project, service_role
from tests.daemon import Daemon
from tidegate.cloud.store import Store

SPEC = """version: 0.2
phases:
  build:
    commands:
      - mkdir -p out/deep
      - >-
        printf '<testsuite name="s"><testcase classname="a.B" name="good" time="0.5"/>%s</testsuite>'
        '<testcase classname="a.B" name="bad"><failure>no</failure></testcase>' >out/deep/unit.xml
      - >-
        printf '<coverage><packages><package><classes><class filename="a.py"><lines><line number="1" hits="1"/>%s'
        '<line number="2" hits="0"/></lines></class></classes></package></packages></coverage>' >coverage.xml
reports:
  unit: {files: ['**/*.xml'], base-directory: out}
  lines: {files: [coverage.xml], file-format: CoberturaXml}
"""


def one(text: str, file: str = "unit.xml") -> str:
    """A buildspec with one report of a text."""
    document = {
        "version": "0.2",
        "phases": {"build": {"commands": [f"cat >{file} <<'END'\n{text}\nEND"]}},
        "reports": {"unit": {"files": [file]}},
    }
    return json.dumps(document, indent=1)


@pytest.fixture
def codebuild(cloud: Daemon) -> Any:
    return cloud.client("codebuild")


def test_a_build_makes_reports(cloud: Daemon, codebuild: Any) -> None:
    project(cloud, SPEC)
    done = build(cloud)
    assert done["buildStatus"] == "SUCCEEDED", done["phases"]
    unit, lines = codebuild.batch_get_reports(reportArns=done["reportArns"])["reports"]
    assert unit["reportGroupArn"].endswith(":report-group/hello-unit")
    assert (unit["status"], unit["executionId"], unit["type"]) == ("FAILED", done["arn"], "TEST")
    assert unit["testSummary"] == {
        "total": 2,
        "statusCounts": {"SUCCEEDED": 1, "FAILED": 1},
        "durationInNanoSeconds": 500_000_000,
    }
    assert unit["expired"] - unit["created"] == timedelta(days=30)
    good, bad = codebuild.describe_test_cases(reportArn=unit["arn"])["testCases"]
    assert (good["name"], good["prefix"], good["status"]) == ("good", "a.B", "SUCCEEDED")
    assert (bad["message"], bad["testRawDataPath"], bad["testSuiteName"]) == ("no", "out/deep/unit.xml", "s")
    for chosen in ({"status": "FAILED"}, {"keyword": "ba"}):
        (found,) = codebuild.describe_test_cases(reportArn=unit["arn"], filter=chosen)["testCases"]
        assert found == bad
    pages = codebuild.get_paginator("describe_test_cases").paginate(
        reportArn=unit["arn"], PaginationConfig={"PageSize": 1}
    )
    assert [case["name"] for each in pages for case in each["testCases"]] == ["good", "bad"]
    assert lines["codeCoverageSummary"]["lineCoveragePercentage"] == 50.0
    (covered,) = codebuild.describe_code_coverages(reportArn=lines["arn"])["codeCoverages"]
    assert (covered["filePath"], covered["linesCovered"], covered["linesMissed"]) == ("a.py", 1, 1)
    assert (
        codebuild.describe_code_coverages(reportArn=lines["arn"], minLineCoveragePercentage=60)["codeCoverages"] == []
    )
    trend = codebuild.get_report_group_trend(reportGroupArn=unit["reportGroupArn"], trendField="PASS_RATE")
    assert trend["rawData"] == [{"reportArn": unit["arn"], "data": "50"}]
    assert trend["stats"] == {"average": "50", "max": "50", "min": "50"}
    with pytest.raises(ClientError, match="LINE_COVERAGE is no number of a report group of type TEST"):
        codebuild.get_report_group_trend(reportGroupArn=unit["reportGroupArn"], trendField="LINE_COVERAGE")
    again = build(cloud)
    newest, *_ = codebuild.list_reports_for_report_group(reportGroupArn=unit["reportGroupArn"])["reports"]
    assert newest == again["reportArns"][0]
    assert len(codebuild.list_reports()["reports"]) == 4
    assert codebuild.list_reports(filter={"status": "FAILED"}, sortOrder="ASCENDING")["reports"][0] == unit["arn"]
    codebuild.delete_report(arn=unit["arn"])
    assert codebuild.batch_get_reports(reportArns=[unit["arn"]])["reportsNotFound"] == [unit["arn"]]
    with pytest.raises(ClientError, match="Report does not exist"):
        codebuild.describe_test_cases(reportArn=unit["arn"])


def test_report_groups(cloud: Daemon, codebuild: Any) -> None:
    nowhere = {"exportConfigType": "NO_EXPORT"}
    made = codebuild.create_report_group(name="one", type="TEST", exportConfig=nowhere)["reportGroup"]
    with pytest.raises(ClientError) as caught:
        codebuild.create_report_group(name="one", type="TEST", exportConfig=nowhere)
    assert caught.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    with pytest.raises(ClientError, match="bucket"):
        codebuild.create_report_group(name="two", type="TEST", exportConfig={"exportConfigType": "S3"})
    cloud.client("s3").create_bucket(Bucket="store")
    place = {"bucket": "store", "path": "raw", "packaging": "ZIP"}
    changed = codebuild.update_report_group(
        arn=made["arn"], exportConfig={"exportConfigType": "S3", "s3Destination": place}
    )["reportGroup"]
    assert changed["exportConfig"]["s3Destination"] == place
    assert codebuild.list_report_groups()["reportGroups"] == [made["arn"]]
    project(cloud, one('<testsuite><testcase name="x"/></testsuite>').replace('"unit"', f'"{made["arn"]}"'))
    (arn,) = build(cloud)["reportArns"]
    key = f"raw/one/{arn.rpartition(':')[2]}"
    content = cloud.client("s3").get_object(Bucket="store", Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["unit.xml"]
    with pytest.raises(ClientError, match="has reports"):
        codebuild.delete_report_group(arn=made["arn"])
    codebuild.delete_report_group(arn=made["arn"], deleteReports=True)
    assert codebuild.batch_get_report_groups(reportGroupArns=[made["arn"]])["reportGroupsNotFound"] == [made["arn"]]
    assert codebuild.list_reports()["reports"] == []


def test_a_report_that_cannot_be_made_fails_the_build_alone(cloud: Daemon, codebuild: Any) -> None:
    project(cloud, one("<coverage/>"))
    done = build(cloud)
    code, message = context_of(done, "UPLOAD_ARTIFACTS")
    assert code == "CLIENT_ERROR"
    assert message.startswith("Error in UPLOAD_ARTIFACTS phase: [unit: [error processing report: [/")
    assert message.endswith("/src/unit.xml: expected element type <testsuite> but have <coverage>]]]")
    (report,) = codebuild.batch_get_reports(reportArns=done["reportArns"])["reports"]
    assert report["status"] == "INCOMPLETE"
    bomb = '<!DOCTYPE t [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite>&b;</testsuite>'
    message = context_of(build(cloud, buildspecOverride=one(bomb)), "UPLOAD_ARTIFACTS")[1]
    assert "declares the entity a, which is not expanded" in message
    message = context_of(build(cloud, buildspecOverride=one("x").replace('"unit.xml"', '"none"')), "UPLOAD_ARTIFACTS")[
        1
    ]
    assert message == "Error in UPLOAD_ARTIFACTS phase: [unit: [no matching report paths found]]"


def test_the_role_has_to_be_allowed(cloud: Daemon, codebuild: Any) -> None:
    logs = "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess"
    project(cloud, one('<testsuite><testcase name="x"/></testsuite>'), role=service_role(cloud, policy=logs))
    for action in ("CreateReportGroup", "CreateReport", "UpdateReport", "BatchPutTestCases"):
        message = context_of(build(cloud), "UPLOAD_ARTIFACTS")[1]
        assert f"is not authorized to perform: codebuild:{action} on resource: " in message
        statement = {"Effect": "Allow", "Action": f"codebuild:{action}", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        cloud.client("iam").put_role_policy(RoleName="builder", PolicyName=action, PolicyDocument=policy)
    assert build(cloud)["buildStatus"] == "SUCCEEDED"


def test_many_tests_are_counted_and_the_first_are_kept(cloud: Daemon, codebuild: Any) -> None:
    command = """{ echo '<testsuite>'; i=0; while test $i -lt 700; do echo "<testcase name='t$i'/>"; i=$((i+1)); done
echo '</testsuite>'; } >unit.xml"""
    document = {
        "version": "0.2",
        "phases": {"build": {"commands": [command]}},
        "reports": {"unit": {"files": ["unit.xml"]}},
    }
    project(cloud, json.dumps(document, indent=1))
    (report,) = codebuild.batch_get_reports(reportArns=build(cloud)["reportArns"])["reports"]
    assert (report["testSummary"]["total"], report["truncated"]) == (700, True)
    pages = codebuild.get_paginator("describe_test_cases").paginate(reportArn=report["arn"])
    assert len([case for each in pages for case in each["testCases"]]) == 500


def test_a_report_expires(own_cloud: Daemon) -> None:
    """Thirty days are over: the record is set back while the daemon is down."""
    project(own_cloud, one('<testsuite><testcase name="x"/></testsuite>'))
    (arn,) = build(own_cloud)["reportArns"]
    own_cloud.stop()
    store = Store(own_cloud.data_dir / "state.db")
    key = ("us-east-1", arn.partition(":report/")[2])
    record = store.get("codebuild.report", key)
    assert record is not None
    record["report"]["expired"] = datetime.now(UTC)
    store.put("codebuild.report", key, record)
    store.close()
    own_cloud.start()
    codebuild = own_cloud.client("codebuild")
    assert codebuild.list_reports()["reports"] == []
    assert codebuild.batch_get_reports(reportArns=[arn])["reportsNotFound"] == [arn]
