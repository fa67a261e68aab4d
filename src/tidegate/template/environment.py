"""The article's Part 2, networking and cluster: a network, a cluster, a load balancer with its listener."""

from __future__ import annotations

from typing import Any

from troposphere import Export, GetAtt, GetAZs, Output, Ref, Select, Sub, Template, ec2, ecs
from troposphere import elasticloadbalancingv2 as elbv2

from tidegate.manifest import Manifest
from tidegate.template import names

_NETWORK = "10.0.0.0/16"
_SUBNETS = ("10.0.0.0/20", "10.0.16.0/20")


def environment_template(manifest: Manifest, environment: str) -> Template:
    """Return the template of the stack APP-ENV."""
    template = Template()
    template.set_version()
    template.set_description(f"{manifest.app} in {environment}: network, cluster, load balancer. Made by Tidegate")
    stack = names.environment_stack(manifest.app, environment)
    _add_network(template, stack)
    template.add_resource(ecs.Cluster("Cluster", ClusterName=names.cluster(manifest.app, environment)))
    _export(template, stack, "Cluster", Ref("Cluster"))
    if any(service.port is not None for service in manifest.services.values()):
        _add_balancer(template, stack)
    return template


def _add_network(template: Template, stack: str) -> None:
    template.add_resource(
        ec2.VPC("Vpc", CidrBlock=_NETWORK, EnableDnsHostnames=True, EnableDnsSupport=True, Tags=_name(stack))
    )
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
    for number, cidr in enumerate(_SUBNETS, 1):
        title = f"PublicSubnet{number}"
        template.add_resource(
            ec2.Subnet(
                title,
                VpcId=Ref("Vpc"),
                CidrBlock=cidr,
                AvailabilityZone=Select(number - 1, GetAZs("")),
                MapPublicIpOnLaunch=True,
                Tags=_name(stack, f"public-{number}"),
            )
        )
        template.add_resource(
            ec2.SubnetRouteTableAssociation(f"{title}Routes", SubnetId=Ref(title), RouteTableId=Ref("PublicRoutes"))
        )
        _export(template, stack, title, Ref(title))
    _export(template, stack, "Vpc", Ref("Vpc"))


def _add_balancer(template: Template, stack: str) -> None:
    template.add_resource(
        ec2.SecurityGroup(
            "BalancerGroup",
            GroupDescription="Who may reach the load balancer: everybody on port 80",
            VpcId=Ref("Vpc"),
            SecurityGroupIngress=[
                ec2.SecurityGroupRule(
                    IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0", Description="HTTP from anywhere"
                )
            ],
        )
    )
    template.add_resource(
        elbv2.LoadBalancer(
            "Balancer",
            Type="application",
            Scheme="internet-facing",
            Subnets=[Ref(f"PublicSubnet{number}") for number in range(1, len(_SUBNETS) + 1)],
            SecurityGroups=[Ref("BalancerGroup")],
            LoadBalancerAttributes=[
                elbv2.LoadBalancerAttributes(Key="routing.http.drop_invalid_header_fields.enabled", Value="true")
            ],
            # without the way in from the internet the balancer would be active before it could be reached
            DependsOn="PublicRoute",
        )
    )
    template.add_resource(
        elbv2.Listener(
            "Listener",
            LoadBalancerArn=Ref("Balancer"),
            Port=80,
            Protocol="HTTP",
            DefaultActions=[
                elbv2.Action(
                    Type="fixed-response",
                    FixedResponseConfig=elbv2.FixedResponseConfig(
                        StatusCode="404", ContentType="text/plain", MessageBody="No service has this address."
                    ),
                )
            ],
        )
    )
    _export(template, stack, "Listener", Ref("Listener"))
    _export(template, stack, "BalancerGroup", Ref("BalancerGroup"))
    template.add_output(Output("Url", Value=Sub("http://${Balancer.DNSName}"), Description="Where the services answer"))
    _export(template, stack, "BalancerName", GetAtt("Balancer", "DNSName"))


def _export(template: Template, stack: str, title: str, value: Any) -> None:
    template.add_output(Output(title, Value=value, Export=Export(f"{stack}-{title}")))


def _name(stack: str, suffix: str = "") -> list[dict[str, str]]:
    return [{"Key": "Name", "Value": f"{stack}-{suffix}" if suffix else stack}]
