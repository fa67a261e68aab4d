"""Certificate Manager: certificates, with the records that prove their domains.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_CertificateManager.html
"""

from __future__ import annotations

import hashlib
from typing import Any

from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
)

_PASSED = (
    "CertificateAuthorityArn",
    "DomainName",
    "KeyAlgorithm",
    "SubjectAlternativeNames",
    "Tags",
    "ValidationMethod",
)
_TTL = 300
_PREFERENCE = "CertificateTransparencyLoggingPreference"


class Certificate(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-certificatemanager-certificate.html.

    Creating is idempotent by its token. The records that it makes in hosted zones stay when it goes, as on AWS.
    """

    type = "AWS::CertificateManager::Certificate"
    missing = frozenset({"ResourceNotFoundException"})

    async def create(self, step: Step) -> str:
        """Request the certificate and, where a hosted zone is named for a domain, put its record there."""
        options: list[Any] = step.properties.get("DomainValidationOptions", [])
        request: dict[str, Any] = {
            **only(step.properties, *_PASSED),
            "IdempotencyToken": hashlib.sha256(step.token.encode()).hexdigest()[:32],
            "Options": _options(step.properties),
        }
        wanted = [only(each, "DomainName", "ValidationDomain") for each in options if "ValidationDomain" in each]
        if wanted:
            request["DomainValidationOptions"] = wanted
        arn = str((await step.send("acm", "request_certificate", request))["CertificateArn"])
        step.made(arn)
        zones = {each["DomainName"].lower(): each["HostedZoneId"] for each in options if "HostedZoneId" in each}
        await self._put_records(step, zones)
        return arn

    async def settled(self, step: Step) -> bool:
        """Return whether the certificate is issued; it waits for the records of its domains."""
        found = await self._describe(step)
        if found["Status"] in ("ISSUED", "PENDING_VALIDATION"):
            return bool(found["Status"] == "ISSUED")
        raise FailedError(f"The certificate was not issued: its status is {found['Status']}.", "NotStabilized")

    async def read(self, step: Step) -> Attributes:
        """Return `CertificateArn`."""
        return {"CertificateArn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change options and tags."""
        named = {"CertificateArn": step.physical_id}
        if changed(before, step.properties, _PREFERENCE):
            await step.call("acm", "update_certificate_options", **named, Options=_options(step.properties))
        put, taken = tag_changes(before, step.properties)
        if put:
            await step.call("acm", "add_tags_to_certificate", **named, Tags=put)
        if taken:
            await step.call("acm", "remove_tags_from_certificate", **named, Tags=[{"Key": key} for key in taken])

    async def delete(self, step: Step) -> None:
        """Delete the certificate."""
        await step.call("acm", "delete_certificate", CertificateArn=step.physical_id)

    async def _put_records(self, step: Step, zones: Properties) -> None:
        if not zones:
            return
        detail = await self._describe(step)
        for zone in sorted(set(zones.values())):
            records = {
                option["ResourceRecord"]["Name"]: option["ResourceRecord"]
                for option in detail["DomainValidationOptions"]
                if zones.get(option["DomainName"]) == zone and "ResourceRecord" in option
            }
            if not records:
                raise FailedError(
                    "HostedZoneId can only be used where DNS is the validation method, for domains of the certificate.",
                    "InvalidRequest",
                )
            changes = [
                {
                    "Action": "UPSERT",
                    "ResourceRecordSet": {
                        "Name": name,
                        "Type": each["Type"],
                        "TTL": _TTL,
                        "ResourceRecords": [{"Value": each["Value"]}],
                    },
                }
                for name, each in sorted(records.items())
            ]
            batch = {"Changes": changes}
            await step.call("route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)

    async def _describe(self, step: Step) -> Any:
        return (await step.call("acm", "describe_certificate", CertificateArn=step.physical_id))["Certificate"]


def _options(properties: Properties) -> dict[str, str]:
    options = {_PREFERENCE: properties.get(_PREFERENCE, "ENABLED")}
    if "CertificateExport" in properties:
        options["Export"] = properties["CertificateExport"]
    return options


HANDLERS: tuple[Handler, ...] = (Certificate(),)
