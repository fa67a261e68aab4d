"""The records of certificates, and what is asked of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Store

if TYPE_CHECKING:
    from types_boto3_acm import type_defs as t

SERVICE = "acm.amazonaws.com"  # as whom it calls other services


class CertificateRecord(TypedDict):
    """A certificate as AWS describes it, but for who uses it.

    `body` and `chain` are PEM, and not there before the certificate is issued; its key is in a file. `token` is the
    caller's, under which a request that is made again is the same.
    """

    certificate: t.CertificateDetailTypeDef
    tags: dict[str, str]
    token: NotRequired[str]
    body: NotRequired[str]
    chain: NotRequired[str]


class AcmModel:
    """Everything is keyed `(region, ARN)`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.certificates = Collection[CertificateRecord](store, "acm.certificate")

    def requested(self, region: str, token: str, since: datetime) -> CertificateRecord | None:
        """Return the certificate that was requested with a token since a moment, or None."""
        found = (each for each in self.certificates.values(region) if each.get("token") == token)
        return next((each for each in found if each["certificate"]["CreatedAt"] >= since), None)


def short_id(arn: str) -> str:
    """Return the part of an ARN that tells it from all others: a UUID."""
    return arn.rpartition("/")[2]
