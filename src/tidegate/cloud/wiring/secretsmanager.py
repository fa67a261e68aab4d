"""Secrets Manager: its operations, policies that IAM evaluates, deleted secrets removed."""

from __future__ import annotations

from tidegate.cloud.encryption import DataKey
from tidegate.cloud.services.iam.policy import is_resource_policy
from tidegate.cloud.services.secretsmanager import api as secretsmanager
from tidegate.cloud.services.secretsmanager.model import SecretsModel
from tidegate.cloud.services.secretsmanager.reconciler import Deletion
from tidegate.cloud.wiring.parts import Parts
from tidegate.cloud.wiring.ssm import KEY_FILE


def add_secretsmanager(parts: Parts) -> None:
    """Add the service to the local cloud; its values are encrypted with the same key as SSM's."""
    model = SecretsModel(parts.store, parts.account, DataKey(parts.data_dir / KEY_FILE))
    parts.resource_policies["secretsmanager"] = model.policy_of
    parts.dispatcher.register(
        "secretsmanager",
        secretsmanager.SecretsApi(model, parts.calls, parts.clock),
        secretsmanager.ValuesApi(model, parts.calls, parts.clock),
        secretsmanager.VersionsApi(model, parts.clock),
        secretsmanager.PoliciesApi(model, is_resource_policy),
        secretsmanager.TagsApi(model),
        secretsmanager.PasswordsApi(parts.clock),
    )
    deletion = Deletion(model, parts.clock)
    parts.loop.add("secretsmanager.deletion", deletion.reconcile, keys=model.doomed)
    parts.loop.watch("secretsmanager.secret", "secretsmanager.deletion")
