"""Encrypting and decrypting. https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html and its siblings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.encryption import DecryptionError, opened, sealed
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.kms.api.shared import conditions, conditions_of, context_keys, find, key_arn, usable
from tidegate.cloud.services.kms.ciphertext import Ciphertext, MalformedError, bound, packed, unpacked
from tidegate.cloud.services.kms.model import KeyRecord, KmsModel

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_ALGORITHM = "SYMMETRIC_DEFAULT"
_SIZES = {"AES_256": 32, "AES_128": 16}
_REFUSED = ("GrantTokens", "DryRun", "DryRunModifiers", "Recipient")
_NOBODY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)


def _ciphertext(request: Mapping[str, Any]) -> bytes:
    if "CiphertextBlob" not in request:
        raise ServiceError("ValidationException", "CiphertextBlob is required where nothing is a dry run")
    return bytes(request["CiphertextBlob"])


def _key_of(api: Any, context: Context, blob: bytes, wanted: str | None) -> KeyRecord:
    """Return the key that a ciphertext names; raise where this region has no such key, or another one is wanted."""
    try:
        record = api.model.keys.get(context.region, unpacked(blob).key_id)
    except MalformedError:
        raise ServiceError("InvalidCiphertextException", "") from None
    if record is None:
        raise ServiceError("AccessDeniedException", _NOBODY)
    if wanted is not None and find(api.model, context, wanted)["id"] != record["id"]:
        raise ServiceError(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    found: KeyRecord = record
    return found


def _opening_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    record = _key_of(api, context, _ciphertext(request), request.get("KeyId"))
    return str(api.model.arn(context.region, record["id"]))


def _opening_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    record = _key_of(api, context, _ciphertext(request), request.get("KeyId"))
    keys = conditions_of(api.model, context, record)
    return {**keys, **context_keys(request.get("EncryptionContext") or {}), "kms:EncryptionAlgorithm": _ALGORITHM}


class CryptographyApi:
    """What a key does, as whoever asks."""

    def __init__(self, model: KmsModel, calls: Calls) -> None:
        self.model = model
        self._calls = calls

    @operation(resource=key_arn, conditions=conditions, refuse=_REFUSED)
    async def encrypt(self, context: Context, request: t.EncryptRequestTypeDef) -> Mapping[str, Any]:
        """Encrypt up to 4,096 bytes."""
        _check_algorithm(request)
        record = usable(self.model, context, find(self.model, context, request["KeyId"]))
        blob = self._sealed(record, _blob(request["Plaintext"]), request.get("EncryptionContext"))
        arn = self.model.arn(context.region, record["id"])
        return {"CiphertextBlob": blob, "KeyId": arn, "EncryptionAlgorithm": _ALGORITHM}

    @operation(resource=_opening_arn, conditions=_opening_conditions, refuse=_REFUSED)
    async def decrypt(self, context: Context, request: t.DecryptRequestTypeDef) -> Mapping[str, Any]:
        """Decrypt what was encrypted with the same context."""
        _check_algorithm(request)
        blob = _blob(_ciphertext(request))
        record = usable(self.model, context, _key_of(self, context, blob, request.get("KeyId")))
        return {
            "KeyId": self.model.arn(context.region, record["id"]),
            "Plaintext": self._opened(blob, request.get("EncryptionContext")),
            "EncryptionAlgorithm": _ALGORITHM,
            "KeyMaterialId": self.model.material_id(record["id"], unpacked(blob).material),
        }

    @operation(resource=key_arn, conditions=conditions, refuse=_REFUSED)
    async def generate_data_key(self, context: Context, request: t.GenerateDataKeyRequestTypeDef) -> Mapping[str, Any]:
        """Return a new key in clear and encrypted: for data that KMS never sees."""
        record = usable(self.model, context, find(self.model, context, request["KeyId"]))
        return self._data_key(context, record, request)

    @operation(resource=key_arn, conditions=conditions, refuse=_REFUSED)
    async def generate_data_key_without_plaintext(
        self, context: Context, request: t.GenerateDataKeyWithoutPlaintextRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a new key, encrypted alone."""
        record = usable(self.model, context, find(self.model, context, request["KeyId"]))
        return {**self._data_key(context, record, request), "Plaintext": None}

    @operation(
        action="kms:ReEncryptFrom",
        resource=lambda api, context, request: api.model.arn(
            context.region, _key_of(api, context, _ciphertext(request), request.get("SourceKeyId"))["id"]
        ),
        conditions=lambda api, context, request: {
            **conditions_of(
                api.model, context, _key_of(api, context, _ciphertext(request), request.get("SourceKeyId"))
            ),
            **context_keys(request.get("SourceEncryptionContext") or {}),
        },
        refuse=_REFUSED,
    )
    async def re_encrypt(self, context: Context, request: t.ReEncryptRequestTypeDef) -> Mapping[str, Any]:
        """Encrypt with another key, or for another context, what nobody sees in clear meanwhile."""
        for name in ("SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"):
            _check_algorithm({"EncryptionAlgorithm": request.get(name, _ALGORITHM)})
        blob = _blob(_ciphertext(request))
        source = usable(self.model, context, _key_of(self, context, blob, request.get("SourceKeyId")))
        target = find(self.model, context, request["DestinationKeyId"])
        arn, after = self.model.arn(context.region, target["id"]), request.get("DestinationEncryptionContext") or {}
        keys = {**conditions_of(self.model, context, target), **context_keys(after)}
        self._calls.authorize(context, "kms:ReEncryptTo", arn, keys)
        plain = self._opened(blob, request.get("SourceEncryptionContext"))
        return {
            "CiphertextBlob": self._sealed(usable(self.model, context, target), plain, after),
            "SourceKeyId": self.model.arn(context.region, source["id"]),
            "KeyId": arn,
            "SourceEncryptionAlgorithm": _ALGORITHM,
            "DestinationEncryptionAlgorithm": _ALGORITHM,
        }

    @operation(refuse=("CustomKeyStoreId", "Recipient"))
    async def generate_random(self, context: Context, request: t.GenerateRandomRequestTypeDef) -> Mapping[str, Any]:
        """Return bytes of unguessable chance."""
        if "NumberOfBytes" not in request:
            raise ServiceError("ValidationException", "Please specify number of bytes.")
        return {"Plaintext": os.urandom(request["NumberOfBytes"])}

    def _data_key(self, context: Context, record: KeyRecord, request: Mapping[str, Any]) -> dict[str, Any]:
        if ("KeySpec" in request) is ("NumberOfBytes" in request):
            raise ServiceError("ValidationException", "Please specify either number of bytes or key spec.")
        plain = os.urandom(request.get("NumberOfBytes") or _SIZES[request["KeySpec"]])
        return {
            "CiphertextBlob": self._sealed(record, plain, request.get("EncryptionContext")),
            "Plaintext": plain,
            "KeyId": self.model.arn(context.region, record["id"]),
            "KeyMaterialId": self.model.material_id(record["id"], record["material"]),
        }

    def _sealed(self, record: KeyRecord, plain: bytes, context: Mapping[str, str] | None) -> bytes:
        content = sealed(self._material(record["id"], record["material"]), plain, bound(context or {}))
        return packed(Ciphertext(record["id"], record["material"], content))

    def _opened(self, blob: bytes, context: Mapping[str, str] | None) -> bytes:
        identity, number, content = unpacked(blob)
        try:
            return opened(self._material(identity, number), content, bound(context or {}))
        except DecryptionError:
            raise ServiceError("InvalidCiphertextException", "") from None

    def _material(self, identity: str, number: int) -> bytes:
        try:
            material = self.model.material(identity, number)
        except DecryptionError as error:
            raise ServiceError("KeyUnavailableException", f"The key's material cannot be read: {error}") from error
        if material is None:
            raise ServiceError("InvalidCiphertextException", "")
        return material


def _blob(value: Any) -> bytes:
    return bytes(value)


def _check_algorithm(request: Mapping[str, Any]) -> None:
    algorithm = request.get("EncryptionAlgorithm", _ALGORITHM)
    if algorithm != _ALGORITHM:
        raise ServiceError(
            "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec SYMMETRIC_DEFAULT."
        )
