"""The operations of Secrets Manager, one file a noun."""

from tidegate.cloud.services.secretsmanager.api.passwords import PasswordsApi
from tidegate.cloud.services.secretsmanager.api.policies import PoliciesApi
from tidegate.cloud.services.secretsmanager.api.secrets import SecretsApi
from tidegate.cloud.services.secretsmanager.api.tags import TagsApi
from tidegate.cloud.services.secretsmanager.api.values import ValuesApi
from tidegate.cloud.services.secretsmanager.api.versions import VersionsApi

__all__ = ["PasswordsApi", "PoliciesApi", "SecretsApi", "TagsApi", "ValuesApi", "VersionsApi"]
