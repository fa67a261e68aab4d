"""Handlers of the resource types that deliver something: ECR, CodeBuild, CodePipeline, EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cloud.services.cloudformation.stack import STACK_ID, Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.codebuild import Project
from tidegate.cloud.services.cloudformation.resources.codepipeline import Pipeline
from tidegate.cloud.services.cloudformation.resources.ecr import Repository
from tidegate.cloud.services.cloudformation.resources.events import Rule
from tidegate.cloud.services.cloudformation.resources.handler import FailedError


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def test_a_repository(stack: Stack) -> None:
    name = await stack.create(Repository(), "Web", **golden("whole-service.image", "WebRepository"))
    assert name == "shop/web"
    read = await stack.read(Repository(), "Web")
    assert read["Arn"] == "arn:aws:ecr:us-east-1:000000000000:repository/shop/web"
    assert read["RepositoryUri"].endswith("/shop/web")
    (found,) = (await stack.call("ecr", "describe_repositories"))["repositories"]
    assert found["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": "latest"}]
    tags = (await stack.call("ecr", "list_tags_for_resource", resourceArn=read["Arn"]))["tags"]
    assert {"Key": "aws:cloudformation:stack-id", "Value": STACK_ID} in tags
    with pytest.raises(ServiceError, match="reserved"):
        await stack.call("ecr", "tag_resource", resourceArn=read["Arn"], tags=tags)

    # what a kill between the two calls has left undone is done when it is found
    await stack.call("ecr", "delete_lifecycle_policy", repositoryName=name)
    assert await stack.find(Repository(), "Web") == name
    assert "50 images" in (await stack.call("ecr", "get_lifecycle_policy", repositoryName=name))["lifecyclePolicyText"]
    assert await stack.find(Repository(), "Other", RepositoryName=name) is None

    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
    await stack.update(
        Repository(),
        "Web",
        ImageTagMutability=None,
        ImageTagMutabilityExclusionFilters=None,
        ImageScanningConfiguration=None,
        LifecyclePolicy=None,
        RepositoryPolicyText={"Version": "2012-10-17", "Statement": [statement]},
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    (found,) = (await stack.call("ecr", "describe_repositories"))["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"
    assert not found["imageScanningConfiguration"]["scanOnPush"]
    policy = await stack.call("ecr", "get_repository_policy", repositoryName=name)
    assert json.loads(policy["policyText"])["Statement"] == [statement]
    with pytest.raises(ServiceError, match="LifecyclePolicyNotFound"):
        await stack.call("ecr", "get_lifecycle_policy", repositoryName=name)
    tags = (await stack.call("ecr", "list_tags_for_resource", resourceArn=read["Arn"]))["tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]

    await stack.delete(Repository(), "Web")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Repository(), "Web")
    assert Repository().is_missing(raised.value)
    assert await stack.create(Repository(), "Api") == "demo-api-abcdefghijkl"


async def test_a_project(stack: Stack) -> None:
    role = await stack.role("codebuild")
    variables = [{"Name": "REPOSITORY_URI", "Value": "localhost/web"}]
    properties = golden("smallest.image", "WebBuild", ServiceRole=role)
    properties["Environment"] |= {"EnvironmentVariables": variables, "PrivilegedMode": "true"}
    name = await stack.create(Project(), "Build", **properties)
    assert await stack.find(Project(), "Build") == name == "shop-web"
    arn = f"arn:aws:codebuild:us-east-1:000000000000:project/{name}"
    assert await stack.read(Project(), "Build") == {"Arn": arn, "Id": name}
    await stack.update(Project(), "Build", Cache=None, TimeoutInMinutes=20, Tags=[{"Key": "a", "Value": "b"}])
    (found,) = (await stack.call("codebuild", "batch_get_projects", names=[name]))["projects"]
    assert (found["cache"], found["timeoutInMinutes"]) == ({"type": "NO_CACHE"}, 20)
    assert found["tags"] == [{"key": "a", "value": "b"}]
    assert found["environment"]["privilegedMode"] is True
    for refused in ({"Triggers": {"Webhook": True}}, {"VpcConfig": {"VpcId": "vpc-1"}}, {"Visibility": "PUBLIC_READ"}):
        with pytest.raises(ServiceError, match="(?i)" + next(iter(refused))):
            await stack.update(Project(), "Build", **refused)
    await stack.delete(Project(), "Build")
    assert await stack.find(Project(), "Build") is None


async def test_a_pipeline_and_its_rule(stack: Stack) -> None:
    role = await stack.role("codepipeline")
    await stack.call("s3", "create_bucket", Bucket="artifacts")
    properties = golden("smallest.pipeline", "Pipeline", RoleArn=role)
    properties["ArtifactStore"]["Location"] = "artifacts"
    closed = [{"StageName": "DeployLocal", "Reason": "not yet"}]
    name = await stack.create(Pipeline(), "Pipeline", **properties, DisableInboundStageTransitions=closed)
    arn = f"arn:aws:codepipeline:us-east-1:000000000000:{name}"
    assert await stack.find(Pipeline(), "Pipeline") == name == "shop"
    assert await stack.find(Pipeline(), "Other", **properties) is None
    assert await stack.read(Pipeline(), "Pipeline") == {"Arn": arn, "Version": "1"}
    states = (await stack.call("codepipeline", "get_pipeline_state", name=name))["stageStates"]
    assert states[2]["inboundTransitionState"]["disabledReason"] == "not yet"

    stages = json.loads(json.dumps(properties["Stages"]))
    stages[0]["Actions"][0]["Configuration"] = json.dumps({"BranchName": "next", "RepositoryName": "shop"})
    kind = {"Category": "Rule", "Owner": "AWS", "Provider": "VariableCheck", "Version": "1"}
    check = {"Variable": "#{codepipeline.PipelineExecutionId}", "Value": "x", "Operator": "NE"}
    rule = {"Name": "check", "RuleTypeId": kind, "Configuration": json.dumps(check)}
    stages[2]["BeforeEntry"] = {"Conditions": [{"Result": "SKIP", "Rules": [rule]}]}
    changes = {"Stages": stages, "DisableInboundStageTransitions": None, "RestartExecutionOnUpdate": True}
    await stack.update(Pipeline(), "Pipeline", **changes, Tags=[{"Key": "a", "Value": "b"}])
    assert (await stack.read(Pipeline(), "Pipeline"))["Version"] == "2"
    found = (await stack.call("codepipeline", "get_pipeline", name=name))["pipeline"]
    assert found["stages"][0]["actions"][0]["configuration"]["BranchName"] == "next"
    (condition,) = found["stages"][2]["beforeEntry"]["conditions"]
    assert (condition["result"], condition["rules"][0]["configuration"]) == ("SKIP", check)
    states = (await stack.call("codepipeline", "get_pipeline_state", name=name))["stageStates"]
    assert states[2]["inboundTransitionState"]["enabled"]
    executions = await stack.call("codepipeline", "list_pipeline_executions", pipelineName=name)
    assert executions["pipelineExecutionSummaries"][0]["trigger"]["triggerType"] == "StartPipelineExecution"
    tags = (await stack.call("codepipeline", "list_tags_for_resource", resourceArn=arn))["tags"]
    assert tags == [{"key": "a", "value": "b"}]

    starter = await stack.role("events")
    target = {"Arn": arn, "Id": "pipeline", "RoleArn": starter}
    rule = golden("smallest.pipeline", "Trigger", Targets=[target])
    rule["EventPattern"]["resources"] = ["arn:aws:codecommit:us-east-1:000000000000:shop"]
    rule_name = await stack.create(Rule(), "Trigger", **rule)
    rule_arn = f"arn:aws:events:us-east-1:000000000000:rule/{rule_name}"
    assert rule_name == "demo-Trigger-ABCDEFGHIJKL"
    assert await stack.read(Rule(), "Trigger") == {"Arn": rule_arn, "RuleName": rule_name}
    await stack.call("events", "remove_targets", Rule=rule_name, Ids=["pipeline"])
    assert await stack.find(Rule(), "Trigger") == rule_name
    assert (await stack.call("events", "list_targets_by_rule", Rule=rule_name))["Targets"] == [target]
    with pytest.raises(FailedError, match="already exists"):
        await stack.create(Rule(), "Other", **rule, Name=rule_name)
    other = {**target, "Id": "other"}
    await stack.update(Rule(), "Trigger", State="DISABLED", EventPattern='{"source": ["x"]}', Targets=[other])
    found = await stack.call("events", "describe_rule", Name=rule_name)
    assert (found["State"], found["EventPattern"]) == ("DISABLED", '{"source": ["x"]}')
    assert (await stack.call("events", "list_targets_by_rule", Rule=rule_name))["Targets"] == [other]
    await stack.update(Rule(), "Trigger", EventPattern=None, ScheduleExpression="rate(1 day)")
    found = await stack.call("events", "describe_rule", Name=rule_name)
    assert (found["ScheduleExpression"], found.get("EventPattern")) == ("rate(1 day)", None)
    with pytest.raises(ServiceError, match="custom event buses"):
        await stack.create(Rule(), "Bus", **rule, EventBusName="bus")
    await stack.delete(Rule(), "Trigger")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Rule(), "Trigger")
    assert Rule().is_missing(raised.value)

    await stack.delete(Pipeline(), "Pipeline")
    assert await stack.find(Pipeline(), "Pipeline") is None
