"""Load balancers: create, describe, change, delete; their attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.elbv2.api.shared import (
    ElbApi,
    arn_in,
    check_name,
    find_balancer,
    new_tags,
    paged,
    request_tags,
)
from tidegate.cloud.services.elbv2.attributes import (
    BALANCER,
    LOGS,
    NETWORK_BALANCER,
    Attribute,
    changed,
    defaults,
    listed,
)
from tidegate.cloud.services.elbv2.delivery import Delivery
from tidegate.cloud.services.elbv2.interfaces import Interfaces
from tidegate.cloud.services.elbv2.model import SERVICE, BalancerRecord, ElbModel, LogRecord
from tidegate.cloud.services.elbv2.plan import dns_name

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

_USUAL_PORT = 80
# https://docs.aws.amazon.com/general/latest/gr/elb.html
_HOSTED_ZONES = {
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-south-1": "ZP97RAFLXTNZK",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "sa-east-1": "Z2P70J7HTTTPLU",
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
}


_NETWORK_HOSTED_ZONES = {
    "ap-northeast-1": "Z31USIVHYNEOWT",
    "ap-south-1": "ZVDDRBQ08TROA",
    "ap-southeast-1": "ZKVM4W9LS7TM",
    "ap-southeast-2": "ZCT6FZBF4DROD",
    "ca-central-1": "Z2EPGBW3API2WT",
    "eu-central-1": "Z3F0SRJ5LGBH90",
    "eu-north-1": "Z1UDT6IFJ4EJM",
    "eu-west-1": "Z2IFOLAFXWLO4F",
    "eu-west-2": "ZD4D7Y8KGAS4G",
    "eu-west-3": "Z1CMS0P5QUZ6D5",
    "sa-east-1": "ZTK26PT1VY4CU",
    "us-east-1": "Z26RNL4JYFTOTI",
    "us-east-2": "ZLMOA37VPKANP",
    "us-west-1": "Z24FKFUX50B4VW",
    "us-west-2": "Z18D5FSROUN65G",
}


class Addresses(Protocol):
    """Gives load balancers addresses of this machine."""

    def free_address(self, taken: set[str]) -> str:
        """Return a loopback address that is not taken."""

    def free_port(self, address: str, wanted: int, taken: set[int]) -> int:
        """Return `wanted` if that port of the address can be bound, or else one that can."""


class LoadBalancersApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html and siblings."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, addresses: Addresses) -> None:
        super().__init__(model, calls, clock)
        self._addresses = addresses
        self._interfaces = Interfaces(calls)
        self._delivery = Delivery(calls)

    @operation(
        resource=lambda api, context, request: context.arn(
            "elasticloadbalancing", f"loadbalancer/{_short(request)}/{request['Name']}/*"
        ),
        conditions=request_tags,
        refuse=("CustomerOwnedIpv4Pool", "EnablePrefixForIpv6SourceNat", "IpamPools"),
    )
    async def create_load_balancer(
        self, context: Context, request: t.CreateLoadBalancerInputTypeDef
    ) -> Mapping[str, Any]:
        """Create an application or a network load balancer, or return the one of that name with the same settings."""
        region, name = context.region, request["Name"]
        check_name("load balancer", name)
        self._check_kind("CreateLoadBalancer", request)
        base = context.arn("elasticloadbalancing", f"loadbalancer/{_short(request)}/{name}")
        tags = new_tags(self, context, request, f"{base}/*", "CreateLoadBalancer")
        subnets = await self._subnets(region, request)
        kind = request.get("Type", "application")
        wanted = request.get("SecurityGroups", ())
        # a network load balancer may be without any, and then stays so
        groups = await self._groups(region, subnets[0]["VpcId"], wanted) if wanted or kind == "application" else []
        scheme = request.get("Scheme", "internet-facing")
        if scheme == "internet-facing":
            await self._check_gateway(region, subnets[0]["VpcId"])
        settings: dict[str, Any] = {
            "Scheme": scheme,
            "VpcId": subnets[0]["VpcId"],
            "Type": kind,
            "AvailabilityZones": _zones(subnets),
            "IpAddressType": "ipv4",
            **({"SecurityGroups": groups} if groups else {}),
        }
        for record in self.model.balancers.values(region):
            if record["balancer"]["LoadBalancerName"] == name:
                if _same({**record["balancer"]}, settings) and record["tags"] == tags:
                    return {"LoadBalancers": [self._answer(region, record)]}
                raise ServiceError(
                    "DuplicateLoadBalancerName",
                    f"A load balancer with the same name '{name}' exists, but with different settings",
                )
        balancer: Any = {
            "LoadBalancerArn": f"{base}/{self.clock.hex(16)}",
            "LoadBalancerName": name,
            "CanonicalHostedZoneId": _hosted_zone(kind, region),
            "CreatedTime": self.clock.now(),
            "State": {"Code": "provisioning"},
            **settings,
        }
        everywhere = self.model.balancers.values()
        address = self._addresses.free_address({each["address"] for each in everywhere})
        taken = {each["reserved"] for each in everywhere if each["address"] == address and each["reserved"]}
        port = self._addresses.free_port(address, _USUAL_PORT, taken)
        new: BalancerRecord = {
            "balancer": balancer,
            "attributes": defaults(_table(kind)),
            "tags": tags,
            "address": address,
            "reserved": None if port == _USUAL_PORT else port,
            "interfaces": [],
        }
        self.model.balancers.put((region, balancer["LoadBalancerArn"]), new)
        return {"LoadBalancers": [self._answer(region, new)]}

    @operation()
    async def describe_load_balancers(
        self, context: Context, request: t.DescribeLoadBalancersInputTypeDef
    ) -> Mapping[str, Any]:
        """List load balancers: by ARNs, by names, or all."""
        records = self.model.balancers.values(context.region)
        for parameter, member in (("LoadBalancerArns", "LoadBalancerArn"), ("Names", "LoadBalancerName")):
            wanted: Sequence[str] = request.get(parameter, ())  # type: ignore[assignment]
            have = {str({**each["balancer"]}[member]) for each in records}
            missing = [each for each in wanted if each not in have]
            if missing:
                raise ServiceError("LoadBalancerNotFound", f"Load balancers '[{', '.join(missing)}]' not found")
            records = [each for each in records if not wanted or {**each["balancer"]}[member] in wanted]
        answers = [self._answer(context.region, each) for each in records]
        return paged(request, answers, lambda each: str(each["LoadBalancerArn"]), "LoadBalancers")

    @operation()
    async def describe_load_balancer_attributes(
        self, context: Context, request: t.DescribeLoadBalancerAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """List a load balancer's attributes."""
        record = find_balancer(self.model, context.region, request["LoadBalancerArn"])
        return {"Attributes": listed(record["attributes"])}

    @operation(resource=arn_in("LoadBalancerArn"))
    async def modify_load_balancer_attributes(
        self, context: Context, request: t.ModifyLoadBalancerAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """Change attributes. Logs are delivered only where a test file could be left in the bucket."""
        region, arn = context.region, request["LoadBalancerArn"]
        record = find_balancer(self.model, region, arn)
        given: Any = request["Attributes"]
        table = _table(record["balancer"]["Type"])
        wanted = changed("Load balancer", table, record["attributes"], given)
        logs = {}
        for kind in LOGS:
            place = [wanted.get(f"{kind}.s3.{name}", "") for name in ("enabled", "bucket", "prefix")]
            if place[0] == "true" and any(each["Key"].startswith(f"{kind}.") for each in given):
                logs[kind] = await self._log(kind, record, *place[1:])
        record = find_balancer(self.model, region, arn)
        record["attributes"] = changed("Load balancer", table, record["attributes"], given)
        with self.model.store.transaction():
            self._put(region, record)
            for kind, log in logs.items():
                self.model.logs.put((region, arn, kind), log)
        return {"Attributes": listed(record["attributes"])}

    @operation(resource=arn_in("LoadBalancerArn"), refuse=("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",))
    async def set_security_groups(
        self, context: Context, request: t.SetSecurityGroupsInputTypeDef
    ) -> Mapping[str, Any]:
        """Give a load balancer other security groups."""
        region, arn = context.region, request["LoadBalancerArn"]
        present = find_balancer(self.model, region, arn)["balancer"]
        vpc_id = present["VpcId"]
        if not present.get("SecurityGroups"):
            raise ServiceError(
                "InvalidConfigurationRequest",
                f"Load balancer '{arn}' was created without security groups, and cannot be given any",
            )
        if not request["SecurityGroups"]:
            raise ServiceError("InvalidConfigurationRequest", "At least one security group must be specified")
        groups = await self._groups(region, vpc_id, request["SecurityGroups"])
        record = find_balancer(self.model, region, arn)
        record["balancer"]["SecurityGroups"] = groups
        self._put(region, record)
        return {"SecurityGroupIds": groups}

    @operation(resource=arn_in("LoadBalancerArn"), refuse=("EnablePrefixForIpv6SourceNat",))
    async def set_subnets(self, context: Context, request: t.SetSubnetsInputTypeDef) -> Mapping[str, Any]:
        """Put a load balancer into other subnets of its VPC."""
        region, arn = context.region, request["LoadBalancerArn"]
        find_balancer(self.model, region, arn)
        self._check_kind("SetSubnets", request)
        subnets = await self._subnets(
            region, {"Type": find_balancer(self.model, region, arn)["balancer"]["Type"], **request}
        )
        record = find_balancer(self.model, region, arn)
        if subnets[0]["VpcId"] != record["balancer"]["VpcId"]:
            raise ServiceError("InvalidConfigurationRequest", "The subnets are not in the VPC of the load balancer")
        record["balancer"]["AvailabilityZones"] = _zones(subnets)  # type: ignore[typeddict-item]
        self._put(region, record)
        return {"AvailabilityZones": record["balancer"]["AvailabilityZones"], "IpAddressType": "ipv4"}

    @operation(resource=arn_in("LoadBalancerArn"))
    async def set_ip_address_type(self, context: Context, request: t.SetIpAddressTypeInputTypeDef) -> Mapping[str, Any]:
        """Accept the one address type that there is."""
        find_balancer(self.model, context.region, request["LoadBalancerArn"])
        self._check_kind("SetIpAddressType", request)
        return {"IpAddressType": "ipv4"}

    @operation(resource=arn_in("LoadBalancerArn"))
    async def delete_load_balancer(
        self, context: Context, request: t.DeleteLoadBalancerInputTypeDef
    ) -> Mapping[str, Any]:
        """Delete a load balancer with its listeners and rules; one that does not exist is deleted already."""
        region, arn = context.region, request["LoadBalancerArn"]
        record = self.model.balancers.get(region, arn)
        if record is None:
            return {}
        if record["attributes"]["deletion_protection.enabled"] == "true":
            raise ServiceError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        await self._interfaces.release(region, arn)  # who deletes the security groups next is not refused
        with self.model.store.transaction():
            for listener in self.model.listeners_of(region, arn):
                listener_arn = listener["listener"]["ListenerArn"]
                for rule in self.model.rules_of(region, listener_arn):
                    self.model.rules.delete(region, rule["rule"]["RuleArn"])
                self.model.listeners.delete(region, listener_arn)
            self.model.balancers.delete(region, arn)
        return {}

    async def _log(self, kind: str, record: BalancerRecord, bucket: str, prefix: str) -> LogRecord:
        """Return where a log goes; raise InvalidConfigurationRequest for a bucket that does not take it."""
        if not bucket:
            raise ServiceError("InvalidConfigurationRequest", f"The value of '{kind}.s3.bucket' cannot be empty")
        await self._delivery.check(kind, record["balancer"]["LoadBalancerArn"], bucket, prefix)
        return {"bucket": bucket, "prefix": prefix, "address": record["address"], "ended": None}

    def _put(self, region: str, record: BalancerRecord) -> None:
        self.model.balancers.put((region, record["balancer"]["LoadBalancerArn"]), record)

    def _answer(self, region: str, record: BalancerRecord) -> dict[str, Any]:
        balancer = record["balancer"]
        listeners = self.model.listeners_of(region, balancer["LoadBalancerArn"])
        ports = [(each["listener"]["Port"], each["bound"]) for each in listeners]
        return {**balancer, "DNSName": dns_name(record["address"], record["reserved"], ports)}

    def _check_kind(self, name: str, request: Mapping[str, Any]) -> None:
        kind = request.get("Type", "application")
        if kind not in ("application", "network"):
            raise not_offered(f"elbv2:{name} Type {kind}")
        if request.get("IpAddressType", "ipv4") != "ipv4":
            raise not_offered(f"elbv2:{name} IpAddressType {request['IpAddressType']}")

    async def _subnets(self, region: str, request: Mapping[str, Any]) -> list[Any]:
        """Return the subnets that a request names, in their order."""
        mappings = request.get("SubnetMappings", ())
        if mappings and request.get("Subnets"):
            raise ServiceError("ValidationError", "You cannot specify both Subnets and SubnetMappings")
        for mapping in mappings:
            for name in ("AllocationId", "PrivateIPv4Address", "IPv6Address", "SourceNatIpv6Prefix"):
                if name in mapping and request.get("Type") == "network":
                    raise not_offered(f"elbv2: SubnetMappings {name}")
                if name in mapping:
                    raise ServiceError("InvalidConfigurationRequest", f"'{name}' is not for application load balancers")
        ids = list(dict.fromkeys(request.get("Subnets", ()) or [each.get("SubnetId", "") for each in mappings]))
        if not ids:
            raise ServiceError("ValidationError", "At least one subnet must be specified")
        if len(ids) < 2 and request.get("Type") != "network":
            raise ServiceError(
                "ValidationError", "At least two subnets in two different Availability Zones must be specified"
            )
        try:
            answer = await self.calls.as_service(SERVICE, region)("ec2", "describe_subnets", SubnetIds=ids)
        except ServiceError as error:
            if error.code != "InvalidSubnetID.NotFound":
                raise
            raise ServiceError("SubnetNotFound", error.message) from None
        found = {each["SubnetId"]: each for each in answer["Subnets"]}
        subnets = [found[each] for each in ids]
        if len({each["VpcId"] for each in subnets}) > 1:
            raise ServiceError("InvalidConfigurationRequest", "All subnets must belong to the same VPC")
        if len({each["AvailabilityZone"] for each in subnets}) < len(subnets):
            raise ServiceError(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            )
        return subnets

    async def _groups(self, region: str, vpc_id: str, wanted: Sequence[str]) -> list[str]:
        """Return security groups that exist in the VPC; its default one where none is wanted."""
        ec2 = self.calls.as_service(SERVICE, region)
        inside = {"Name": "vpc-id", "Values": [vpc_id]}
        if not wanted:
            name = {"Name": "group-name", "Values": ["default"]}
            found = (await ec2("ec2", "describe_security_groups", Filters=[inside, name]))["SecurityGroups"]
            return [each["GroupId"] for each in found]
        found = (await ec2("ec2", "describe_security_groups", Filters=[inside]))["SecurityGroups"]
        missing = [each for each in wanted if each not in {group["GroupId"] for group in found}]
        if missing:
            raise ServiceError("InvalidSecurityGroup", f"One or more security groups are invalid: {', '.join(missing)}")
        return list(dict.fromkeys(wanted))

    async def _check_gateway(self, region: str, vpc_id: str) -> None:
        attached = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
        answer = await self.calls.as_service(SERVICE, region)("ec2", "describe_internet_gateways", Filters=attached)
        if not answer["InternetGateways"]:
            raise ServiceError("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def _short(request: Mapping[str, Any]) -> str:
    """Return what an ARN calls a kind of load balancer."""
    return "net" if request.get("Type") == "network" else "app"


def _table(kind: str) -> Mapping[str, Attribute]:
    """Return the attributes that a kind of load balancer has."""
    return NETWORK_BALANCER if kind == "network" else BALANCER


def _hosted_zone(kind: str, region: str) -> str:
    zones = _NETWORK_HOSTED_ZONES if kind == "network" else _HOSTED_ZONES
    return zones.get(region, zones["us-east-1"])


def _zones(subnets: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"ZoneName": each["AvailabilityZone"], "SubnetId": each["SubnetId"], "LoadBalancerAddresses": []}
        for each in subnets
    ]


def _same(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a load balancer has the settings that are wanted, in whatever order."""

    def plain(settings: Mapping[str, Any]) -> tuple[Any, ...]:
        subnets = {each["SubnetId"] for each in settings["AvailabilityZones"]}
        return settings["Scheme"], settings["VpcId"], settings["Type"], subnets, set(settings.get("SecurityGroups", ()))

    return plain(present) == plain(wanted)
