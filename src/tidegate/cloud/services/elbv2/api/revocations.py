"""Revocation lists of trust stores: added, listed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2 import trust
from tidegate.cloud.services.elbv2.api.shared import ElbApi, arn_in, find_trust_store, paged
from tidegate.cloud.services.elbv2.api.trust_stores import read
from tidegate.cloud.services.elbv2.downloads import Downloads
from tidegate.cloud.services.elbv2.model import ElbModel, RevocationRecord, revocation_key

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

_MOST = 30  # of a trust store


class RevocationsApi(ElbApi):
    """See API_AddTrustStoreRevocations.html and siblings in the API reference of Elastic Load Balancing."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, downloads: Downloads) -> None:
        super().__init__(model, calls, clock)
        self._downloads = downloads

    @operation(resource=arn_in("TrustStoreArn"))
    async def add_trust_store_revocations(
        self, context: Context, request: t.AddTrustStoreRevocationsInputTypeDef
    ) -> Mapping[str, Any]:
        """Add revocation lists (PEM, signed by an authority of the trust store) from S3, read as the caller."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        contents = []
        for each in request.get("RevocationContents", ()):
            if "S3Bucket" not in each or "S3Key" not in each:
                raise ServiceError("ValidationError", "A bucket and a key must be specified for each revocation file")
            content = await read(self.calls, context, each["S3Bucket"], each["S3Key"], each.get("S3ObjectVersion"))
            if content is None:
                raise ServiceError("RevocationContentNotFound", "The specified revocation content cannot be found")
            contents.append((each.get("RevocationType", "CRL"), content))
        record = find_trust_store(self.model, region, arn)
        known = trust.authorities(record["bundle"].encode())
        added: list[RevocationRecord] = []
        for kind, content in contents:
            lists = trust.revocations(content)
            trust.check_signed(lists, known)
            record["last_revocation"] += 1
            about = {
                "TrustStoreArn": arn,
                "RevocationId": record["last_revocation"],
                "RevocationType": kind,
                "NumberOfRevokedEntries": trust.count(lists),
            }
            added.append({"revocation": about, "content": content.decode()})  # type: ignore[typeddict-item]
        total = sum(each["revocation"]["NumberOfRevokedEntries"] for each in added)
        record["store"]["TotalRevokedEntries"] += total
        files = len(self.model.revocations.items(region, arn)) + len(added)
        if record["store"]["TotalRevokedEntries"] > trust.MOST_REVOKED or files > _MOST:
            raise ServiceError(
                "TooManyTrustStoreRevocationEntries",
                f"A trust store has at most {_MOST} revocation files and {trust.MOST_REVOKED} revoked entries",
            )
        with self.model.store.transaction():
            for new in added:
                self.model.revocations.put(revocation_key(region, arn, new["revocation"]["RevocationId"]), new)
            self.model.trust_stores.put((region, arn), record)
        return {"TrustStoreRevocations": [each["revocation"] for each in added]}

    @operation(resource=arn_in("TrustStoreArn"))
    async def remove_trust_store_revocations(
        self, context: Context, request: t.RemoveTrustStoreRevocationsInputTypeDef
    ) -> Mapping[str, Any]:
        """Remove revocation lists by their ids."""
        region, arn = context.region, request["TrustStoreArn"]
        record = find_trust_store(self.model, region, arn)
        gone = [self._find(region, arn, each) for each in dict.fromkeys(request["RevocationIds"])]
        with self.model.store.transaction():
            for each in gone:
                record["store"]["TotalRevokedEntries"] -= each["revocation"]["NumberOfRevokedEntries"]
                self.model.revocations.delete(*revocation_key(region, arn, each["revocation"]["RevocationId"]))
            self.model.trust_stores.put((region, arn), record)
        return {}

    @operation(resource=arn_in("TrustStoreArn"))
    async def describe_trust_store_revocations(
        self, context: Context, request: t.DescribeTrustStoreRevocationsInputTypeDef
    ) -> Mapping[str, Any]:
        """List a trust store's revocation lists, all or by their ids."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        wanted = request.get("RevocationIds", ())
        found = [self._find(region, arn, each) for each in wanted] if wanted else self.model.revoking(region, arn)
        shown = [each["revocation"] for each in found]
        return paged(request, shown, lambda each: f"{each['RevocationId']:010}", "TrustStoreRevocations")

    @operation(resource=arn_in("TrustStoreArn"))
    async def get_trust_store_revocation_content(
        self, context: Context, request: t.GetTrustStoreRevocationContentInputTypeDef
    ) -> Mapping[str, Any]:
        """Return an address that a revocation file can be fetched from for ten minutes, without credentials."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        return {"Location": self._downloads.offer(self._find(region, arn, request["RevocationId"])["content"])}

    def _find(self, region: str, arn: str, number: int) -> RevocationRecord:
        found = self.model.revocations.get(*revocation_key(region, arn, number))
        if found is None:
            raise ServiceError("RevocationIdNotFound", f"Revocation '{number}' not found")
        return found
