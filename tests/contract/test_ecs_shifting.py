"""Blue/green, linear and canary deployments: requests shift from one target group to the other, and back at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from load import Load

from tests.contract.test_ecs_services import Balanced, raised
from tests.daemon import Daemon
from tests.fargate import until

LONG = 600  # minutes: nobody waits for that


class Shifted(Balanced):
    """Fargate with a rule that forwards to two target groups, all of it to the first, and a role that may shift."""

    protocol = "HTTP"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.other_group = self.group("other")
        self.rule, self.listener = self.production()
        self.actions = ["ModifyRule", "ModifyListener", "RegisterTargets", "DeregisterTargets", "Describe*"]
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs.amazonaws.com"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.shift_role = self.iam.create_role(RoleName="shift", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        self.allow_shift(*self.actions)

    def group(self, name: str) -> str:
        made = self.elb.create_target_group(
            Name=name,
            Protocol=self.protocol,
            Port=8080,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=delay)
        return arn

    def forward(self, *weights: int) -> list[dict[str, Any]]:
        groups = [
            {"TargetGroupArn": arn, "Weight": weight}
            for arn, weight in zip((self.target_group, self.other_group), weights, strict=True)
        ]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def production(self) -> tuple[str, str]:
        listener = self.elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"][0]["ListenerArn"]
        return self.make_rule(listener, 2, "/*"), listener

    def make_rule(self, listener: str, priority: int, path: str) -> str:
        conditions = [{"Field": "path-pattern", "Values": [path]}]
        made = self.elb.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=conditions, Actions=self.forward(1, 0)
        )
        return str(made["Rules"][0]["RuleArn"])

    def allow_shift(self, *actions: str) -> None:
        statement = {
            "Effect": "Allow",
            "Action": [f"elasticloadbalancing:{each}" for each in actions],
            "Resource": "*",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName="shift", PolicyName="p", PolicyDocument=document)

    def create_shifting(self, version: str, desired: int = 2, test_rule: str | None = None, **how: Any) -> None:
        """Create the service `web` and wait until it serves."""
        advanced = {
            "alternateTargetGroupArn": self.other_group,
            "productionListenerRule": self.rule,
            "roleArn": self.shift_role,
            **({"testListenerRule": test_rule} if test_rule else {}),
        }
        target = {"targetGroupArn": self.target_group, "containerName": "web", "containerPort": 8080}
        configuration = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}, **how}
        self.ecs.create_service(
            cluster="c",
            serviceName="web",
            taskDefinition=self.register(self.server(VERSION=version)),
            desiredCount=desired,
            networkConfiguration=self.network,
            loadBalancers=[{**target, "advancedConfiguration": advanced}],
            deploymentConfiguration=configuration,
        )
        self.stable()

    def deploy(self, version: str, **more: str) -> str:
        """Begin a deployment and return its service deployment's ARN."""
        self.update(taskDefinition=self.register(self.server(VERSION=version, **more)))
        return str(self.service()["currentServiceDeployment"])

    def described(self, arn: str) -> Any:
        return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

    def ended(self, arn: str, timeout: float = 60.0) -> Any:
        over = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
        return until(lambda: (found := self.described(arn))["status"] in over and found, timeout)

    def in_stage(self, arn: str, stage: str, timeout: float = 60.0) -> Any:
        def reached() -> Any:
            found = self.described(arn)
            assert found["status"] in ("PENDING", "IN_PROGRESS"), found.get("statusReason")
            return found if found.get("lifecycleStage") == stage else None

        return until(reached, timeout)

    def weights(self) -> list[int]:
        """Return how many percent of the requests each target group gets."""
        actions = self.elb.describe_rules(RuleArns=[self.rule])["Rules"][0]["Actions"]
        groups = {each["TargetGroupArn"]: each["Weight"] for each in actions[0]["ForwardConfig"]["TargetGroups"]}
        whole = sum(groups.values())
        return [100 * groups[arn] // whole for arn in (self.target_group, self.other_group)]

    def targets(self, group: str) -> int:
        found = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sum(each["TargetHealth"]["State"] != "draining" for each in found)


@pytest.fixture
def shifted(cloud: Daemon) -> Shifted:
    return Shifted(cloud)


def test_blue_green_fails_no_request(shifted: Shifted) -> None:
    test_rule = shifted.make_rule(shifted.listener, 1, "/slow-test")
    shifted.create_shifting("v1", test_rule=test_rule, strategy="BLUE_GREEN", bakeTimeInMinutes=0)
    assert (shifted.weights(), shifted.targets(shifted.target_group)) == ([100, 0], 2)
    with Load(shifted.url) as load, Load(shifted.url + "slow", workers=2) as slow:
        until(lambda: slow.sent > 0)
        second = shifted.deploy("v2")
        done = shifted.ended(second)
        service = shifted.stable()
        assert (shifted.weights(), shifted.targets(shifted.other_group)) == ([0, 100], 2)
        third = shifted.deploy("v3")
        shifted.ended(third)
        shifted.stable()
        until(lambda: load.answers["v3"] > 20)
    assert (load.failures, slow.failures) == ({}, {})
    assert load.last_seen["v1"] < load.first_seen["v3"]
    assert (shifted.weights(), shifted.targets(shifted.target_group)) == ([100, 0], 2)
    assert done["status"] == "SUCCESSFUL"
    assert done["createdAt"] <= done["startedAt"] <= done["finishedAt"]
    target, (source,) = done["targetServiceRevision"], done["sourceServiceRevisions"]
    assert target["arn"].rpartition("/")[2] == service["deployments"][0]["id"].rpartition("/")[2]
    assert (target["requestedTaskCount"], target["runningTaskCount"]) == (2, 2)
    assert (target["requestedProductionTrafficWeight"], target["requestedTestTrafficWeight"]) == (100, 100)
    assert source["arn"] != target["arn"]
    assert done["deploymentCircuitBreaker"] == {"status": "MONITORING_COMPLETE", "failureCount": 0, "threshold": 3}
    revision = shifted.ecs.describe_service_revisions(serviceRevisionArns=[target["arn"]])["serviceRevisions"][0]
    assert revision["loadBalancers"][0]["advancedConfiguration"]["testListenerRule"] == test_rule
    assert revision["containerImages"][0]["containerName"] == "web"
    ran = shifted.ecs.list_service_deployments(cluster="c", service="web")["serviceDeployments"]
    assert [each["serviceDeploymentArn"] for each in ran[:2]] == [third, second]
    assert [each["status"] for each in ran] == ["SUCCESSFUL"] * 3


def test_a_canary_that_somebody_stops(shifted: Shifted) -> None:
    canary = {"canaryPercent": 30.0, "canaryBakeTimeInMinutes": LONG}
    shifted.create_shifting("v1", strategy="CANARY", bakeTimeInMinutes=0, canaryConfiguration=canary)
    with Load(shifted.url) as load:
        arn = shifted.deploy("v2")
        shifted.in_stage(arn, "PRODUCTION_TRAFFIC_SHIFT")
        until(lambda: shifted.weights() == [70, 30])
        until(lambda: load.answers["v2"] > 100)
        found = shifted.described(arn)
        assert found["targetServiceRevision"]["requestedProductionTrafficWeight"] == 30
        assert found["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 70
        assert {each["runningCount"] for each in shifted.service()["deployments"]} == {2}
        asked = shifted.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
        assert asked["serviceDeploymentArn"] == arn
        until(lambda: shifted.weights() == [100, 0])
        shifted.ended(arn)
        seen = load.answers["v2"]
        more = load.answers["v1"] + 50
        until(lambda: load.answers["v1"] > more)
    assert load.failures == {}
    assert load.answers["v2"] == seen
    found = shifted.described(arn)
    assert found["status"] == "ROLLBACK_SUCCESSFUL"
    assert found["rollback"]["serviceRevisionArn"] == found["sourceServiceRevisions"][0]["arn"]
    assert found["rollback"]["reason"] == found["statusReason"]
    with pytest.raises(ClientError) as caught:
        shifted.ecs.stop_service_deployment(serviceDeploymentArn=arn)
    assert caught.value.response["Error"]["Code"] == "ConflictException"


def test_linear_steps_and_an_alarm_while_it_bakes(shifted: Shifted) -> None:
    cloudwatch = raised(shifted, "OK", period=600)
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    linear = {"stepPercent": 25.0, "stepBakeTimeInMinutes": 0}
    shifted.create_shifting(
        "v1", desired=1, strategy="LINEAR", bakeTimeInMinutes=LONG, linearConfiguration=linear, alarms=alarms
    )
    first = shifted.service()["deployments"][0]["id"]
    with Load(shifted.url) as load:
        arn = shifted.deploy("v2")
        baking = shifted.in_stage(arn, "BAKE_TIME")
        assert shifted.weights() == [0, 100]
        assert baking["alarms"] == {"status": "MONITORING", "alarmNames": ["errors"], "triggeredAlarmNames": []}
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
        until(lambda: shifted.weights() == [100, 0])
        over = shifted.ended(arn)
        shifted.stable()
        more = load.answers["v1"] + 20
        until(lambda: load.answers["v1"] > more)
    assert load.failures == {}
    assert load.last_seen["v1"] > load.last_seen["v2"]
    assert over["status"] == "ROLLBACK_SUCCESSFUL"
    assert over["alarms"]["triggeredAlarmNames"] == ["errors"]
    assert shifted.service()["deployments"][0]["id"] == first
    assert any("deployment failed: alarm detected." in message for message in shifted.messages())


def test_a_version_that_crashes_gets_no_request(shifted: Shifted) -> None:
    shifted.create_shifting("v1", desired=1, strategy="BLUE_GREEN", bakeTimeInMinutes=LONG)
    with Load(shifted.url) as load:
        crashing = {**shifted.server(VERSION="v2"), "command": ["sh", "-c", "exit 1"]}
        shifted.update(taskDefinition=shifted.register(crashing))
        over = shifted.ended(shifted.service()["currentServiceDeployment"])
        shifted.stable()
    assert (load.failures, set(load.answers)) == ({}, {"v1"})
    assert over["status"] == "ROLLBACK_SUCCESSFUL"
    assert over["statusReason"] == "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert over["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert shifted.weights() == [100, 0]


@pytest.mark.slow
def test_a_role_that_may_not_shift(shifted: Shifted) -> None:
    shifted.create_shifting("v1", desired=1, strategy="BLUE_GREEN")
    shifted.allow_shift("RegisterTargets", "DeregisterTargets")
    over = shifted.ended(shifted.deploy("v2"))
    assert over["status"] == "ROLLBACK_SUCCESSFUL"
    assert over["statusReason"].startswith(
        "Service deployment rolled back because PRODUCTION_TRAFFIC_SHIFT lifecycle hook(s) failed. User: "
        "arn:aws:sts::000000000000:assumed-role/shift/ECSNetworkingWithELB is not authorized to perform: "
        f"elasticloadbalancing:ModifyRule on resource: {shifted.rule} because no identity-based policy allows"
    )
    assert shifted.answer() == "v1"
    shifted.iam.delete_role_policy(RoleName="shift", PolicyName="p")
    arn = shifted.deploy("v3")
    until(lambda: any("is not authorized to perform: elasticloadbalancing:RegisterTargets" in message
                      for message in shifted.messages()))  # fmt: skip
    assert shifted.ended(arn)["status"] == "ROLLBACK_SUCCESSFUL"
    assert shifted.answer() == "v1"


def test_a_second_deployment_overtakes_the_first(shifted: Shifted) -> None:
    canary = {"canaryPercent": 50.0, "canaryBakeTimeInMinutes": LONG}
    shifted.create_shifting("v1", desired=1, strategy="CANARY", canaryConfiguration=canary)
    with Load(shifted.url) as load:
        first = shifted.deploy("v2")
        until(lambda: load.answers["v2"] > 10)
        second = shifted.deploy("v3")
        assert shifted.described(first)["status"] == "STOPPED"
        shifted.in_stage(second, "PRODUCTION_TRAFFIC_SHIFT")
        until(lambda: load.answers["v3"] > 10)
        assert shifted.weights() == [50, 50]
        assert shifted.ecs.stop_service_deployment(serviceDeploymentArn=second, stopType="ABORT")
        assert shifted.ended(second)["status"] == "STOPPED"
        more = load.answers["v1"] + 20, load.answers["v3"] + 20
        until(lambda: load.answers["v1"] > more[0] and load.answers["v3"] > more[1])
    assert load.failures == {}
    assert load.last_seen["v2"] < load.first_seen["v3"]
    assert shifted.service()["deployments"][0]["rolloutState"] == "FAILED"


def test_a_daemon_killed_in_a_shift_goes_on(own_cloud: Daemon) -> None:
    shifted = Shifted(own_cloud)
    shifted.create_shifting("v1", desired=1, strategy="BLUE_GREEN", bakeTimeInMinutes=0)
    with Load(shifted.url) as load:
        arn = shifted.deploy("v2")
        shifted.in_stage(arn, "SCALE_UP")
        own_cloud.kill()
        sent = load.sent
        until(lambda: load.sent > sent + 50)
        own_cloud.start()
        assert shifted.ended(arn)["status"] == "SUCCESSFUL"
        until(lambda: load.answers["v2"] > 20)
    assert load.failures == {}


@pytest.mark.slow
def test_rolling_and_shifting_can_be_changed(shifted: Shifted) -> None:
    shifted.create_shifting("v1", desired=1, strategy="BLUE_GREEN")
    shifted.ended(shifted.deploy("v2"))
    shifted.update(deploymentConfiguration={"strategy": "ROLLING"})
    with Load(shifted.url) as load:
        shifted.ended(shifted.deploy("v3"))
        assert (shifted.weights(), shifted.targets(shifted.other_group)) == ([0, 100], 1)
        shifted.update(deploymentConfiguration={"strategy": "BLUE_GREEN"})
        shifted.ended(shifted.deploy("v4"))
        assert shifted.weights() == [100, 0]
        until(lambda: load.answers["v4"] > 10)
    assert load.failures == {}


def test_a_stack_says_that_it_was_an_alarm(shifted: Shifted) -> None:
    cloudwatch = raised(shifted, "OK", period=600)
    advanced = {
        "AlternateTargetGroupArn": shifted.other_group,
        "ProductionListenerRule": shifted.rule,
        "RoleArn": shifted.shift_role,
    }
    properties = {
        "ServiceName": "web",
        "Cluster": "c",
        "TaskDefinition": {"Ref": "Definition"},
        "DesiredCount": 1,
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {"Subnets": shifted.subnets, "SecurityGroups": [shifted.groups["tasks"]]}
        },
        "LoadBalancers": [
            {
                "ContainerName": "web",
                "ContainerPort": 8080,
                "TargetGroupArn": shifted.target_group,
                "AdvancedConfiguration": advanced,
            }
        ],
        "DeploymentConfiguration": {
            "Strategy": "CANARY",
            "CanaryConfiguration": {"CanaryPercent": 50, "CanaryBakeTimeInMinutes": LONG},
            "Alarms": {"AlarmNames": ["errors"], "Enable": True, "Rollback": True},
        },
    }
    template = json.dumps(
        {
            "Parameters": {"Definition": {"Type": "String"}},
            "Resources": {"Service": {"Type": "AWS::ECS::Service", "Properties": properties}},
        }
    )
    stacks = shifted.cloud.client("cloudformation")

    def definition(version: str) -> list[dict[str, str]]:
        arn = shifted.register(shifted.server(VERSION=version))
        return [{"ParameterKey": "Definition", "ParameterValue": arn}]

    def status() -> str:
        return str(stacks.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])

    stacks.create_stack(StackName="s", TemplateBody=template, Parameters=definition("v1"))
    until(lambda: status() == "CREATE_COMPLETE")
    stacks.update_stack(StackName="s", TemplateBody=template, Parameters=definition("v2"))
    until(lambda: shifted.weights() == [50, 50])
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    until(lambda: status() == "UPDATE_ROLLBACK_COMPLETE")
    events = stacks.describe_stack_events(StackName="s")["StackEvents"]
    reasons = " ".join(each.get("ResourceStatusReason", "") for each in events)
    assert "Error occurred during operation 'ECS Deployment failed: alarm detected.'." in reasons
    assert "Circuit Breaker" not in reasons
    assert shifted.answer() == "v1"


@pytest.mark.slow
def test_bake_times_are_minutes(shifted: Shifted) -> None:
    linear = {"stepPercent": 50.0, "stepBakeTimeInMinutes": 1}
    shifted.create_shifting("v1", desired=1, strategy="LINEAR", bakeTimeInMinutes=1, linearConfiguration=linear)
    with Load(shifted.url) as load:
        over = shifted.ended(shifted.deploy("v2"), 240)
    assert load.failures == {}
    assert 120 <= (over["finishedAt"] - over["startedAt"]).total_seconds() < 160


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"advancedConfiguration": None}, "advancedConfiguration field is required for all loadBalancers"),
        ({"productionListenerRule": "listener"}, "productionListenerRule has an invalid ARN format"),
        ({"testListenerRule": "rule"}, "cannot be used as both production and test listener rules"),
        ({"alternateTargetGroupArn": "group"}, "Duplicate targetGroupArn found"),
        ({"how": {"bakeTimeInMinutes": 1441}}, "bakeTimeInMinutes must be between 0 and 1440"),
        ({"how": {"linearConfiguration": {"stepPercent": 10.0}}}, "linearConfiguration can only be specified"),
        ({"how": {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 1.0}}}, "stepPercent must be"),
        ({"how": {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5.55}}}, "multiple of 0.1"),
    ],
)
def test_wrong_settings(shifted: Shifted, change: dict[str, Any], message: str) -> None:
    names = {"listener": shifted.listener, "rule": shifted.rule, "group": shifted.target_group}
    advanced = {
        "alternateTargetGroupArn": shifted.other_group,
        "productionListenerRule": shifted.rule,
        "roleArn": shifted.shift_role,
        **{key: names[value] for key, value in change.items() if isinstance(value, str)},
    }
    target: dict[str, Any] = {"targetGroupArn": shifted.target_group, "containerName": "web", "containerPort": 8080}
    if "advancedConfiguration" not in change:
        target["advancedConfiguration"] = advanced
    shifted.register(shifted.server())
    with pytest.raises(ClientError) as caught:
        shifted.ecs.create_service(
            cluster="c",
            serviceName="web",
            taskDefinition="f",
            networkConfiguration=shifted.network,
            loadBalancers=[target],
            deploymentConfiguration={"strategy": "BLUE_GREEN", **change.get("how", {})},
        )
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    assert message in caught.value.response["Error"]["Message"]


def test_lifecycle_hooks_are_refused_by_name(shifted: Shifted) -> None:
    shifted.register(shifted.server())
    hook = {"hookTargetArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "lifecycleStages": ["PRE_SCALE_UP"]}
    with pytest.raises(ClientError, match=r"deploymentConfiguration\.lifecycleHooks"):
        shifted.ecs.create_service(
            cluster="c",
            serviceName="web",
            taskDefinition="f",
            networkConfiguration=shifted.network,
            deploymentConfiguration={
                "strategy": "BLUE_GREEN",
                "lifecycleHooks": [{**hook, "roleArn": shifted.shift_role}],
            },
        )
