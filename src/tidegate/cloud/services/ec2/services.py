"""AWS services that a VPC can have an endpoint for, and the prefix lists that AWS keeps.

https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html and
https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
"""

from __future__ import annotations

import hashlib
from typing import Any

from tidegate.cloud.services.ec2.zones import zone_id, zones

GATEWAY_SERVICES = ("s3", "dynamodb")
INTERFACE_SERVICES = (
    "autoscaling",
    "application-autoscaling",
    "cloudformation",
    "codebuild",
    "codecommit",
    "codepipeline",
    "codestar-connections.api",
    "dynamodb",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "elasticloadbalancing",
    "events",
    "git-codecommit",
    "kms",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "servicediscovery",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
    "xray",
)
# documentation ranges (RFC 5737) stand for AWS's own: no packet to them leads anywhere
_PREFIX_LISTS = {
    "com.amazonaws.{region}.s3": ("192.0.2.0/26",),
    "com.amazonaws.{region}.dynamodb": ("192.0.2.64/26",),
    "com.amazonaws.global.cloudfront.origin-facing": ("192.0.2.128/26",),
}


def kinds(region: str, service_name: str) -> list[str]:
    """Return the types of endpoint (`Gateway`, `Interface`) that a service offers; none for no service."""
    short = service_name.removeprefix(f"com.amazonaws.{region}.")
    if short == service_name:
        return []
    return [
        kind for kind, names in (("Gateway", GATEWAY_SERVICES), ("Interface", INTERFACE_SERVICES)) if short in names
    ]


def details(region: str) -> list[dict[str, Any]]:
    """Return the endpoint services of a region, as `DescribeVpcEndpointServices` shows them."""
    found = []
    for short in sorted({*GATEWAY_SERVICES, *INTERFACE_SERVICES}):
        name = f"com.amazonaws.{region}.{short}"
        for kind in kinds(region, name):
            dns = f"{short}.{region}.{'amazonaws.com' if kind == 'Gateway' else 'vpce.amazonaws.com'}"
            detail: dict[str, Any] = {
                "ServiceName": name,
                "ServiceId": f"vpce-svc-{_digest(name + kind, 17)}",
                "ServiceType": [{"ServiceType": kind}],
                "ServiceRegion": region,
                "AvailabilityZones": zones(region),
                "AvailabilityZoneIds": [zone_id(each) for each in zones(region)],
                "Owner": "amazon",
                "BaseEndpointDnsNames": [dns],
                "VpcEndpointPolicySupported": True,
                "AcceptanceRequired": False,
                "ManagesVpcEndpoints": False,
                "Tags": [],
                "SupportedIpAddressTypes": ["ipv4"],
            }
            if kind == "Interface":
                private = f"{short}.{region}.amazonaws.com"
                detail |= {
                    "PrivateDnsName": private,
                    "PrivateDnsNames": [{"PrivateDnsName": private}],
                    "PrivateDnsNameVerificationState": "verified",
                }
            found.append(detail)
    return found


def prefix_lists(region: str) -> list[dict[str, Any]]:
    """Return the prefix lists that AWS keeps in a region: name, id and ranges."""
    lists = []
    for template, ranges in _PREFIX_LISTS.items():
        name = template.format(region=region)
        list_id = f"pl-{_digest(region + name, 8)}"
        lists.append(
            {
                "PrefixListId": list_id,
                "PrefixListName": name,
                "PrefixListArn": f"arn:aws:ec2:{region}:aws:prefix-list/{list_id}",
                "AddressFamily": "IPv4",
                "State": "create-complete",
                "MaxEntries": len(ranges),
                "Version": 1,
                "OwnerId": "AWS",
                "Tags": [],
                "Cidrs": list(ranges),
            }
        )
    return lists


def prefix_list_of(region: str, service_name: str) -> str | None:
    """Return the id of the prefix list that holds a service's ranges."""
    found = (each for each in prefix_lists(region) if each["PrefixListName"] == service_name)
    return next((str(each["PrefixListId"]) for each in found), None)


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
