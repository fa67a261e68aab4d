"""Listeners: create, describe, change, delete; their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.certificates import MEMBERS, secured
from tidegate.cloud.services.elbv2.api.shared import (
    ElbApi,
    arn_in,
    check_forwards,
    find_balancer,
    find_listener,
    find_trust_store,
    new_tags,
    paged,
    request_tags,
)
from tidegate.cloud.services.elbv2.attributes import (
    HTTPS_LISTENER,
    LISTENER,
    TCP_LISTENER,
    Attribute,
    changed,
    defaults,
    listed,
)
from tidegate.cloud.services.elbv2.model import ListenerRecord
from tidegate.cloud.services.elbv2.protocols import check_listener
from tidegate.cloud.services.elbv2.rules import checked_actions, same

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

# what makes two listeners of one port the same
_COMPARED = ("Protocol", "Certificates", "SslPolicy", "AlpnPolicy", "MutualAuthentication")
_MOST_VERIFYING = 2


class ListenersApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html and siblings."""

    @operation(resource=arn_in("LoadBalancerArn"), conditions=request_tags)
    async def create_listener(self, context: Context, request: t.CreateListenerInputTypeDef) -> Mapping[str, Any]:
        """Create a listener on a port that has none, or return the one that is there with the same settings."""
        region, arn = context.region, request["LoadBalancerArn"]
        kind = find_balancer(self.model, region, arn)["balancer"]["Type"]
        if "Port" not in request:
            raise ServiceError("ValidationError", "A listener port must be specified")
        protocol = check_listener("CreateListener", kind, request.get("Protocol"))
        tags = new_tags(self, context, request, arn.replace(":loadbalancer/", ":listener/") + "/*", "CreateListener")
        given: Any = request["DefaultActions"]
        actions = checked_actions(given)
        secure = await secured(self.calls, region, protocol, request, {})
        self._check_trust(region, arn, None, secure)
        check_forwards(self.model, region, find_balancer(self.model, region, arn), protocol, actions)
        present = self._at(region, arn, request["Port"])
        if present is not None:
            alike = _compared({**present["listener"]}) == _compared({"Protocol": protocol, **secure})
            if same(present["listener"]["DefaultActions"], actions) and present["tags"] == tags and alike:
                return {"Listeners": [present["listener"]]}
            raise _taken(arn)
        base = arn.replace(":loadbalancer/", ":listener/")
        listener_id = self.clock.hex(16)
        listener: Any = {
            "ListenerArn": f"{base}/{listener_id}",
            "LoadBalancerArn": arn,
            "Port": request["Port"],
            "Protocol": protocol,
            "DefaultActions": actions,
            **secure,
        }
        rule = f"{base.replace(':listener/', ':listener-rule/')}/{listener_id}/{self.clock.hex(16)}"
        new: ListenerRecord = {
            "listener": listener,
            "attributes": defaults(_table(protocol)),
            "tags": tags,
            "bound": None,
            "default_rule": rule,
            "created": self.clock.now(),
        }
        self.model.listeners.put((region, listener["ListenerArn"]), new)
        return {"Listeners": [listener]}

    @operation()
    async def describe_listeners(self, context: Context, request: t.DescribeListenersInputTypeDef) -> Mapping[str, Any]:
        """List the listeners of a load balancer, or those asked for."""
        region, wanted = context.region, request.get("ListenerArns", ())
        if bool(wanted) is ("LoadBalancerArn" in request):
            raise ServiceError(
                "ValidationError", "You must specify either listener ARNs or a load balancer ARN, but not both"
            )
        if "LoadBalancerArn" in request:
            find_balancer(self.model, region, request["LoadBalancerArn"])
            records = self.model.listeners_of(region, request["LoadBalancerArn"])
        else:
            if any(self.model.listeners.get(region, each) is None for each in wanted):
                raise ServiceError("ListenerNotFound", "One or more listeners not found")
            records = [find_listener(self.model, region, each) for each in wanted]
        listeners = [each["listener"] for each in records]
        return paged(request, listeners, lambda each: str(each["ListenerArn"]), "Listeners")

    @operation(resource=arn_in("ListenerArn"))
    async def modify_listener(self, context: Context, request: t.ModifyListenerInputTypeDef) -> Mapping[str, Any]:
        """Change a listener's port, protocol, encryption or default actions.

        What an encrypted one knew of encryption goes when it is one no more.
        """
        region = context.region
        present: Any = find_listener(self.model, region, request["ListenerArn"])["listener"]
        kind = find_balancer(self.model, region, present["LoadBalancerArn"])["balancer"]["Type"]
        protocol = check_listener("ModifyListener", kind, request.get("Protocol", present["Protocol"]))
        secure = await secured(self.calls, region, protocol, request, present)
        record = find_listener(self.model, region, request["ListenerArn"])
        listener: Any = record["listener"]
        balancer = find_balancer(self.model, region, listener["LoadBalancerArn"])
        self._check_trust(region, listener["LoadBalancerArn"], listener["ListenerArn"], secure)
        port = request.get("Port", listener["Port"])
        if port != listener["Port"]:
            if self._at(region, listener["LoadBalancerArn"], port) is not None:
                raise _taken(listener["LoadBalancerArn"])
            listener["Port"], record["bound"] = port, None
        given: Any = request.get("DefaultActions")
        actions = listener["DefaultActions"] if given is None else checked_actions(given)
        check_forwards(self.model, region, balancer, protocol, actions)
        if protocol != listener["Protocol"]:
            for rule in self.model.rules_of(region, listener["ListenerArn"]):
                of_rule: Any = rule["rule"]["Actions"]
                check_forwards(self.model, region, balancer, protocol, of_rule)
            first = defaults(_table(protocol))
            record["attributes"] = {key: record["attributes"].get(key, value) for key, value in first.items()}
        for name in MEMBERS:
            listener.pop(name, None)
        if not secure:
            record.pop("certificates", None)
        listener.update(Protocol=protocol, DefaultActions=actions, **secure)
        self._put(region, record)
        return {"Listeners": [listener]}

    @operation()
    async def describe_listener_attributes(
        self, context: Context, request: t.DescribeListenerAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """List a listener's attributes."""
        return {"Attributes": listed(find_listener(self.model, context.region, request["ListenerArn"])["attributes"])}

    @operation(resource=arn_in("ListenerArn"))
    async def modify_listener_attributes(
        self, context: Context, request: t.ModifyListenerAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """Change attributes."""
        record = find_listener(self.model, context.region, request["ListenerArn"])
        given: Any = request["Attributes"]
        table = _table(record["listener"]["Protocol"])
        record["attributes"] = changed("Listener", table, record["attributes"], given)
        self._put(context.region, record)
        return {"Attributes": listed(record["attributes"])}

    @operation(resource=arn_in("ListenerArn"))
    async def delete_listener(self, context: Context, request: t.DeleteListenerInputTypeDef) -> Mapping[str, Any]:
        """Delete a listener with its rules."""
        region, arn = context.region, request["ListenerArn"]
        find_listener(self.model, region, arn)
        with self.model.store.transaction():
            for rule in self.model.rules_of(region, arn):
                self.model.rules.delete(region, rule["rule"]["RuleArn"])
            self.model.listeners.delete(region, arn)
        return {}

    def _check_trust(self, region: str, balancer_arn: str, listener_arn: str | None, secure: dict[str, Any]) -> None:
        """Raise TrustStoreNotFound, or InvalidConfigurationRequest for one listener too many that verifies."""
        given = secure.get("MutualAuthentication", {})
        if "TrustStoreArn" not in given:
            return
        find_trust_store(self.model, region, given["TrustStoreArn"])
        others = [
            each
            for each in self.model.listeners_of(region, balancer_arn)
            if each["listener"]["ListenerArn"] != listener_arn
            and each["listener"].get("MutualAuthentication", {}).get("Mode") == "verify"
        ]
        if len(others) >= _MOST_VERIFYING:
            raise ServiceError(
                "InvalidConfigurationRequest",
                f"A load balancer has at most {_MOST_VERIFYING} listeners with the mutual authentication mode 'verify'",
            )

    def _at(self, region: str, balancer_arn: str, port: int) -> ListenerRecord | None:
        listeners = self.model.listeners_of(region, balancer_arn)
        return next((each for each in listeners if each["listener"]["Port"] == port), None)

    def _put(self, region: str, record: ListenerRecord) -> None:
        self.model.listeners.put((region, record["listener"]["ListenerArn"]), record)


def _table(protocol: str) -> Mapping[str, Attribute]:
    """Return the attributes that a listener of a protocol has."""
    return {"HTTP": LISTENER, "HTTPS": HTTPS_LISTENER, "TCP": TCP_LISTENER}.get(protocol, {})


def _compared(listener: Mapping[str, Any]) -> list[Any]:
    return [listener.get(name) for name in _COMPARED]


def _taken(balancer_arn: str) -> ServiceError:
    return ServiceError(
        "DuplicateListener", f"A listener already exists on this port for this load balancer '{balancer_arn}'"
    )
