"""ECR's operations, one file a noun."""

from tidegate.cloud.services.ecr.api.backfills import BackfillsApi
from tidegate.cloud.services.ecr.api.images import ImagesApi
from tidegate.cloud.services.ecr.api.layers import LayersApi
from tidegate.cloud.services.ecr.api.policies import PoliciesApi
from tidegate.cloud.services.ecr.api.registry import RegistryApi
from tidegate.cloud.services.ecr.api.replication import ReplicationApi
from tidegate.cloud.services.ecr.api.repositories import RepositoriesApi
from tidegate.cloud.services.ecr.api.settings import SettingsApi
from tidegate.cloud.services.ecr.api.templates import TemplatesApi

__all__ = [
    "BackfillsApi",
    "ImagesApi",
    "LayersApi",
    "PoliciesApi",
    "RegistryApi",
    "ReplicationApi",
    "RepositoriesApi",
    "SettingsApi",
    "TemplatesApi",
]
