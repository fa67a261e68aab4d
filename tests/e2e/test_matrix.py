"""Manifests of every kind on the local cloud: made, changed, taken back when a version crashes, removed.

What cannot be here is put in its place: images of registries that are out of reach, minutes of bake time, networks,
zones and secrets that a manifest takes for granted. Two accounts are one more than the local cloud has.

It takes minutes, so it runs by name: `make matrix`.
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

from tests.e2e.app import App, leftovers, sentence
from tests.e2e.code import BASE, write_code
from tests.manifests import MANIFESTS

pytestmark = pytest.mark.matrix

REGION = "eu-west-1"
ELSEWHERE = {"accounts", "accounts-and-regions"}  # they need a second account


class Shop(App):
    """A repository with one of the manifests, on a local cloud that several share."""

    def __init__(self, folder: Path, cloud: App, name: str) -> None:
        self.folder, self.data_dir, self.port = folder, cloud.data_dir, cloud.port
        self.cloud_keys = json.loads(cloud.run("local", "env", "--json").stdout)
        self.work = folder / "shop"
        self.work.mkdir()
        self.name = f"shop-{re.sub('[^a-z0-9]', '', name)}"
        self.manifest = self._prepared(MANIFESTS[name])
        self.place = next(iter(self.manifest.get("environments", {"local": {}})))
        self.git("init", "--quiet", "--initial-branch=main")
        write_code(self.work, self.manifest)
        self.write()

    @property
    def environment(self) -> dict[str, str]:
        """Its user's terminal: in an account (which the local cloud plays), unless the environment is `local`."""
        keys = {} if self.place == "local" else {**self.cloud_keys, "AWS_DEFAULT_REGION": REGION}
        return {**super().environment, **keys}

    def client(self, service: str) -> Any:
        """Return a client of the account."""
        session = botocore.session.Session()
        session.set_credentials(self.cloud_keys["AWS_ACCESS_KEY_ID"], self.cloud_keys["AWS_SECRET_ACCESS_KEY"])
        region = self.cloud_keys["AWS_DEFAULT_REGION"] if self.place == "local" else REGION
        return session.create_client(service, region, endpoint_url=self.cloud_keys["AWS_ENDPOINT_URL"])

    def type(self, *command: str, code: int = 0) -> str:
        """Type a command for this environment and return what it says."""
        done = self.run(*command, "--env", self.place, code=code)
        return done.stdout + done.stderr

    def write(self, **variables: str) -> None:
        """Write and commit the manifest, with more variables for every service."""
        document = json.loads(json.dumps(self.manifest))
        for service in document["services"].values():
            port = {"PORT": service["port"]} if "port" in service else {}
            service["environment"] = {**service.get("environment", {}), **port, **variables}
        (self.work / "tidegate.yml").write_text(yaml.safe_dump(document, sort_keys=False))
        self.commit(f"with {variables}")

    def services(self) -> dict[str, Any]:
        """Return what `tidegate status` says of the services, by name."""
        found = json.loads(self.run("status", "--json", "--env", self.place).stdout)
        return {each["name"]: each for each in found["services"]}

    def well(self) -> bool:
        """Return whether every service runs as it should."""
        return all(
            each["rollout"] == "COMPLETED" and each["running"] == each["desired"] for each in self.services().values()
        )

    def breaks(self) -> bool:
        """Return whether a circuit breaker ends what fails; without one a deployment is waited for, for hours."""
        services = self.manifest["services"].values()
        return all(each.get("deployment", {}).get("circuit_breaker", True) for each in services)

    def _prepared(self, text: str) -> Any:
        document = yaml.safe_load(text)
        document["app"] = self.name
        document.get("pipeline", {}).pop("image", None)
        document["services"] = {name: each or {} for name, each in document["services"].items()}
        settings = [*document["services"].values()]
        for environment in document.get("environments", {}).values():
            settings += [each for each in (environment or {}).get("services", {}).values() if each]
        for service in settings:
            deployment = service.get("deployment", {})
            if deployment.get("strategy") == "rolling":  # in an environment, over another strategy
                service["deployment"] = {**deployment, "bake_time": None, "step_bake_time": None}
            if deployment.get("strategy", "rolling") != "rolling":
                service["deployment"] = {**deployment, "bake_time": 0}
                if deployment["strategy"] != "blue-green":
                    service["deployment"]["step_bake_time"] = 0
            for sidecar in service.get("sidecars", {}).values():
                sidecar["image"] = BASE
                sidecar["command"] = ["sleep", "1000"] if sidecar.get("essential", True) else ["true"]
                if "health" in sidecar:
                    sidecar["health"] = ["CMD-SHELL", "true"]
        return document

    def provide(self) -> None:
        """Make what the manifest takes for granted."""
        text = json.dumps(self.manifest)
        for name in set(re.findall(r'"ssm:(/[\w/.-]+)"', text)):
            self.client("ssm").put_parameter(Name=name, Value="x", Type="SecureString", Overwrite=True)
        for name in {each.partition("#")[0] for each in re.findall(r'"secretsmanager:([\w/#.-]+)"', text)}:
            secrets = self.client("secretsmanager")
            if not secrets.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]:
                secrets.create_secret(Name=name, SecretString='{"url": "x"}')
        for name in ("disk-full", "mqtt-errors"):
            self.client("cloudwatch").put_metric_alarm(
                AlarmName=name,
                Namespace="Own",
                MetricName="m",
                Statistic="Sum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanThreshold",
            )
        text = self._with_network(text)
        for zone in set(re.findall(r"\bZ[0-9A-Z]{12,}\b", text)):
            made = self.client("route53").create_hosted_zone(Name="example.com", CallerReference=self.name)
            text = text.replace(zone, made["HostedZone"]["Id"].rpartition("/")[2])
        for connection in set(re.findall(r"arn:aws:codestar-connections:[\w:/-]+", text)):
            made = self.client("codestar-connections").create_connection(
                ProviderType="GitLab", ConnectionName=self.name[:32]
            )
            text = text.replace(connection, made["ConnectionArn"])
        if '"bucket": "shop-uploads"' in text:
            s3, bucket = self.client("s3"), f"{self.name}-uploads"
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
            text = text.replace("shop-uploads", bucket)
        self.manifest = json.loads(text)
        self.write()

    def _with_network(self, text: str) -> str:
        if "vpc-" not in text:
            return text
        ec2, elbv2 = self.client("ec2"), self.client("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
        table = ec2.describe_route_tables(Filters=in_vpc)["RouteTables"][0]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        subnets = []
        for number, subnet in enumerate(sorted(set(re.findall(r"subnet-[0-9a-f]+", text)))):
            zone, block = f"{REGION}{'ab'[number % 2]}", f"10.9.{number}.0/24"
            made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            text = text.replace(subnet, made)
            subnets.append(made)
        text = re.sub(r"vpc-[0-9a-f]+", vpc, text)
        for group in set(re.findall(r"sg-[0-9a-f]+", text)):
            made = ec2.create_security_group(GroupName="all", Description="all", VpcId=vpc)["GroupId"]
            ec2.authorize_security_group_ingress(
                GroupId=made, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
            )
            text = text.replace(group, made)
            for listener in set(re.findall(r"arn:aws:elasticloadbalancing:[\w:/-]+", text)):
                balancer = elbv2.create_load_balancer(Name="all", Subnets=subnets[:2], SecurityGroups=[made])
                refused: Any = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
                arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
                made_listener = elbv2.create_listener(
                    LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=refused
                )
                text = text.replace(listener, made_listener["Listeners"][0]["ListenerArn"])
        return text


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Return somebody with a local cloud that all shops of this process share."""
    app = App(tmp_path_factory.mktemp("matrix"))
    app.start_cloud()
    yield app
    app.remove_cloud()
    assert leftovers(app.data_dir) == []


@pytest.mark.parametrize("name", sorted(set(MANIFESTS) - ELSEWHERE))
def test_a_manifest_is_made_changed_taken_back_and_removed(name: str, cloud: App, tmp_path: Path) -> None:
    shop = Shop(tmp_path, cloud, name)
    shop.provide()
    shop.type("up", "--yes")
    assert shop.well(), shop.type("status")
    before = {service: each["image"] for service, each in shop.services().items()}

    shop.write(ADDED="second")
    assert "ADDED" in shop.type("plan", code=2)
    shop.type("up", "--yes")
    assert shop.well(), shop.type("status")
    assert {service: each["image"] for service, each in shop.services().items()} == before

    if any(each["desired"] for each in shop.services().values()) and shop.breaks():
        shop.write(ADDED="third", CRASH="1")
        assert "this version cannot start" in sentence(shop.type("up", "--yes", code=1))
        shop.write(ADDED="second")
        shop.type("up", "--yes")
        assert shop.well(), shop.type("status")

    shop.type("down", "--yes")
    assert left(shop) == []


def left(shop: Shop) -> list[str]:
    """Return what there still is of a shop in its account."""
    stacks = shop.client("cloudformation").describe_stacks()["Stacks"]
    clusters = shop.client("ecs").list_clusters()["clusterArns"]
    repositories = shop.client("ecr").describe_repositories()["repositories"]
    roles = shop.client("iam").list_roles()["Roles"]
    groups = shop.client("logs").describe_log_groups()["logGroups"]
    definitions = shop.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    found = [
        *(each["StackName"] for each in stacks),
        *clusters,
        *(each["repositoryName"] for each in repositories),
        *(each["RoleName"] for each in roles),
        *(each["logGroupName"] for each in groups),
        *definitions,
    ]
    return [each for each in found if re.search(rf"\b{shop.name}\b", each)]
