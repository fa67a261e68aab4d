"""The operations of the Parameter Store, one file a noun."""

from tidegate.cloud.services.ssm.api.descriptions import DescriptionsApi
from tidegate.cloud.services.ssm.api.parameters import ParametersApi
from tidegate.cloud.services.ssm.api.tags import TagsApi
from tidegate.cloud.services.ssm.api.values import ValuesApi
from tidegate.cloud.services.ssm.api.versions import VersionsApi

__all__ = ["DescriptionsApi", "ParametersApi", "TagsApi", "ValuesApi", "VersionsApi"]
