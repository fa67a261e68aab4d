"""What people ran into with other tools: each is tried here, or in the test that is named for it.

`WHERE` is the list, mistake by mistake; a test holds it against the tests that there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml

from tests.e2e.app import App
from tests.waiting import until
from tidegate.deploy.progress import Pace
from tidegate.deploy.session import Session
from tidegate.deploy.stacks import Stacks

WHERE = {
    "first image and service wait for each other": "e2e/test_whole_way.py::test_the_whole_way",
    "a stack update reverts the deployed image": "e2e/test_mistakes.py::test_an_up_reverts_neither_image_nor_count",
    "a stack update resets the autoscaled count": "e2e/test_mistakes.py::test_an_up_reverts_neither_image_nor_count",
    "the build cannot push": "e2e/test_article.py::test_the_article",
    "the container in imagedefinitions.json is another": "e2e/test_faults.py::test_pushes_that_fail",
    "no way to abort a deployment": "e2e/test_day_two.py::test_a_deployment_that_will_not_work_out_is_stopped",
    "a rollback stops healthy tasks": "contract/test_ecs_services.py::test_a_version_that_crashes_is_rolled_back",
    "the image is built again for each environment": "template/test_stacks.py::test_an_image_is_built_once",
    "every push deploys everything": "contract/test_codepipeline_sources.py::test_triggers_filter_pushes",
    "no build cache": "e2e/test_mistakes.py::test_the_second_build_takes_the_layers_of_the_first",
    "Docker Hub's rate limit": "e2e/test_doctor.py::test_a_fault_that_was_put_in_is_found_and_its_fix_is_named",
    "a NAT gateway nobody asked for": "e2e/test_mistakes.py::test_nobody_pays_for_a_gateway_without_asking",
    "what delete leaves": "e2e/test_whole_way.py::test_the_whole_way",
    "a stack stuck in UPDATE_ROLLBACK_FAILED": "e2e/test_mistakes.py::test_a_stuck_stack_is_freed",
    "nobody sees what it waits for": "e2e/test_mistakes.py::test_a_wait_names_what_it_waits_for",
    "roles far too wide": "template/test_golden.py::test_no_role_has_what_it_is_not_given_here",
    "no eject": "e2e/test_eject.py::test_it_deploys_with_the_aws_cli_alone",
    "a version of the tool breaks pipelines": "e2e/test_mistakes.py::test_nothing_that_runs_in_aws_knows_of_tidegate",
}


class Heard:
    """Progress that is remembered."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, name: str, text: str) -> None:
        self.lines.append(f"{name} {text}")

    def done(self, name: str, text: str, seconds: float) -> None:
        self.lines.append(f"{name} {text}")

    def line(self, name: str, text: str) -> None:
        self.lines.append(f"{name} {text}")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("app"))
    app.edit("tidegate.yml", "^    count: 2", "    count: {min: 1, desired: 1, max: 3}\n    scaling: {cpu: 90}")
    app.commit("scales")
    app.start_cloud()
    try:
        app.run("up", "--yes")
        yield app
    finally:
        app.remove_cloud()


def session(app: App) -> Session:
    raw = botocore.session.Session()
    raw.set_credentials(app.cloud["access_key"], app.cloud["secret"])
    return Session(raw, app.cloud["region"], app.cloud["endpoint"])


def service(app: App) -> Any:
    return app.status()["services"][0]


def test_every_mistake_has_a_test() -> None:
    for mistake, test in WHERE.items():
        path, _, name = test.partition("::")
        text = (Path(__file__).parents[1] / path).read_text()
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), (mistake, test)


def test_an_up_reverts_neither_image_nor_count(app: App) -> None:
    app.version(2)
    app.run("push")
    pushed = service(app)["image"]
    session(app).client("ecs").update_service(
        cluster="hello-local", service="web", desiredCount=3
    )  # as autoscaling does
    assert until(lambda: (service(app)["running"], service(app)["rollout"]), (3, "COMPLETED"))
    app.edit("tidegate.yml", "^    port:", "    environment: {ADDED: 1}\n    port:")
    app.commit("a setting")
    app.run("up", "--yes")
    after = service(app)
    assert (after["image"], after["desired"]) == (pushed, 3)
    assert app.answer() == "hello, version 2"


def test_the_second_build_takes_the_layers_of_the_first(app: App) -> None:
    logs = session(app).client("logs")
    app.version(3)
    app.run("push")
    streams = logs.describe_log_streams(
        logGroupName="/aws/codebuild/hello-web", orderBy="LastEventTime", descending=True
    )
    newest = streams["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName="/aws/codebuild/hello-web", logStreamName=newest, startFromHead=True)
    assert any("Using cache" in event["message"] for event in events["events"])


def test_nobody_pays_for_a_gateway_without_asking(app: App) -> None:
    lines = json.loads(app.run("cost", "--json").stdout)["lines"]
    assert not any("NAT" in json.dumps(line) for line in lines)
    assert session(app).client("ec2").describe_nat_gateways()["NatGateways"] == []


def test_a_stuck_stack_is_freed(app: App) -> None:
    """The update takes away the permission that its own rollback needs; the next plan goes on without the resource."""
    here, heard = session(app), Heard()
    iam, cloudformation, logs = (here.client(name) for name in ("iam", "cloudformation", "logs"))
    trust = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="builder", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.attach_role_policy(RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    logs.create_log_group(logGroupName="taken")

    def group(name: str, days: int, **more: Any) -> Any:
        properties = {"LogGroupName": name, "RetentionInDays": days}
        return {"Type": "AWS::Logs::LogGroup", "Properties": properties, **more}

    before = {"Resources": {"Group": group("stuck", 1)}}
    denial = {"Effect": "Deny", "Action": "logs:PutRetentionPolicy", "Resource": "*"}
    policy = {"PolicyName": "deny", "Roles": ["builder"], "PolicyDocument": {"Statement": [denial]}}
    after = {
        "Resources": {
            "Group": group("stuck", 7),
            "Denial": {
                "Type": "AWS::IAM::Policy",
                "DependsOn": "Group",
                "DeletionPolicy": "Retain",
                "Properties": policy,
            },
            "Bad": group("taken", 1, DependsOn="Denial"),
        }
    }
    role = iam.get_role(RoleName="builder")["Role"]["Arn"]
    cloudformation.create_stack(StackName="stuck", TemplateBody=json.dumps(before), RoleARN=role)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="stuck", WaiterConfig={"Delay": 1})
    cloudformation.update_stack(StackName="stuck", TemplateBody=json.dumps(after), Capabilities=["CAPABILITY_IAM"])
    stacks = Stacks(here, heard, Pace())
    assert _status(stacks) == "UPDATE_ROLLBACK_FAILED"
    stacks.plan("stuck", _Template(before))
    assert _status(stacks) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("its rollback fails at Group" in line for line in heard.lines)


def _status(stacks: Stacks) -> str:
    stack = stacks.standing("stuck")
    return "" if stack is None else str(stack["StackStatus"])


class _Template:
    def __init__(self, document: Any) -> None:
        self._document = document

    def to_json(self, **_: Any) -> str:
        return json.dumps(self._document)


def test_a_wait_names_what_it_waits_for(app: App) -> None:
    heard = Heard()
    stacks = Stacks(session(app), heard, Pace())
    network = {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}}
    stacks.apply(stacks.plan("waits", _Template({"Resources": network})))
    assert any(
        re.search(r"waits EC2::VPC Vpc CREATE_COMPLETE after \d+ s|waits for EC2::VPC Vpc", line)
        for line in heard.lines
    )
    stacks.delete("waits")


def test_nothing_that_runs_in_aws_knows_of_tidegate(app: App) -> None:
    """What runs there is AWS's own: no step calls the program, fetches it, or asks for one of its versions."""
    target = app.folder / "ejected"
    app.run("eject", str(target))
    buildspec = yaml.safe_load((app.work / "buildspec.yml").read_text())
    commands = [each for phase in buildspec["phases"].values() for each in phase["commands"]]
    assert not any("tidegate" in command for command in commands)
    for path in target.glob("*.yml"):
        for line in path.read_text().splitlines():
            told = line.strip().startswith(("#", "Description:", "Key:", "Value:"))
            assert "tidegate" not in line.lower() or told or "Made by Tidegate" in line, (path.name, line)
