"""Express services: one call makes all that serves an image, another changes it, a third removes it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.fargate import IMAGE, SERVER, Fargate, until

MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"


class Express(Fargate):
    """Fargate with an infrastructure role."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.elb = self.cloud.client("elbv2")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs.amazonaws.com"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.infrastructure = self.iam.create_role(RoleName="infra", AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def create(self, name: str, version: str) -> str:
        made = self.ecs.create_express_gateway_service(
            serviceName=name,
            cluster="c",
            executionRoleArn=self.role,
            infrastructureRoleArn=self.infrastructure,
            primaryContainer=self.image(version),
            scalingTarget={"maxTaskCount": 3},
            healthCheckPath="/health",
        )
        return str(made["service"]["serviceArn"])

    def image(self, version: str) -> Any:
        return {
            "image": IMAGE,
            "containerPort": 8080,
            "command": ["python3", "-c", SERVER],
            "environment": [{"name": "VERSION", "value": version}],
        }

    def described(self, arn: str) -> Any:
        return self.ecs.describe_express_gateway_service(serviceArn=arn)["service"]

    def another(self, arn: str, than: str) -> Any:
        """Return an active configuration that is of another service revision."""
        known = (each for each in self.described(arn)["activeConfigurations"] if "serviceRevisionArn" in each)
        return next((each for each in known if each["serviceRevisionArn"] != than), None)

    def endpoint(self, arn: str) -> str:
        def known() -> str:
            service = self.described(arn)
            paths = service["activeConfigurations"][0]["ingressPaths"]
            return paths[0]["endpoint"] if paths else ""

        return until(known)

    def answers(self, url: str, version: str) -> None:
        def answered() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return bool(answer.read().decode() == version)
            except OSError:
                return False

        until(answered, timeout=60)

    def gone(self, arn: str) -> None:
        until(lambda: self.described(arn)["status"]["statusCode"] == "INACTIVE", timeout=90)

    def left(self) -> dict[str, list[str]]:
        """Return what there is of all that an express service consists of but its logs and task definitions."""
        scaling, alarms = self.cloud.client("application-autoscaling"), self.cloud.client("cloudwatch")
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        return {
            "services": self.ecs.list_services(cluster="c")["serviceArns"],
            "balancers": [each["LoadBalancerArn"] for each in self.elb.describe_load_balancers()["LoadBalancers"]],
            "targets": [each["TargetGroupName"] for each in self.elb.describe_target_groups()["TargetGroups"]],
            "groups": [each["GroupName"] for each in groups if each["GroupName"] != "default"],
            "scaling": [
                each["ResourceId"]
                for each in scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
            ],
            "alarms": [each["AlarmName"] for each in alarms.describe_alarms()["MetricAlarms"]],
        }


@pytest.fixture
def express(cloud: Daemon) -> Express:
    made = Express(cloud)
    made.iam.attach_role_policy(RoleName="infra", PolicyArn=MANAGED)
    return made


def test_an_image_is_served_changed_and_removed(express: Express) -> None:
    service = express.create("web", "v1")
    url = express.endpoint(service)
    express.answers(url, "v1")
    with pytest.raises(ClientError, match="not idempotent"):
        express.create("web", "v1")

    canary = {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 0}
    at_once = {"strategy": "CANARY", "bakeTimeInMinutes": 0, "canaryConfiguration": canary}
    express.ecs.update_service(cluster="c", service="web", deploymentConfiguration=at_once)
    before = until(lambda: express.another(service, "none"))
    changed = express.ecs.update_express_gateway_service(serviceArn=service, primaryContainer=express.image("v2"))
    assert changed["service"]["targetConfiguration"]["taskDefinitionArn"] != before["taskDefinitionArn"]
    express.answers(url, "v2")
    after = until(lambda: express.another(service, before["serviceRevisionArn"]))
    assert after["primaryContainer"]["environment"] == [{"name": "VERSION", "value": "v2"}]
    arn = after["serviceRevisionArn"]
    revision = express.ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]
    managed = revision["ecsManagedResources"]
    assert managed["ingressPaths"][0]["endpoint"] == url
    assert {each["status"] for each in managed["ingressPaths"][0]["targetGroups"]} == {"ACTIVE"}

    express.ecs.delete_express_gateway_service(serviceArn=service)
    express.gone(service)
    assert {name: found for name, found in express.left().items() if found} == {}


@pytest.mark.slow
def test_what_a_role_may_not_make_is_told_and_made_once_it_may_and_after_a_kill(own_cloud: Daemon) -> None:
    express = Express(own_cloud)
    first = express.create("web", "v1")
    why = until(lambda: express.described(first)["status"].get("statusReason"))
    assert "not authorized to perform: logs:CreateLogGroup" in why
    express.iam.attach_role_policy(RoleName="infra", PolicyArn=MANAGED)
    own_cloud.kill()
    own_cloud.start()
    express.answers(express.endpoint(first), "v1")

    second = express.create("api", "other")
    own_cloud.kill()
    own_cloud.start()
    other = express.endpoint(second)
    express.answers(other, "other")
    have = express.left()
    assert len(have["balancers"]) == 1, "services of the same subnets share a load balancer"
    assert (len(have["targets"]), len(have["scaling"]), len(have["services"])) == (4, 2, 2)
    managed = express.ecs.list_services(cluster="c", resourceManagementType="ECS")["serviceArns"]
    assert sorted(managed) == sorted([first, second])

    express.ecs.delete_express_gateway_service(serviceArn=first)
    own_cloud.kill()
    own_cloud.start()
    express.gone(first)
    express.answers(other, "other")
    third = express.create("third", "never")
    express.ecs.delete_express_gateway_service(serviceArn=third)
    own_cloud.kill()
    own_cloud.start()
    express.ecs.delete_express_gateway_service(serviceArn=second)
    express.gone(second)
    express.gone(third)
    assert {name: found for name, found in express.left().items() if found} == {}
