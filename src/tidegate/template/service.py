"""The article's Part 2, task definition and service: one stack a service."""

from __future__ import annotations

from math import gcd
from typing import Any

from troposphere import Equals, Export, GetAtt, If, ImportValue, NoValue, Output, Parameter, Ref, Template, ecs

from tidegate.manifest import Manifest, Service
from tidegate.manifest.deployment import Deployment
from tidegate.manifest.model import Place
from tidegate.template import names, places
from tidegate.template.alarms import add_alarms
from tidegate.template.jobs import add_jobs
from tidegate.template.network import awsvpc
from tidegate.template.policies import READ_ARTIFACTS, READ_WITH_KEY, allow, deploy, pass_roles, role_for
from tidegate.template.scaling import add_scaling
from tidegate.template.target import ALTERNATE, NETWORK_LISTENER, PRIMARY, add_target, ways_in
from tidegate.template.task import ROLES, add_task


def service_template(manifest: Manifest, environment: str, name: str) -> Template:
    """Return the template of the stack APP-ENV-SERVICE.

    Its parameter Image is the image to run and DesiredCount how many of them: whoever updates the stack passes
    what runs at that moment, so that an update takes back neither a deployment nor what autoscaling decided.
    With a strategy that shifts requests, LiveTargets says likewise which of the two target groups serves (`primary`
    or `alternate`): the one that has a weight in the actions of the rule Rule1, or of the listener NetworkListener.
    """
    template = Template()
    template.set_version()
    template.set_description(f"{manifest.app}'s service {name} in {environment}. Made by Tidegate from tidegate.yml")
    template.add_parameter(Parameter(names.IMAGE_PARAMETER, Type="String", Description="The image to run"))
    template.add_parameter(
        Parameter(names.COUNT_PARAMETER, Type="String", Default="", Description="How many tasks; empty: as many as run")
    )
    template.add_condition("CountGiven", {"Fn::Not": [Equals(Ref(names.COUNT_PARAMETER), "")]})
    add_task(template, manifest, environment, name)
    add_target(template, manifest, environment, name)
    alarms = add_alarms(template, manifest, environment, name)
    _add_service(template, manifest, environment, name, alarms)
    add_scaling(template, manifest, environment, name)
    add_jobs(template, manifest, environment, name)
    if places.is_elsewhere(manifest, environment):
        _add_deploy_role(template, manifest, environment, name)
    return template


def _add_service(template: Template, manifest: Manifest, environment: str, name: str, alarms: list[Any]) -> None:
    service = manifest.services_in(environment)[name]
    stack = names.environment_stack(manifest.app, environment)
    template.add_resource(
        ecs.Service(
            "Service",
            ServiceName=name,
            Cluster=ImportValue(f"{stack}-Cluster"),
            **_launch(service.spot),
            TaskDefinition=Ref("TaskDefinition"),
            DesiredCount=If("CountGiven", Ref(names.COUNT_PARAMETER), NoValue),
            DeploymentConfiguration=_deployment(service.deployment, alarms),
            NetworkConfiguration=ecs.NetworkConfiguration(
                AwsvpcConfiguration=ecs.AwsvpcConfiguration(**awsvpc(manifest, environment))
            ),
            PropagateTags="SERVICE",
            **({"EnableExecuteCommand": True} if service.exec else {}),
            **_balanced(service, name),
        )
    )
    template.add_output(Output("ServiceName", Value=GetAtt("Service", "Name")))
    template.add_output(
        Output(
            "ServiceArn",
            Value=Ref("Service"),
            Export=Export(f"{names.service_stack(manifest.app, environment, name)}-arn"),
        )
    )


def _launch(spot: int) -> dict[str, Any]:
    """Return on which capacity tasks run; with less than all on Spot, the first is never on it."""
    if spot == 0:
        return {"LaunchType": "FARGATE"}
    divisor = gcd(spot, 100)
    shares = {"FARGATE": (100 - spot) // divisor, "FARGATE_SPOT": spot // divisor}
    return {
        "CapacityProviderStrategy": [
            ecs.CapacityProviderStrategyItem(
                CapacityProvider=provider, Weight=weight, **({"Base": 1} if provider == "FARGATE" else {})
            )
            for provider, weight in shares.items()
            if weight
        ]
    }


def _deployment(deployment: Deployment, alarms: list[Any]) -> ecs.DeploymentConfiguration:
    more: dict[str, Any] = {}
    if deployment.shifts:
        more["BakeTimeInMinutes"] = deployment.bake_minutes
    if deployment.strategy == "linear":
        more["LinearConfiguration"] = ecs.LinearConfiguration(
            StepPercent=deployment.step, StepBakeTimeInMinutes=deployment.step_minutes
        )
    elif deployment.strategy == "canary":
        more["CanaryConfiguration"] = ecs.CanaryConfiguration(
            CanaryPercent=deployment.step, CanaryBakeTimeInMinutes=deployment.step_minutes
        )
    if alarms:
        more["Alarms"] = ecs.DeploymentAlarms(AlarmNames=alarms, Enable=True, Rollback=True)
    return ecs.DeploymentConfiguration(
        Strategy=deployment.strategy.upper().replace("-", "_"),
        MinimumHealthyPercent=deployment.minimum,
        MaximumPercent=deployment.maximum,
        DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(
            Enable=deployment.circuit_breaker, Rollback=deployment.circuit_breaker
        ),
        **more,
    )


def _balanced(service: Service, name: str) -> dict[str, Any]:
    """Return how a service stands behind its load balancer; nothing for a worker."""
    if service.port is None:
        return {}
    more: dict[str, Any] = {}
    # a target group must be behind a balancer before a service can use it
    order = {"DependsOn": ways_in(service)}
    if service.deployment.shifts:
        order = {}  # what is referred to is there before
        more["AdvancedConfiguration"] = ecs.AdvancedConfiguration(
            AlternateTargetGroupArn=Ref(ALTERNATE),
            ProductionListenerRule=Ref(NETWORK_LISTENER if service.networked else ways_in(service)[0]),
            RoleArn=GetAtt("ShiftRole", "Arn"),
        )
    return {
        "LoadBalancers": [
            ecs.LoadBalancer(ContainerName=name, ContainerPort=service.port, TargetGroupArn=Ref(PRIMARY), **more)
        ],
        "HealthCheckGracePeriodSeconds": service.health.grace,
        **order,
    }


def _add_deploy_role(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    """Add the role with which a pipeline in another region or account deploys this service, and nothing else."""
    app, home, place = manifest.app, manifest.home_of(environment), manifest.place_of(environment)
    cluster = names.cluster(app, environment)
    statements = [
        *deploy(
            cluster=places.arn("ecs", f"cluster/{cluster}"),
            service=places.arn("ecs", f"service/{cluster}/{name}"),
            tasks=places.arn("ecs", f"task/{cluster}/*"),
            family=places.arn("ecs", f"task-definition/{names.service_stack(app, environment, name)}:*"),
        ),
        pass_roles([GetAtt(title, "Arn") for title in ROLES]),
        # the artifacts of this region are the pipeline's account's
        allow(READ_ARTIFACTS, places.objects_in(app, place.region, home)),
    ]
    if place.account != home.account:
        through = places.s3_of(place.region)
        keys = places.arn("kms", "key/*", Place(place.region, home.account))
        statements.append(allow(READ_WITH_KEY, keys, {"StringEquals": {"kms:ViaService": through}}))
    template.add_resource(
        role_for(
            "DeployRole",
            places.root_of(home),
            places.role_arn(names.pipeline_role(app), home),
            statements,
            f"Lets the pipeline of {app} deploy service {name}",
            RoleName=names.deploy_role(app, environment, name),
        )
    )
