"""Pipelines that lose their ground: the daemon is killed in each kind of action, the pipeline is deleted as it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builds import service_role
from tests.contract.test_codepipeline_conditions import held, variable
from tests.daemon import Daemon
from tests.fargate import IMAGE, Fargate
from tests.git import working_copy
from tests.pipelines import (
    OVER,
    action,
    action_executions,
    action_state,
    approval,
    build,
    build_project,
    create,
    declaration,
    execution,
    executions,
    nth,
    over,
    source,
)
from tests.waiting import until, wait_for

STAY = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
TEMPLATE = {"Resources": {"Word": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}}}


def service(cloud: Daemon) -> Fargate:
    """Make the service `web` of one task."""
    made = Fargate(cloud)
    made.register(made.container("app", STAY, stopTimeout=2))
    made.ecs.create_service(
        cluster="c", serviceName="web", taskDefinition="f", desiredCount=1, networkConfiguration=made.network
    )
    return made


def every_kind(cloud: Daemon) -> dict[str, Any]:
    """Declare a pipeline with an action of each kind that takes a while, and a condition."""
    stack = {
        "ActionMode": "CREATE_UPDATE",
        "StackName": "words",
        "TemplatePath": "BuildArtifact::template.json",
        "RoleArn": service_role(cloud, "cloudformation", name="stacks"),
    }
    commands = action("Run", "Compute/Commands", inputs=["BuildArtifact"], commands=["sleep 1", "echo once"])
    deploys = [
        action("Ecs", "Deploy/ECS", {"ClusterName": "c", "ServiceName": "web"}, inputs=["BuildArtifact"]),
        action("Stack", "Deploy/CloudFormation", stack, inputs=["BuildArtifact"], runOrder=2),
        action("Files", "Deploy/S3", {"BucketName": "files", "Extract": "true"}, inputs=["BuildArtifact"], runOrder=3),
    ]
    declared = declaration(
        cloud,
        ("Source", [source(PollForSourceChanges="false")]),
        ("Build", [build(), {**commands, "runOrder": 2}]),
        ("Deploy", deploys),
        ("Approve", [approval()]),
        pipelineType="V2",
    )
    declared["stages"][2]["beforeEntry"] = held("FAIL", variable("main", of="#{SourceVariables.BranchName}"))
    return declared


@pytest.mark.slow
def test_a_kill_in_each_action_ends_nothing_and_does_nothing_twice(own_cloud: Daemon, tmp_path: Path) -> None:
    git = working_copy(own_cloud, tmp_path / "copy")
    git.write("imagedefinitions.json", json.dumps([{"name": "app", "imageUri": IMAGE}]))
    git.write("template.json", json.dumps(TEMPLATE))
    git.commit("first")
    git("push", "-q", "origin", "main")
    fargate = service(own_cloud)
    own_cloud.client("s3").create_bucket(Bucket="files")
    build_project(own_cloud, "sleep 1", files=["*.json"])
    own_cloud.client("codepipeline").create_pipeline(pipeline=every_kind(own_cloud))
    identity = nth(own_cloud, 1)

    killed: set[str] = set()

    def begun() -> set[str]:
        """Return the actions in progress in which the daemon was not killed yet."""
        assert execution(own_cloud, identity)["status"] not in OVER, action_executions(own_cloud)
        return {each["actionName"] for each in action_executions(own_cloud) if each["status"] == "InProgress"} - killed

    while "Approve" not in killed:
        killed |= wait_for(begun, bool, 120)
        own_cloud.kill()
        own_cloud.start()
    assert {"Build", "Run", "Ecs"} <= killed

    token = wait_for(lambda: action_state(own_cloud, "Approve", "Approve").get("token"), bool)
    own_cloud.client("codepipeline").put_approval_result(
        pipelineName="release",
        stageName="Approve",
        actionName="Approve",
        result={"summary": "", "status": "Approved"},
        token=str(token),
    )
    assert over(own_cloud, identity)["status"] == "Succeeded"
    ran = [(each["actionName"], each["status"]) for each in action_executions(own_cloud)]
    assert ran == [(name, "Succeeded") for name in ("Source", "Build", "Run", "Ecs", "Stack", "Files", "Approve")]
    assert len(own_cloud.client("codebuild").list_builds()["ids"]) == 2, "one of Build, one of Run"
    definitions = fargate.ecs.list_task_definitions(familyPrefix="f")["taskDefinitionArns"]
    assert len(definitions) == 2, "the service's own, and the pipeline's"
    stacks = own_cloud.client("cloudformation").describe_stacks()["Stacks"]
    assert [each["StackStatus"] for each in stacks] == ["CREATE_COMPLETE"]
    files = own_cloud.client("s3").list_objects_v2(Bucket="files")["Contents"]
    assert sorted(each["Key"] for each in files) == ["imagedefinitions.json", "template.json"]


def test_a_pipeline_is_deleted_while_it_runs(cloud: Daemon, tmp_path: Path) -> None:
    """What it has begun elsewhere goes on; of the pipeline nothing is left, and a new one of its name begins anew."""
    git = working_copy(cloud, tmp_path / "copy")
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    gate = tmp_path / "gate"
    build_project(cloud, f"until test -e {gate}; do sleep 0.05; done")
    named = ("Source", [source(PollForSourceChanges="false")]), ("Build", [build(outputs=[])])
    create(cloud, *named)
    builds = cloud.client("codebuild")
    (identity,) = wait_for(lambda: builds.list_builds()["ids"], bool)
    client = cloud.client("codepipeline")
    client.delete_pipeline(name="release")
    client.delete_pipeline(name="release")
    assert client.list_pipelines()["pipelines"] == []
    create(cloud, *named)
    first = nth(cloud, 1)
    gate.touch()
    assert over(cloud, first)["status"] == "Succeeded"
    assert len(executions(cloud)) == 1
    assert until(lambda: builds.batch_get_builds(ids=[identity])["builds"][0]["buildStatus"], "SUCCEEDED")
