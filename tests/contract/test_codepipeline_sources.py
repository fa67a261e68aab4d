"""Pipelines whose code is at GitHub, GitLab or Bitbucket (in mirrors) or in a bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import service_role
from tests.contract.test_codeconnections import connect, mirrored
from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.git import Git
from tests.pipelines import (
    action,
    action_executions,
    action_state,
    approval,
    artifact,
    build,
    build_project,
    create,
    decide,
    declaration,
    execution,
    executions,
    nth,
    over,
    start,
    state,
    zipped,
)
from tests.waiting import until, wait_for

ACCOUNT = "000000000000"


def connected(arn: str, repository: str = "example/shop", **configuration: str) -> dict[str, Any]:
    """Declare a source action that a connection leads to."""
    return action(
        "Source",
        "Source/CodeStarSourceConnection",
        {"ConnectionArn": arn, "FullRepositoryId": repository, "BranchName": "main", **configuration},
        outputs=["SourceArtifact"],
        namespace="SourceVariables",
    )


def triggers(*push: dict[str, Any]) -> list[dict[str, Any]]:
    git = {"sourceActionName": "Source", **({"push": list(push)} if push else {})}
    return [{"providerType": "CodeStarSourceConnection", "gitConfiguration": git}]


def push(git: Git, branch: str = "main", message: str = "next", **files: str) -> str:
    commit = git.commit(message, **files)
    git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    return commit


def test_github_starts_the_pipeline_on_a_push(cloud: Daemon, tmp_path: Path) -> None:
    arn = connect(cloud)
    create(
        cloud,
        ("Source", [connected(arn, "Example/shop")]),
        ("Approve", [approval(CustomData="#{SourceVariables.CommitId} of #{SourceVariables.FullRepositoryName}")]),
    )
    first = over(cloud, nth(cloud, 1))
    assert first["status"] == "Failed"
    error = action_state(cloud, "Source", "Source")["errorDetails"]
    assert error["code"] == "ConfigurationError"
    assert error["message"].startswith("[GitHub] No Branch [main] found for FullRepositoryName [example/shop]")
    assert f"git push {cloud.endpoint}/mirrors/github.com/example/shop.git" in error["message"]

    git = mirrored(cloud, tmp_path / "copy")
    commit = push(git, message="The first\n\nwith a body", a_txt="a", bin_run="#!/bin/sh\n")
    two = nth(cloud, 2)
    decide(cloud)
    done = over(cloud, two)
    assert (done["status"], done["trigger"]) == ("Succeeded", {"triggerType": "WebhookV2", "triggerDetail": arn})
    (revision,) = done["artifactRevisions"]
    assert revision["revisionId"] == commit
    said = {"ProviderType": "GitHub", "CommitMessage": "The first\n\nwith a body"}
    assert json.loads(revision["revisionSummary"]) == said
    assert "referenceType=COMMIT&FullRepositoryId=Example/shop" in revision["revisionUrl"]
    *_, source, asked = action_executions(cloud, pipelineExecutionId=two)
    given = source["output"]["outputVariables"]
    assert given.pop("AuthorDate").endswith("Z")
    assert given == {
        "ConnectionArn": arn,
        "FullRepositoryName": "Example/shop",
        "BranchName": "main",
        "CommitId": commit,
        "CommitMessage": "The first\n\nwith a body",
    }
    assert json.loads(source["output"]["executionResult"]["externalExecutionSummary"]) == said
    assert asked["input"]["resolvedConfiguration"]["CustomData"] == f"{commit} of Example/shop"
    files = artifact(cloud, source["output"]["outputArtifacts"][0]["s3location"])
    assert files == {"a.txt": b"a", "bin.run": b"#!/bin/sh\n"}
    # another branch is none of its business; the same commit pushed again is no push
    push(git, "other", a_txt="b")
    git("push", "-q", "origin", f"{commit}:refs/heads/main", check=False)
    last = push(git, a_txt="c")
    three = nth(cloud, 3)
    decide(cloud)
    assert over(cloud, three)["artifactRevisions"][0]["revisionId"] == last
    assert len(executions(cloud)) == 3
    place = state(cloud, "Source")["actionStates"][0]["entityUrl"]
    assert place.endswith(f"connectionArn={arn}&referenceType=BRANCH&FullRepositoryId=Example/shop&Branch=main")
    again = cloud.client("codepipeline").start_pipeline_execution(
        name="release",
        sourceRevisions=[{"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": commit}],
    )["pipelineExecutionId"]
    decide(cloud)
    assert over(cloud, again)["artifactRevisions"][0]["revisionId"] == commit


def test_triggers_filter_pushes(cloud: Daemon, tmp_path: Path) -> None:
    git = mirrored(cloud, tmp_path / "copy", "/mirrors/gitlab.com/example/group/shop.git")
    push(git, web_txt="1", docs_txt="1")
    arn = connect(cloud, "GitLab", "codestar-connections")
    of_paths = {
        "branches": {"includes": ["main", "release/**"], "excludes": ["release/old*"]},
        "filePaths": {"includes": ["web/**", "Dockerfile"], "excludes": ["**.md"]},
    }
    create(
        cloud,
        ("Source", [connected(arn, "example/group/shop", DetectChanges="false")]),
        ("Approve", [approval()]),
        triggers=triggers(of_paths, {"tags": {"includes": ["v*"]}}),
        executionMode="PARALLEL",
    )
    nth(cloud, 1)
    wait_for(lambda: action_state(cloud, "Source", "Source"), lambda each: each.get("status") == "Succeeded")

    def write(path: str, text: str) -> str:
        git.write(path, text)
        return git.commit(f"{path}: {text}")

    def revisions() -> list[str]:
        return [each["sourceRevisions"][0]["revisionId"] for each in executions(cloud)[1:] if each["sourceRevisions"]]

    expected = []
    for path, branch, starts in (
        ("docs/a.txt", "main", False),
        ("web/README.md", "main", False),
        ("web/a/b.py", "main", True),
        ("Dockerfile", "main", True),
        ("web/c.py", "release/1/a", True),
        ("web/d.py", "release/old1", False),
        ("web/e.py", "feature", False),
    ):
        commit = write(path, "x")
        expected += [commit] if starts else []
        git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        assert until(revisions, expected)
    git("tag", "-a", "-m", "a release", "v1", expected[0])
    git("tag", "other", expected[1])
    git("push", "-q", "origin", "v1", "other")
    assert until(revisions, [*expected, expected[0]])
    branches = [
        each["output"]["outputVariables"]["BranchName"]
        for each in action_executions(cloud)
        if each["actionName"] == "Source" and each["status"] == "Succeeded"
    ]
    assert branches[1:4] == ["main", "main", "release/1/a"]


def test_what_is_no_trigger(cloud: Daemon) -> None:
    arn = connect(cloud)
    for declared, code, message in (
        (triggers({"filePaths": {"includes": ["a"]}}), "InvalidStructureException", "has tags, or branches"),
        (triggers() + triggers(), "InvalidStructureException", "more than one trigger per source action"),
        (
            [
                {
                    "providerType": "CodeStarSourceConnection",
                    "gitConfiguration": {
                        "sourceActionName": "Source",
                        "pullRequest": [{"branches": {"includes": ["main"]}}],
                    },
                }
            ],
            "NotImplemented",
            "pullRequest",
        ),
    ):
        with pytest.raises(ClientError, match=message) as caught:
            create(cloud, ("Source", [connected(arn)]), ("Approve", [approval()]), triggers=declared)
        assert caught.value.response["Error"]["Code"] == code
    for configuration, message in (
        ({"OutputArtifactFormat": "CODEBUILD_CLONE_REF"}, "CODEBUILD_CLONE_REF"),
        ({"FullRepositoryId": "shop"}, "owner/name"),
        ({"ConnectionArn": "shop"}, "ARN of a connection"),
        ({"DetectChanges": "often"}, "true or false"),
    ):
        with pytest.raises(ClientError, match=message):
            create(cloud, ("Source", [{**connected(arn, **configuration)}]), ("Approve", [approval()]))


def test_permissions_of_a_connection(cloud: Daemon, tmp_path: Path) -> None:
    arn = connect(cloud)
    push(mirrored(cloud, tmp_path / "copy"), a_txt="a")
    role, iam = service_role(cloud, "codepipeline", name="narrow", policy=""), cloud.client("iam")
    iam.put_role_policy(RoleName="narrow", PolicyName="s3", PolicyDocument=policy("Allow", "s3:*"))
    declared = declaration(cloud, ("Source", [connected(arn)]), ("Approve", [approval()]), role=role)
    author = cloud.client("codepipeline", keys=assume(cloud, "author"))
    for action_name in ("codepipeline:*", "iam:PassRole"):
        name = action_name.partition(":")[0]
        iam.put_role_policy(RoleName="author", PolicyName=name, PolicyDocument=policy("Allow", action_name))
    with pytest.raises(ClientError, match=f"to perform: codeconnections:PassConnection on resource: {arn}"):
        author.create_pipeline(pipeline=declared)
    passing = {"StringEquals": {"codeconnections:PassedToService": "codepipeline.amazonaws.com"}}
    document = policy("Allow", "codeconnections:PassConnection", arn, Condition=passing)
    iam.put_role_policy(RoleName="author", PolicyName="pass", PolicyDocument=document)
    author.create_pipeline(pipeline=declared)
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"
    error = action_state(cloud, "Source", "Source")["errorDetails"]
    assert error["code"] == "PermissionError"
    assert error["message"].startswith(f"Unable to use Connection: {arn}. The provided role does not have sufficient")
    assert "to perform: codeconnections:UseConnection" in error["message"]
    iam.put_role_policy(
        RoleName="narrow", PolicyName="use", PolicyDocument=policy("Allow", "codeconnections:UseConnection", arn)
    )
    client = cloud.client("codepipeline")
    failed = executions(cloud)[0]["pipelineExecutionId"]
    client.retry_stage_execution(
        pipelineName="release", stageName="Source", pipelineExecutionId=failed, retryMode="FAILED_ACTIONS"
    )
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    assert state(cloud, "Source")["latestExecution"]["status"] == "Succeeded"
    assert execution(cloud, failed)["status"] == "InProgress"


def test_a_push_while_the_daemon_is_away_starts_the_pipeline_once(own_cloud: Daemon, tmp_path: Path) -> None:
    arn = connect(own_cloud, "Bitbucket")
    git = mirrored(own_cloud, tmp_path / "copy", "/mirrors/bitbucket.org/example/shop.git")
    push(git, a_txt="a")
    create(own_cloud, ("Source", [connected(arn)]), ("Approve", [approval()]))
    wait_for(lambda: action_state(own_cloud, "Approve", "Approve"), lambda each: "token" in each)
    own_cloud.kill()
    later = git.commit("second", a_txt="b")
    (bare,) = (own_cloud.data_dir / "mirrors").glob("*.git")
    git("push", "-q", str(bare), "main")
    own_cloud.start()
    two = nth(own_cloud, 2)
    wait_for(lambda: execution(own_cloud, two), lambda each: bool(each["artifactRevisions"]))
    assert execution(own_cloud, two)["artifactRevisions"][0]["revisionId"] == later
    assert len(executions(own_cloud)) == 2


def test_an_upload_starts_the_pipeline_by_a_rule(cloud: Daemon) -> None:
    s3, events = cloud.client("s3"), cloud.client("events")
    s3.create_bucket(Bucket="uploads")
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="uploads")
    told: dict[str, Any] = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket="uploads", NotificationConfiguration=told)
    assert s3.get_bucket_notification_configuration(Bucket="uploads")["EventBridgeConfiguration"] == {}
    configuration = {"S3Bucket": "uploads", "S3ObjectKey": "builds/shop.zip", "PollForSourceChanges": "false"}
    upload = action("Source", "Source/S3", configuration, outputs=["A"], namespace="SourceVariables")
    create(cloud, ("Source", [upload]), ("Approve", [approval(CustomData="#{SourceVariables.VersionId}")]))
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"  # nothing is there yet
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["uploads"]}, "object": {"key": ["builds/shop.zip"]}},
    }
    events.put_rule(Name="uploaded", EventPattern=json.dumps(pattern))
    role = service_role(cloud, "events", name="starter")
    pipeline = f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release"
    events.put_targets(Rule="uploaded", Targets=[{"Id": "p", "Arn": pipeline, "RoleArn": role}])
    s3.put_object(Bucket="uploads", Key="builds/other.zip", Body=zipped({"a.txt": "0"}))
    said = {"codepipeline-artifact-revision-summary": "the second build"}
    version = s3.put_object(Bucket="uploads", Key="builds/shop.zip", Body=zipped({"a.txt": "1"}), Metadata=said)
    two = nth(cloud, 2)
    decide(cloud)
    done = over(cloud, two)
    assert done["trigger"]["triggerType"] == "CloudWatchEvent"
    (revision,) = done["artifactRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (version["VersionId"], "the second build")
    *_, source, asked = action_executions(cloud, pipelineExecutionId=two)
    assert source["output"]["outputVariables"] == {
        "BucketName": "uploads",
        "ObjectKey": "builds/shop.zip",
        "ETag": version["ETag"].strip('"'),
        "VersionId": version["VersionId"],
    }
    assert asked["input"]["resolvedConfiguration"]["CustomData"] == version["VersionId"]
    assert artifact(cloud, source["output"]["outputArtifacts"][0]["s3location"]) == {"a.txt": b"1"}
    assert len(executions(cloud)) == 2


def test_artifacts_are_encrypted_with_the_stores_key(cloud: Daemon, tmp_path: Path) -> None:
    arn, kms, iam = connect(cloud), cloud.client("kms"), cloud.client("iam")
    push(mirrored(cloud, tmp_path / "copy"), a_txt="a")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    role = service_role(cloud, "codepipeline", name="narrow", policy="")
    for service in ("s3", "codebuild", "codeconnections"):
        iam.put_role_policy(RoleName="narrow", PolicyName=service, PolicyDocument=policy("Allow", f"{service}:*"))
    build_project(cloud, "cat a.txt > b.txt", files=["b.txt"])
    declared = declaration(cloud, ("Source", [connected(arn)]), ("Build", [build()]), role=role)
    declared["artifactStore"]["encryptionKey"] = {"id": key, "type": "KMS"}
    cloud.client("codepipeline").create_pipeline(pipeline=declared)
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"
    error = action_state(cloud, "Source", "Source")["errorDetails"]
    assert error["code"] == "PermissionError"
    assert f"to perform: kms:GenerateDataKey on resource: {key}" in error["message"]
    document = policy("Allow", "kms:GenerateDataKey", key)
    iam.put_role_policy(RoleName="narrow", PolicyName="kms", PolicyDocument=document)
    two = start(cloud)
    assert over(cloud, two)["status"] == "Succeeded"
    (made,) = action_executions(cloud, pipelineExecutionId=two)[-1]["output"]["outputArtifacts"]
    place = made["s3location"]
    assert cloud.client("s3").head_object(Bucket=place["bucket"], Key=place["key"])["SSEKMSKeyId"] == key
    assert artifact(cloud, place) == {"b.txt": b"a"}
