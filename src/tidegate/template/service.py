"""The article's Part 2, task definition and service: one stack a service."""

from __future__ import annotations

from typing import Any

from troposphere import (
    Equals,
    Export,
    GetAtt,
    If,
    ImportValue,
    NoValue,
    Output,
    Parameter,
    Ref,
    Sub,
    Template,
    ec2,
    ecs,
    logs,
)
from troposphere import applicationautoscaling as scaling
from troposphere import elasticloadbalancingv2 as elbv2

from tidegate.manifest import Manifest, Service
from tidegate.template import names
from tidegate.template.policies import PULL, REGISTRY_LOGIN, allow, log_to, role

_SCALE_OUT_COOLDOWN, _SCALE_IN_COOLDOWN = 60, 300
_PREDEFINED = {"cpu": "ECSServiceAverageCPUUtilization", "memory": "ECSServiceAverageMemoryUtilization"}
_HIGHEST_PRIORITY = 40_000


def service_template(manifest: Manifest, environment: str, name: str) -> Template:
    """Return the template of the stack APP-ENV-SERVICE.

    Its parameter Image is the image to run and DesiredCount how many of them: whoever updates the stack passes
    what runs at that moment, so that an update takes back neither a deployment nor what autoscaling decided.
    """
    service = manifest.services[name]
    stack = names.environment_stack(manifest.app, environment)
    template = Template()
    template.set_version()
    template.set_description(f"{manifest.app}'s service {name} in {environment}. Made by Tidegate from tidegate.yml")
    template.add_parameter(Parameter(names.IMAGE_PARAMETER, Type="String", Description="The image to run"))
    template.add_parameter(
        Parameter(names.COUNT_PARAMETER, Type="String", Default="", Description="How many tasks; empty: as many as run")
    )
    template.add_condition("CountGiven", {"Fn::Not": [Equals(Ref(names.COUNT_PARAMETER), "")]})
    template.add_resource(
        logs.LogGroup(
            "LogGroup",
            LogGroupName=names.log_group(manifest.app, environment, name),
            RetentionInDays=service.log_retention,
        )
    )
    _add_roles(template, manifest, environment, name)
    _add_task_definition(template, manifest, environment, name)
    _add_security_group(template, service, stack, name)
    if service.port is not None:
        _add_target_group(template, manifest, stack, name)
    _add_service(template, manifest, environment, name)
    if service.scales:
        _add_scaling(template, manifest, environment, name)
    return template


def _add_roles(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services[name]
    statements = [
        REGISTRY_LOGIN,
        allow(PULL, ImportValue(f"{names.image_stack(manifest.app)}-{name}-arn")),
        log_to(Ref("LogGroup")),
    ]
    if service.secrets:
        statements.append(allow(["ssm:GetParameters"], [_secret(each) for each in service.secrets.values()]))
    template.add_resource(
        role(
            "ExecutionRole",
            "ecs-tasks.amazonaws.com",
            statements,
            f"Starts the tasks of {manifest.app}'s service {name}: image, logs, secrets",
        )
    )
    template.add_resource(
        role("TaskRole", "ecs-tasks.amazonaws.com", [], f"What {manifest.app}'s service {name} itself may do")
    )
    for title in ("ExecutionRole", "TaskRole"):
        stack = names.service_stack(manifest.app, environment, name)
        template.add_output(Output(title, Value=GetAtt(title, "Arn"), Export=Export(f"{stack}-{title}")))


def _add_task_definition(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services[name]
    container: dict[str, Any] = {
        "Name": name,
        "Image": Ref(names.IMAGE_PARAMETER),
        "Essential": True,
        "StopTimeout": service.deployment.stop_timeout,
        "LogConfiguration": ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                "awslogs-group": Ref("LogGroup"),
                "awslogs-region": Ref("AWS::Region"),
                "awslogs-stream-prefix": name,
            },
        ),
    }
    if service.port is not None:
        container["PortMappings"] = [ecs.PortMapping(ContainerPort=service.port, Protocol="tcp")]
    if service.environment:
        container["Environment"] = [ecs.Environment(Name=k, Value=v) for k, v in sorted(service.environment.items())]
    if service.secrets:
        container["Secrets"] = [ecs.Secret(Name=k, ValueFrom=_secret(v)) for k, v in sorted(service.secrets.items())]
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
            ContainerDefinitions=[ecs.ContainerDefinition(**container)],
        )
    )


def _add_security_group(template: Template, service: Service, stack: str, name: str) -> None:
    ingress = []
    if service.port is not None:
        ingress.append(
            ec2.SecurityGroupRule(
                IpProtocol="tcp",
                FromPort=service.port,
                ToPort=service.port,
                SourceSecurityGroupId=ImportValue(f"{stack}-BalancerGroup"),
                Description="from the load balancer only",
            )
        )
    template.add_resource(
        ec2.SecurityGroup(
            "TaskGroup",
            GroupDescription=f"Who may reach the tasks of {name}",
            VpcId=ImportValue(f"{stack}-Vpc"),
            **({"SecurityGroupIngress": ingress} if ingress else {}),
        )
    )


def _add_target_group(template: Template, manifest: Manifest, stack: str, name: str) -> None:
    service = manifest.services[name]
    health = service.health
    template.add_resource(
        elbv2.TargetGroup(
            "TargetGroup",
            VpcId=ImportValue(f"{stack}-Vpc"),
            TargetType="ip",
            Protocol="HTTP",
            Port=service.port,
            HealthCheckProtocol="HTTP",
            HealthCheckPath=health.path,
            HealthCheckIntervalSeconds=health.interval,
            HealthCheckTimeoutSeconds=health.timeout,
            HealthyThresholdCount=health.healthy,
            UnhealthyThresholdCount=health.unhealthy,
            Matcher=elbv2.Matcher(HttpCode=health.codes),
            TargetGroupAttributes=[
                elbv2.TargetGroupAttribute(
                    Key="deregistration_delay.timeout_seconds", Value=str(service.deployment.drain)
                )
            ],
        )
    )
    position = list(manifest.services).index(name)
    for number, route in enumerate(service.routes):
        conditions = [
            elbv2.Condition(Field="path-pattern", PathPatternConfig=elbv2.PathPatternConfig(Values=[route.path]))
        ]
        if route.host is not None:
            conditions.append(
                elbv2.Condition(Field="host-header", HostHeaderConfig=elbv2.HostHeaderConfig(Values=[route.host]))
            )
        template.add_resource(
            elbv2.ListenerRule(
                _rule(number),
                ListenerArn=ImportValue(f"{stack}-Listener"),
                Priority=_priority(route.path, route.host, position, number),
                Conditions=conditions,
                Actions=[elbv2.ListenerRuleAction(Type="forward", TargetGroupArn=Ref("TargetGroup"))],
            )
        )


def _add_service(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services[name]
    stack = names.environment_stack(manifest.app, environment)
    more: dict[str, Any] = {}
    if service.port is not None:
        more = {
            "LoadBalancers": [
                ecs.LoadBalancer(ContainerName=name, ContainerPort=service.port, TargetGroupArn=Ref("TargetGroup"))
            ],
            "HealthCheckGracePeriodSeconds": service.health.grace,
            # a target group must be behind a balancer before a service can use it
            "DependsOn": [_rule(number) for number in range(len(service.routes))],
        }
    template.add_resource(
        ecs.Service(
            "Service",
            ServiceName=name,
            Cluster=ImportValue(f"{stack}-Cluster"),
            LaunchType="FARGATE",
            TaskDefinition=Ref("TaskDefinition"),
            DesiredCount=If("CountGiven", Ref(names.COUNT_PARAMETER), NoValue),
            DeploymentConfiguration=ecs.DeploymentConfiguration(
                MinimumHealthyPercent=service.deployment.minimum,
                MaximumPercent=service.deployment.maximum,
                DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(
                    Enable=service.deployment.circuit_breaker, Rollback=service.deployment.circuit_breaker
                ),
            ),
            NetworkConfiguration=ecs.NetworkConfiguration(
                AwsvpcConfiguration=ecs.AwsvpcConfiguration(
                    Subnets=[ImportValue(f"{stack}-PublicSubnet{number}") for number in (1, 2)],
                    SecurityGroups=[Ref("TaskGroup")],
                    AssignPublicIp="ENABLED",
                )
            ),
            PropagateTags="SERVICE",
            **more,
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


def _add_scaling(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services[name]
    template.add_resource(
        scaling.ScalableTarget(
            "ScalableTarget",
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Sub(f"service/{names.cluster(manifest.app, environment)}/${{Service.Name}}"),
            MinCapacity=service.count.min,
            MaxCapacity=service.count.max,
        )
    )
    targets = {"cpu": service.scaling.cpu, "memory": service.scaling.memory}
    if not any(targets.values()):
        targets["cpu"] = 70
    for metric, value in targets.items():
        if value is None:
            continue
        template.add_resource(
            scaling.ScalingPolicy(
                names.logical(metric, "scaling"),
                PolicyName=f"{manifest.app}-{environment}-{name}-{metric}",
                PolicyType="TargetTrackingScaling",
                ScalingTargetId=Ref("ScalableTarget"),
                TargetTrackingScalingPolicyConfiguration=scaling.TargetTrackingScalingPolicyConfiguration(
                    TargetValue=float(value),
                    ScaleOutCooldown=_SCALE_OUT_COOLDOWN,
                    ScaleInCooldown=_SCALE_IN_COOLDOWN,
                    PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(
                        PredefinedMetricType=_PREDEFINED[metric]
                    ),
                ),
            )
        )


def _secret(reference: str) -> Sub:
    name = reference.removeprefix("ssm:").lstrip("/")
    return Sub(f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter/{name}")


def _rule(number: int) -> str:
    return f"Rule{number + 1}"


def _priority(path: str, host: str | None, position: int, number: int) -> int:
    """Return a rule's priority: the longer the path, the earlier it is asked; a host before none.

    It depends on the route and on the service's place alone, so that a new service moves nobody's rule.
    """
    length = min(len(path.rstrip("*")) + (20 if host else 0), 39)
    return _HIGHEST_PRIORITY - length * 1000 + position * 10 + number + 1
