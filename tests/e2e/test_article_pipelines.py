"""What comes after the article, typed with the AWS CLI, against a service that answers.

One pipeline of three stages at a GitHub repository: an approval, a deployment that fails for want of a permission and
is retried, a branch and a file that start nothing, an execution that a newer one supersedes, a stage that goes back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.e2e.article import Article, action, served
from tests.git import signed_in
from tests.waiting import wait_for

REPOSITORY = "example/hello"


class Releases(Article):
    """A person who watches over the pipeline `hello`."""

    def executions(self) -> list[Any]:
        """The pipeline's executions, the oldest first."""
        found = self.aws("codepipeline", "list-pipeline-executions", "--pipeline-name", "hello")
        return list(reversed(found["pipelineExecutionSummaries"]))

    def of(self, commit: str) -> str:
        """Return the execution of a commit, once there is one."""

        def find() -> str | None:
            for each in self.executions():
                if any(one["revisionId"] == commit for one in each.get("sourceRevisions", [])):
                    return str(each["pipelineExecutionId"])
            return None

        return str(wait_for(find, bool))

    def stage(self, name: str) -> Any:
        stages = self.aws("codepipeline", "get-pipeline-state", "--name", "hello")["stageStates"]
        return next(each for each in stages if each["stageName"] == name)

    def approve(self, execution: str) -> None:
        """Wait until an execution asks for approval, and give it."""

        def asked() -> str | None:
            stage = self.stage("Deploy")
            if stage.get("latestExecution", {}).get("pipelineExecutionId") != execution:
                return None
            token = stage["actionStates"][0].get("latestExecution", {}).get("token")
            return None if token is None else str(token)

        token = str(wait_for(asked, bool, 120))
        self.aws(
            "codepipeline", "put-approval-result", "--pipeline-name", "hello", "--stage-name", "Deploy",
            "--action-name", "Approve", "--result", "summary=seen,status=Approved", "--token", token,
        )  # fmt: skip

    def push(self, branch: str = "main") -> None:
        self.project("push", "-q", "origin", f"HEAD:refs/heads/{branch}")


@pytest.fixture
def releases(own_cloud: Daemon, tmp_path: Path) -> Releases:
    return Releases(own_cloud, tmp_path)


@pytest.mark.slow
def test_releases(releases: Releases) -> None:
    type_, keys = releases.aws, releases.cloud.document
    uri, url = releases.deploy_by_hand()
    assert served(url) == "version 1"

    connection = type_(
        "codeconnections", "create-connection", "--provider-type", "GitHub", "--connection-name", "hello"
    )["ConnectionArn"]
    mirror = f"{releases.cloud.endpoint}/mirrors/github.com/{REPOSITORY}.git"
    releases.project("remote", "add", "origin", signed_in(mirror, keys["access_key"], keys["secret"]))
    releases.push()
    releases.shell("aws s3 mb s3://hello-artifacts")
    releases.build_project(uri, "AmazonEC2ContainerRegistryPowerUser")
    role = releases.role(
        "pipeline-hello-service-role", "codepipeline.amazonaws.com", "AmazonS3FullAccess", "AWSCodeBuildDeveloperAccess"
    )
    use = {"Effect": "Allow", "Action": "codeconnections:UseConnection", "Resource": connection}
    type_(
        "iam", "put-role-policy", "--role-name", "pipeline-hello-service-role", "--policy-name", "source",
        "--policy-document", json.dumps({"Version": "2012-10-17", "Statement": [use]}),
    )  # fmt: skip
    type_("codepipeline", "create-pipeline", "--pipeline", json.dumps(pipeline(role, connection)))

    # an approval, then a deployment that may not be: attach what is missing and retry what failed, and that alone
    first = wait_for(releases.execution, lambda each: each is not None)["pipelineExecutionId"]
    releases.approve(first)
    assert releases.ended(first) == "Failed"
    stage, message = releases.failed_action()
    assert stage == "Deploy"
    assert "ecs:DescribeServices" in message
    type_(
        "iam", "attach-role-policy", "--role-name", "pipeline-hello-service-role",
        "--policy-arn", "arn:aws:iam::aws:policy/AmazonECS_FullAccess",
    )  # fmt: skip
    type_(
        "codepipeline", "retry-stage-execution", "--pipeline-name", "hello", "--stage-name", "Deploy",
        "--pipeline-execution-id", first, "--retry-mode", "FAILED_ACTIONS",
    )  # fmt: skip
    assert releases.ended(first) == "Succeeded"
    assert releases.stage("Deploy")["retryStageMetadata"]["latestRetryTrigger"] == "ManualStageRetry"
    approvals = [each for each in history(releases) if each["actionName"] == "Approve"]
    assert len(approvals) == 1, "what had succeeded was not asked for again"

    # a branch of somebody's work, and words alone: neither starts anything
    releases.write_version("not yet")
    releases.push("feature/not-yet")
    releases.project("reset", "-q", "--hard", "origin/main")
    releases.project.commit("words", README_md="what it is\n")
    releases.push()

    # the way into the last stage is closed: of what waits there the newest goes on, when it is open again
    arguments = ("--pipeline-name", "hello", "--stage-name", "Deploy", "--transition-type", "Inbound")
    type_("codepipeline", "disable-stage-transition", *arguments, "--reason", "the shop is full")
    older = releases.of(pushed(releases, "version 2"))
    wait_for(lambda: waiting(releases), lambda found: found == [older], 120)
    newer = releases.of(pushed(releases, "version 3"))
    wait_for(lambda: waiting(releases), lambda found: found == [newer], 120)
    assert releases.ended(older) == "Superseded"
    assert releases.stage("Deploy")["inboundTransitionState"]["disabledReason"] == "the shop is full"
    assert served(url) == "version 1"
    type_("codepipeline", "enable-stage-transition", *arguments)
    releases.approve(newer)
    assert releases.ended(newer) == "Succeeded"
    assert served(url) == "version 3"
    assert [each["pipelineExecutionId"] for each in releases.executions()] == [first, older, newer]

    # back to what was there before
    back = type_(
        "codepipeline", "rollback-stage", "--pipeline-name", "hello", "--stage-name", "Deploy",
        "--target-pipeline-execution-id", first,
    )["pipelineExecutionId"]  # fmt: skip
    releases.approve(back)
    assert releases.ended(back) == "Succeeded"
    assert served(url) == "version 1"
    kinds = [each["executionType"] for each in releases.executions()]
    assert kinds == ["STANDARD", "STANDARD", "STANDARD", "ROLLBACK"]


def pushed(releases: Releases, version: str) -> str:
    commit = releases.write_version(version)
    releases.push()
    return commit


def waiting(releases: Releases) -> list[str]:
    return [each["pipelineExecutionId"] for each in releases.stage("Deploy").get("inboundExecutions", [])]


def history(releases: Releases) -> list[Any]:
    found = releases.aws("codepipeline", "list-action-executions", "--pipeline-name", "hello")
    return list(found["actionExecutionDetails"])


def pipeline(role: str, connection: str) -> dict[str, Any]:
    """Source, build, and a deployment that is approved; started by the application's files on one branch."""
    hash_ = [{"name": "COMMIT_HASH", "value": "#{SourceVariables.CommitId}", "type": "PLAINTEXT"}]
    source = action(
        "Source",
        "Source",
        "CodeStarSourceConnection",
        {"ConnectionArn": connection, "FullRepositoryId": REPOSITORY, "BranchName": "main"},
        outputArtifacts=[{"name": "SourceArtifact"}],
        namespace="SourceVariables",
    )
    build = action(
        "Build",
        "Build",
        "CodeBuild",
        {"ProjectName": "hello", "EnvironmentVariables": json.dumps(hash_)},
        inputArtifacts=[{"name": "SourceArtifact"}],
        outputArtifacts=[{"name": "BuildArtifact"}],
    )
    approve = action("Approve", "Approval", "Manual", {"CustomData": "#{SourceVariables.CommitMessage}"}, runOrder=1)
    deploy = action(
        "Deploy",
        "Deploy",
        "ECS",
        {"ClusterName": "hello", "ServiceName": "hello", "FileName": "imagedefinitions.json"},
        inputArtifacts=[{"name": "BuildArtifact"}],
        runOrder=2,
    )
    push = {"branches": {"includes": ["main"]}, "filePaths": {"includes": ["**"], "excludes": ["**.md"]}}
    return {
        "name": "hello",
        "roleArn": role,
        "artifactStore": {"type": "S3", "location": "hello-artifacts"},
        "stages": [
            {"name": "Source", "actions": [source]},
            {"name": "Build", "actions": [build]},
            {"name": "Deploy", "actions": [approve, deploy]},
        ],
        "pipelineType": "V2",
        "executionMode": "SUPERSEDED",
        "triggers": [
            {
                "providerType": "CodeStarSourceConnection",
                "gitConfiguration": {"sourceActionName": "Source", "push": [push]},
            }
        ],
    }
