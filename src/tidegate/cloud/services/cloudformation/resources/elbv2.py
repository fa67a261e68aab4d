"""Elastic Load Balancing: load balancers, target groups, listeners, rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 32
# what attributes go back to when a template does not name them any more
_BALANCER_DEFAULTS = {
    "access_logs.s3.bucket": "",
    "access_logs.s3.enabled": "false",
    "access_logs.s3.prefix": "",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "deletion_protection.enabled": "false",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
}
_GROUP_DEFAULTS = {
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "proxy_protocol_v2.enabled": "false",
    "slow_start.duration_seconds": "0",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.enabled": "false",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
_HEALTH_CHECK_DEFAULTS: Properties = {
    "HealthCheckEnabled": True,
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckPath": "/",
    "HealthCheckPort": "traffic-port",
    "HealthCheckProtocol": "HTTP",
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 5,
    "Matcher": {"HttpCode": "200"},
    "UnhealthyThresholdCount": 2,
}
_NETWORK_HEALTH_CHECK_DEFAULTS: Properties = {
    **_HEALTH_CHECK_DEFAULTS,
    "HealthCheckProtocol": "TCP",
    "HealthCheckTimeoutSeconds": 10,
    "Matcher": {"HttpCode": "200-399"},
}
_GRPC_HEALTH_CHECK_DEFAULTS: Properties = {
    **_HEALTH_CHECK_DEFAULTS,
    "HealthCheckPath": "/AWS.ALB/healthcheck",
    "Matcher": {"GrpcCode": "12"},
}
_NETWORK_PROTOCOLS = ("TCP", "TLS")
_LISTENER_DEFAULTS = {"routing.http.response.server.enabled": "true", "tcp.idle_timeout.seconds": "350"}
_DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
_ADDED_HEADER = "routing.http.response."


class _Resource(Handler):
    """What all of them have in common: the physical id is the ARN, tags and attributes are changed the same way."""

    attributes_name = ""  # the property
    arn_name = ""
    defaults: Mapping[str, str] = {}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the attributes and the tags."""
        await self._put_attributes(step, before)
        put, taken = tag_changes(before, step.properties)
        if put:
            await step.call("elbv2", "add_tags", ResourceArns=[step.physical_id], Tags=put)
        if taken:
            await step.call("elbv2", "remove_tags", ResourceArns=[step.physical_id], TagKeys=taken)

    async def _put_attributes(self, step: Step, before: Properties) -> None:
        if not self.attributes_name or not changed(before, step.properties, self.attributes_name):
            return
        old, new = (
            {each.get("Key", ""): each.get("Value", "") for each in properties.get(self.attributes_name, ())}
            for properties in (before, step.properties)
        )
        wanted = {key: default for key in old if (default := self._default(key)) is not None} | new
        if wanted:
            attributes = [{"Key": key, "Value": value} for key, value in wanted.items()]
            snake = "".join(f"_{each.lower()}" if each.isupper() else each for each in self.attributes_name)
            await step.send("elbv2", f"modify{snake}", {self.arn_name: step.physical_id, "Attributes": attributes})

    def _default(self, key: str) -> str | None:
        return self.defaults.get(key)


class LoadBalancer(_Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-loadbalancer.html.

    Creating is idempotent: the load balancer of that name with the same settings and tags is returned.
    """

    type = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    missing = frozenset({"LoadBalancerNotFound"})
    attributes_name = "LoadBalancerAttributes"
    arn_name = "LoadBalancerArn"
    defaults = _BALANCER_DEFAULTS

    async def create(self, step: Step) -> str:
        """Create the load balancer, then set its attributes."""
        self._refuse(step.properties)
        request = without(
            step.properties, self.attributes_name, "Ipv4IpamPoolId", "EnableCapacityReservationProvisionStabilize"
        )
        if "Ipv4IpamPoolId" in step.properties:
            request["IpamPools"] = {"Ipv4IpamPoolId": step.properties["Ipv4IpamPoolId"]}
        request["Name"] = step.name("Name", _LONGEST_NAME)
        answer = await step.send("elbv2", "create_load_balancer", request)
        arn = str(answer["LoadBalancers"][0]["LoadBalancerArn"])
        step.made(arn)
        await self._put_attributes(step, {})
        return arn

    async def settled(self, step: Step) -> bool:
        """Return whether the load balancer is active."""
        state = (await self._describe(step))["State"]
        if state["Code"] == "failed":
            raise FailedError(f"The load balancer failed: {state.get('Reason', 'no reason is given')}", "NotStabilized")
        return str(state["Code"]) == "active"

    async def read(self, step: Step) -> Attributes:
        """Return names, DNS name and security groups."""
        found = await self._describe(step)
        return {
            "CanonicalHostedZoneID": found["CanonicalHostedZoneId"],
            "DNSName": found["DNSName"],
            "LoadBalancerArn": step.physical_id,
            "LoadBalancerFullName": step.physical_id.partition(":loadbalancer/")[2],
            "LoadBalancerName": found["LoadBalancerName"],
            "SecurityGroups": list(found.get("SecurityGroups", ())),
        }

    async def update(self, step: Step, before: Properties) -> None:
        """Change groups, subnets, attributes and tags."""
        after = step.properties
        self._refuse(after)
        named = {"LoadBalancerArn": step.physical_id}
        if changed(before, after, "Ipv4IpamPoolId") and "Ipv4IpamPoolId" in after:
            raise not_offered(f"cloudformation {self.type} Ipv4IpamPoolId")
        if changed(before, after, "SecurityGroups"):
            groups = after.get("SecurityGroups", [])
            await step.send("elbv2", "set_security_groups", {**named, "SecurityGroups": groups})
        if changed(before, after, "Subnets", "SubnetMappings", "EnablePrefixForIpv6SourceNat"):
            subnets = only(after, "Subnets", "SubnetMappings", "EnablePrefixForIpv6SourceNat")
            await step.send("elbv2", "set_subnets", {**named, **subnets})
        if changed(before, after, "IpAddressType"):
            kind = after.get("IpAddressType", "ipv4")
            await step.send("elbv2", "set_ip_address_type", {**named, "IpAddressType": kind})
        await super().update(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the load balancer with its listeners."""
        await step.call("elbv2", "delete_load_balancer", LoadBalancerArn=step.physical_id)

    def _refuse(self, properties: Properties) -> None:
        for name in (
            "EnableCapacityReservationProvisionStabilize",
            "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
            "MinimumLoadBalancerCapacity",
        ):
            if properties.get(name):
                raise not_offered(f"cloudformation {self.type} {name}")

    async def _describe(self, step: Step) -> Any:
        answer = await step.call("elbv2", "describe_load_balancers", LoadBalancerArns=[step.physical_id])
        return answer["LoadBalancers"][0]


class TargetGroup(_Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-targetgroup.html."""

    type = "AWS::ElasticLoadBalancingV2::TargetGroup"
    missing = frozenset({"TargetGroupNotFound"})
    attributes_name = "TargetGroupAttributes"
    arn_name = "TargetGroupArn"
    defaults = _GROUP_DEFAULTS

    async def create(self, step: Step) -> str:
        """Create the group, then set its attributes and register its targets.

        Elastic Load Balancing would return somebody else's group of that name, if only its settings are the same.
        """
        name = step.name("Name", _LONGEST_NAME)
        found = await self._named(step, name)
        if found is not None and not await _is_own(step, found["TargetGroupArn"]):
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{name}' already exists.", "AlreadyExists"
            )
        request = without(step.properties, self.attributes_name, "Targets")
        answer = await step.send("elbv2", "create_target_group", {**request, "Name": name})
        arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
        step.made(arn)
        await self._put_attributes(step, {})
        await self._put_targets(step, {})
        return arn

    async def read(self, step: Step) -> Attributes:
        """Return names, and the load balancers that forward to the group."""
        answer = await step.call("elbv2", "describe_target_groups", TargetGroupArns=[step.physical_id])
        found = answer["TargetGroups"][0]
        return {
            "LoadBalancerArns": list(found["LoadBalancerArns"]),
            "TargetGroupArn": step.physical_id,
            "TargetGroupFullName": step.physical_id.rpartition(":")[2],
            "TargetGroupName": found["TargetGroupName"],
        }

    async def update(self, step: Step, before: Properties) -> None:
        """Change the health check, attributes, targets and tags."""
        after = step.properties
        if after.get("TargetControlPort"):
            raise not_offered(f"cloudformation {self.type} TargetControlPort")
        check = {
            name: after.get(name, default)
            for name, default in _check_defaults(after).items()
            if changed(before, after, name)
        }
        if check:
            await step.send("elbv2", "modify_target_group", {"TargetGroupArn": step.physical_id, **check})
        await self._put_targets(step, before)
        await super().update(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the group."""
        await step.call("elbv2", "delete_target_group", TargetGroupArn=step.physical_id)

    async def _put_targets(self, step: Step, before: Properties) -> None:
        old, new = before.get("Targets", []), step.properties.get("Targets", [])
        for operation, targets in (
            ("register_targets", [each for each in new if each not in old]),
            ("deregister_targets", [each for each in old if each not in new]),
        ):
            if targets:
                await step.send("elbv2", operation, {"TargetGroupArn": step.physical_id, "Targets": targets})

    async def _named(self, step: Step, name: str) -> Any | None:
        try:
            return (await step.call("elbv2", "describe_target_groups", Names=[name]))["TargetGroups"][0]
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise


class Listener(_Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-listener.html.

    Creating is idempotent: the listener of that port with the same actions and tags is returned.
    """

    type = "AWS::ElasticLoadBalancingV2::Listener"
    missing = frozenset({"ListenerNotFound", "LoadBalancerNotFound"})
    attributes_name = "ListenerAttributes"
    arn_name = "ListenerArn"
    defaults = _LISTENER_DEFAULTS

    async def create(self, step: Step) -> str:
        """Create the listener, then set its attributes."""
        answer = await step.send("elbv2", "create_listener", without(step.properties, self.attributes_name))
        arn = str(answer["Listeners"][0]["ListenerArn"])
        step.made(arn)
        await self._put_attributes(step, {})
        return arn

    async def read(self, step: Step) -> Attributes:
        """Return `ListenerArn`."""
        return {"ListenerArn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change port, protocol, encryption, actions, attributes and tags."""
        request = without(step.properties, "LoadBalancerArn", "Tags", self.attributes_name)
        if "SslPolicy" in before and "SslPolicy" not in request and request.get("Certificates"):
            request["SslPolicy"] = _DEFAULT_POLICY
        if "MutualAuthentication" in before and "MutualAuthentication" not in request:
            request["MutualAuthentication"] = {"Mode": "off"}
        await step.send("elbv2", "modify_listener", {"ListenerArn": step.physical_id, **request})
        await super().update(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the listener with its rules."""
        await step.call("elbv2", "delete_listener", ListenerArn=step.physical_id)

    def _default(self, key: str) -> str | None:
        header = key.startswith(_ADDED_HEADER) and key.endswith(".header_value")
        return "" if header or key.endswith(".header_name") else super()._default(key)


class ListenerCertificate(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-listenercertificate.html.

    Adding is idempotent; what the listener has from elsewhere stays.
    """

    type = "AWS::ElasticLoadBalancingV2::ListenerCertificate"
    missing = frozenset({"ListenerNotFound", "LoadBalancerNotFound"})

    async def create(self, step: Step) -> str:
        """Add the certificates."""
        await self._change(step, "add", step.properties["Certificates"])
        listener = str(step.properties["ListenerArn"]).replace(":listener/", ":listener-certificate/")
        return f"{listener}/{step.name('Id', _LONGEST_NAME)}"

    async def read(self, step: Step) -> Attributes:
        """Return `Id`."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Add and remove what differs."""
        old, new = before["Certificates"], step.properties["Certificates"]
        await self._change(step, "add", [each for each in new if each not in old])
        await self._change(step, "remove", [each for each in old if each not in new])

    async def delete(self, step: Step) -> None:
        """Remove the certificates."""
        await self._change(step, "remove", step.properties["Certificates"])

    async def _change(self, step: Step, how: str, certificates: Any) -> None:
        if certificates:
            request = {"ListenerArn": step.properties["ListenerArn"], "Certificates": certificates}
            await step.send("elbv2", f"{how}_listener_certificates", request)


class ListenerRule(_Resource):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticloadbalancingv2-listenerrule.html."""

    type = "AWS::ElasticLoadBalancingV2::ListenerRule"
    missing = frozenset({"RuleNotFound", "ListenerNotFound"})

    async def create(self, step: Step) -> str:
        """Create the rule."""
        answer = await step.send("elbv2", "create_rule", step.properties)
        return str(answer["Rules"][0]["RuleArn"])

    async def find(self, step: Step) -> str | None:
        """Return the rule of that priority if it is this resource's."""
        answer = await step.call("elbv2", "describe_rules", ListenerArn=step.properties["ListenerArn"])
        for rule in answer["Rules"]:
            if rule["Priority"] == str(step.properties["Priority"]) and await _is_own(step, rule["RuleArn"]):
                return str(rule["RuleArn"])
        return None

    async def read(self, step: Step) -> Attributes:
        """Return `RuleArn` and `IsDefault`."""
        return {"RuleArn": step.physical_id, "IsDefault": False}

    async def update(self, step: Step, before: Properties) -> None:
        """Change priority, conditions, actions, transforms and tags."""
        after, named = step.properties, {"RuleArn": step.physical_id}
        if changed(before, after, "Priority"):
            pair = {**named, "Priority": after["Priority"]}
            await step.send("elbv2", "set_rule_priorities", {"RulePriorities": [pair]})
        wanted = {**named, **only(after, "Actions", "Conditions", "Transforms")}
        if before.get("Transforms") and not after.get("Transforms"):
            wanted["ResetTransforms"] = True
        await step.send("elbv2", "modify_rule", wanted)
        await super().update(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the rule."""
        await step.call("elbv2", "delete_rule", RuleArn=step.physical_id)


def _check_defaults(properties: Properties) -> Properties:
    """Return what of a health check goes back to what, when a template does not name it any more."""
    if properties.get("Protocol") in _NETWORK_PROTOCOLS:
        if properties.get("HealthCheckProtocol", "TCP") == "TCP":
            return without(_NETWORK_HEALTH_CHECK_DEFAULTS, "HealthCheckPath", "Matcher")
        return _NETWORK_HEALTH_CHECK_DEFAULTS
    return _GRPC_HEALTH_CHECK_DEFAULTS if properties.get("ProtocolVersion") == "GRPC" else _HEALTH_CHECK_DEFAULTS


async def _is_own(step: Step, arn: str) -> bool:
    answer = await step.call("elbv2", "describe_tags", ResourceArns=[arn])
    return carries(step, answer["TagDescriptions"][0]["Tags"])


HANDLERS: tuple[Handler, ...] = (LoadBalancer(), TargetGroup(), Listener(), ListenerCertificate(), ListenerRule())
