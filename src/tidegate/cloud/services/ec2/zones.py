"""Regions and their availability zones: names that templates and clients ask for.

https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
"""

from __future__ import annotations

from collections.abc import Mapping

# regions that every account has; the others have to be opted in to
DEFAULT_REGIONS = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)
OPT_IN_REGIONS = (
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
)
ZONE_LETTERS = "abc"  # each region has three zones here
DEFAULT_SUBNET_LETTERS = "ab"  # those in which the default VPC has a subnet

_DIRECTIONS = {
    "central": "c",
    "east": "e",
    "north": "n",
    "northeast": "ne",
    "south": "s",
    "southeast": "se",
    "west": "w",
}


def zones(region: str) -> list[str]:
    """Return the names of a region's availability zones."""
    return [region + letter for letter in ZONE_LETTERS]


def zone_id(zone: str) -> str:
    """Return the id of a zone: `us-east-1a` is `use1-az1`."""
    area, direction, rest = zone.split("-", 2)
    number, letter = rest[:-1], rest[-1]
    return f"{area}{_DIRECTIONS.get(direction, direction)}{number}-az{ord(letter) - ord('a') + 1}"


def describe_zone(zone: str) -> Mapping[str, object]:
    """Return a zone as EC2 describes it."""
    region = zone[:-1]
    return {
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": region,
        "ZoneName": zone,
        "ZoneId": zone_id(zone),
        "GroupName": f"{region}-zg-1",
        "NetworkBorderGroup": region,
        "ZoneType": "availability-zone",
    }
