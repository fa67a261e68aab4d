"""Certificates are issued once their domains are validated, renewed while they are used, and expire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.certificates import Certificates
from tidegate.cloud.services.acm.model import SERVICE, AcmModel, CertificateRecord, short_id
from tidegate.cloud.services.acm.pem import described, facts
from tidegate.cloud.services.acm.plan import DAYS, decide, zone_of
from tidegate.cloud.services.acm.users import Users
from tidegate.cloud.store import Key


class CertificatesReconciler:
    """Keys are `(region, ARN)`."""

    def __init__(self, model: AcmModel, calls: Calls, clock: Clock, certificates: Certificates) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._certificates = certificates
        self._users = Users(calls)

    async def reconcile(self, key: Key) -> float | None:
        """Converge one certificate; return when it has to be looked at again."""
        region, arn = key
        record = self._model.certificates.get(region, arn)
        if record is None:
            self._certificates.remove(short_id(arn))
            return None
        certificate: Any = record["certificate"]
        pending = certificate["Status"] == "PENDING_VALIDATION"
        validated = await self._validated(region, certificate) if pending else set()
        in_use = certificate["Status"] == "ISSUED" and arn in await self._users.of(region)
        plan = decide(certificate, validated, self._clock.now(), in_use=in_use)
        if plan.do in ("issue", "renew"):
            await self._issue(key, record)
            return 1.0
        status = {"expire": "EXPIRED", "time out": "VALIDATION_TIMED_OUT"}.get(plan.do)

        def change(record: CertificateRecord) -> None:
            now: Any = record["certificate"]
            for each in now.get("DomainValidationOptions", ()):
                if pending:
                    each["ValidationStatus"] = "SUCCESS" if each["DomainName"] in validated else "PENDING_VALIDATION"
            if status is not None:
                now["Status"] = status

        self._model.certificates.update(key, change)
        return plan.again

    async def _validated(self, region: str, certificate: Mapping[str, Any]) -> set[str]:
        """Return the domains whose record is there; those that nobody here could have a record for; mailed ones."""
        route53 = self._calls.as_service(SERVICE, region)
        zones: dict[str, list[str]] = {}
        marker: dict[str, str] = {}
        while True:
            answer: Any = await route53("route53", "list_hosted_zones", **marker)
            for zone in answer["HostedZones"]:
                if not zone["Config"]["PrivateZone"]:
                    zones.setdefault(zone["Name"], []).append(zone["Id"].rpartition("/")[2])
            if not answer["IsTruncated"]:
                break
            marker = {"Marker": answer["NextMarker"]}
        done = set()
        for option in certificate["DomainValidationOptions"]:
            domain, wanted = option["DomainName"], option.get("ResourceRecord")
            zone = zone_of(domain, zones)
            if wanted is None or zone is None:
                done.add(domain)
                continue
            for zone_id in zones[zone]:
                start = {"StartRecordName": wanted["Name"], "StartRecordType": "CNAME", "MaxItems": "1"}
                listed = await route53("route53", "list_resource_record_sets", HostedZoneId=zone_id, **start)
                if any(_is(each, wanted) for each in listed["ResourceRecordSets"]):
                    done.add(domain)
        return done

    async def _issue(self, key: Key, record: CertificateRecord) -> None:
        """Have a certificate signed, and say so; after a kill in between it is signed again."""
        region, arn = key
        certificate: Any = record["certificate"]
        body = await asyncio.to_thread(
            self._certificates.issue,
            short_id(arn),
            self._clock.hex(16),
            certificate["SubjectAlternativeNames"],
            certificate["KeyAlgorithm"],
            DAYS,
        )
        chain, found, now = self._certificates.authority(), facts(body), self._clock.now()

        def change(record: CertificateRecord) -> None:
            record.update({"body": body, "chain": chain})
            detail: Any = record["certificate"]
            if detail["Status"] == "ISSUED":
                detail["RenewalSummary"] = {
                    "RenewalStatus": "SUCCESS",
                    "DomainValidationOptions": detail["DomainValidationOptions"],
                    "UpdatedAt": now,
                }
            else:
                detail["IssuedAt"] = now
            for each in detail["DomainValidationOptions"]:
                each["ValidationStatus"] = "SUCCESS"
            detail.update(Status="ISSUED", **described(found))

        if self._model.certificates.update((region, arn), change) is None:
            self._certificates.remove(short_id(arn))  # it was deleted meanwhile


def _is(record: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    values = [each["Value"].lower().rstrip(".") for each in record.get("ResourceRecords", ())]
    same = (record["Name"].lower(), record["Type"]) == (wanted["Name"].lower(), "CNAME")
    return same and wanted["Value"].lower().rstrip(".") in values
