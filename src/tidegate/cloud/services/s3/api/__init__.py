"""S3's operations, one file a noun."""

from tidegate.cloud.services.s3.api.buckets import BucketsApi
from tidegate.cloud.services.s3.api.copies import CopiesApi
from tidegate.cloud.services.s3.api.facets import FacetsApi
from tidegate.cloud.services.s3.api.lists import ListsApi
from tidegate.cloud.services.s3.api.objects import ObjectsApi
from tidegate.cloud.services.s3.api.policies import PoliciesApi
from tidegate.cloud.services.s3.api.settings import SettingsApi
from tidegate.cloud.services.s3.api.unset import UnsetApi
from tidegate.cloud.services.s3.api.uploads import UploadsApi

__all__ = [
    "BucketsApi",
    "CopiesApi",
    "FacetsApi",
    "ListsApi",
    "ObjectsApi",
    "PoliciesApi",
    "SettingsApi",
    "UnsetApi",
    "UploadsApi",
]
