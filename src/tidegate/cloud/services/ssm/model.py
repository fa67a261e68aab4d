"""The Parameter Store's records: parameters by region and name, their versions under them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from tidegate.cloud.encryption import DataKey, DecryptionError
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ssm.names import arn_of
from tidegate.cloud.store import Collection, Store

SECURE = "SecureString"
DEFAULT_KEY = "alias/aws/ssm"


class ParameterRecord(TypedDict):
    """A parameter; `version` is its newest."""

    name: str
    type: str  # String, StringList, SecureString
    version: int
    tags: dict[str, str]


class VersionRecord(TypedDict):
    """One version of a parameter. The value of a SecureString is its ciphertext."""

    version: int
    value: str
    tier: str
    data_type: str
    labels: list[str]
    modified: datetime
    user: str
    key: NotRequired[str]
    description: NotRequired[str]
    pattern: NotRequired[str]


class SsmModel:
    """Parameters, their versions, and the key that SecureStrings are encrypted with."""

    def __init__(self, store: Store, account: str, key: DataKey) -> None:
        self.account = account
        self.transaction = store.transaction
        self.parameters = Collection[ParameterRecord](store, "ssm.parameter")
        self.versions = Collection[VersionRecord](store, "ssm.version")
        self._key = key

    def arn(self, region: str, name: str) -> str:
        """Return a parameter's ARN."""
        return arn_of(region, self.account, name)

    def version(self, region: str, name: str, number: int) -> VersionRecord | None:
        """Return one version."""
        return self.versions.get(region, name, _padded(number))

    def latest(self, region: str, record: ParameterRecord) -> VersionRecord:
        """Return the newest version."""
        found = self.version(region, record["name"], record["version"])
        assert found is not None, "a parameter is written with its version"
        return found

    def history(self, region: str, name: str) -> list[VersionRecord]:
        """Return the versions that are kept, oldest first."""
        return self.versions.values(region, name)

    def put_version(self, region: str, name: str, version: VersionRecord) -> None:
        """Write a version, new or whole again."""
        self.versions.put((region, name, _padded(version["version"])), version)

    def delete_version(self, region: str, name: str, number: int) -> None:
        """Forget one version."""
        self.versions.delete(region, name, _padded(number))

    def delete(self, region: str, name: str) -> None:
        """Forget a parameter with its history."""
        with self.transaction():
            for version in self.history(region, name):
                self.delete_version(region, name, version["version"])
            self.parameters.delete(region, name)

    def encrypted(self, region: str, name: str, value: str) -> str:
        """Return the ciphertext of a SecureString's value, as base64."""
        return self._key.encrypt(value.encode(), self.arn(region, name))

    def value(self, region: str, record: ParameterRecord, version: VersionRecord, *, decrypt: bool) -> str:
        """Return a version's value; that of a SecureString is its ciphertext unless it is to be decrypted."""
        if record["type"] != SECURE or not decrypt:
            return version["value"]
        try:
            return self._key.decrypt(version["value"], self.arn(region, record["name"])).decode()
        except DecryptionError as error:
            raise ServiceError("InvalidKeyId", f"The value of {record['name']} cannot be decrypted: {error}") from None


def resource_conditions(tags: dict[str, str]) -> dict[str, Any]:
    """Return the condition keys that a parameter's tags are."""
    return {f"{prefix}:resourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "ssm")}


def _padded(version: int) -> str:
    return f"{version:010d}"
