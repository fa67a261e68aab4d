"""The zones of namespaces in Route 53, and the record sets of services in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.model import HTTP, SERVICE, DiscoveryModel
from tidegate.cloud.services.servicediscovery.plan import record_changes, record_sets

_OWN = ("Name", "Type", "TTL", "ResourceRecords", "SetIdentifier", "Weight", "MultiValueAnswer")


class Zones:
    """Makes zones and their records be as the namespaces and services are. Everything can be asked twice."""

    def __init__(self, model: DiscoveryModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls
        self._changing: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def ensure(self, region: str, name: str, vpc: str | None, reference: str, ttl: int) -> str:
        """Return the id of the zone that was made under a reference, made now if there is none."""
        route53 = self._route53(region)
        request: dict[str, Any] = {"Name": name, "CallerReference": reference}
        request["HostedZoneConfig"] = {"Comment": "Created by AWS Cloud Map", "PrivateZone": vpc is not None}
        if vpc is not None:
            request["VPC"] = {"VPCRegion": region, "VPCId": vpc}
        try:
            zone = (await route53("route53", "create_hosted_zone", **request))["HostedZone"]["Id"]
        except ServiceError as error:
            if error.code != "HostedZoneAlreadyExists":
                raise
            zone = await self._find(route53, reference)
        zone_id = str(zone).removeprefix("/hostedzone/")
        await self.set_start(region, zone_id, ttl)
        return zone_id

    async def set_start(self, region: str, zone_id: str, ttl: int) -> None:
        """Give the SOA record of a zone its TTL, which is how long it is remembered that a name is none."""
        route53 = self._route53(region)
        found = (await route53("route53", "list_resource_record_sets", HostedZoneId=zone_id))["ResourceRecordSets"]
        start = next(each for each in found if each["Type"] == "SOA")
        if start["TTL"] != ttl:
            await self._change(route53, zone_id, [{"Action": "UPSERT", "ResourceRecordSet": {**start, "TTL": ttl}}])

    async def remove(self, region: str, zone_id: str) -> None:
        """Remove a zone; one that is gone is nothing to do."""
        try:
            await self._route53(region)("route53", "delete_hosted_zone", Id=zone_id)
        except ServiceError as error:
            if error.code != "NoSuchHostedZone":
                raise

    async def converge(self, region: str, service_id: str) -> None:
        """Have a zone's records say what instances a service has."""
        lock = self._changing.setdefault((region, service_id), asyncio.Lock())
        async with lock:
            await self._converge(region, service_id)

    async def _converge(self, region: str, service_id: str) -> None:
        record = self._model.services.get(region, service_id)
        space = None if record is None else self._model.namespaces.get(region, record["namespace"])
        if record is None or space is None or space["namespace"]["Type"] == HTTP:
            return
        namespace: Any = space["namespace"]
        zone_id = namespace["Properties"]["DnsProperties"]["HostedZoneId"]
        domain = f"{record['service']['Name']}.{namespace['Name'].removesuffix('.')}.".lower()
        route53 = self._route53(region)
        present = await self._present(route53, zone_id, domain)
        # read now, after the last wait: what changes from here on has this done again
        record = self._model.services.get(region, service_id)
        instances = self._model.instances.values(region, service_id)
        wanted = [] if record is None else record_sets(domain, record["service"], instances)
        changes = record_changes(present, wanted)
        if changes:
            await self._change(route53, zone_id, changes)

    async def _present(self, route53: Caller, zone_id: str, domain: str) -> list[dict[str, Any]]:
        """Return the record sets at a name and at the names of instances right below it, as `record_sets` has them."""
        found: list[Mapping[str, Any]] = []
        start: dict[str, str] = {}
        while True:
            answer = await route53("route53", "list_resource_record_sets", HostedZoneId=zone_id, **start)
            found += answer["ResourceRecordSets"]
            if not answer["IsTruncated"]:
                break
            names = ("NextRecordName", "NextRecordType", "NextRecordIdentifier")
            start = {name.replace("Next", "Start"): answer[name] for name in names if name in answer}
        named = {
            each["service"]["Name"].lower() + domain[domain.index(".") :]
            for each in self._model.services.values(route53.region)
            if "." in each["service"]["Name"]
        }
        own = [
            each
            for each in found
            if each["Name"] == domain
            or (each["Name"].endswith(f".{domain}") and each["Name"] not in named and "SetIdentifier" not in each)
        ]
        return [{name: each[name] for name in _OWN if name in each} for each in own]

    async def _find(self, route53: Caller, reference: str) -> str:
        marker: dict[str, str] = {}
        while True:
            answer = await route53("route53", "list_hosted_zones", **marker)
            for zone in answer["HostedZones"]:
                if zone["CallerReference"] == reference:
                    return str(zone["Id"])
            marker = {"Marker": answer["NextMarker"]}

    async def _change(self, route53: Caller, zone_id: str, changes: list[dict[str, Any]]) -> None:
        batch = {"Comment": "AWS Cloud Map", "Changes": changes}
        await route53("route53", "change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)

    def _route53(self, region: str) -> Caller:
        return self._calls.as_service(SERVICE, region)
