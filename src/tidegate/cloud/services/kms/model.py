"""KMS' records: keys by region and id, aliases by region and name, key material by the key's id.

The material of a multi-Region key is one for all its Regions, as its id is. It is encrypted with the data folder's key.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from tidegate.cloud.clock import Clock
from tidegate.cloud.encryption import DataKey, new_key
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t
    from types_boto3_kms.literals import KeyStateType

ENABLED: Final = "Enabled"
DISABLED: Final = "Disabled"
DOOMED: Final = "PendingDeletion"
WAITING: Final = "PendingReplicaDeletion"
ALIAS = "alias/"


class RotationRecord(TypedDict):
    """New material for a key from time to time."""

    days: int
    due: datetime


class KeyRecord(TypedDict):
    """A key. `material` is the number of what it encrypts with; older material still decrypts."""

    id: str
    created: datetime
    description: str
    state: KeyStateType
    manager: str  # AWS or CUSTOMER
    multi: bool
    primary: str  # the Region of the primary key; its own, unless it is a replica
    policy: str
    tags: list[t.TagTypeDef]
    material: int
    rotated: list[tuple[datetime, str]]  # when new material came, AUTOMATIC or ON_DEMAND
    rotation: NotRequired[RotationRecord]
    deletion: NotRequired[datetime]
    window: NotRequired[int]  # days between asking for the deletion and the deletion


class AliasRecord(TypedDict):
    """A name for a key."""

    key: str
    created: datetime
    updated: datetime


class MaterialRecord(TypedDict):
    """Key material, encrypted."""

    ciphertext: str


class KmsModel:
    """Keys, their names, and the material that nobody sees."""

    def __init__(self, store: Store, account: str, key: DataKey, clock: Clock) -> None:
        self.account = account
        self.clock = clock
        self.transaction = store.transaction
        self.keys = Collection[KeyRecord](store, "kms.key")
        self.aliases = Collection[AliasRecord](store, "kms.alias")
        self._materials = Collection[MaterialRecord](store, "kms.material")
        self._key = key

    def arn(self, region: str, identity: str) -> str:
        """Return the ARN of a key, or of an alias by its name."""
        return f"arn:aws:kms:{region}:{self.account}:{identity if identity.startswith(ALIAS) else f'key/{identity}'}"

    def named(self, region: str, identifier: str) -> KeyRecord | None:
        """Return a key by its id, its ARN, an alias, or an alias' ARN."""
        if identifier.startswith("arn:"):
            parts = identifier.split(":", 5)
            if len(parts) < 6 or parts[2:5] != ["kms", region, self.account]:
                return None
            identifier = parts[5].removeprefix("key/")
        if identifier.startswith(ALIAS):
            alias = self.aliases.get(region, identifier)
            return None if alias is None else self.keys.get(region, alias["key"])
        return self.keys.get(region, identifier)

    def policy_of(self, arn: str) -> str | None:
        """Return the policy of the key of an ARN, for IAM."""
        parts = arn.split(":", 5)
        record = self.named(parts[3], arn) if len(parts) == 6 and parts[5].startswith("key/") else None
        return None if record is None else record["policy"]

    def siblings(self, record: KeyRecord) -> dict[str, KeyRecord]:
        """Return the keys that are one multi-Region key, by their Regions."""
        if not record["multi"]:
            return {}
        return {key[0]: each for key, each in self.keys.items() if key[1] == record["id"]}

    def aliases_of(self, region: str, identity: str) -> list[str]:
        """Return the aliases of a key."""
        return [key[1] for key, each in self.aliases.items(region) if each["key"] == identity]

    def put_material(self, identity: str, number: int) -> None:
        """Make key material."""
        ciphertext = self._key.encrypt(new_key(), _context(identity, number))
        self._materials.put((identity, f"{number:06d}"), {"ciphertext": ciphertext})

    def material(self, identity: str, number: int) -> bytes | None:
        """Return key material, or None where there is none (any more); raises `DecryptionError`."""
        record = self._materials.get(identity, f"{number:06d}")
        return None if record is None else self._key.decrypt(record["ciphertext"], _context(identity, number))

    def material_id(self, identity: str, number: int) -> str:
        """Return the id that AWS shows of material: 64 hexadecimal digits that tell nothing about it."""
        return hashlib.sha256(f"{identity}/{number}".encode()).hexdigest()

    def delete(self, region: str, record: KeyRecord) -> None:
        """Forget a key and its aliases, and the material with the last of its Regions."""
        last = len(self.siblings(record)) <= 1
        with self.transaction():
            for name in self.aliases_of(region, record["id"]):
                self.aliases.delete(region, name)
            for key, _ in self._materials.items(record["id"]) if last else []:
                self._materials.delete(*key)
            self.keys.delete(region, record["id"])

    def attended(self) -> list[Key]:
        """Return the keys that something is to happen to."""
        return [key for key, each in self.keys.items() if "deletion" in each or "rotation" in each]


def _context(identity: str, number: int) -> str:
    return f"kms/{identity}/{number}"
