"""CloudFormation's operations, a file a noun."""

from tidegate.cloud.services.cloudformation.api.change_sets import ChangeSetsApi
from tidegate.cloud.services.cloudformation.api.exports import ExportsApi
from tidegate.cloud.services.cloudformation.api.resources import ResourcesApi
from tidegate.cloud.services.cloudformation.api.stacks import StacksApi
from tidegate.cloud.services.cloudformation.api.templates import TemplatesApi

__all__ = ["ChangeSetsApi", "ExportsApi", "ResourcesApi", "StacksApi", "TemplatesApi"]
