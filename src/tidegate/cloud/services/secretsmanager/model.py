"""Secrets Manager's records: secrets by region and name, the encrypted values of their versions under them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

from tidegate.cloud.encryption import DataKey, DecryptionError
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
_SUFFIX = re.compile(r"-[a-zA-Z0-9]{6}$")


class VersionRecord(TypedDict):
    """One version of a secret; without staging labels it is deprecated."""

    stages: list[str]
    created: datetime
    accessed: NotRequired[datetime]  # the day


class SecretRecord(TypedDict):
    """A secret and its versions by their ids, oldest first. Its values are records of their own."""

    name: str
    arn: str
    created: datetime
    changed: datetime
    accessed: NotRequired[datetime]  # the day
    description: NotRequired[str]
    tags: list[t.TagTypeDef]
    policy: NotRequired[str]
    versions: dict[str, VersionRecord]
    deletion: NotRequired[datetime]  # when it is to go for good


class ValueRecord(TypedDict):
    """A version's value, encrypted. `member` says which of the two it is: SecretString or SecretBinary."""

    member: str
    ciphertext: str


class Value(NamedTuple):
    """A version's value in clear."""

    member: str
    content: bytes

    def shown(self) -> dict[str, Any]:
        """Return it as the API gives it."""
        return {self.member: self.content.decode() if self.member == "SecretString" else self.content}


class SecretsModel:
    """Secrets, their values, and the key that these are encrypted with."""

    def __init__(self, store: Store, account: str, key: DataKey) -> None:
        self.account = account
        self.transaction = store.transaction
        self.secrets = Collection[SecretRecord](store, "secretsmanager.secret")
        self._values = Collection[ValueRecord](store, "secretsmanager.value")
        self._key = key

    def arn(self, region: str, name: str, suffix: str) -> str:
        """Return the ARN of a secret, which ends in six characters of chance."""
        return f"arn:aws:secretsmanager:{region}:{self.account}:secret:{name}-{suffix}"

    def named(self, region: str, identifier: str) -> SecretRecord | None:
        """Return a secret by its name, its ARN, or its ARN without the characters of chance.

        https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
        """
        if not identifier.startswith("arn:"):
            return self.secrets.get(region, identifier)
        parts = identifier.split(":", 6)
        if len(parts) < 7 or parts[2:6] != ["secretsmanager", region, self.account, "secret"]:
            return None
        whole = self.secrets.get(region, _SUFFIX.sub("", parts[6]))
        if whole is not None and whole["arn"] == identifier:
            return whole
        return self.secrets.get(region, parts[6])

    def policy_of(self, arn: str) -> str | None:
        """Return the resource policy of the secret of an ARN, for IAM."""
        parts = arn.split(":", 6)
        record = self.named(parts[3], arn) if len(parts) == 7 else None
        return None if record is None else record.get("policy")

    def put(self, region: str, record: SecretRecord) -> None:
        """Write a secret; the values of versions that it has no more are gone."""
        with self.transaction():
            self.secrets.put((region, record["name"]), record)
            for key, _ in self._values.items(region, record["name"]):
                if key[2] not in record["versions"]:
                    self._values.delete(*key)

    def delete(self, region: str, name: str) -> None:
        """Forget a secret with all its values."""
        with self.transaction():
            for key, _ in self._values.items(region, name):
                self._values.delete(*key)
            self.secrets.delete(region, name)

    def doomed(self) -> list[Key]:
        """Return the secrets that are to go."""
        return [key for key, record in self.secrets.items() if "deletion" in record]

    def put_value(self, region: str, record: SecretRecord, version: str, value: Value) -> None:
        """Write a version's value, encrypted."""
        ciphertext = self._key.encrypt(value.content, _context(record, version))
        self._values.put((region, record["name"], version), {"member": value.member, "ciphertext": ciphertext})

    def value(self, region: str, record: SecretRecord, version: str) -> Value:
        """Return a version's value; raise DecryptionFailure."""
        found = self._values.get(region, record["name"], version)
        assert found is not None, "a version is written with its value"
        try:
            return Value(found["member"], self._key.decrypt(found["ciphertext"], _context(record, version)))
        except DecryptionError as error:
            raise ServiceError(
                "DecryptionFailure", f"Secrets Manager can't decrypt the protected secret text: {error}"
            ) from None


def _context(record: SecretRecord, version: str) -> str:
    return f"{record['arn']}/{version}"
