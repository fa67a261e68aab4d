"""KMS: its operations, key policies that IAM evaluates, keys deleted and rotated when it is time."""

from __future__ import annotations

from tidegate.cloud.encryption import DataKey
from tidegate.cloud.services.iam.policy import is_resource_policy
from tidegate.cloud.services.kms import api as kms
from tidegate.cloud.services.kms.model import KmsModel
from tidegate.cloud.services.kms.reconciler import Keeper
from tidegate.cloud.wiring.parts import Parts
from tidegate.cloud.wiring.ssm import KEY_FILE


def add_kms(parts: Parts) -> None:
    """Add the service to the local cloud; key material is encrypted with the same key as SSM's values."""
    model = KmsModel(parts.store, parts.account, DataKey(parts.data_dir / KEY_FILE), parts.clock)
    parts.resource_policies["kms"] = model.policy_of
    parts.dispatcher.register(
        "kms",
        kms.KeysApi(model, parts.calls, parts.clock, is_resource_policy),
        kms.PoliciesApi(model, parts.calls, is_resource_policy),
        kms.AliasesApi(model, parts.clock),
        kms.CryptographyApi(model, parts.calls),
        kms.RotationApi(model, parts.clock),
        kms.ReplicasApi(model, parts.calls, parts.clock, is_resource_policy),
        kms.TagsApi(model),
    )
    keeper = Keeper(model, parts.clock)
    parts.loop.add("kms.key", keeper.reconcile, keys=model.attended)
    parts.loop.watch("kms.key", "kms.key")
