"""Cloud Map's operations, by their nouns."""

from tidegate.cloud.services.servicediscovery.api.attributes import AttributesApi
from tidegate.cloud.services.servicediscovery.api.discovery import DiscoveryApi
from tidegate.cloud.services.servicediscovery.api.instances import InstancesApi
from tidegate.cloud.services.servicediscovery.api.namespaces import NamespacesApi
from tidegate.cloud.services.servicediscovery.api.operations import OperationsApi
from tidegate.cloud.services.servicediscovery.api.services import ServicesApi
from tidegate.cloud.services.servicediscovery.api.tags import TagsApi

__all__ = [
    "AttributesApi",
    "DiscoveryApi",
    "InstancesApi",
    "NamespacesApi",
    "OperationsApi",
    "ServicesApi",
    "TagsApi",
]
