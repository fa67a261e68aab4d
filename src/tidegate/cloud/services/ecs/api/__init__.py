"""ECS's operations, one file a noun."""

from tidegate.cloud.services.ecs.api.clusters import ClustersApi
from tidegate.cloud.services.ecs.api.services import ServicesApi
from tidegate.cloud.services.ecs.api.tags import TagsApi
from tidegate.cloud.services.ecs.api.task_definitions import TaskDefinitionsApi
from tidegate.cloud.services.ecs.api.tasks import TasksApi

__all__ = ["ClustersApi", "ServicesApi", "TagsApi", "TaskDefinitionsApi", "TasksApi"]
