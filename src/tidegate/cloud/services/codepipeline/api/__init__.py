"""CodePipeline's operations, one file a noun."""

from tidegate.cloud.services.codepipeline.api.action_types import ActionTypesApi
from tidegate.cloud.services.codepipeline.api.conditions import ConditionsApi
from tidegate.cloud.services.codepipeline.api.custom_types import CustomTypesApi
from tidegate.cloud.services.codepipeline.api.executions import ExecutionsApi
from tidegate.cloud.services.codepipeline.api.jobs import JobsApi
from tidegate.cloud.services.codepipeline.api.pipelines import PipelinesApi
from tidegate.cloud.services.codepipeline.api.stages import StagesApi
from tidegate.cloud.services.codepipeline.api.state import StateApi
from tidegate.cloud.services.codepipeline.api.tags import TagsApi

__all__ = [
    "ActionTypesApi",
    "ConditionsApi",
    "CustomTypesApi",
    "ExecutionsApi",
    "JobsApi",
    "PipelinesApi",
    "StagesApi",
    "StateApi",
    "TagsApi",
]
