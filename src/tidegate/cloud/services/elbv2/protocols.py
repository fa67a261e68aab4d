"""Which protocols go together: of load balancers, listeners, target groups and health checks. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.elbv2.plan import parse_codes

SECURE = ("HTTPS", "TLS")
_LISTENERS = {"application": ("HTTP", "HTTPS"), "network": ("TCP", "TLS")}
_LISTENERS_OF_AWS = {"network": ("TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC")}
_GROUPS = {"HTTP": ("HTTP", "HTTPS"), "HTTPS": ("HTTP", "HTTPS"), "TCP": ("TCP",), "TLS": ("TCP", "TLS")}
_HTTP_GROUPS, _TCP_GROUPS = ("HTTP", "HTTPS"), ("TCP", "TLS")
_OTHER_GROUPS = ("UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC")
_GRPC_CODES, _HTTP_CODES, _NETWORK_CODES = (0, 99), (200, 499), (200, 599)
_CHECKED_BY_HTTP = ("HealthCheckPath", "Matcher")


def of_network(group: Mapping[str, Any]) -> bool:
    """Return whether a target group is one for network load balancers."""
    return group["Protocol"] in _TCP_GROUPS


def check_listener(operation: str, kind: str, protocol: str | None) -> str:
    """Return a listener's protocol, which a kind of load balancer has to know; raise ValidationError, or refuse it."""
    if protocol is None:
        raise ServiceError("ValidationError", "A listener protocol must be specified")
    known = _LISTENERS[kind]
    if protocol not in known:
        if protocol in _LISTENERS_OF_AWS.get(kind, ()):
            raise not_offered(f"elbv2:{operation} Protocol {protocol}")
        raise ServiceError("ValidationError", f"Protocol '{protocol}' must be one of '{', '.join(known)}'")
    return protocol


def check_actions(kind: str, actions: Iterable[Mapping[str, Any]]) -> None:
    """Raise InvalidLoadBalancerAction for what a network load balancer cannot do."""
    for each in actions if kind == "network" else ():
        if each["Type"] != "forward":
            raise ServiceError(
                "InvalidLoadBalancerAction", f"Actions of type '{each['Type']}' are not for network load balancers"
            )
        if each["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"]:
            raise ServiceError(
                "InvalidLoadBalancerAction", "Stickiness between target groups is not for network load balancers"
            )


def check_group(listener: str, group: Mapping[str, Any]) -> None:
    """Raise what keeps a listener of a protocol from forwarding to a target group."""
    if group["Protocol"] not in _GROUPS[listener]:
        raise ServiceError(
            "IncompatibleProtocols",
            f"A listener of the protocol '{listener}' cannot forward to the target group "
            f"'{group['TargetGroupArn']}' of the protocol '{group['Protocol']}'",
        )
    version = group.get("ProtocolVersion", "HTTP1")
    if version != "HTTP1" and listener != "HTTPS":
        raise ServiceError(
            "InvalidConfigurationRequest",
            f"Listener protocol '{listener}' is not supported with a target group with the protocol-version "
            f"'{version}'",
        )


def group_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return protocol and version of a new target group, and how its targets are checked; raise ValidationError."""
    protocol = request.get("Protocol", "HTTP")
    if protocol in _OTHER_GROUPS:
        raise not_offered(f"elbv2:CreateTargetGroup Protocol {protocol}")
    settings: dict[str, Any] = {"Protocol": protocol}
    if protocol in _HTTP_GROUPS:
        settings["ProtocolVersion"] = request.get("ProtocolVersion", "HTTP1")
    elif "ProtocolVersion" in request:
        raise ServiceError("ValidationError", f"Protocol version is not for target groups of the protocol '{protocol}'")
    return {**settings, **check_settings(settings, request)}


def check_settings(group: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a health check: those of a group, or AWS's defaults, with a request's put over them."""
    settings = {**_defaults(group, request), **_present(group, request)}
    settings.update({name: request[name] for name in settings if name in request})
    protocol = settings["HealthCheckProtocol"]
    if protocol == "TCP":
        given = [name for name in _CHECKED_BY_HTTP if name in request]
        if given:
            raise ServiceError("ValidationError", f"'{given[0]}' is not for health checks of the protocol 'TCP'")
        for name in _CHECKED_BY_HTTP:
            settings.pop(name, None)
    _check_protocol(group, protocol)
    if not settings["HealthCheckEnabled"]:
        raise ServiceError(
            "ValidationError", "Health check enabled must be true for target groups with target type 'ip'"
        )
    port = settings["HealthCheckPort"]
    if port != "traffic-port" and not (is_number(port) and 1 <= int(port) <= 65535):
        raise ServiceError(
            "ValidationError", f"Health check port '{port}' must be in the range 1-65535 or traffic-port"
        )
    interval, timeout = settings["HealthCheckIntervalSeconds"], settings["HealthCheckTimeoutSeconds"]
    if timeout > interval:
        raise ServiceError(
            "ValidationError",
            f"Health check timeout '{timeout}' must be smaller than or equal to the interval '{interval}'",
        )
    if protocol != "TCP":
        _check_path(settings["HealthCheckPath"])
        _check_matcher(group, settings["Matcher"])
    return settings


def codes_of(group: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Return the codes with which a target passes a group's checks; none where a connection is enough."""
    matcher = group.get("Matcher", {})
    if "GrpcCode" in matcher:
        return parse_codes(matcher["GrpcCode"], "1,2") or ()
    return parse_codes(matcher.get("HttpCode", "")) or ()


def _defaults(group: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    network, grpc = of_network(group), group.get("ProtocolVersion") == "GRPC"
    protocol = request.get("HealthCheckProtocol", group.get("HealthCheckProtocol", "TCP" if network else "HTTP"))
    timeout = 5 if not network else 6 if protocol == "HTTP" else 10
    return {
        "HealthCheckProtocol": protocol,
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": min(timeout, request.get("HealthCheckIntervalSeconds", 30))
        if network
        else timeout,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/AWS.ALB/healthcheck" if grpc else "/",
        "Matcher": {"GrpcCode": "12"} if grpc else {"HttpCode": "200-399" if network else "200"},
    }


def _present(group: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in _defaults(group, request) if name in group}


def _check_protocol(group: Mapping[str, Any], protocol: str) -> None:
    if protocol in _HTTP_GROUPS or (protocol == "TCP" and of_network(group)):
        return
    raise ServiceError(
        "ValidationError",
        f"Health check protocol '{protocol}' is not supported for {group['Protocol']} target groups",
    )


def _check_path(path: str) -> None:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise ServiceError(
            "ValidationError",
            f"Health check path '{path}' must begin with a '/' character, and can only contain printable ASCII "
            "characters, without spaces",
        )


def _check_matcher(group: Mapping[str, Any], matcher: Mapping[str, str]) -> None:
    grpc = group.get("ProtocolVersion") == "GRPC"
    name, title = ("GrpcCode", "gRPC") if grpc else ("HttpCode", "HTTP")
    least, most = _GRPC_CODES if grpc else _NETWORK_CODES if of_network(group) else _HTTP_CODES
    codes = parse_codes(matcher.get(name, ""), "1,2" if grpc else "3")
    if codes is None or any(not least <= first <= last <= most for first, last in codes) or len(matcher) > 1:
        raise ServiceError(
            "ValidationError",
            f"Health check matcher {title} code must be within '{least}' and '{most}', as a value, values or a range "
            f"of values: '{matcher.get(name, '')}'",
        )
