"""Services keep their tasks running behind a load balancer, and change them without failing a request."""

from __future__ import annotations

import urllib.request
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from load import Load

from tests.daemon import Daemon
from tests.fargate import Fargate, until


class Balanced(Fargate):
    """Fargate with a load balancer whose listener forwards to a target group for port 8080."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.elb = self.cloud.client("elbv2")
        self.groups = {name: self.security_group(name) for name in ("balancer", "tasks")}
        self.allow("balancer", FromPort=80, ToPort=80, IpRanges=[{"CidrIp": "0.0.0.0/0"}])
        self.allow("tasks", FromPort=8080, ToPort=8080, UserIdGroupPairs=[{"GroupId": self.groups["balancer"]}])
        balancer = self.elb.create_load_balancer(
            Name="web", Subnets=self.subnets, SecurityGroups=[self.groups["balancer"]]
        )["LoadBalancers"][0]
        self.balancer = balancer["LoadBalancerArn"]
        self.target_group = self.elb.create_target_group(
            Name="web",
            Protocol="HTTP",
            Port=8080,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=self.target_group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        )
        self.elb.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.target_group}],
        )
        self.elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[self.balancer])

    def security_group(self, name: str) -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"])

    def allow(self, name: str, **permission: Any) -> None:
        self.ec2.authorize_security_group_ingress(
            GroupId=self.groups[name], IpPermissions=[{"IpProtocol": "tcp", **permission}]
        )

    @property
    def network(self) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": [self.groups["tasks"]]}}

    @property
    def url(self) -> str:
        name = self.elb.describe_load_balancers(LoadBalancerArns=[self.balancer])["LoadBalancers"][0]["DNSName"]
        return f"http://{name}/"

    def create(self, definition: str, desired: int = 2, *, breaker: bool = True, **more: Any) -> None:
        """Create the service `web` behind the balancer."""
        target = {"targetGroupArn": self.target_group, "containerName": "web", "containerPort": 8080}
        self.ecs.create_service(
            cluster="c",
            serviceName="web",
            taskDefinition=definition,
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration=self.network,
            loadBalancers=[target],
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": breaker, "rollback": breaker}},
            **more,
        )

    def update(self, **change: Any) -> None:
        self.ecs.update_service(cluster="c", service="web", **change)

    def service(self) -> Any:
        return self.ecs.describe_services(cluster="c", services=["web"])["services"][0]

    def stable(self, timeout: float = 60.0) -> Any:
        """Wait as the waiter `services_stable` does, but oftener."""

        def reached() -> Any:
            service = self.service()
            (primary,) = [each for each in service["deployments"] if each["status"] == "PRIMARY"]
            alone = len(service["deployments"]) == 1 and service["runningCount"] == service["desiredCount"]
            return service if alone and primary["rolloutState"] == "COMPLETED" else None

        return until(reached, timeout)

    def answer(self) -> str:
        with urllib.request.urlopen(self.url, timeout=10) as response:
            return str(response.read().decode())

    def messages(self) -> list[str]:
        return [event["message"] for event in self.service()["events"]]


def _served(load: Load, version: str, times: int) -> bool:
    return load.answers[version] >= times


@pytest.fixture
def balanced(cloud: Daemon) -> Balanced:
    return Balanced(cloud)


def test_waiters_of_the_path(balanced: Balanced) -> None:
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    waiter = balanced.ecs.get_waiter("services_stable")
    waiter.config.delay = 1
    waiter.wait(cluster="c", services=["web"])
    in_service = balanced.elb.get_waiter("target_in_service")
    in_service.config.delay = 1
    in_service.wait(TargetGroupArn=balanced.target_group)
    assert balanced.answer() == "v1"
    targets = balanced.elb.describe_target_health(TargetGroupArn=balanced.target_group)["TargetHealthDescriptions"]
    assert [each["TargetHealth"]["State"] for each in targets] == ["healthy", "healthy"]
    balanced.ecs.delete_service(cluster="c", service="web", force=True)
    inactive = balanced.ecs.get_waiter("services_inactive")
    inactive.config.delay = 1
    inactive.wait(cluster="c", services=["web"])
    deregistered = balanced.elb.get_waiter("target_deregistered")
    deregistered.config.delay = 1
    deregistered.wait(TargetGroupArn=balanced.target_group, Targets=[each["Target"] for each in targets])
    balanced.elb.delete_load_balancer(LoadBalancerArn=balanced.balancer)
    deleted = balanced.elb.get_waiter("load_balancers_deleted")
    deleted.config.delay = 1
    deleted.wait(LoadBalancerArns=[balanced.balancer])
    balanced.ecs.delete_cluster(cluster="c")


def test_a_rolling_deployment_fails_no_request(balanced: Balanced) -> None:
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    with Load(balanced.url) as load, Load(balanced.url + "slow", workers=2) as slow:
        until(lambda: slow.sent > 0)
        for version in ("v2", "v3"):
            balanced.update(taskDefinition=balanced.register(balanced.server(VERSION=version)))
            service = balanced.stable()
            assert service["deployments"][0]["rolloutState"] == "COMPLETED"
            enough = load.answers[version] + 20
            until(partial(_served, load, version, enough))
    assert (load.failures, slow.failures) == ({}, {})
    assert set(load.answers) == {"v1", "v2", "v3"}
    assert load.last_seen["v2"] < load.last_seen["v3"]
    messages = balanced.messages()
    assert messages[0] == "(service web) has reached a steady state."
    for text in ("has started 2 tasks", "has begun draining connections", "has stopped", "deployment completed"):
        assert any(text in message for message in messages), text


def test_a_version_that_crashes_is_rolled_back(balanced: Balanced) -> None:
    first = balanced.register(balanced.server(VERSION="v1"))
    balanced.create(first)
    before = set(balanced.ecs.list_tasks(cluster="c")["taskArns"]) if balanced.stable() else set()
    crashing = {**balanced.server(), "command": ["sh", "-c", "exit 1"]}
    with Load(balanced.url) as load:
        balanced.update(taskDefinition=balanced.register(crashing))
        until(lambda: any("rolling back" in message for message in balanced.messages()))
        service = balanced.stable()
    assert service["taskDefinition"] == first
    assert set(balanced.ecs.list_tasks(cluster="c")["taskArns"]) == before, "healthy tasks were touched"
    assert (load.failures, set(load.answers)) == ({}, {"v1"})
    assert any("deployment failed: tasks failed to start." in message for message in balanced.messages())


@pytest.mark.slow
def test_a_health_check_that_fails_is_rolled_back(balanced: Balanced) -> None:
    first = balanced.register(balanced.server(VERSION="v1"))
    balanced.create(first, desired=1, healthCheckGracePeriodSeconds=0)
    balanced.stable()
    with Load(balanced.url) as load:
        balanced.update(taskDefinition=balanced.register(balanced.server(VERSION="v2", HEALTH="500")))
        until(lambda: any("rolling back" in message for message in balanced.messages()), 90)
        assert balanced.stable()["taskDefinition"] == first
    assert (load.failures, set(load.answers)) == ({}, {"v1"})
    reasons = " ".join(balanced.messages())
    assert "Health checks failed with these codes: [500]" in reasons
    assert "deployment failed: tasks failed health checks." in reasons


@pytest.mark.slow
def raised(balanced: Balanced, state: str, period: int = 10) -> Any:
    """Put an alarm into a state, in which it stays for its metric has no data."""
    cloudwatch = balanced.cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="app", MetricName="errors", Statistic="Sum", Period=period, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test")
    return cloudwatch


def test_an_alarm_rolls_a_deployment_back(balanced: Balanced) -> None:
    cloudwatch = raised(balanced, "OK", period=600)
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1, breaker=False)
    balanced.stable()
    first = balanced.service()["deployments"][0]["id"]
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    balanced.update(
        taskDefinition=balanced.register(balanced.server(VERSION="v2")), deploymentConfiguration={"alarms": alarms}
    )
    until(lambda: balanced.answer() == "v2")
    until(lambda: len(balanced.ecs.list_tasks(cluster="c")["taskArns"]) == 1)
    baking, old = balanced.service()["deployments"]
    assert (baking["rolloutState"], old["id"]) == ("IN_PROGRESS", first), "it is watched for a while after it arrived"
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    service = balanced.stable()
    assert (service["deployments"][0]["id"], balanced.answer()) == (first, "v1")
    told = [message.partition(") ")[2] for message in balanced.messages()]
    assert f"(deployment {baking['id']}) deployment failed: alarm detected." in told
    assert f"rolling back to deployment {first}." in told
    assert service["deploymentConfiguration"]["alarms"] == alarms


def test_an_alarm_that_was_raised_before_a_deployment_is_not_about_it(balanced: Balanced) -> None:
    raised(balanced, "ALARM")
    balanced.create(
        balanced.register(balanced.server(VERSION="v1")), desired=1, breaker=False,
    )  # fmt: skip
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    balanced.update(forceNewDeployment=True, deploymentConfiguration={"alarms": alarms})
    assert balanced.stable()["deployments"][0]["rolloutState"] == "COMPLETED"


@pytest.mark.slow
def test_a_task_without_a_way_in_is_unhealthy_with_a_time_out(balanced: Balanced) -> None:
    rules = balanced.ec2.describe_security_groups(GroupIds=[balanced.groups["tasks"]])["SecurityGroups"][0]
    balanced.ec2.revoke_security_group_ingress(GroupId=balanced.groups["tasks"], IpPermissions=rules["IpPermissions"])
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1, healthCheckGracePeriodSeconds=300)

    def timed_out() -> Any:
        answer = balanced.elb.describe_target_health(TargetGroupArn=balanced.target_group)
        health = [each["TargetHealth"] for each in answer["TargetHealthDescriptions"]]
        return health and health[0].get("Reason") == "Target.Timeout"

    until(timed_out)
    balanced.allow("tasks", FromPort=8080, ToPort=8080, UserIdGroupPairs=[{"GroupId": balanced.groups["balancer"]}])
    balanced.stable()
    assert balanced.answer() == "v1"


def test_scaling_out_and_in(balanced: Balanced) -> None:
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1)
    balanced.stable()
    with Load(balanced.url) as load:
        for count in (3, 1):
            balanced.update(desiredCount=count)
            assert balanced.stable()["runningCount"] == count
    assert load.failures == {}
    assert len(balanced.service()["deployments"]) == 1


def test_a_task_that_is_killed_is_replaced(balanced: Balanced) -> None:
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    victim = balanced.ecs.list_tasks(cluster="c", serviceName="web")["taskArns"][0]
    balanced.ecs.stop_task(cluster="c", task=victim)
    until(lambda: victim not in balanced.ecs.list_tasks(cluster="c")["taskArns"])
    balanced.stable()
    assert len(balanced.ecs.list_tasks(cluster="c")["taskArns"]) == 2


def test_a_daemon_killed_in_a_deployment_goes_on(own_cloud: Daemon) -> None:
    balanced = Balanced(own_cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    with Load(balanced.url) as load:
        balanced.update(taskDefinition=balanced.register(balanced.server(VERSION="v2")))
        until(lambda: len(balanced.ecs.list_tasks(cluster="c")["taskArns"]) > 2)
        own_cloud.kill()
        sent = load.sent
        until(lambda: load.sent > sent + 50)  # Envoy and the tasks serve on without it
        own_cloud.start()
        balanced.stable()
        until(lambda: load.answers["v2"] > 20)
    assert load.failures == {}
    assert set(load.answers) == {"v1", "v2"}


def test_a_service_without_a_balancer(balanced: Balanced) -> None:
    worker = balanced.container("worker", "echo up; sleep 600")
    definition = balanced.register(worker, family="worker")
    request = {"cluster": "c", "serviceName": "worker", "taskDefinition": definition, "desiredCount": 2}
    balanced.ecs.create_service(**request, networkConfiguration=balanced.network)
    waiter = balanced.ecs.get_waiter("services_stable")
    waiter.config.delay = 1
    waiter.wait(cluster="c", services=["worker"])
    until(lambda: balanced.lines() == ["up", "up"])


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"taskDefinition": "nothing"}, "ClientException", "TaskDefinition not found."),
        ({"networkConfiguration": None}, "InvalidParameterException", "Network Configuration must be provided"),
        (
            {"container": "wbe"},
            "InvalidParameterException",
            "The container wbe does not exist in the task definition",
        ),
        ({"port": 9090}, "InvalidParameterException", "did not have a container port 9090 defined."),
        ({"launchType": "EC2"}, "NotImplemented", "the launch type EC2"),
        ({"schedulingStrategy": "DAEMON"}, "NotImplemented", "schedulingStrategy DAEMON"),
        ({"cluster": "x"}, "ClusterNotFoundException", "Cluster not found."),
    ],
)
def test_wrong_services(balanced: Balanced, change: dict[str, Any], code: str, message: str) -> None:
    balanced.register(balanced.server())
    target = {
        "targetGroupArn": balanced.target_group,
        "containerName": change.pop("container", "web"),
        "containerPort": change.pop("port", 8080),
    }
    request = {
        "cluster": "c",
        "serviceName": "web",
        "taskDefinition": "f",
        "desiredCount": 1,
        "networkConfiguration": balanced.network,
        "loadBalancers": [target],
        **change,
    }
    with pytest.raises(ClientError) as caught:
        balanced.ecs.create_service(**{key: value for key, value in request.items() if value is not None})
    assert caught.value.response["Error"]["Code"] == code
    assert message in caught.value.response["Error"]["Message"]
