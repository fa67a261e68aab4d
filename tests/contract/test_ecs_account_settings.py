"""Account settings: each principal's own, the account's for everybody else, and what they change."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.fargate import Fargate

ACCOUNT = "000000000000"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def in_role(cloud: Daemon, name: str, *actions: str, **condition: Any) -> Any:
    """Return an ECS client that acts in a role which may do these things."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROOT}}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allowed))
    answer = cloud.client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="test")
    return cloud.client("ecs", keys=answer["Credentials"])


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def value(ecs: Any, name: str, **request: Any) -> tuple[str, str]:
    (found,) = ecs.list_account_settings(name=name, effectiveSettings=True, **request)["settings"]
    return found["value"], found["principalArn"]


def test_settings_are_the_principals_own_or_the_accounts(cloud: Daemon) -> None:
    ecs = cloud.client("ecs")
    role = in_role(cloud, "deployer", "ecs:ListAccountSettings", "ecs:PutAccountSetting", "ecs:DeleteAccountSetting")
    arn = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    assert ecs.list_account_settings()["settings"] == []
    assert value(role, "containerInsights") == ("disabled", ROOT)
    put = ecs.put_account_setting_default(name="containerInsights", value="enabled")["setting"]
    assert put == {"name": "containerInsights", "value": "enabled", "principalArn": ROOT, "type": "user"}
    assert value(role, "containerInsights") == ("enabled", ROOT)
    role.put_account_setting(name="containerInsights", value="enhanced")
    assert value(role, "containerInsights") == ("enhanced", arn)
    assert value(ecs, "containerInsights") == ("enabled", ROOT)
    assert value(ecs, "containerInsights", principalArn=arn) == ("enhanced", arn)
    with pytest.raises(ClientError, match="not authorized to perform: ecs:PutAccountSettingDefault"):
        role.put_account_setting(name="containerInsights", value="disabled", principalArn=ROOT)
    (own,) = role.list_account_settings()["settings"]
    assert (own["name"], own["value"]) == ("containerInsights", "enhanced")
    assert role.list_account_settings(name="containerInsights", value="enabled")["settings"] == []
    assert role.delete_account_setting(name="containerInsights")["setting"]["value"] == "enabled"
    assert role.list_account_settings()["settings"] == []

    pages = list(ecs.get_paginator("list_account_settings").paginate(effectiveSettings=True))
    assert [len(page["settings"]) for page in pages] == [10, 1]
    everything = {each["name"]: each["value"] for page in pages for each in page["settings"]}
    assert everything["fargateTaskRetirementWaitPeriod"] == "7"
    assert everything["serviceLongArnFormat"] == everything["taskLongArnFormat"] == "enabled"
    assert everything["tagResourceAuthorization"] == "on"


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("fargateTaskRetirementWaitPeriod", "3", "InvalidParameterException"),
        ("serviceLongArnFormat", "disabled", "InvalidParameterException"),
        ("tagResourceAuthorization", "off", "InvalidParameterException"),
        ("containerInsights", "ENABLED", "InvalidParameterException"),
        ("guardDutyActivate", "on", "InvalidParameterException"),
        ("fargateFIPSMode", "enabled", "NotImplemented"),
    ],
)
def test_values_that_cannot_be(shared_daemon: Daemon, name: str, given: str, code: str) -> None:
    with pytest.raises(ClientError) as raised:
        shared_daemon.client("ecs").put_account_setting(name=name, value=given)
    assert raised.value.response["Error"]["Code"] == code
    assert name in raised.value.response["Error"]["Message"]


def test_a_value_needs_a_name(shared_daemon: Daemon) -> None:
    with pytest.raises(ClientError, match="together with the name"):
        shared_daemon.client("ecs").list_account_settings(value="enabled")


def test_new_clusters_have_the_insights_of_who_makes_them(cloud: Daemon) -> None:
    ecs = cloud.client("ecs")
    ecs.put_account_setting(name="containerInsights", value="enhanced")
    made = ecs.create_cluster(clusterName="own")["cluster"]
    assert made["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    other = in_role(cloud, "other", "ecs:CreateCluster").create_cluster(clusterName="others")["cluster"]
    assert other["settings"] == [{"name": "containerInsights", "value": "disabled"}]


def test_tags_on_creation_are_authorized(cloud: Daemon) -> None:
    tags = [{"key": "team", "value": "a"}]
    plain = in_role(cloud, "plain", "ecs:CreateCluster")
    plain.create_cluster(clusterName="untagged")
    with pytest.raises(ClientError, match="not authorized to perform: ecs:TagResource"):
        plain.create_cluster(clusterName="tagged", tags=tags)
    condition = {"StringEqualsIfExists": {"ecs:CreateAction": "CreateCluster", "aws:RequestTag/team": "a"}}
    tagger = in_role(cloud, "tagger", "ecs:CreateCluster", "ecs:TagResource", **condition)
    arn = tagger.create_cluster(clusterName="tagged", tags=tags)["cluster"]["clusterArn"]
    assert cloud.client("ecs").list_tags_for_resource(resourceArn=arn)["tags"] == tags
    with pytest.raises(ClientError, match="not authorized to perform: ecs:TagResource"):
        tagger.create_cluster(clusterName="other", tags=[{"key": "team", "value": "b"}])


def test_how_output_is_delivered(cloud: Daemon) -> None:
    fargate = Fargate(cloud)
    script = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
    assert delivery(fargate, fargate.container("app", script)) == ("non-blocking", "10m")
    fargate.ecs.put_account_setting(name="defaultLogDriverMode", value="blocking")
    assert delivery(fargate, fargate.container("app", script)) == (None, None)
    own = fargate.container("app", script)
    own["logConfiguration"]["options"] |= {"mode": "non-blocking", "max-buffer-size": "2m"}
    assert delivery(fargate, own) == ("non-blocking", "2m")


def delivery(fargate: Fargate, container: dict[str, Any]) -> tuple[str | None, str | None]:
    """Run a task, and return what the engine was told of its container's output: mode and buffer."""
    arn = fargate.run(container)
    runtime = fargate.wait_for(arn, "RUNNING")["containers"][0]["runtimeId"]
    command = ["docker", "inspect", "--format", "{{json .HostConfig.LogConfig.Config}}", runtime]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    fargate.ecs.stop_task(cluster="c", task=arn)
    return told.get("mode"), told.get("max-buffer-size")
