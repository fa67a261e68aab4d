"""A service behind a network load balancer: its tasks are targets as they are of any other."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.contract.test_ecs_services import Balanced
from tests.contract.test_iam import trust
from tests.daemon import Daemon
from tests.fargate import until


class NetworkBalanced(Balanced):
    """Fargate behind a network load balancer without security groups, in subnets of both zones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("tasks", FromPort=8080, ToPort=8080, IpRanges=[{"CidrIp": "172.31.0.0/16"}])
        self.elb.delete_load_balancer(LoadBalancerArn=self.balancer)
        made = self.elb.create_load_balancer(Name="net", Type="network", Subnets=self.subnets)
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        group: dict[str, Any] = {"Name": "net", "Protocol": "TCP", "Port": 8080, "VpcId": self.vpc, "TargetType": "ip"}
        made = self.elb.create_target_group(**group, HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
        self.target_group = made["TargetGroups"][0]["TargetGroupArn"]
        delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "2"}]
        self.elb.modify_target_group_attributes(TargetGroupArn=self.target_group, Attributes=delay)
        forward = [{"Type": "forward", "TargetGroupArn": self.target_group}]
        self.elb.create_listener(LoadBalancerArn=self.balancer, Protocol="TCP", Port=80, DefaultActions=forward)
        self.elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[self.balancer])

    def said(self) -> str:
        """Return the last word of an answer on a connection of its own."""
        name, _, port = self.url.removeprefix("http://").removesuffix("/").partition(":")
        try:
            with socket.create_connection((name, int(port or 80)), 5) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: sock.recv(4096), b""))
        except OSError:
            return ""
        return answer.rpartition(b"\r\n")[2].decode()


@pytest.fixture
def balanced(cloud: Daemon) -> NetworkBalanced:
    return NetworkBalanced(cloud)


def test_a_service_behind_a_network_balancer(balanced: NetworkBalanced) -> None:
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1)
    balanced.stable()
    until(lambda: balanced.said() == "v1")
    balanced.update(taskDefinition=balanced.register(balanced.server(VERSION="v2")))
    balanced.stable()
    until(lambda: balanced.said() == "v2")
    shown = balanced.elb.describe_target_health(TargetGroupArn=balanced.target_group)["TargetHealthDescriptions"]
    assert [each["TargetHealth"]["State"] for each in shown] == ["healthy"]


@pytest.mark.slow
def test_connections_shift_from_one_target_group_to_the_other(balanced: NetworkBalanced) -> None:
    group: dict[str, Any] = {"Name": "net2", "Protocol": "TCP", "Port": 8080, "VpcId": balanced.vpc, "TargetType": "ip"}
    made = balanced.elb.create_target_group(**group, HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    other = made["TargetGroups"][0]["TargetGroupArn"]
    (listener,) = balanced.elb.describe_listeners(LoadBalancerArn=balanced.balancer)["Listeners"]
    groups = [{"TargetGroupArn": balanced.target_group, "Weight": 1}, {"TargetGroupArn": other, "Weight": 0}]
    forward = [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
    balanced.elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=forward)
    document = trust(Service="ecs.amazonaws.com")
    role = balanced.iam.create_role(RoleName="shift", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "elasticloadbalancing:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    balanced.iam.put_role_policy(RoleName="shift", PolicyName="p", PolicyDocument=policy)
    advanced = {
        "alternateTargetGroupArn": other,
        "productionListenerRule": listener["ListenerArn"],
        "roleArn": role,
    }
    target = {"targetGroupArn": balanced.target_group, "containerName": "web", "containerPort": 8080}
    balanced.ecs.create_service(
        cluster="c",
        serviceName="web",
        taskDefinition=balanced.register(balanced.server(VERSION="v1")),
        desiredCount=1,
        networkConfiguration=balanced.network,
        loadBalancers=[{**target, "advancedConfiguration": advanced}],
        deploymentConfiguration={"strategy": "BLUE_GREEN"},
    )
    balanced.stable()
    until(lambda: balanced.said() == "v1")
    balanced.update(taskDefinition=balanced.register(balanced.server(VERSION="v2")))
    balanced.stable()
    until(lambda: balanced.said() == "v2")
    shown = balanced.elb.describe_target_health(TargetGroupArn=other)["TargetHealthDescriptions"]
    assert [each["TargetHealth"]["State"] for each in shown] == ["healthy"]
