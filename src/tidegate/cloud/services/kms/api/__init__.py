"""KMS' operations, one file a noun."""

from tidegate.cloud.services.kms.api.aliases import AliasesApi
from tidegate.cloud.services.kms.api.cryptography import CryptographyApi
from tidegate.cloud.services.kms.api.keys import KeysApi
from tidegate.cloud.services.kms.api.policies import PoliciesApi
from tidegate.cloud.services.kms.api.replicas import ReplicasApi
from tidegate.cloud.services.kms.api.rotation import RotationApi
from tidegate.cloud.services.kms.api.tags import TagsApi

__all__ = ["AliasesApi", "CryptographyApi", "KeysApi", "PoliciesApi", "ReplicasApi", "RotationApi", "TagsApi"]
