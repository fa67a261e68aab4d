"""How requests reach a service: target groups, the rules of the shared listener, or a load balancer of its own."""

from __future__ import annotations

import hashlib
from typing import Any

from troposphere import Equals, If, Output, Parameter, Ref, Sub, Template, ec2
from troposphere import elasticloadbalancingv2 as elbv2

from tidegate.manifest import Manifest, Service
from tidegate.manifest.route import Route
from tidegate.template import names
from tidegate.template.balancer import balancer_group, listener
from tidegate.template.network import balancer_subnets, vpc
from tidegate.template.policies import allow, role

PRIMARY, ALTERNATE = "TargetGroup", "AlternateTargetGroup"
NETWORK_LISTENER = "NetworkListener"
_BAND = 1000  # priorities for rules that say equally much
_BANDS = 49  # a priority is 50,000 at the most
_HOST, _CONDITION = 20, 3  # how many characters of a path these weigh


def add_target(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    """Add the security group of a service's tasks, and how requests reach them."""
    service = manifest.services_in(environment)[name]
    if service.networked:
        _add_network_balancer(template, manifest, environment, service, name)
    _add_task_group(template, manifest, environment, service, name)
    if service.port is None:
        return
    for title in target_groups(service):
        _add_target_group(template, manifest, environment, service, title)
    if service.deployment.shifts:
        _add_shift(template, manifest, environment, service, name)
    if service.networked:
        _add_network_listener(template, service)
    else:
        _add_rules(template, manifest, environment, name)


def target_groups(service: Service) -> list[str]:
    """Return the logical ids of a service's target groups: two where requests are shifted between them."""
    if service.port is None:
        return []
    return [PRIMARY, ALTERNATE] if service.deployment.shifts else [PRIMARY]


def ways_in(service: Service) -> list[str]:
    """Return the logical ids of what puts the target groups behind a load balancer."""
    if service.networked:
        return [NETWORK_LISTENER]
    return [_rule(number) for number in range(len(service.routes))] if service.routed else []


def priorities(manifest: Manifest, environment: str) -> dict[tuple[str, int], int]:
    """Return the priority of every route, by service and place in its list.

    The more a route says, the earlier it is asked. Among those that say equally much the name decides, by its hash,
    so that a service that is added moves nobody else's rule, wherever in the file it stands. (Where two hashes meet,
    about once in a thousand pairs, the one that stands first in the file keeps its place.)
    """
    taken: set[int] = set()
    found: dict[tuple[str, int], int] = {}
    for name, service in manifest.services_in(environment).items():
        for number, route in enumerate(service.routes) if service.routed else ():
            start = (_BANDS - _weight(route)) * _BAND + 1
            text = f"{manifest.app}/{environment}/{name}/{route.model_dump_json()}"
            place = int(hashlib.sha256(text.encode()).hexdigest(), 16)
            found[name, number] = next(
                priority for step in range(_BAND) if (priority := start + (place + step) % _BAND) not in taken
            )
            taken.add(found[name, number])
    return found


def _weight(route: Route) -> int:
    """Return how much a route says: characters of its path that are fixed, and what other conditions weigh."""
    path = min(len(path.rstrip("*")) for path in route.path)
    others = len(route.header) + len(route.query) + (route.method is not None)
    return min(path + _CONDITION * others + (_HOST if route.host else 0), _BANDS)


def _add_task_group(template: Template, manifest: Manifest, environment: str, service: Service, name: str) -> None:
    ingress = []
    if service.port is not None:
        source = Ref("NetworkGroup") if service.networked else balancer_group(manifest, environment)
        ingress.append(
            ec2.SecurityGroupRule(
                IpProtocol="tcp",
                FromPort=service.port,
                ToPort=service.port,
                SourceSecurityGroupId=source,
                Description="from the load balancer only",
            )
        )
    template.add_resource(
        ec2.SecurityGroup(
            "TaskGroup",
            GroupDescription=f"Who may reach the tasks of {name}",
            VpcId=vpc(manifest, environment),
            **({"SecurityGroupIngress": ingress} if ingress else {}),
        )
    )


def _add_target_group(template: Template, manifest: Manifest, environment: str, service: Service, title: str) -> None:
    drain = str(service.deployment.drain)
    template.add_resource(
        elbv2.TargetGroup(
            title,
            VpcId=vpc(manifest, environment),
            TargetType="ip",
            Protocol="TCP" if service.networked else "HTTP",
            Port=service.port,
            **_health(service),
            TargetGroupAttributes=[elbv2.TargetGroupAttribute(Key="deregistration_delay.timeout_seconds", Value=drain)],
        )
    )


def _health(service: Service) -> dict[str, Any]:
    health = service.health
    # behind a network load balancer a connection is enough, unless a path is named
    over_http = service.routed or bool(health.model_fields_set & {"path", "codes"})
    settings: dict[str, Any] = {"HealthCheckProtocol": "HTTP" if over_http else "TCP"}
    if over_http:
        settings["HealthCheckPath"] = health.path
    settings |= {
        "HealthCheckIntervalSeconds": health.interval,
        "HealthCheckTimeoutSeconds": health.timeout,
        "HealthyThresholdCount": health.healthy,
        "UnhealthyThresholdCount": health.unhealthy,
    }
    if over_http:
        settings["Matcher"] = elbv2.Matcher(HttpCode=health.codes)
    return settings


def _add_rules(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    service = manifest.services_in(environment)[name]
    order = priorities(manifest, environment)
    for number, route in enumerate(service.routes):
        template.add_resource(
            elbv2.ListenerRule(
                _rule(number),
                ListenerArn=listener(manifest, environment),
                Priority=order[name, number],
                Conditions=_conditions(route),
                Actions=[elbv2.ListenerRuleAction(Type="forward", **_forward(service))],
            )
        )


def _conditions(route: Route) -> list[elbv2.Condition]:
    conditions = [
        elbv2.Condition(Field="path-pattern", PathPatternConfig=elbv2.PathPatternConfig(Values=list(route.path)))
    ]
    if route.host is not None:
        config = elbv2.HostHeaderConfig(Values=list(route.host))
        conditions.append(elbv2.Condition(Field="host-header", HostHeaderConfig=config))
    if route.method is not None:
        methods = elbv2.HttpRequestMethodConfig(Values=list(route.method))
        conditions.append(elbv2.Condition(Field="http-request-method", HttpRequestMethodConfig=methods))
    for key, values in sorted(route.header.items()):
        header = elbv2.HttpHeaderConfig(HttpHeaderName=key, Values=list(values))
        conditions.append(elbv2.Condition(Field="http-header", HttpHeaderConfig=header))
    for key, values in sorted(route.query.items()):
        query = elbv2.QueryStringConfig(Values=[elbv2.QueryStringKeyValue(Key=key, Value=value) for value in values])
        conditions.append(elbv2.Condition(Field="query-string", QueryStringConfig=query))
    return conditions


def _forward(service: Service) -> dict[str, Any]:
    """Return where an action sends what comes: to the target group, or to the one of two that serves now."""
    if not service.deployment.shifts:
        return {"TargetGroupArn": Ref(PRIMARY)}
    weights = {PRIMARY: If("AlternateIsLive", 0, 1), ALTERNATE: If("AlternateIsLive", 1, 0)}
    return {
        "ForwardConfig": elbv2.ForwardConfig(
            TargetGroups=[
                elbv2.TargetGroupTuple(TargetGroupArn=Ref(title), Weight=weight) for title, weight in weights.items()
            ]
        )
    }


def _add_shift(template: Template, manifest: Manifest, environment: str, service: Service, name: str) -> None:
    """Add what ECS needs to shift requests between two target groups.

    The parameter says which one serves: an update that wrote fixed weights would send requests to where no task is.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html
    """
    template.add_parameter(
        Parameter(
            names.LIVE_PARAMETER,
            Type="String",
            Default=names.PRIMARY,
            AllowedValues=[names.PRIMARY, names.ALTERNATE],
            Description="Which target group serves now; each deployment moves to the other one",
        )
    )
    template.add_condition("AlternateIsLive", Equals(Ref(names.LIVE_PARAMETER), names.ALTERNATE))
    if service.networked:
        change = allow(["elasticloadbalancing:ModifyListener"], Ref(NETWORK_LISTENER))
    else:
        change = allow(["elasticloadbalancing:ModifyRule"], Ref(_rule(0)))
    template.add_resource(
        role(
            "ShiftRole",
            "ecs.amazonaws.com",
            [
                allow(
                    [
                        "elasticloadbalancing:DescribeListeners",
                        "elasticloadbalancing:DescribeRules",
                        "elasticloadbalancing:DescribeTargetGroups",
                        "elasticloadbalancing:DescribeTargetHealth",
                    ],
                    "*",  # these actions know no resource
                ),
                allow(
                    ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
                    [Ref(title) for title in target_groups(service)],
                ),
                change,
            ],
            f"Shifts the requests of {manifest.app}'s service {name} from one version to the next",
        )
    )


def _add_network_balancer(
    template: Template, manifest: Manifest, environment: str, service: Service, name: str
) -> None:
    template.add_resource(
        ec2.SecurityGroup(
            "NetworkGroup",
            GroupDescription=f"Who may reach the load balancer of {name}: everybody on port {service.port}",
            VpcId=vpc(manifest, environment),
            SecurityGroupIngress=[
                ec2.SecurityGroupRule(
                    IpProtocol="tcp",
                    FromPort=service.port,
                    ToPort=service.port,
                    CidrIp="0.0.0.0/0",
                    Description="TCP from anywhere",
                )
            ],
        )
    )
    template.add_resource(
        elbv2.LoadBalancer(
            "NetworkBalancer",
            Type="network",
            Scheme="internet-facing",
            Subnets=balancer_subnets(manifest, environment),
            SecurityGroups=[Ref("NetworkGroup")],
            LoadBalancerAttributes=[
                # one task serves both zones
                elbv2.LoadBalancerAttributes(Key="load_balancing.cross_zone.enabled", Value="true")
            ],
        )
    )
    template.add_output(
        Output(
            "Address", Value=Sub(f"${{NetworkBalancer.DNSName}}:{service.port}"), Description=f"Where {name} answers"
        )
    )


def _add_network_listener(template: Template, service: Service) -> None:
    template.add_resource(
        elbv2.Listener(
            NETWORK_LISTENER,
            LoadBalancerArn=Ref("NetworkBalancer"),
            Port=service.port,
            Protocol="TCP",
            DefaultActions=[elbv2.Action(Type="forward", **_forward(service))],
        )
    )


def _rule(number: int) -> str:
    return f"Rule{number + 1}"
