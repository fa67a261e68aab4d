"""Projects and builds for tests."""

from __future__ import annotations

import json
from typing import Any

from tests.daemon import Daemon
from tests.waiting import wait_for

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
IMAGE = "aws/codebuild/standard:7.0"


def service_role(
    cloud: Daemon, service: str = "codebuild", *, name: str = "builder", policy: str = ADMINISTRATOR
) -> str:
    """Make a role that a service may assume, with one managed policy."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return str(arn)


def project(cloud: Daemon, buildspec: str | None = None, *, role: str | None = None, **settings: Any) -> Any:
    """Make the project `hello`; without a source it needs a buildspec."""
    source = settings.pop("source", {"type": "NO_SOURCE"})
    if buildspec is not None:
        source = {**source, "buildspec": buildspec}
    environment = {"type": "LINUX_CONTAINER", "image": IMAGE, "computeType": "BUILD_GENERAL1_SMALL"}
    environment |= settings.pop("environment", {})
    return cloud.client("codebuild").create_project(
        name="hello",
        source=source,
        artifacts=settings.pop("artifacts", {"type": "NO_ARTIFACTS"}),
        environment=environment,
        serviceRole=role or service_role(cloud),
        **settings,
    )["project"]


def start(cloud: Daemon, **overrides: Any) -> str:
    """Start a build of `hello` and return its id."""
    return str(cloud.client("codebuild").start_build(projectName="hello", **overrides)["build"]["id"])


def build_of(cloud: Daemon, identity: str) -> Any:
    return cloud.client("codebuild").batch_get_builds(ids=[identity])["builds"][0]


def finished(cloud: Daemon, identity: str) -> Any:
    """Return a build once it is over."""
    client = cloud.client("codebuild")
    return wait_for(
        lambda: client.batch_get_builds(ids=[identity])["builds"][0], lambda build: bool(build["buildComplete"]), 60
    )


def build(cloud: Daemon, **overrides: Any) -> Any:
    """Start a build of `hello` and return it once it is over."""
    return finished(cloud, start(cloud, **overrides))


def log_of(cloud: Daemon, build: Any) -> str:
    """Return a build's log."""
    names = {"logGroupName": build["logs"]["groupName"], "logStreamName": build["logs"]["streamName"]}
    events = cloud.client("logs").get_log_events(**names, startFromHead=True)["events"]
    return "".join(event["message"] for event in events)


def statuses(build: Any) -> dict[str, str]:
    """Return the statuses of a build's phases."""
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def context_of(build: Any, phase: str) -> tuple[str, str]:
    """Return the status code and the message of a phase's context."""
    (context,) = next(each for each in build["phases"] if each["phaseType"] == phase)["contexts"]
    return context["statusCode"], context["message"]
