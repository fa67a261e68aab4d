"""The article's own buildspec, its phases put back and nothing else changed: from CodeCommit to the registry."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builds import build, context_of, log_of, project, service_role
from tests.daemon import Daemon
from tests.e2e.article import BUILDSPEC
from tests.git import working_copy

DOCKERFILE = "FROM tidegate/python:3.11\nRUN echo hello >/hello.txt\n"
POWER_USER = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"


@pytest.fixture
def repository(cloud: Daemon, tmp_path: Path) -> Iterator[Any]:
    """The repository's URI, a project that builds from CodeCommit, and the role that may do all but push."""
    git = working_copy(cloud, tmp_path / "copy")
    git.write("buildspec.yml", BUILDSPEC)
    git.write("Dockerfile", DOCKERFILE)
    git.commit("first")
    git("push", "-q", "origin", "main")
    uri = cloud.client("ecr").create_repository(repositoryName="hello")["repository"]["repositoryUri"]
    cloud.client("s3").create_bucket(Bucket="artifacts")
    iam = cloud.client("iam")
    role = service_role(cloud, policy="arn:aws:iam::aws:policy/CloudWatchLogsFullAccess")
    for policy in ("AmazonS3FullAccess", "AWSCodeCommitReadOnly"):
        iam.attach_role_policy(RoleName="builder", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    url = cloud.client("codecommit").get_repository(repositoryName="hello")["repositoryMetadata"]["cloneUrlHttp"]
    project(
        cloud,
        role=role,
        source={"type": "CODECOMMIT", "location": url},
        artifacts={"type": "S3", "location": "artifacts", "name": "built.zip", "packaging": "ZIP"},
        environment={
            "privilegedMode": True,
            "environmentVariables": [{"name": "REPOSITORY_URI", "value": uri}, {"name": "COMMIT_HASH", "value": "v1"}],
        },
    )
    yield uri
    subprocess.run(["docker", "image", "rm", f"{uri}:latest", f"{uri}:v1"], capture_output=True, check=False)


def test_the_expected_failure_and_its_repair(cloud: Daemon, repository: str) -> None:
    done = build(cloud)
    assert done["buildStatus"] == "FAILED"
    code, message = context_of(done, "PRE_BUILD")
    assert code == "COMMAND_EXECUTION_ERROR"
    assert message.startswith("Error while executing command: $(aws ecr get-login")
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: *" in log_of(cloud, done)

    cloud.client("iam").attach_role_policy(RoleName="builder", PolicyArn=POWER_USER)
    done = build(cloud)
    assert done["buildStatus"] == "SUCCEEDED", log_of(cloud, done)
    images = cloud.client("ecr").describe_images(repositoryName="hello")["imageDetails"]
    assert sorted(tag for image in images for tag in image["imageTags"]) == ["latest", "v1"]
    content = cloud.client("s3").get_object(Bucket="artifacts", Key="built.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        definitions = json.loads(archive.read("imagedefinitions.json"))
    assert definitions[0]["imageUri"] == f"{repository}:v1"


def test_a_push_that_is_denied_fails_the_build(cloud: Daemon, repository: str) -> None:
    """Logged in, but not allowed to push: the build ends with docker's word, the log has the missing action."""
    cloud.client("iam").attach_role_policy(
        RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
    )
    done = build(cloud)
    assert done["buildStatus"] == "FAILED"
    code, message = context_of(done, "POST_BUILD")
    assert code == "COMMAND_EXECUTION_ERROR"
    assert message == "Error while executing command: docker push $REPOSITORY_URI:latest. Reason: exit status 1"
    assert "ecr:InitiateLayerUpload" in log_of(cloud, done)
