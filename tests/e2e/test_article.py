"""The article, typed: all three parts with the unmodified AWS CLI, docker and git, from an empty account.

The pipeline first fails as the article says it will, because the build's role may not push to the registry; after
`attach-role-policy … AmazonEC2ContainerRegistryPowerUser` and a retry every push goes live.
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


@pytest.fixture
def article(own_cloud: Daemon, tmp_path: Path) -> Article:
    return Article(own_cloud, tmp_path)


def test_the_article(article: Article) -> None:
    type_ = article.aws
    uri, url = article.deploy_by_hand()
    assert served(url) == "version 1"

    # Part 3: automating the deployment
    code = type_("codecommit", "create-repository", "--repository-name", "hello")["repositoryMetadata"]
    keys = article.cloud.document
    article.project("remote", "add", "origin", signed_in(code["cloneUrlHttp"], keys["access_key"], keys["secret"]))
    article.project("push", "-q", "origin", "main")
    article.shell("aws s3 mb s3://hello-artifacts")
    pipeline_role = article.role(
        "pipeline-hello-service-role", "codepipeline.amazonaws.com", "AmazonS3FullAccess",
        "AWSCodeBuildDeveloperAccess", "AmazonECS_FullAccess", "AWSCodeCommitPowerUser",
    )  # fmt: skip
    archive = {"Effect": "Allow", "Action": "codecommit:UploadArchive", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [archive]})
    type_(
        "iam", "put-role-policy", "--role-name", "pipeline-hello-service-role", "--policy-name", "archive",
        "--policy-document", document,
    )  # fmt: skip
    article.build_project(uri)
    type_("codepipeline", "create-pipeline", "--pipeline", json.dumps(pipeline(pipeline_role)))

    # as the article says: "At this point, the pipeline will try to run automatically, and it will fail."
    first = wait_for(article.execution, lambda each: each is not None)["pipelineExecutionId"]
    assert article.ended(first) == "Failed"
    stage, message = article.failed_action()
    assert stage == "Build"
    events = type_("logs", "filter-log-events", "--log-group-name", "/aws/codebuild/hello")["events"]
    log = "".join(event["message"] for event in events)
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: *" in log, message

    # as the article says: "Then add the following permissions: AmazonEC2ContainerRegistryPowerUser"
    type_(
        "iam", "attach-role-policy", "--role-name", "code-build-hello-service-role",
        "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser",
    )  # fmt: skip
    type_(
        "codepipeline", "retry-stage-execution", "--pipeline-name", "hello", "--stage-name", "Build",
        "--pipeline-execution-id", first, "--retry-mode", "FAILED_ACTIONS",
    )  # fmt: skip
    assert article.ended(first) == "Succeeded", article.aws("codepipeline", "get-pipeline-state", "--name", "hello")

    # as the article says: "the service will be automatically updated at every commit on the chosen branch"
    for version in ("version 2", "version 3"):
        commit = article.write_version(version)
        article.project("push", "-q", "origin", "main")

        def started(commit: str = commit) -> bool:
            revisions = (article.execution() or {}).get("sourceRevisions", [])
            return any(each["revisionId"] == commit for each in revisions)

        wait_for(started, bool)
        assert article.ended(article.execution()["pipelineExecutionId"]) == "Succeeded"
        assert served(url) == version
    history = type_("codepipeline", "list-action-executions", "--pipeline-name", "hello")
    statuses = {each["status"] for each in history["actionExecutionDetails"]}
    assert statuses == {"Succeeded", "Failed"}


def pipeline(role: str) -> dict[str, Any]:
    """The pipeline that the article's wizard makes: source, build, deploy."""

    source = action(
        "Source",
        "Source",
        "CodeCommit",
        {"RepositoryName": "hello", "BranchName": "main"},
        outputArtifacts=[{"name": "SourceArtifact"}],
    )
    build = action(
        "Build",
        "Build",
        "CodeBuild",
        {"ProjectName": "hello"},
        inputArtifacts=[{"name": "SourceArtifact"}],
        outputArtifacts=[{"name": "BuildArtifact"}],
    )
    deploy = action(
        "Deploy",
        "Deploy",
        "ECS",
        {"ClusterName": "hello", "ServiceName": "hello", "FileName": "imagedefinitions.json"},
        inputArtifacts=[{"name": "BuildArtifact"}],
    )
    return {
        "name": "hello",
        "roleArn": role,
        "artifactStore": {"type": "S3", "location": "hello-artifacts"},
        "stages": [{"name": each["name"], "actions": [each]} for each in (source, build, deploy)],
        "version": 1,
    }
