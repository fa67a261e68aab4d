"""Namespaces: created, shown, changed, deleted. What takes time is an operation.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html and siblings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.api.shared import (
    checked_tags,
    filtered,
    invalid,
    namespace_arn,
    of_namespace,
    paged,
)
from tidegate.cloud.services.servicediscovery.model import (
    CREATE_NAMESPACE,
    DELETE_NAMESPACE,
    HTTP,
    ONGOING,
    PRIVATE,
    PUBLIC,
    SERVICE,
    UPDATE_NAMESPACE,
    DiscoveryModel,
    NamespaceRecord,
    bare_id,
    new_id,
)

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_START_TTL = 15  # seconds, of the SOA record
_EQUAL, _TEXT = ("EQ", "IN"), ("EQ", "IN", "BEGINS_WITH")


class NamespacesApi:
    """The ids of namespaces can be given as ARNs, too."""

    def __init__(self, model: DiscoveryModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self.calls = calls
        self.clock = clock

    @operation()
    async def create_http_namespace(
        self, context: Context, request: t.CreateHttpNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a namespace whose instances are found by calls alone."""
        return self._create(context, request, HTTP)

    @operation()
    async def create_private_dns_namespace(
        self, context: Context, request: t.CreatePrivateDnsNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a namespace whose names resolve within a VPC: a private zone of Route 53."""
        self.calls.authorize(context, "route53:CreateHostedZone", "*")
        _check_domain(request["Name"])
        try:
            await self.calls.as_service(SERVICE, context.region)("ec2", "describe_vpcs", VpcIds=[request["Vpc"]])
        except ServiceError as error:
            raise invalid(f"The VPC {request['Vpc']} cannot be used: {error.message}") from error
        return self._create(context, request, PRIVATE, request["Vpc"])

    @operation()
    async def create_public_dns_namespace(
        self, context: Context, request: t.CreatePublicDnsNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a namespace with a public zone of Route 53, which keeps its records; nobody is told of them."""
        self.calls.authorize(context, "route53:CreateHostedZone", "*")
        _check_domain(request["Name"])
        return self._create(context, request, PUBLIC)

    @operation(resource=of_namespace)
    async def get_namespace(self, context: Context, request: t.GetNamespaceRequestTypeDef) -> Mapping[str, Any]:
        """Return a namespace."""
        return {"Namespace": self._shown(context, self.model.namespace(context.region, request["Id"]))}

    @operation()
    async def list_namespaces(self, context: Context, request: t.ListNamespacesRequestTypeDef) -> Mapping[str, Any]:
        """List the namespaces that fit all filters."""
        values = {
            "TYPE": lambda each: each["namespace"]["Type"],
            "NAME": lambda each: each["namespace"]["Name"],
            "HTTP_NAME": lambda each: each["namespace"]["Properties"]["HttpProperties"]["HttpName"],
            "RESOURCE_OWNER": lambda each: "SELF",
        }
        conditions = {"TYPE": _EQUAL, "NAME": _TEXT, "HTTP_NAME": _TEXT, "RESOURCE_OWNER": ("EQ",)}
        found = filtered(self.model.namespaces.values(context.region), request.get("Filters", ()), values, conditions)
        chosen, token = paged(found, request, lambda each: each["namespace"]["Id"])
        shown = [self._shown(context, each) for each in chosen]
        return {"Namespaces": [{k: v for k, v in each.items() if k != "CreatorRequestId"} for each in shown], **token}

    @operation(resource=of_namespace)
    async def update_http_namespace(
        self, context: Context, request: t.UpdateHttpNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a namespace's description."""
        return self._update(context, request, HTTP)

    @operation(resource=of_namespace)
    async def update_private_dns_namespace(
        self, context: Context, request: t.UpdatePrivateDnsNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a namespace's description, or how long it is remembered that a name is none."""
        return self._update(context, request, PRIVATE)

    @operation(resource=of_namespace)
    async def update_public_dns_namespace(
        self, context: Context, request: t.UpdatePublicDnsNamespaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a namespace's description, or how long it is remembered that a name is none."""
        return self._update(context, request, PUBLIC)

    @operation(resource=of_namespace)
    async def delete_namespace(self, context: Context, request: t.DeleteNamespaceRequestTypeDef) -> Mapping[str, Any]:
        """Delete a namespace that has no services (any more), and its zone."""
        record = self.model.namespace(context.region, request["Id"])
        namespace_id = record["namespace"]["Id"]
        if record["namespace"]["Type"] != HTTP:
            self.calls.authorize(context, "route53:DeleteHostedZone", self._zone_arn(record))
        if self.model.services_in(context.region, namespace_id):
            raise ServiceError(
                "ResourceInUse", "Namespace contains registered services; delete the services before the namespace"
            )
        self._check_idle(context, namespace_id)
        targets = {"NAMESPACE": namespace_id}
        return {"OperationId": self.model.begin(context.region, self.clock, DELETE_NAMESPACE, targets, {})}

    def _create(
        self, context: Context, request: Mapping[str, Any], kind: Any, vpc: str | None = None
    ) -> Mapping[str, Any]:
        creator = request.get("CreatorRequestId") or self.clock.new_id()
        for each in self.model.operations.values(context.region):
            asked = each["work"].get("namespace", {})
            if each["operation"]["Type"] != CREATE_NAMESPACE or asked.get("CreatorRequestId") != creator:
                continue
            if (asked["Name"], asked["Type"], each["work"].get("vpc")) != (request["Name"], kind, vpc):
                raise _duplicate(each["operation"]["Id"], "was asked for under this CreatorRequestId")
            return {"OperationId": each["operation"]["Id"]}
        self._check_name(context, request["Name"], kind, vpc)
        namespace_id = new_id(self.clock, "ns")
        namespace: dict[str, Any] = {
            "Id": namespace_id,
            "Arn": namespace_arn(context, namespace_id),
            "ResourceOwner": context.account,
            "Name": request["Name"],
            "Type": kind,
            "Properties": {"HttpProperties": {"HttpName": request["Name"]}},
            "CreateDate": self.clock.now(),
            "CreatorRequestId": creator,
        }
        if "Description" in request:
            namespace["Description"] = request["Description"]
        if kind != HTTP:
            start = request.get("Properties", {}).get("DnsProperties", {}).get("SOA", {"TTL": _START_TTL})
            namespace["Properties"]["DnsProperties"] = {"SOA": start}
        work: dict[str, Any] = {"namespace": namespace, "tags": checked_tags(request.get("Tags", ()))}
        if vpc is not None:
            work["vpc"] = vpc
        targets = {"NAMESPACE": namespace_id}
        return {"OperationId": self.model.begin(context.region, self.clock, CREATE_NAMESPACE, targets, work)}

    def _check_name(self, context: Context, name: str, kind: str, vpc: str | None) -> None:
        """Raise where there is such a namespace already, or one is being made."""

        def clashes(other: Mapping[str, Any], where: str | None) -> bool:
            written = other["Name"] if kind == HTTP else other["Name"].lower()
            return bool(other["Type"] == kind and where == vpc and written == (name if kind == HTTP else name.lower()))

        for each in self.model.namespaces.values(context.region):
            namespace = each["namespace"]
            if clashes(namespace, each.get("vpc")):
                raise ServiceError(
                    "NamespaceAlreadyExists",
                    f"Namespace with name {name} already exists",
                    NamespaceId=namespace["Id"],
                    CreatorRequestId=namespace.get("CreatorRequestId", ""),
                )
        for going in self.model.operations.values(context.region):
            operation, work = going["operation"], going["work"]
            begins = operation["Type"] == CREATE_NAMESPACE and operation["Status"] in ONGOING
            if begins and clashes(work["namespace"], work.get("vpc")):
                raise _duplicate(operation["Id"], "is in progress")

    def _update(self, context: Context, request: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        record = self.model.namespace(context.region, request["Id"])
        namespace_id = record["namespace"]["Id"]
        if record["namespace"]["Type"] != kind:
            raise invalid(f"Namespace {namespace_id} is of the type {record['namespace']['Type']}, not {kind}")
        updater = request.get("UpdaterRequestId") or self.clock.new_id()
        for each in self.model.operations.values(context.region):
            if each["work"].get("updater") == updater:
                return {"OperationId": each["operation"]["Id"]}
        if kind != HTTP:
            self.calls.authorize(context, "route53:ChangeResourceRecordSets", self._zone_arn(record))
        self._check_idle(context, namespace_id)
        work = {"updater": updater, "change": request["Namespace"]}
        targets = {"NAMESPACE": namespace_id}
        return {"OperationId": self.model.begin(context.region, self.clock, UPDATE_NAMESPACE, targets, work)}

    def _check_idle(self, context: Context, namespace_id: str) -> None:
        kinds = (UPDATE_NAMESPACE, DELETE_NAMESPACE)
        going = self.model.ongoing(context.region, kinds, NAMESPACE=bare_id(namespace_id))
        if going is not None:
            raise _duplicate(going["Id"], "is in progress")

    def _zone_arn(self, record: NamespaceRecord) -> str:
        zone = record["namespace"]["Properties"]["DnsProperties"]["HostedZoneId"]
        return f"arn:aws:route53:::hostedzone/{zone}"

    def _shown(self, context: Context, record: NamespaceRecord) -> dict[str, Any]:
        count = len(self.model.services_in(context.region, record["namespace"]["Id"]))
        return {**record["namespace"], "ServiceCount": count}


def _check_domain(name: str) -> None:
    labels = name.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(each) for each in labels):
        raise invalid(f"{name} is not a domain name")


def _duplicate(operation_id: str, why: str) -> ServiceError:
    return ServiceError(
        "DuplicateRequest", f"Another operation with id {operation_id} {why}", DuplicateOperationId=operation_id
    )
