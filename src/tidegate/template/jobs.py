"""Tasks by the clock: a rule of EventBridge for each job, which runs a task of the service that it belongs to."""

from __future__ import annotations

import json
from typing import Any

from troposphere import GetAtt, Template, events

from tidegate.manifest import Manifest
from tidegate.manifest.job import Job
from tidegate.template import names, places
from tidegate.template.network import awsvpc
from tidegate.template.policies import allow, pass_roles, role
from tidegate.template.task import ROLES


def add_jobs(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    """Add the jobs that run with a service's image and settings.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/tasks-scheduled-eventbridge-scheduler.html
    """
    jobs = {key: job for key, job in manifest.jobs_in(environment).items() if manifest.job_service(job) == name}
    if not jobs:
        return
    family = places.arn("ecs", f"task-definition/{names.service_stack(manifest.app, environment, name)}")
    of_family = places.arn("ecs", f"task-definition/{names.service_stack(manifest.app, environment, name)}:*")
    cluster = places.arn("ecs", f"cluster/{names.cluster(manifest.app, environment)}")
    template.add_resource(
        role(
            "JobRole",
            "events.amazonaws.com",
            [
                allow(["ecs:RunTask"], [family, of_family], {"ArnEquals": {"ecs:cluster": cluster}}),
                pass_roles([GetAtt(title, "Arn") for title in ROLES]),
            ],
            f"Runs the jobs of {manifest.app}'s service {name}",
        )
    )
    for key, job in jobs.items():
        template.add_resource(
            events.Rule(
                names.logical(key, "job"),
                Description=f"{manifest.app}'s job {key} in {environment}",
                ScheduleExpression=job.schedule,
                State="ENABLED",
                Targets=[
                    events.Target(
                        Id="task",
                        Arn=cluster,
                        RoleArn=GetAtt("JobRole", "Arn"),
                        Input=json.dumps(_overrides(name, job), sort_keys=True),
                        EcsParameters=events.EcsParameters(
                            # without a revision: the newest, which is the one that the pipeline deployed last
                            TaskDefinitionArn=family,
                            LaunchType="FARGATE",
                            TaskCount=1,
                            NetworkConfiguration=events.NetworkConfiguration(
                                AwsVpcConfiguration=events.AwsVpcConfiguration(**awsvpc(manifest, environment))
                            ),
                        ),
                    )
                ],
                # the family has no revision before
                DependsOn="TaskDefinition",
            )
        )


def _overrides(container: str, job: Job) -> dict[str, Any]:
    """Return in what a job differs from its service.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
    """
    own: dict[str, Any] = {"name": container, "command": list(job.command)}
    if job.environment:
        own["environment"] = [{"name": key, "value": value} for key, value in sorted(job.environment.items())]
    size = {"cpu": job.cpu, "memory": job.memory}
    return {"containerOverrides": [own], **{key: str(value) for key, value in size.items() if value is not None}}
