"""Builds of what is at GitHub, GitLab and Bitbucket: read from mirrors, through connections or without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import build, context_of, log_of, project, service_role
from tests.contract.test_codeconnections import connect, mirrored
from tests.contract.test_iam import policy
from tests.daemon import Daemon

URL = "https://github.com/example/shop.git"
SPEC = (
    "version: 0.2\nphases: {build: {commands: ['cat a.txt; git log --oneline | wc -l; git remote get-url origin']}}\n"
)


def through(arn: str) -> dict[str, str]:
    return {"type": "CODECONNECTIONS", "resource": arn}


def test_a_connection_is_built_through(cloud: Daemon, tmp_path: Path) -> None:
    arn, iam = connect(cloud), cloud.client("iam")
    role = service_role(cloud, policy="arn:aws:iam::aws:policy/CloudWatchLogsFullAccess")
    made = project(cloud, role=role, source={"type": "GITHUB", "location": URL, "auth": through(arn)})
    assert made["source"]["auth"] == through(arn)
    why = context_of(build(cloud), "DOWNLOAD_SOURCE")[1]
    assert f"Failed to get access token from {arn}" in why
    assert "to perform: codeconnections:GetConnection on resource" in why
    iam.put_role_policy(RoleName="builder", PolicyName="g", PolicyDocument=policy("Allow", "*:GetConnection", arn))
    assert "to perform: codeconnections:GetConnectionToken" in context_of(build(cloud), "DOWNLOAD_SOURCE")[1]
    iam.put_role_policy(
        RoleName="builder", PolicyName="t", PolicyDocument=policy("Allow", "codeconnections:GetConnectionToken", arn)
    )
    code, why = context_of(build(cloud, sourceVersion="main"), "DOWNLOAD_SOURCE")
    assert code == "CLIENT_ERROR"
    place = f"{cloud.endpoint}/mirrors/github.com/example/shop.git"
    assert f"no copy of https://github.com/example/shop yet: run `tidegate push`, or `git push {place}`" in why

    git = mirrored(cloud, tmp_path / "copy")
    first = git.commit("first", buildspec_yml=SPEC, a_txt="one\n")
    git.commit("second", a_txt="two\n")
    git("push", "-q", "origin", "main", "main:refs/heads/feature/x")
    done = build(cloud, sourceVersion=first)
    assert (done["buildStatus"], done["resolvedSourceVersion"]) == ("SUCCEEDED", first)
    assert f"\none\n1\n{URL}\n" in log_of(cloud, done)
    # as the product's first build is started, of a project for a pipeline
    done = build(cloud, sourceVersion="feature/x", sourceAuthOverride=through(arn), gitCloneDepthOverride=1)
    assert f"\ntwo\n1\n{URL}\n" in log_of(cloud, done)
    gitlab = connect(cloud, "GitLab")
    iam.attach_role_policy(RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    why = context_of(build(cloud, sourceAuthOverride=through(gitlab)), "DOWNLOAD_SOURCE")[1]
    assert "is one to GitLab, not to GitHub" in why


def test_what_anybody_may_read_needs_no_connection(cloud: Daemon, tmp_path: Path) -> None:
    git = mirrored(cloud, tmp_path / "copy", "/mirrors/bitbucket.org/example/shop.git")
    git.commit("first", buildspec_yml=SPEC, a_txt="one\n")
    git("push", "-q", "origin", "main")
    location = "https://bitbucket.org/example/shop.git"
    project(cloud, source={"type": "BITBUCKET", "location": location})
    assert f"\none\n1\n{location}\n" in log_of(cloud, build(cloud))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"type": "GITHUB", "location": "https://x"}, "location must be a valid GITHUB repository URL"),
        ({"type": "GITHUB", "location": URL, "auth": {"type": "OAUTH"}}, "does not offer codebuild source auth OAUTH"),
        ({"type": "GITHUB", "location": URL, "auth": {"type": "CODECONNECTIONS"}}, "must be the ARN of a connection"),
        ({"type": "GITHUB_ENTERPRISE", "location": URL}, "does not offer codebuild source type GITHUB_ENTERPRISE"),
    ],
)
def test_what_is_refused(cloud: Daemon, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        project(cloud, source=source)
