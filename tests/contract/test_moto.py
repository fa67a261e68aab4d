"""Every template deploys, changes and goes on an AWS emulator that was not written here, where it knows the types.

moto (https://docs.getmoto.org) records what it is told and runs nothing, but it reads templates by itself, and refuses
what does not fit together: a reference to nothing, an export that nobody has, a subnet that is not there.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
import yaml
from moto.cloudformation.parsing import get_model_map
from moto.server import ThreadedMotoServer

from tests.manifests import MANIFESTS
from tests.template.golden import templates
from tidegate.manifest import parse

# moto takes every load balancer of a template for an application load balancer
_OF_A_NETWORK = ("TCP", "TLS", "UDP", "TCP_UDP")
# what moto does not know of the types that it knows
_NOT_TAKEN = {
    "AWS::ECS::Service": ("DeploymentConfiguration",),  # it knows no strategy but rolling
}
REGION = "eu-west-1"
APP = "shop"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto: str) -> Any:
    """Return what makes clients of an empty account."""
    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()
    session = botocore.session.Session()
    session.set_credentials("key", "secret")
    return lambda service: session.create_client(service, REGION, endpoint_url=moto)


def known(document: Any) -> Any:
    """Return a template without the resources that moto does not know, and what refers to them made up."""
    unknown = {title: each["Type"] for title, each in document["Resources"].items() if not _is_known(each)}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("Ref") in unknown:
            return _made_up(unknown[node["Ref"]])
        if "Fn::GetAtt" in node and node["Fn::GetAtt"][0] in unknown:
            return _made_up(unknown[node["Fn::GetAtt"][0]])
        if "Fn::Sub" in node:
            given = node["Fn::Sub"]
            text, values = given if isinstance(given, list) else (given, {})
            text = re.sub(
                r"\$\{(\w+)(\.\w+)?\}",
                lambda found: _made_up(unknown[found[1]]) if found[1] in unknown else found[0],
                text,
            )
            return {"Fn::Sub": [text, walk(values)]} if values else {"Fn::Sub": text}
        return {key: walk(value) for key, value in node.items()}

    resources = {}
    for title, each in document["Resources"].items():
        if title in unknown:
            continue
        resource = walk(each)
        for name in _NOT_TAKEN.get(each["Type"], ()):
            resource["Properties"].pop(name, None)
        if resource.get("Properties", {}).get("Protocol") == "HTTPS":
            resource["Properties"] |= {"Protocol": "HTTP"}
            resource["Properties"].pop("Certificates")  # moto knows none that a template makes
        needs = resource.pop("DependsOn", [])
        left = [need for need in ([needs] if isinstance(needs, str) else needs) if need not in unknown]
        resources[title] = {**resource, **({"DependsOn": left} if left else {})}
    return {**document, "Resources": resources, "Outputs": walk(document.get("Outputs", {}))}


def _is_known(resource: Any) -> bool:
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind.startswith("AWS::ElasticLoadBalancingV2::") and properties.get("Protocol") in _OF_A_NETWORK:
        return False
    return kind in get_model_map()


def _made_up(kind: str) -> str:
    service = kind.split("::")[1].lower()
    return f"arn:aws:{service}:{REGION}:123456789012:made/up"


def with_what_is_imported(text: str, aws: Any) -> str:
    """Return a manifest, or a template, in which the network and the load balancer that it imports are there."""
    if "vpc-" not in text:
        return text
    ec2, elbv2 = aws("ec2"), aws("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for number, subnet in enumerate(sorted(set(re.findall(r"subnet-\w+", text)))):
        zone, block = f"{REGION}{'ab'[number % 2]}", f"10.9.{number}.0/24"
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        text = text.replace(subnet, made)
        subnets.append(made)
    text = re.sub(r"vpc-\w+", vpc, text)
    for group in set(re.findall(r"sg-\w+", text)):
        text = text.replace(group, ec2.create_security_group(GroupName=group, Description="all", VpcId=vpc)["GroupId"])
    for listener in set(re.findall(r"arn:aws:elasticloadbalancing:[\w:/-]+", text)):
        balancer = elbv2.create_load_balancer(Name="all", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        refused: Any = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        made = elbv2.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=refused)
        text = text.replace(listener, made["Listeners"][0]["ListenerArn"])
    return text


def with_zone(document: Any, aws: Any) -> Any:
    """Return a template whose hosted zone is there: moto's ids are not AWS's, so no manifest can have them."""
    text = json.dumps(document)
    for zone in set(re.findall(r"\bZ[0-9A-Z]{12,}\b", text)):
        made = aws("route53").create_hosted_zone(Name="example.com", CallerReference=zone)["HostedZone"]["Id"]
        text = text.replace(zone, made.rpartition("/")[2])
    return json.loads(text)


def changed(text: str) -> str:
    """Return a manifest that differs in what every stack of a service shows."""
    document = yaml.safe_load(text)
    for name, service in document["services"].items():
        service = document["services"][name] = service or {}
        service["environment"] = {**service.get("environment", {}), "ADDED": "1"}
        service["log_retention"] = 14
    return yaml.safe_dump(document)


def stacks_of(text: str) -> dict[str, Any]:
    """Return the templates of a manifest by the names of their stacks, as far as moto knows them."""
    found = {f"{APP}-{stack}": known(json.loads(each.to_json())) for stack, each in templates(parse(text))}
    here = {name: document for name, document in found.items() if not name.startswith(f"{APP}-artifacts-")}
    return {name: document for name, document in here.items() if document["Resources"]}


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_stack_is_made_changed_and_removed(name: str, aws: Any) -> None:
    text = with_what_is_imported(MANIFESTS[name], aws)
    cloudformation = aws("cloudformation")
    first, second = (with_zone(stacks_of(each), aws) for each in (text, changed(text)))

    def settings(document: Any) -> dict[str, Any]:
        needed = [key for key, each in document.get("Parameters", {}).items() if "Default" not in each]
        return {
            "TemplateBody": json.dumps(document),
            "Parameters": [{"ParameterKey": key, "ParameterValue": "x"} for key in needed],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }

    for stack, document in first.items():
        cloudformation.create_stack(StackName=stack, **settings(document))
        resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        assert {each["LogicalResourceId"] for each in resources} == set(document["Resources"])
    for stack, document in second.items():
        if document != first[stack]:
            cloudformation.update_stack(StackName=stack, **settings(document))
        assert cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"].endswith("_COMPLETE")
    for family in aws("ecs").list_task_definition_families()["families"]:
        newest = aws("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
        assert newest["revision"] == 2, family
    for stack in reversed(first):
        if _holds_network(first[stack]):
            continue  # moto "deletes" an internet gateway's attachment without detaching it, and then fails at the VPC
        cloudformation.delete_stack(StackName=stack)
    assert aws("ecr").describe_repositories()["repositories"] == []
    assert aws("iam").list_roles()["Roles"] == []
    exporters = {each["ExportingStackId"].split("/")[1] for each in cloudformation.list_exports()["Exports"]}
    assert all(_holds_network(first[stack]) for stack in exporters)


def _holds_network(document: Any) -> bool:
    return any(each["Type"] == "AWS::EC2::VPC" for each in document["Resources"].values())
