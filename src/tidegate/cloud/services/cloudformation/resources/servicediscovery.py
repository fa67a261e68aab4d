"""Cloud Map: namespaces, services, instances.

What takes time is an operation, which the resource waits for.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ServiceDiscovery.html
"""

from __future__ import annotations

from typing import Any, ClassVar

from tidegate.cloud.errors import ServiceError
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

_FAILED = "FAIL"
_ONGOING = ("SUBMITTED", "PENDING")
_LONGEST_ID = 64


class _Namespace(Handler):
    """What namespaces have in common: their id is Cloud Map's."""

    missing = frozenset({"NamespaceNotFound"})
    kind: ClassVar[str]  # as it stands in the names of operations

    async def create(self, step: Step) -> str:
        """Begin to create the namespace."""
        names = ("Name", "Description", "Vpc", "Properties", "Tags")
        request = {**only(step.properties, *names), "CreatorRequestId": step.token[:_LONGEST_ID]}
        answer = await step.send("servicediscovery", f"create_{self.kind}_namespace", request)
        operation = await _operation(step, answer["OperationId"])
        return str(operation["Targets"]["NAMESPACE"])

    async def settled(self, step: Step) -> bool:
        """Return whether the last operation on the namespace is over."""
        return await _settled(step, "NAMESPACE_ID", step.physical_id)

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `Id`, and `HostedZoneId` where there is a zone."""
        namespace = (await step.call("servicediscovery", "get_namespace", Id=step.physical_id))["Namespace"]
        zone = namespace["Properties"].get("DnsProperties", {}).get("HostedZoneId")
        return {"Arn": namespace["Arn"], "Id": namespace["Id"], **({} if zone is None else {"HostedZoneId": zone})}

    async def update(self, step: Step, before: Properties) -> None:
        """Change description, SOA record and tags."""
        if changed(before, step.properties, "Description", "Properties"):
            change: dict[str, Any] = {"Description": step.properties.get("Description", "")}
            change |= only(step.properties, "Properties")
            operation = f"update_{self.kind}_namespace"
            await step.send("servicediscovery", operation, {"Id": step.physical_id, "Namespace": change})
        await _put_tags(step, before)

    async def delete(self, step: Step) -> None:
        """Begin to delete the namespace."""
        await step.call("servicediscovery", "delete_namespace", Id=step.physical_id)

    async def gone(self, step: Step) -> bool:
        """Return whether the namespace is there no more."""
        await _settled(step, "NAMESPACE_ID", step.physical_id)
        try:
            await step.call("servicediscovery", "get_namespace", Id=step.physical_id)
        except ServiceError as error:
            if self.is_missing(error):
                return True
            raise
        return False


class HttpNamespace(_Namespace):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicediscovery-httpnamespace.html."""

    type = "AWS::ServiceDiscovery::HttpNamespace"
    kind = "http"


class PrivateDnsNamespace(_Namespace):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicediscovery-privatednsnamespace.html."""

    type = "AWS::ServiceDiscovery::PrivateDnsNamespace"
    kind = "private_dns"


class PublicDnsNamespace(_Namespace):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicediscovery-publicdnsnamespace.html."""

    type = "AWS::ServiceDiscovery::PublicDnsNamespace"
    kind = "public_dns"


class Service(Handler):
    """Its id is Cloud Map's.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicediscovery-service.html
    """

    type = "AWS::ServiceDiscovery::Service"
    missing = frozenset({"ServiceNotFound"})

    async def create(self, step: Step) -> str:
        """Create the service, then put its attributes."""
        request = {
            **without(step.properties, "Name", "ServiceAttributes"),
            "Name": step.name("Name", _LONGEST_ID - 1),
            "CreatorRequestId": step.token[:_LONGEST_ID],
        }
        if "NamespaceId" not in request and "NamespaceId" not in request.get("DnsConfig", {}):
            raise FailedError("A service needs a NamespaceId, its own or in its DnsConfig", "InvalidRequest")
        service = str((await step.send("servicediscovery", "create_service", request))["Service"]["Id"])
        step.made(service)
        await self._put_attributes(step, {})
        return service

    async def settled(self, step: Step) -> bool:
        """Return whether the last operation on the service is over."""
        return await _settled(step, "SERVICE_ID", step.physical_id)

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`, `Id` and `Name`."""
        service = (await step.call("servicediscovery", "get_service", Id=step.physical_id))["Service"]
        return {"Arn": service["Arn"], "Id": service["Id"], "Name": service["Name"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Change description, DNS records, attributes and tags."""
        if changed(before, step.properties, "Description", "DnsConfig", "HealthCheckConfig"):
            change = only(step.properties, "Description", "HealthCheckConfig")
            if "DnsConfig" in step.properties:
                change["DnsConfig"] = only(step.properties["DnsConfig"], "DnsRecords")
            await step.send("servicediscovery", "update_service", {"Id": step.physical_id, "Service": change})
        await self._put_attributes(step, before)
        await _put_tags(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the service, which has to be empty."""
        await step.call("servicediscovery", "delete_service", Id=step.physical_id)

    async def _put_attributes(self, step: Step, before: Properties) -> None:
        old, new = before.get("ServiceAttributes", {}), step.properties.get("ServiceAttributes", {})
        put = {key: value for key, value in new.items() if old.get(key) != value}
        gone = [key for key in old if key not in new]
        about = {"ServiceId": step.physical_id}
        if put:
            await step.send("servicediscovery", "update_service_attributes", {**about, "Attributes": put})
        if gone:
            await step.send("servicediscovery", "delete_service_attributes", {**about, "Attributes": gone})


class Instance(Handler):
    """Its id is the instance's.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-servicediscovery-instance.html
    """

    type = "AWS::ServiceDiscovery::Instance"
    missing = frozenset({"InstanceNotFound", "ServiceNotFound"})

    async def create(self, step: Step) -> str:
        """Begin to register the instance."""
        instance = step.name("InstanceId", _LONGEST_ID)
        await self._register(step, instance)
        return instance

    async def settled(self, step: Step) -> bool:
        """Return whether the last operation on the instance is over."""
        return await _settled(step, "SERVICE_ID", step.properties["ServiceId"], step.physical_id)

    async def update(self, step: Step, before: Properties) -> None:
        """Begin to register the instance with other attributes."""
        await self._register(step, step.physical_id)

    async def delete(self, step: Step) -> None:
        """Begin to deregister the instance."""
        about = {"ServiceId": step.properties["ServiceId"], "InstanceId": step.physical_id}
        await step.call("servicediscovery", "deregister_instance", **about)

    async def gone(self, step: Step) -> bool:
        """Return whether the instance is there no more."""
        about = {"ServiceId": step.properties["ServiceId"], "InstanceId": step.physical_id}
        try:
            await step.call("servicediscovery", "get_instance", **about)
        except ServiceError as error:
            if self.is_missing(error):
                return True
            raise
        return False

    async def _register(self, step: Step, instance: str) -> None:
        attributes = {key: str(value) for key, value in step.properties["InstanceAttributes"].items()}
        request = {
            "ServiceId": step.properties["ServiceId"],
            "InstanceId": instance,
            "CreatorRequestId": step.token[:_LONGEST_ID],
            "Attributes": attributes,
        }
        await step.send("servicediscovery", "register_instance", request)


async def _operation(step: Step, operation_id: str) -> Any:
    return (await step.call("servicediscovery", "get_operation", OperationId=operation_id))["Operation"]


async def _settled(step: Step, name: str, target: str, instance: str | None = None) -> bool:
    """Return whether nothing is going on at a target; raise `FailedError` where the last operation failed."""
    wanted = [{"Name": name, "Values": [target.rpartition("/")[2]], "Condition": "EQ"}]
    operations = []
    token: dict[str, str] = {}
    while True:
        answer = await step.call("servicediscovery", "list_operations", Filters=wanted, **token)
        operations += [await _operation(step, each["Id"]) for each in answer["Operations"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    own = [each for each in operations if instance is None or each["Targets"].get("INSTANCE") == instance]
    if any(each["Status"] in _ONGOING for each in own):
        return False
    last = max(own, key=lambda each: each["CreateDate"], default=None)
    if last is not None and last["Status"] == _FAILED:
        raise FailedError(f"{last['ErrorCode']}: {last['ErrorMessage']}", "NotStabilized")
    return True


async def _put_tags(step: Step, before: Properties) -> None:
    put, gone = tag_changes(before, step.properties)
    if not put and not gone:
        return
    arn = (await _resource(step))["Arn"]
    if put:
        await step.call("servicediscovery", "tag_resource", ResourceARN=arn, Tags=put)
    if gone:
        await step.call("servicediscovery", "untag_resource", ResourceARN=arn, TagKeys=gone)


async def _resource(step: Step) -> Any:
    noun = "Namespace" if step.physical_id.startswith("ns-") else "Service"
    return (await step.call("servicediscovery", f"get_{noun.lower()}", Id=step.physical_id))[noun]


HANDLERS: tuple[Handler, ...] = (
    HttpNamespace(),
    PrivateDnsNamespace(),
    PublicDnsNamespace(),
    Service(),
    Instance(),
)
