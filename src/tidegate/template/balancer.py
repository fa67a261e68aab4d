"""The application load balancer that an environment's services share: listeners, certificate, the name's records."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, ImportValue, Output, Ref, Sub, Template, certificatemanager, ec2, route53
from troposphere import elasticloadbalancingv2 as elbv2

from tidegate.manifest import Manifest
from tidegate.manifest.environment import Domain
from tidegate.template import names
from tidegate.template.exports import export
from tidegate.template.network import own_balancer_subnets

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def add_balancer(template: Template, manifest: Manifest, environment: str) -> None:
    """Add the load balancer with its listeners: HTTP, or with a domain HTTPS, to which HTTP is redirected."""
    found = manifest.environment(environment)
    stack = names.environment_stack(manifest.app, environment)
    imported = found.network.mode == "imported"
    ports = {"HTTP": 80, "HTTPS": 443} if found.domain else {"HTTP": 80}
    told = " and ".join(map(str, ports.values()))
    template.add_resource(
        ec2.SecurityGroup(
            "BalancerGroup",
            GroupDescription=f"Who may reach the load balancer: everybody on port {told}",
            VpcId=found.network.vpc if imported else Ref("Vpc"),
            SecurityGroupIngress=[_from_anywhere(protocol, port) for protocol, port in ports.items()],
        )
    )
    template.add_resource(
        elbv2.LoadBalancer(
            "Balancer",
            Type="application",
            Scheme="internet-facing",
            Subnets=own_balancer_subnets(found),
            SecurityGroups=[Ref("BalancerGroup")],
            LoadBalancerAttributes=[
                elbv2.LoadBalancerAttributes(Key="routing.http.drop_invalid_header_fields.enabled", Value="true")
            ],
            # without the way in from the internet the balancer would be active before it could be reached
            **({} if imported else {"DependsOn": "PublicRoute"}),
        )
    )
    _add_listener(template, "Listener", [_redirect() if found.domain else _nobody()], Port=80, Protocol="HTTP")
    export(template, stack, "Listener", Ref("Listener"))
    if found.domain is not None:
        _add_https(template, found.domain)
        export(template, stack, "HttpsListener", Ref("HttpsListener"))
    export(template, stack, "BalancerGroup", Ref("BalancerGroup"))
    template.add_output(Output("Url", Value=_url(found.domain), Description="Where the services answer"))
    export(template, stack, "BalancerName", GetAtt("Balancer", "DNSName"))
    export(template, stack, "BalancerFullName", GetAtt("Balancer", "LoadBalancerFullName"))


def listener(manifest: Manifest, environment: str) -> Any:
    """Return the listener that gets the services' rules, as they refer to it."""
    found = manifest.environment(environment)
    if found.load_balancer is not None:
        return found.load_balancer.listener
    # under a name of its own: what others import cannot change its value
    title = "Listener" if found.domain is None else "HttpsListener"
    return ImportValue(f"{names.environment_stack(manifest.app, environment)}-{title}")


def balancer_group(manifest: Manifest, environment: str) -> Any:
    """Return the load balancer's security group, as the services refer to it."""
    found = manifest.environment(environment).load_balancer
    if found is not None:
        return found.security_group
    return ImportValue(f"{names.environment_stack(manifest.app, environment)}-BalancerGroup")


def balancer_full_name(manifest: Manifest, environment: str) -> Any:
    """Return the load balancer as metrics name it: app/NAME/ID."""
    found = manifest.environment(environment).load_balancer
    if found is not None:
        return "/".join(found.listener.split("/")[1:4])
    return ImportValue(f"{names.environment_stack(manifest.app, environment)}-BalancerFullName")


def _from_anywhere(protocol: str, port: int) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(
        IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0", Description=f"{protocol} from anywhere"
    )


def _add_listener(template: Template, title: str, actions: list[elbv2.Action], **more: Any) -> None:
    template.add_resource(elbv2.Listener(title, LoadBalancerArn=Ref("Balancer"), DefaultActions=actions, **more))


def _nobody() -> elbv2.Action:
    return elbv2.Action(
        Type="fixed-response",
        FixedResponseConfig=elbv2.FixedResponseConfig(
            StatusCode="404", ContentType="text/plain", MessageBody="No service has this address."
        ),
    )


def _redirect() -> elbv2.Action:
    return elbv2.Action(
        Type="redirect", RedirectConfig=elbv2.RedirectConfig(Protocol="HTTPS", Port="443", StatusCode="HTTP_301")
    )


def _add_https(template: Template, domain: Domain) -> None:
    """Add the certificate, which the zone's records prove, the listener, and the name's own records."""
    template.add_resource(
        certificatemanager.Certificate(
            "Certificate",
            DomainName=domain.name,
            ValidationMethod="DNS",
            DomainValidationOptions=[
                certificatemanager.DomainValidationOption(DomainName=domain.name, HostedZoneId=domain.zone)
            ],
        )
    )
    _add_listener(
        template,
        "HttpsListener",
        [_nobody()],
        Port=443,
        Protocol="HTTPS",
        SslPolicy=_TLS_POLICY,
        Certificates=[elbv2.Certificate(CertificateArn=Ref("Certificate"))],
    )
    template.add_resource(
        route53.RecordSetType(
            "DomainRecord",
            HostedZoneId=domain.zone,
            Name=domain.name,
            Type="A",
            AliasTarget=route53.AliasTarget(
                DNSName=GetAtt("Balancer", "DNSName"), HostedZoneId=GetAtt("Balancer", "CanonicalHostedZoneID")
            ),
        )
    )


def _url(domain: Domain | None) -> Any:
    if domain is None or domain.name.startswith("*."):
        return Sub(f"{'http' if domain is None else 'https'}://${{Balancer.DNSName}}")
    return f"https://{domain.name}"
