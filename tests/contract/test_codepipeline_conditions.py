"""Stage conditions: rules that let executions into stages and out of them, and people who override them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_codepipeline import code_of
from tests.daemon import Daemon
from tests.git import Git, working_copy
from tests.pipelines import (
    action_executions,
    action_state,
    approval,
    build_project,
    decide,
    declaration,
    execution,
    nth,
    over,
    source,
    start,
    state,
)
from tests.waiting import wait_for


@pytest.fixture
def git(cloud: Daemon, tmp_path: Path) -> Git:
    copy = working_copy(cloud, tmp_path / "copy")
    copy.commit("first", hello_txt="hello\n")
    copy("push", "-q", "origin", "main")
    return copy


def rule(provider: str, name: str = "rule", **configuration: str) -> dict[str, Any]:
    kind = {"category": "Rule", "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "ruleTypeId": kind, "configuration": configuration}


def variable(value: str, operator: str = "EQ", of: str = "#{variables.release}", name: str = "rule") -> dict[str, Any]:
    return rule("VariableCheck", name, Variable=of, Value=value, Operator=operator)


def held(result: str | None, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"conditions": [{**({"result": result} if result else {}), "rules": list(rules)}]}


def pipeline(cloud: Daemon, actions: list[dict[str, Any]] | None = None, **conditions: Any) -> str:
    """Make the pipeline `release` whose last stage is held by conditions; return its first execution."""
    named = ("Source", [source(PollForSourceChanges="false")]), ("Approve", actions or [approval()])
    declared = declaration(cloud, *named, variables=[{"name": "release", "defaultValue": "no"}], pipelineType="V2")
    declared["stages"][1] |= conditions
    cloud.client("codepipeline").create_pipeline(pipeline=declared)
    return nth(cloud, 1)


def rule_executions(cloud: Daemon, **filters: Any) -> list[dict[str, Any]]:
    answer = cloud.client("codepipeline").list_rule_executions(
        pipelineName="release", **({"filter": filters} if filters else {})
    )
    return list(reversed(answer["ruleExecutionDetails"]))


def condition(cloud: Daemon, member: str) -> dict[str, Any]:
    return dict(state(cloud, "Approve")[f"{member}ConditionState"].get("latestExecution", {}))


def override(cloud: Daemon, identity: str, kind: str) -> None:
    cloud.client("codepipeline").override_stage_condition(
        pipelineName="release", stageName="Approve", pipelineExecutionId=identity, conditionType=kind
    )


def test_an_entry_condition_lets_in_what_meets_it_and_who_is_let_in(cloud: Daemon, git: Git) -> None:
    first = pipeline(cloud, beforeEntry=held("FAIL", variable("yes"), variable("n", "NE", name="other")))
    assert over(cloud, first)["status"] == "Failed"
    assert "BEFORE_ENTRY condition of the stage Approve failed: rule" in execution(cloud, first)["statusSummary"]
    assert state(cloud, "Approve")["latestExecution"]["status"] == "Failed"
    found = condition(cloud, "beforeEntry")
    assert found["status"] == "Failed"
    assert "'no' EQ 'yes' is false" in found["summary"]
    statuses = {each["ruleName"]: each["status"] for each in rule_executions(cloud)}
    assert statuses == {"rule": "Failed", "other": "Succeeded"}
    detail = next(each for each in rule_executions(cloud) if each["ruleName"] == "rule")
    assert detail["input"]["ruleTypeId"]["provider"] == "VariableCheck"
    assert detail["input"]["resolvedConfiguration"] == {"Variable": "no", "Value": "yes", "Operator": "EQ"}
    assert detail["output"]["executionResult"]["errorDetails"]["code"] == "JobFailed"
    assert {each["actionName"] for each in action_executions(cloud)} == {"Source"}, "rules are no actions"

    with pytest.raises(ClientError) as caught:
        override(cloud, first, "ON_SUCCESS")
    assert code_of(caught) == "ConditionNotOverridableException"
    override(cloud, first, "BEFORE_ENTRY")
    decide(cloud)
    assert over(cloud, first)["status"] == "Succeeded"
    assert condition(cloud, "beforeEntry")["status"] == "Overridden"
    with pytest.raises(ClientError) as caught:
        override(cloud, first, "BEFORE_ENTRY")
    assert code_of(caught) == "ConditionNotOverridableException"

    second = start(cloud, variables=[{"name": "release", "value": "yes"}])
    decide(cloud)
    assert over(cloud, second)["status"] == "Succeeded"
    assert condition(cloud, "beforeEntry")["status"] == "Succeeded"
    with pytest.raises(ClientError) as caught:
        override(cloud, first, "BEFORE_ENTRY")
    assert code_of(caught) == "ConditionNotOverridableException"
    assert len(rule_executions(cloud, pipelineExecutionId=second)) == 2
    pages = (
        cloud.client("codepipeline")
        .get_paginator("list_rule_executions")
        .paginate(pipelineName="release", PaginationConfig={"PageSize": 3})
    )
    assert [len(page["ruleExecutionDetails"]) for page in pages] == [3, 1]


def test_a_retry_looks_at_the_condition_again(cloud: Daemon, git: Git) -> None:
    first = pipeline(cloud, beforeEntry=held(None, variable("main", of="#{SourceVariables.BranchName}", operator="NE")))
    assert over(cloud, first)["status"] == "Failed"
    cloud.client("codepipeline").retry_stage_execution(
        pipelineName="release", stageName="Approve", pipelineExecutionId=first, retryMode="FAILED_ACTIONS"
    )
    assert over(cloud, first)["status"] == "Failed"
    latest = {"pipelineExecutionId": first, "startTimeRange": "Latest"}
    wait_for(lambda: len(rule_executions(cloud)), lambda count: count == 2)
    assert len(rule_executions(cloud, latestInPipelineExecution=latest)) == 1


def test_a_stage_is_skipped(cloud: Daemon, git: Git) -> None:
    first = pipeline(cloud, beforeEntry=held("SKIP", variable("y.*", "MATCHES"), variable("o", "CONTAINS", name="b")))
    assert over(cloud, first)["status"] == "Succeeded"
    assert state(cloud, "Approve")["latestExecution"]["status"] == "Skipped"
    second = start(cloud, variables=[{"name": "release", "value": "yo"}])
    decide(cloud)
    assert over(cloud, second)["status"] == "Succeeded"


def test_a_window_that_is_closed_holds_the_execution(cloud: Daemon, git: Git) -> None:
    """New Year's Eve of next year: nobody waits for that, so somebody overrides it."""
    cron = f"* 0 0 31 12 ? {datetime.now(UTC).year + 1}"
    first = pipeline(cloud, beforeEntry=held("FAIL", rule("DeploymentWindow", Cron=cron)))
    wait_for(lambda: condition(cloud, "beforeEntry").get("status"), lambda status: status == "InProgress")
    override(cloud, first, "BEFORE_ENTRY")
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    assert [each["status"] for each in rule_executions(cloud)] == ["Abandoned"]
    client = cloud.client("codepipeline")
    client.stop_pipeline_execution(pipelineName="release", pipelineExecutionId=first, abandon=True)
    declared = client.get_pipeline(name="release")["pipeline"]
    declared["stages"][1]["beforeEntry"] = held(
        "FAIL", rule("DeploymentWindow", Cron="* * * * * ?", TimeZone="Europe/Berlin")
    )
    client.update_pipeline(pipeline=declared)
    second = start(cloud)
    decide(cloud)
    assert over(cloud, second)["status"] == "Succeeded"


def test_an_alarm_after_a_success_takes_the_stage_back(cloud: Daemon, git: Git) -> None:
    metrics = cloud.client("cloudwatch")
    metrics.put_metric_alarm(
        AlarmName="errors", Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    metrics.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="well")
    first = pipeline(cloud, onSuccess=held("ROLLBACK", rule("CloudWatchAlarm", AlarmName="errors", WaitTime="0")))
    decide(cloud)
    assert over(cloud, first)["status"] == "Succeeded"

    client = cloud.client("codepipeline")
    declared = client.get_pipeline(name="release")["pipeline"]
    declared["stages"][1]["onSuccess"]["conditions"][0]["rules"][0]["configuration"]["WaitTime"] = "60"
    client.update_pipeline(pipeline=declared)
    good = start(cloud)
    decide(cloud)
    wait_for(lambda: condition(cloud, "onSuccess").get("status"), lambda status: status == "InProgress")
    override(cloud, good, "ON_SUCCESS")
    assert over(cloud, good)["status"] == "Succeeded"
    bad = start(cloud)
    decide(cloud)
    wait_for(lambda: condition(cloud, "onSuccess").get("status"), lambda status: status == "InProgress")
    metrics.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="not well")
    assert over(cloud, bad)["status"] == "Failed"
    back = nth(cloud, 4)
    decide(cloud)
    found = over(cloud, back)
    assert found["status"] == "Succeeded"
    assert found["rollbackMetadata"]["rollbackTargetPipelineExecutionId"] == good
    with pytest.raises(ClientError) as caught:
        override(cloud, bad, "ON_SUCCESS")
    assert code_of(caught) == "NotLatestPipelineExecutionException"


def test_a_build_decides_what_a_failure_comes_to(cloud: Daemon, git: Git) -> None:
    build_project(cloud, "grep -q hello hello.txt")
    kind = rule("CodeBuild", ProjectName="hello")
    kind["inputArtifacts"] = [{"name": "SourceArtifact"}]
    first = pipeline(cloud, onFailure=held("ROLLBACK", kind))
    decide(cloud, "Rejected")
    assert over(cloud, first)["status"] == "Failed"
    assert condition(cloud, "onFailure")["status"] == "Succeeded"
    assert rule_executions(cloud)[0]["output"]["executionResult"]["externalExecutionId"].startswith("hello:")


@pytest.mark.parametrize(
    ("conditions", "code", "message"),
    [
        ({"beforeEntry": held("ROLLBACK", variable("a"))}, "InvalidStructureException", "cannot be ROLLBACK"),
        ({"onSuccess": held("SKIP", variable("a"))}, "InvalidStructureException", "cannot be SKIP"),
        ({"beforeEntry": held("FAIL", variable("a", "GT"))}, "InvalidStructureException", "the Operator GT is none of"),
        ({"beforeEntry": held("FAIL", variable("(", "MATCHES"))}, "InvalidStructureException", "regular expression"),
        ({"beforeEntry": held("FAIL", variable("a"), variable("b"))}, "InvalidStructureException", "must be unique"),
        ({"beforeEntry": held("FAIL", variable("a", of="#{X.y}"))}, "InvalidStructureException", "#{X.y}"),
        ({"beforeEntry": held("FAIL", rule("LambdaInvoke", FunctionName="f"))}, "NotImplemented", "no functions here"),
        ({"beforeEntry": held("FAIL", rule("DeploymentWindow", Cron="0 9 * * * ?"))}, "InvalidStructureException",
         "the seconds"),
        ({"beforeEntry": held("FAIL", rule("CloudWatchAlarm", AlarmName="a", AlarmStates="BAD"))},
         "InvalidStructureException", "which is none of ALARM"),
        ({"beforeEntry": held("FAIL", rule("Magic"))}, "InvalidStructureException", "is not available in region"),
    ],
)  # fmt: skip
def test_what_is_no_condition(cloud: Daemon, conditions: Any, code: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        pipeline(cloud, **conditions)
    assert code_of(caught) == code
    assert message in caught.value.response["Error"]["Message"]


def test_the_rules_that_there_are(cloud: Daemon) -> None:
    kinds = cloud.client("codepipeline").list_rule_types()["ruleTypes"]
    assert {"CloudWatchAlarm", "CodeBuild", "DeploymentWindow", "VariableCheck"} <= {
        each["id"]["provider"] for each in kinds
    }
    assert all(each["id"]["category"] == "Rule" for each in kinds)
