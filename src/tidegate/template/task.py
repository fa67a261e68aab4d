"""What a service's tasks are made of: the task definition with its containers, its log group, its two roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from troposphere import Export, GetAtt, ImportValue, Output, Ref, Sub, Template, ecs, logs

from tidegate.manifest import Manifest, Service
from tidegate.manifest.secret import secret
from tidegate.manifest.sidecar import Condition, Sidecar
from tidegate.template import names, places
from tidegate.template.policies import PULL, REGISTRY_LOGIN, Statement, allow, log_to, role

ROLES = ("ExecutionRole", "TaskRole")
_ECR = re.compile(r"^(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
# of a sidecar's health command, in seconds
_HEALTH = {"Interval": 5, "Timeout": 5, "Retries": 3, "StartPeriod": 10}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html: these actions know no resource
_SHELL = [
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
]


def add_task(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    """Add the log group, the roles and the task definition of a service."""
    service = manifest.services_in(environment)[name]
    template.add_resource(
        logs.LogGroup(
            "LogGroup",
            LogGroupName=names.log_group(manifest.app, environment, name),
            RetentionInDays=service.log_retention,
        )
    )
    _add_roles(template, manifest, environment, name)
    template.add_resource(
        ecs.TaskDefinition(
            "TaskDefinition",
            Family=names.service_stack(manifest.app, environment, name),
            RequiresCompatibilities=["FARGATE"],
            NetworkMode="awsvpc",
            Cpu=str(service.cpu),
            Memory=str(service.memory),
            RuntimePlatform=ecs.RuntimePlatform(
                CpuArchitecture="ARM64" if service.arch == "arm64" else "X86_64", OperatingSystemFamily="LINUX"
            ),
            ExecutionRoleArn=GetAtt("ExecutionRole", "Arn"),
            TaskRoleArn=GetAtt("TaskRole", "Arn"),
            ContainerDefinitions=[
                _own_container(name, service),
                *(_sidecar(title, each, service) for title, each in sorted(service.sidecars.items())),
            ],
        )
    )


def _add_roles(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services_in(environment)[name]
    template.add_resource(
        role(
            "ExecutionRole",
            "ecs-tasks.amazonaws.com",
            [
                REGISTRY_LOGIN,
                allow(PULL, _repositories(manifest, environment, name)),
                log_to(Ref("LogGroup")),
                *_read_secrets(service),
            ],
            f"Starts the tasks of {manifest.app}'s service {name}: image, logs, secrets",
        )
    )
    template.add_resource(
        role(
            "TaskRole",
            "ecs-tasks.amazonaws.com",
            [allow(_SHELL, "*")] if service.exec else [],
            f"What {manifest.app}'s service {name} itself may do",
        )
    )
    for title in ROLES:
        stack = names.service_stack(manifest.app, environment, name)
        template.add_output(Output(title, Value=GetAtt(title, "Arn"), Export=Export(f"{stack}-{title}")))


def _repositories(manifest: Manifest, environment: str, name: str) -> Any:
    """Return the ARNs of the image repositories that the containers come from."""
    if places.is_elsewhere(manifest, environment):
        own: Any = places.arn(
            "ecr", f"repository/{names.repository(manifest.app, name)}", manifest.home_of(environment)
        )
    else:
        own = ImportValue(f"{names.image_stack(manifest.app)}-{name}-arn")
    images = [each.image for each in manifest.services_in(environment)[name].sidecars.values()]
    others = sorted({match.groups() for image in images if (match := _ECR.match(image))})
    more = [
        Sub(f"arn:${{AWS::Partition}}:ecr:{region}:{account}:repository/{title}") for account, region, title in others
    ]
    return [own, *more] if more else own


def _read_secrets(service: Service) -> list[Statement]:
    references = {
        *service.secrets.values(),
        *(ref for each in service.sidecars.values() for ref in each.secrets.values()),
    }
    found = [secret(reference) for reference in sorted(references)]
    parameters = sorted({each.name for each in found if each.store == "ssm"})
    managed = sorted({each.name for each in found if each.store == "secretsmanager"})
    statements = []
    if parameters:
        statements.append(allow(["ssm:GetParameters"], [places.arn("ssm", f"parameter/{each}") for each in parameters]))
    if managed:  # Secrets Manager ends every ARN with six characters of its own choice
        arns = [places.arn("secretsmanager", f"secret:{each}-??????") for each in managed]
        statements.append(allow(["secretsmanager:GetSecretValue"], arns))
    return statements


def _own_container(name: str, service: Service) -> ecs.ContainerDefinition:
    more: dict[str, Any] = {}
    if service.depends_on:
        more["DependsOn"] = _dependencies(service.depends_on)
    return ecs.ContainerDefinition(
        Name=name,
        Image=Ref(names.IMAGE_PARAMETER),
        Essential=True,
        **_common(name, service.port, service.environment, service.secrets, service.deployment.stop_timeout),
        **more,
    )


def _sidecar(name: str, sidecar: Sidecar, service: Service) -> ecs.ContainerDefinition:
    more: dict[str, Any] = {}
    if sidecar.command:
        more["Command"] = list(sidecar.command)
    if sidecar.health:
        more["HealthCheck"] = ecs.HealthCheck(Command=list(sidecar.health), **_HEALTH)
    if sidecar.depends_on:
        more["DependsOn"] = _dependencies(sidecar.depends_on)
    return ecs.ContainerDefinition(
        Name=name,
        Image=sidecar.image,
        Essential=sidecar.essential,
        **_common(name, sidecar.port, sidecar.environment, sidecar.secrets, service.deployment.stop_timeout),
        **more,
    )


def _common(
    name: str, port: int | None, environment: Mapping[str, str], secrets: Mapping[str, str], stop_timeout: int
) -> dict[str, Any]:
    """Return what every container of a task has."""
    settings: dict[str, Any] = {
        "StopTimeout": stop_timeout,
        "LogConfiguration": ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                "awslogs-group": Ref("LogGroup"),
                "awslogs-region": Ref("AWS::Region"),
                "awslogs-stream-prefix": name,
            },
        ),
    }
    if port is not None:
        settings["PortMappings"] = [ecs.PortMapping(ContainerPort=port, Protocol="tcp")]
    if environment:
        settings["Environment"] = [ecs.Environment(Name=key, Value=value) for key, value in sorted(environment.items())]
    if secrets:
        settings["Secrets"] = list(_secrets(secrets))
    return settings


def _secrets(secrets: Mapping[str, str]) -> Iterable[ecs.Secret]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html."""
    for variable, reference in sorted(secrets.items()):
        found = secret(reference)
        resource = f"parameter/{found.name}" if found.store == "ssm" else f"secret:{found.name}"
        key = f":{found.key}::" if found.key else ""
        yield ecs.Secret(Name=variable, ValueFrom=places.arn(found.store, f"{resource}{key}"))


def _dependencies(conditions: Mapping[str, Condition]) -> list[ecs.ContainerDependency]:
    return [
        ecs.ContainerDependency(ContainerName=other, Condition=condition.upper())
        for other, condition in sorted(conditions.items())
    ]
