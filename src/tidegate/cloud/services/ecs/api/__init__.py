"""ECS's operations, one file a noun."""

from tidegate.cloud.services.ecs.api.account_settings import AccountSettingsApi
from tidegate.cloud.services.ecs.api.capacity import CapacityApi
from tidegate.cloud.services.ecs.api.clusters import ClustersApi
from tidegate.cloud.services.ecs.api.execution import ExecutionApi
from tidegate.cloud.services.ecs.api.express import ExpressApi
from tidegate.cloud.services.ecs.api.protection import ProtectionApi
from tidegate.cloud.services.ecs.api.service_deployments import ServiceDeploymentsApi
from tidegate.cloud.services.ecs.api.services import ServicesApi
from tidegate.cloud.services.ecs.api.tags import TagsApi
from tidegate.cloud.services.ecs.api.task_definitions import TaskDefinitionsApi
from tidegate.cloud.services.ecs.api.task_sets import TaskSetsApi
from tidegate.cloud.services.ecs.api.tasks import TasksApi

__all__ = [
    "AccountSettingsApi",
    "CapacityApi",
    "ClustersApi",
    "ExecutionApi",
    "ExpressApi",
    "ProtectionApi",
    "ServiceDeploymentsApi",
    "ServicesApi",
    "TagsApi",
    "TaskDefinitionsApi",
    "TaskSetsApi",
    "TasksApi",
]
