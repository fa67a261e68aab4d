"""Actions that bring their own build: Commands, ECRBuildAndPublish; and an image as the source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import service_role
from tests.contract.test_codepipeline import code_of
from tests.contract.test_codepipeline_conditions import held, rule
from tests.contract.test_iam import policy
from tests.daemon import Daemon
from tests.git import Git, working_copy
from tests.pipelines import (
    action,
    action_executions,
    action_state,
    approval,
    artifact,
    create,
    decide,
    nth,
    over,
    source,
    start,
)
from tests.waiting import wait_for


@pytest.fixture
def git(cloud: Daemon, tmp_path: Path) -> Git:
    copy = working_copy(cloud, tmp_path / "copy")
    dockerfile = "FROM tidegate/python:3.11\nCOPY hello.txt /\n"
    copy.write("Dockerfile", dockerfile)
    copy.commit("first", hello_txt="hello\n")
    copy("push", "-q", "origin", "main")
    return copy


def commands(*lines: str, **more: Any) -> dict[str, Any]:
    return action("Run", "Compute/Commands", inputs=["SourceArtifact"], commands=list(lines), **more)


def test_commands_run_as_the_pipelines_role(cloud: Daemon, git: Git) -> None:
    run = commands(
        "cat hello.txt > out.txt",
        "echo #{SourceVariables.BranchName} $WHO $(cat hello.txt) >> out.txt",
        "export CALLER=$(aws sts get-caller-identity --query Arn --output text)",
        environmentVariables=[{"name": "WHO", "value": "of #{codepipeline.PipelineExecutionId}"}],
        outputVariables=["CALLER"],
        namespace="Run",
    )
    run["outputArtifacts"] = [{"name": "Out", "files": ["out.txt"]}]
    create(
        cloud,
        ("Source", [source(PollForSourceChanges="false")]),
        ("Run", [run, {**approval("Ask", CustomData="#{Run.CALLER}"), "runOrder": 2}]),
        pipelineType="V2",
    )
    first = nth(cloud, 1)
    wait_for(lambda: action_state(cloud, "Run", "Run").get("status"), lambda status: status == "Succeeded", 60)
    decide(cloud, stage="Run", name="Ask")
    assert over(cloud, first)["status"] == "Succeeded"
    _, ran, asked = action_executions(cloud)
    assert "assumed-role/pipeline/" in asked["input"]["resolvedConfiguration"]["CustomData"]
    files = artifact(cloud, ran["output"]["outputArtifacts"][0]["s3location"])
    assert files == {"out.txt": f"hello\nmain of {first} hello\n".encode()}
    stream = ran["output"]["executionResult"]["logStreamARN"]
    group, _, name = stream.partition(":log-group:")[2].partition(":log-stream:")
    assert group == "/aws/codepipeline/release"
    events = cloud.client("logs").get_log_events(logGroupName=group, logStreamName=name)["events"]
    assert any("get-caller-identity" in each["message"] for each in events)
    projects = cloud.client("codebuild").list_projects()["projects"]
    assert projects == [], "no project stands behind it"
    with pytest.raises(ClientError) as caught:
        cloud.client("codebuild").start_build(projectName="codepipeline/release")
    assert code_of(caught) == "ResourceNotFoundException"


def test_commands_that_fail_and_a_role_that_may_not_log(cloud: Daemon, git: Git) -> None:
    create(
        cloud,
        ("Source", [source(PollForSourceChanges="false")]),
        ("Run", [commands("echo well", "exit 3", "echo never")]),
        pipelineType="V2",
    )
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"
    error = action_state(cloud, "Run", "Run")["errorDetails"]
    assert error["code"] == "JobFailed"
    assert "exit 3" in error["message"]
    narrow = service_role(cloud, "codepipeline", name="narrow", policy="")
    cloud.client("iam").put_role_policy(
        RoleName="narrow", PolicyName="some", PolicyDocument=policy("Allow", ["s3:*", "codecommit:*"])
    )
    client = cloud.client("codepipeline")
    declared = client.get_pipeline(name="release")["pipeline"]
    declared["roleArn"] = narrow
    client.update_pipeline(pipeline=declared)
    second = start(cloud)
    assert over(cloud, second)["status"] == "Failed"
    assert "logs:CreateLog" in action_state(cloud, "Run", "Run")["errorDetails"]["message"]


def test_commands_as_a_rule(cloud: Daemon, git: Git) -> None:
    kind = {**rule("Commands"), "commands": ["grep -q hello hello.txt"], "inputArtifacts": [{"name": "SourceArtifact"}]}
    made = create(
        cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]), pipelineType="V2"
    )
    decide(cloud)
    over(cloud, nth(cloud, 1))
    made["stages"][1]["beforeEntry"] = held("FAIL", kind)
    client = cloud.client("codepipeline")
    client.update_pipeline(pipeline=made)
    second = start(cloud)
    wait_for(lambda: action_state(cloud, "Approve", "Approve").get("token"), bool, 60)
    decide(cloud)
    assert over(cloud, second)["status"] == "Succeeded"
    made["stages"][1]["beforeEntry"] = held("FAIL", {**kind, "commands": ["grep -q bye hello.txt"]})
    client.update_pipeline(pipeline=made)
    assert over(cloud, start(cloud))["status"] == "Failed"


@pytest.mark.slow
def test_an_image_is_built_published_and_is_a_source(cloud: Daemon, git: Git) -> None:
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="shop")
    publish = action(
        "Publish",
        "Build/ECRBuildAndPublish",
        {"ECRRepositoryName": "shop", "ImageTags": "latest, #{SourceVariables.BranchName}"},
        inputs=["SourceArtifact"],
        namespace="Image",
    )
    create(
        cloud,
        ("Source", [source(PollForSourceChanges="false")]),
        ("Build", [publish]),
        pipelineType="V2",
    )
    assert over(cloud, nth(cloud, 1), 120)["status"] == "Succeeded", action_state(cloud, "Build", "Publish")
    (image,) = ecr.describe_images(repositoryName="shop")["imageDetails"]
    assert sorted(image["imageTags"]) == ["latest", "main"]
    variables = action_executions(cloud)[-1]["output"]["outputVariables"]
    assert variables == {"ECRImageDigestId": image["imageDigest"], "ECRRepositoryName": "shop"}

    client = cloud.client("codepipeline")
    declared = client.get_pipeline(name="release")["pipeline"]
    taken = action("Image", "Source/ECR", {"RepositoryName": "shop", "ImageTag": "main"}, outputs=["Image"])
    declared["stages"] = [
        {"name": "Source", "actions": [taken]},
        {"name": "Approve", "actions": [approval()]},
    ]
    client.update_pipeline(pipeline=declared)
    second = start(cloud)
    decide(cloud)
    found = over(cloud, second)
    assert found["artifactRevisions"][0]["revisionId"] == image["imageDigest"]
    ran = action_executions(cloud, pipelineExecutionId=second)[0]
    detail = json.loads(artifact(cloud, ran["output"]["outputArtifacts"][0]["s3location"])["imageDetail.json"])
    assert detail["ImageURI"].endswith(f"/shop@{image['imageDigest']}")
    assert ran["output"]["outputVariables"]["ImageDigest"] == image["imageDigest"]
    third = start(
        cloud,
        sourceRevisions=[
            {"actionName": "Image", "revisionType": "IMAGE_DIGEST", "revisionValue": f"sha256:{'0' * 64}"}
        ],
    )
    assert over(cloud, third)["status"] == "Failed"
    assert "cannot be had" in action_state(cloud, "Source", "Image")["errorDetails"]["message"]


@pytest.mark.parametrize(
    ("changed", "more", "code", "message"),
    [
        ({}, {"pipelineType": "V1"}, "InvalidActionDeclarationException", "requires the pipeline type V2"),
        ({"outputArtifacts": [{"name": "Out"}]}, {"pipelineType": "V2"}, "InvalidActionDeclarationException", "files"),
        (
            {"roleArn": "arn:aws:iam::000000000000:role/x"},
            {"pipelineType": "V2"},
            "NotImplemented",
            "a roleArn for codepipeline Commands",
        ),
        ({"commands": ["echo #{No.thing}"]}, {"pipelineType": "V2"}, "InvalidActionDeclarationException", "No.thing"),
    ],
)
def test_what_are_no_commands(cloud: Daemon, changed: Any, more: Any, code: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        create(cloud, ("Source", [source()]), ("Run", [{**commands("true"), **changed}]), **more)
    assert code_of(caught) == code
    assert message in caught.value.response["Error"]["Message"]
