"""Networks: one that is made (public, with a NAT gateway, or with endpoints), or one that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from troposphere import GetAtt, GetAZs, ImportValue, Ref, Select, Sub, Tags, Template, ec2

from tidegate.manifest import Environment, Manifest, Service
from tidegate.manifest.secret import secret
from tidegate.template import names
from tidegate.template.exports import export

_NETWORK = "10.0.0.0/16"
_PUBLIC = ("10.0.0.0/20", "10.0.16.0/20")
_PRIVATE = ("10.0.128.0/20", "10.0.144.0/20")


def add_network(template: Template, manifest: Manifest, environment: str) -> None:
    """Add the network of an environment, unless it is an imported one."""
    mode = manifest.environment(environment).network.mode
    if mode == "imported":
        return
    services = manifest.services_in(environment)
    stack = names.environment_stack(manifest.app, environment)
    template.add_resource(
        ec2.VPC("Vpc", CidrBlock=_NETWORK, EnableDnsHostnames=True, EnableDnsSupport=True, Tags=_name(stack))
    )
    # behind endpoints nothing needs a way out, but a load balancer needs a way in
    if mode != "endpoints" or any(service.port is not None for service in services.values()):
        _add_public(template, stack)
    if mode in ("nat", "endpoints"):
        _add_private(template, stack)
    if mode == "nat":
        _add_nat(template, stack)
    if mode == "endpoints":
        _add_endpoints(template, services)
    export(template, stack, "Vpc", Ref("Vpc"))


def vpc(manifest: Manifest, environment: str) -> Any:
    """Return the VPC of an environment, as its services refer to it."""
    network = manifest.environment(environment).network
    return network.vpc or ImportValue(f"{names.environment_stack(manifest.app, environment)}-Vpc")


def task_subnets(manifest: Manifest, environment: str) -> list[Any]:
    """Return the subnets in which tasks run."""
    network = manifest.environment(environment).network
    if network.mode == "imported":
        return list(network.subnets)
    return _imported(manifest, environment, "Private" if network.private else "Public")


def balancer_subnets(manifest: Manifest, environment: str) -> list[Any]:
    """Return the subnets in which a load balancer of a service's own stands."""
    network = manifest.environment(environment).network
    if network.mode == "imported":
        return list(network.balancer_subnets or network.subnets)
    return _imported(manifest, environment, "Public")


def own_balancer_subnets(environment: Environment) -> list[Any]:
    """Return the subnets in which the environment's load balancer stands, as its own stack refers to them."""
    network = environment.network
    if network.mode == "imported":
        return list(network.balancer_subnets or network.subnets)
    return [Ref(f"PublicSubnet{number}") for number in range(1, len(_PUBLIC) + 1)]


def awsvpc(manifest: Manifest, environment: str) -> dict[str, Any]:
    """Return where tasks run and who reaches them, as ECS and EventBridge both take it."""
    private = manifest.environment(environment).network.private
    return {
        "Subnets": task_subnets(manifest, environment),
        "SecurityGroups": [Ref("TaskGroup")],
        # without a NAT gateway a public address is the way to the image registry; the security group lets nobody in
        "AssignPublicIp": "DISABLED" if private else "ENABLED",
    }


def _imported(manifest: Manifest, environment: str, kind: str) -> list[Any]:
    stack = names.environment_stack(manifest.app, environment)
    return [ImportValue(f"{stack}-{kind}Subnet{number}") for number in (1, 2)]


def _add_public(template: Template, stack: str) -> None:
    template.add_resource(ec2.InternetGateway("InternetGateway", Tags=_name(stack)))
    template.add_resource(
        ec2.VPCGatewayAttachment("GatewayAttachment", VpcId=Ref("Vpc"), InternetGatewayId=Ref("InternetGateway"))
    )
    template.add_resource(ec2.RouteTable("PublicRoutes", VpcId=Ref("Vpc"), Tags=_name(stack, "public")))
    template.add_resource(
        ec2.Route(
            "PublicRoute",
            RouteTableId=Ref("PublicRoutes"),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=Ref("InternetGateway"),
            DependsOn="GatewayAttachment",
        )
    )
    _add_subnets(template, stack, "Public", _PUBLIC, MapPublicIpOnLaunch=True)


def _add_private(template: Template, stack: str) -> None:
    template.add_resource(ec2.RouteTable("PrivateRoutes", VpcId=Ref("Vpc"), Tags=_name(stack, "private")))
    _add_subnets(template, stack, "Private", _PRIVATE)


def _add_subnets(template: Template, stack: str, kind: str, ranges: tuple[str, ...], **more: Any) -> None:
    for number, cidr in enumerate(ranges, 1):
        title = f"{kind}Subnet{number}"
        template.add_resource(
            ec2.Subnet(
                title,
                VpcId=Ref("Vpc"),
                CidrBlock=cidr,
                AvailabilityZone=Select(number - 1, GetAZs("")),
                Tags=_name(stack, f"{kind.lower()}-{number}"),
                **more,
            )
        )
        template.add_resource(
            ec2.SubnetRouteTableAssociation(f"{title}Routes", SubnetId=Ref(title), RouteTableId=Ref(f"{kind}Routes"))
        )
        export(template, stack, title, Ref(title))


def _add_nat(template: Template, stack: str) -> None:
    """Add one way out for both zones: a second gateway would double the cost, and only help when a zone fails."""
    template.add_resource(ec2.EIP("NatAddress", Domain="vpc", Tags=_name(stack, "nat"), DependsOn="GatewayAttachment"))
    template.add_resource(
        ec2.NatGateway(
            "NatGateway",
            AllocationId=GetAtt("NatAddress", "AllocationId"),
            SubnetId=Ref("PublicSubnet1"),
            Tags=_name(stack),
            DependsOn="PublicRoute",
        )
    )
    template.add_resource(
        ec2.Route(
            "PrivateRoute",
            RouteTableId=Ref("PrivateRoutes"),
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId=Ref("NatGateway"),
        )
    )


def _add_endpoints(template: Template, services: Mapping[str, Service]) -> None:
    """Add the ways to what a Fargate task needs to start: its image, its log, its secrets.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    template.add_resource(
        ec2.SecurityGroup(
            "EndpointGroup",
            GroupDescription="Who may reach the endpoints of AWS services: this network on port 443",
            VpcId=Ref("Vpc"),
            SecurityGroupIngress=[
                ec2.SecurityGroupRule(
                    IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp=_NETWORK, Description="HTTPS from this network"
                )
            ],
        )
    )
    for name in _needed(services):
        template.add_resource(
            ec2.VPCEndpoint(
                names.logical(*name.split("."), "endpoint"),
                VpcEndpointType="Interface",
                ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{name}"),
                VpcId=Ref("Vpc"),
                SubnetIds=[Ref(f"PrivateSubnet{number}") for number in range(1, len(_PRIVATE) + 1)],
                SecurityGroupIds=[Ref("EndpointGroup")],
                PrivateDnsEnabled=True,
            )
        )
    # ECR keeps the layers of images in S3; this kind of endpoint costs nothing
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcEndpointType="Gateway",
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcId=Ref("Vpc"),
            RouteTableIds=[Ref("PrivateRoutes")],
        )
    )


def _needed(services: Mapping[str, Service]) -> list[str]:
    """Return the AWS services that tasks must reach: each endpoint costs something every hour."""
    stores = set()
    for service in services.values():
        references = [*service.secrets.values()]
        references += [each for sidecar in service.sidecars.values() for each in sidecar.secrets.values()]
        stores |= {secret(each).store for each in references}
    shells = {"ssmmessages"} if any(service.exec for service in services.values()) else set()
    return ["ecr.api", "ecr.dkr", "logs", *sorted(stores | shells)]


def _name(stack: str, suffix: str = "") -> Tags:
    return Tags(Name=f"{stack}-{suffix}" if suffix else stack)
