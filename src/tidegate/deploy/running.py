"""What runs at this moment: read before a stack is updated, so that the update takes nothing of it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.deploy.project import Project
from tidegate.template import names
from tidegate.template.target import ALTERNATE, NETWORK_LISTENER


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


def live_targets(project: Project, service: str) -> str:
    """Return which of a service's two target groups gets the requests now: `primary` or `alternate`.

    Each deployment that shifts requests moves them to the other one, and no stack knows of it.
    """
    resources = _resources(project, names.service_stack(project.app, project.environment, service))
    alternate = resources.get(ALTERNATE)
    elbv2 = project.session.client("elbv2")
    if alternate is None:
        return names.PRIMARY
    if NETWORK_LISTENER in resources:
        found = elbv2.describe_listeners(ListenerArns=[resources[NETWORK_LISTENER]])["Listeners"][0]["DefaultActions"]
    else:
        rule = next(arn for title, arn in resources.items() if title.startswith("Rule"))
        found = elbv2.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
    groups = found[0].get("ForwardConfig", {}).get("TargetGroups", [])
    weight = sum(group.get("Weight", 0) for group in groups if group["TargetGroupArn"] == alternate)
    return names.ALTERNATE if weight > 0 else names.PRIMARY


def _resources(project: Project, stack: str) -> Mapping[str, str]:
    """Return the physical ids of a stack's resources, none where there is no stack."""
    cloudformation = project.session.client("cloudformation")
    try:
        pages = list(cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack))
    except cloudformation.exceptions.ClientError:
        return {}
    found = (each for page in pages for each in page["StackResourceSummaries"])
    return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}
