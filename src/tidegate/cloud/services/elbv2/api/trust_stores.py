"""Trust stores: the authorities that clients' certificates have to be of.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2 import trust
from tidegate.cloud.services.elbv2.api.shared import ElbApi, arn_in, find_trust_store, new_tags, paged, request_tags
from tidegate.cloud.services.elbv2.downloads import Downloads
from tidegate.cloud.services.elbv2.model import SERVICE, ElbModel, TrustStoreRecord

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

_MOST = 20  # of an account
_MISSING = ("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "AccessDenied")


class TrustStoresApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTrustStore.html and siblings."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, downloads: Downloads) -> None:
        super().__init__(model, calls, clock)
        self._downloads = downloads

    @operation(
        resource=lambda api, context, request: context.arn("elasticloadbalancing", f"truststore/{request['Name']}/*"),
        conditions=request_tags,
    )
    async def create_trust_store(self, context: Context, request: t.CreateTrustStoreInputTypeDef) -> Mapping[str, Any]:
        """Create a trust store from a bundle of certificates in S3, read as the caller."""
        region, name = context.region, request["Name"]
        base = context.arn("elasticloadbalancing", f"truststore/{name}")
        tags = new_tags(self, context, request, f"{base}/*", "CreateTrustStore")
        bundle = await self._bundle(context, request)
        present = self.model.trust_stores.values(region)
        if any(each["store"]["Name"] == name for each in present):
            raise ServiceError("DuplicateTrustStoreName", f"A trust store with the name '{name}' already exists")
        if len(present) >= _MOST:
            raise ServiceError("TooManyTrustStores", f"The maximum number of trust stores per account is {_MOST}")
        store: Any = {
            "Name": name,
            "TrustStoreArn": f"{base}/{self.clock.hex(16)}",
            "Status": "ACTIVE",
            "NumberOfCaCertificates": len(trust.authorities(bundle)),
            "TotalRevokedEntries": 0,
        }
        new: TrustStoreRecord = {"store": store, "bundle": bundle.decode(), "tags": tags, "last_revocation": 0}
        self.model.trust_stores.put((region, store["TrustStoreArn"]), new)
        return {"TrustStores": [store]}

    @operation(resource=arn_in("TrustStoreArn"))
    async def modify_trust_store(self, context: Context, request: t.ModifyTrustStoreInputTypeDef) -> Mapping[str, Any]:
        """Replace a trust store's bundle."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        bundle = await self._bundle(context, request)
        record = find_trust_store(self.model, region, arn)
        record["bundle"] = bundle.decode()
        record["store"]["NumberOfCaCertificates"] = len(trust.authorities(bundle))
        self.model.trust_stores.put((region, arn), record)
        return {"TrustStores": [record["store"]]}

    @operation(resource=arn_in("TrustStoreArn"))
    async def delete_trust_store(self, context: Context, request: t.DeleteTrustStoreInputTypeDef) -> Mapping[str, Any]:
        """Delete a trust store that no listener uses, with its revocation lists."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        if self.model.trusting(region, arn):
            raise ServiceError("TrustStoreInUse", f"Trust store '{arn}' is currently in use by a listener")
        with self.model.store.transaction():
            for key, _ in self.model.revocations.items(region, arn):
                self.model.revocations.delete(*key)
            self.model.trust_stores.delete(region, arn)
        return {}

    @operation()
    async def describe_trust_stores(
        self, context: Context, request: t.DescribeTrustStoresInputTypeDef
    ) -> Mapping[str, Any]:
        """List trust stores: by ARNs, by names, or all."""
        stores: list[Any] = [each["store"] for each in self.model.trust_stores.values(context.region)]
        given: tuple[tuple[str, Any], ...] = (
            ("TrustStoreArn", request.get("TrustStoreArns", ())),
            ("Name", request.get("Names", ())),
        )
        for member, wanted in given:
            if any(each not in {store[member] for store in stores} for each in wanted):
                raise ServiceError("TrustStoreNotFound", "One or more trust stores not found")
            stores = [each for each in stores if not wanted or each[member] in wanted]
        return paged(request, stores, lambda each: str(each["TrustStoreArn"]), "TrustStores")

    @operation(resource=arn_in("TrustStoreArn"))
    async def describe_trust_store_associations(
        self, context: Context, request: t.DescribeTrustStoreAssociationsInputTypeDef
    ) -> Mapping[str, Any]:
        """List the load balancers whose listeners use a trust store."""
        region, arn = context.region, request["TrustStoreArn"]
        find_trust_store(self.model, region, arn)
        balancers = {each["listener"]["LoadBalancerArn"] for each in self.model.trusting(region, arn)}
        found = [{"ResourceArn": each} for each in sorted(balancers)]
        return paged(request, found, lambda each: str(each["ResourceArn"]), "TrustStoreAssociations")

    @operation(resource=arn_in("TrustStoreArn"))
    async def get_trust_store_ca_certificates_bundle(
        self, context: Context, request: t.GetTrustStoreCaCertificatesBundleInputTypeDef
    ) -> Mapping[str, Any]:
        """Return an address that the bundle can be fetched from for ten minutes, without credentials."""
        record = find_trust_store(self.model, context.region, request["TrustStoreArn"])
        return {"Location": self._downloads.offer(record["bundle"])}

    async def _bundle(self, context: Context, request: Mapping[str, Any]) -> bytes:
        """Return the bundle that a request names, checked."""
        bucket, key = request["CaCertificatesBundleS3Bucket"], request["CaCertificatesBundleS3Key"]
        bundle = await read(self.calls, context, bucket, key, request.get("CaCertificatesBundleS3ObjectVersion"))
        if bundle is None:
            raise ServiceError("CaCertificatesBundleNotFound", "The specified CA certificates bundle cannot be found")
        trust.authorities(bundle)
        return bundle


async def read(calls: Calls, context: Context, bucket: str, key: str, version: str | None) -> bytes | None:
    """Return an object as the caller may read it; None where there is none, or none for the caller."""
    caller = calls.as_principal(context.principal, context.region, via=SERVICE)
    request = {"Bucket": bucket, "Key": key, **({} if version is None else {"VersionId": version})}
    try:
        answer = await caller("s3", "get_object", **request)
    except ServiceError as error:
        if error.code not in _MISSING:
            raise
        return None
    return b"".join([chunk async for chunk in answer["Body"]])
