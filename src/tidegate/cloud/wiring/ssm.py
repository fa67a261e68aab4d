"""Systems Manager's Parameter Store: its operations, and the key that SecureStrings are encrypted with."""

from __future__ import annotations

from tidegate.cloud.encryption import DataKey
from tidegate.cloud.services.ssm import api as ssm
from tidegate.cloud.services.ssm.model import SsmModel
from tidegate.cloud.wiring.parts import Parts

KEY_FILE = "secrets.key"


def add_ssm(parts: Parts) -> None:
    """Add the service to the local cloud."""
    key = DataKey(parts.data_dir / KEY_FILE)
    model = SsmModel(parts.store, parts.account, key)
    parts.dispatcher.register(
        "ssm",
        ssm.ParametersApi(model, parts.calls, parts.clock),
        ssm.ValuesApi(model),
        ssm.DescriptionsApi(model),
        ssm.VersionsApi(model),
        ssm.TagsApi(model),
    )
    parts.resets.append(key.forget)
