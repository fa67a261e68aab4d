"""Stacks and kills: wherever the daemon dies, the next start takes the stack to its end, and nothing is made twice."""

from __future__ import annotations

import random
import time

import pytest

from tests.daemon import Daemon
from tests.stacks import Stacks, text


def template(count: int, days: int) -> str:
    """A network, groups and roles that need each other: names made by CloudFormation, most of them."""
    resources: dict[str, object] = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        "Guard": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "guard", "VpcId": {"Ref": "Vpc"}},
        },
    }
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    for number in range(count):
        arn = {"Fn::GetAtt": [f"Group{number}", "Arn"]}
        writes = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": arn}
        resources[f"Subnet{number}"] = {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": f"10.9.{number}.0/24"},
        }
        resources[f"Group{number}"] = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}}
        resources[f"Role{number}"] = {
            "Type": "AWS::IAM::Role",
            "DependsOn": f"Group{number}",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [{"PolicyName": "logs", "PolicyDocument": {"Statement": [writes]}}],
            },
        }
    return text({"Resources": resources})


def made(cloud: Daemon) -> tuple[int, int, int, int]:
    """How many there are: VPCs and subnets that are not the default's, log groups, roles."""
    ec2 = cloud.client("ec2")
    vpcs = [each for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]]
    subnets = [each for each in ec2.describe_subnets()["Subnets"] if not each["DefaultForAz"]]
    groups = cloud.client("logs").describe_log_groups()["logGroups"]
    return len(vpcs), len(subnets), len(groups), len(cloud.client("iam").list_roles()["Roles"])


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_during_a_stacks_operation_loses_nothing(own_cloud: Daemon, seed: int) -> None:
    chance, count = random.Random(seed), 12
    arguments = {"StackName": "killed", "Capabilities": ["CAPABILITY_IAM"]}

    def kill_and_start() -> Stacks:
        time.sleep(chance.uniform(0.0, 0.12))  # the fault comes at any moment: there is nothing to wait for
        own_cloud.kill()
        own_cloud.start()
        return Stacks(own_cloud)

    Stacks(own_cloud).client.create_stack(**arguments, TemplateBody=template(count, 1))
    kill_and_start()
    kill_and_start().wait("killed", "stack_create_complete")
    assert made(own_cloud) == (1, count, count, count)

    Stacks(own_cloud).client.update_stack(**arguments, TemplateBody=template(count - 2, 7))
    kill_and_start().wait("killed", "stack_update_complete")
    assert made(own_cloud) == (1, count - 2, count - 2, count - 2)

    Stacks(own_cloud).client.delete_stack(StackName="killed")
    kill_and_start().wait("killed", "stack_delete_complete")
    assert made(own_cloud) == (0, 0, 0, 0)
