"""An unmodified docker against the registry: log in, push, pull, and what it shows when that may not be."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

ARN = "arn:aws:ecr:us-east-1:000000000000:repository/app"


@dataclass
class Docker:
    """The docker CLI with a configuration of its own, and the AWS CLI beside it."""

    cloud: Daemon
    folder: Path

    def sh(self, script: str, *, check: bool = True, **variables: str) -> str:
        """Run a script and return all that it printed."""
        done = subprocess.run(
            ["bash", "-c", script],
            env={**self.cloud.environment, "DOCKER_CONFIG": str(self.folder / "config"), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stdout
        assert check or done.returncode != 0, done.stdout
        return done.stdout

    def login(self, keys: dict[str, Any] | None = None) -> None:
        variables = {}
        if keys is not None:
            variables = {
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"],
            }
        login = f"aws ecr get-login-password | docker login --username AWS --password-stdin {self.cloud.registry}"
        assert "Login Succeeded" in self.sh(login, **variables)

    def build(self, name: str) -> str:
        """Build an image that nobody has built before and return its id."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text('FROM scratch\nCOPY content /content\nCMD ["/content"]\n')
        (context / "content").write_text(str(uuid.uuid4()))
        self.sh(f"docker build -q -t {name} {context}")
        return self.sh(f"docker image inspect -f '{{{{.Id}}}}' {name}").strip()


@pytest.fixture
def docker(cloud: Daemon, tmp_path: Path) -> Iterator[Docker]:
    """Docker, and the repository `app`; the images of this registry are removed from the engine at the end."""
    cloud.client("ecr").create_repository(repositoryName="app")
    docker = Docker(cloud, tmp_path)
    yield docker
    names = docker.sh("docker images --format '{{.Repository}}:{{.Tag}}@{{.ID}}'").split()
    for name in names:
        if name.startswith(f"{cloud.registry}/"):
            image = name.partition("@")[2] if "<none>" in name else name.partition("@")[0]
            docker.sh(f"docker rmi -f {image}")


def test_push_and_pull(cloud: Daemon, docker: Docker) -> None:
    uri = f"{cloud.registry}/app"
    docker.login()
    image = docker.build(f"{uri}:v1")
    docker.sh(f"docker tag {uri}:v1 {uri}:latest; docker push --all-tags {uri}")
    (detail,) = cloud.client("ecr").describe_images(repositoryName="app")["imageDetails"]
    assert detail["imageTags"] == ["latest", "v1"]
    docker.sh(f"docker rmi {uri}:v1 {uri}:latest")
    assert detail["imageDigest"] in docker.sh(f"docker pull {uri}:v1")
    docker.sh(f"docker pull {uri}@{detail['imageDigest']}")
    assert docker.sh(f"docker image inspect -f '{{{{.Id}}}}' {uri}:v1").strip() == image
    assert "manifest unknown" in docker.sh(f"docker pull {uri}:absent", check=False)
    assert "lastRecordedPullTime" in cloud.client("ecr").describe_images(repositoryName="app")["imageDetails"][0]


def test_get_login_of_the_first_cli(cloud: Daemon, docker: Docker) -> None:
    line = docker.sh("aws ecr get-login --no-include-email --region us-east-1")
    assert line.startswith("docker login -u AWS -p ")
    assert line.strip().endswith(f"http://{cloud.registry}")
    assert "Login Succeeded" in docker.sh("$(aws ecr get-login --no-include-email --region us-east-1)")
    docker.build(f"{cloud.registry}/app:v1")
    docker.sh(f"docker push {cloud.registry}/app:v1")


def test_a_push_that_may_not_be_names_the_missing_action(cloud: Daemon, docker: Docker) -> None:
    keys = assume(cloud, "build")
    iam, allowed = cloud.client("iam"), ["ecr:GetAuthorizationToken"]

    def allow(*actions: str) -> None:
        allowed.extend(actions)
        iam.put_role_policy(RoleName="build", PolicyName="p", PolicyDocument=policy("Allow", allowed))

    allow()
    docker.login(keys)
    docker.build(f"{cloud.registry}/app:v1")
    # what a role needs to push, in the order in which it is missed
    for action in (
        "InitiateLayerUpload",
        "UploadLayerPart",
        "CompleteLayerUpload",
        "BatchCheckLayerAvailability",
        "PutImage",
    ):
        printed = docker.sh(f"docker push {cloud.registry}/app:v1", check=False)
        if action != "BatchCheckLayerAvailability":  # asked for by HEAD, whose denial has no words
            assert (
                "denied: User: arn:aws:sts::000000000000:assumed-role/build/test is not authorized to perform: "
                f"ecr:{action} on resource: {ARN} because no identity-based policy allows the ecr:{action} action"
            ) in printed
        allow(f"ecr:{action}")
    docker.sh(f"docker push {cloud.registry}/app:v1")
    docker.sh(f"docker rmi {cloud.registry}/app:v1")
    assert "ecr:BatchGetImage" in docker.sh(f"docker pull {cloud.registry}/app:v1", check=False)
    allow("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    docker.sh(f"docker pull {cloud.registry}/app:v1")


def test_a_login_that_may_not_be_says_so(cloud: Daemon) -> None:
    keys = assume(cloud, "nobody")
    done = cloud.aws(
        "ecr",
        "get-login-password",
        check=False,
        AWS_ACCESS_KEY_ID=keys["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"],
        AWS_SESSION_TOKEN=keys["SessionToken"],
    )
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: *" in done.stderr


def test_without_login_nothing_is_pushed(cloud: Daemon, docker: Docker) -> None:
    docker.build(f"{cloud.registry}/app:v1")
    assert "no basic auth credentials" in docker.sh(f"docker push {cloud.registry}/app:v1", check=False)


def test_an_unknown_repository_is_named(cloud: Daemon, docker: Docker) -> None:
    docker.login()
    docker.build(f"{cloud.registry}/absent:v1")
    assert (
        "name unknown: The repository with name 'absent' does not exist in the registry with id '000000000000'"
        in docker.sh(f"docker push {cloud.registry}/absent:v1", check=False)
    )


def test_an_immutable_tag_stays(cloud: Daemon, docker: Docker) -> None:
    ecr = cloud.client("ecr")
    ecr.put_image_tag_mutability(
        repositoryName="app",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
    )
    docker.login()
    for _ in range(2):
        docker.build(f"{cloud.registry}/app:latest")
        docker.sh(f"docker push {cloud.registry}/app:latest")
    docker.sh(f"docker tag {cloud.registry}/app:latest {cloud.registry}/app:v1; docker push {cloud.registry}/app:v1")
    docker.build(f"{cloud.registry}/app:v1")
    assert (
        "tag invalid: The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the "
        "tag is immutable."
    ) in docker.sh(f"docker push {cloud.registry}/app:v1", check=False)


def test_another_region(cloud: Daemon, docker: Docker) -> None:
    there = cloud.client("ecr", region="eu-central-1")
    uri = there.create_repository(repositoryName="team/app")["repository"]["repositoryUri"]
    docker.login()
    docker.build(f"{uri}:v1")
    docker.sh(f"docker push {uri}:v1; docker rmi {uri}:v1; docker pull {uri}:v1")
    assert there.list_images(repositoryName="team/app")["imageIds"][0]["imageTag"] == "v1"
