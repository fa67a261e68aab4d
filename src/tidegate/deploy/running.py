"""What runs at this moment: read before a stack is updated, so that the update takes nothing of it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.deploy.project import Project


@dataclass(frozen=True, slots=True)
class Running:
    """A service as it runs: its image, how many tasks are wanted, its whole description (ECS)."""

    image: str
    desired: int
    service: Any


def running(project: Project, service: str) -> Running | None:
    """Return what runs of a service, None where it does not exist (any more)."""
    ecs = project.session.client("ecs")
    try:
        found = ecs.describe_services(cluster=project.cluster, services=[service])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    found = [each for each in found if each["status"] == "ACTIVE"]
    if not found:
        return None
    definition = ecs.describe_task_definition(taskDefinition=found[0]["taskDefinition"])["taskDefinition"]
    container = next(each for each in definition["containerDefinitions"] if each["name"] == service)
    return Running(container["image"], found[0]["desiredCount"], found[0])
