"""The attributes of load balancers, target groups and listeners: what they may be, and what they are at first.

An attribute that would change what happens, and does not here, takes only the value that it has.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html and siblings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError, not_offered

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED_COOKIES = ("AWSALB", "AWSALBAPP", "AWSALBTG")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What an attribute is at first (None: not there), what it may be, and what of that is offered."""

    default: str | None
    valid: Callable[[str], bool]
    offered: Callable[[str], bool] = lambda value: True


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


def _between(first: int, last: int, *others: str) -> Callable[[str], bool]:
    return lambda value: value in others or (is_number(value) and first <= int(value) <= last)


def _anything(value: str) -> bool:
    return True


def _header_value(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _header_name(value: str) -> bool:
    return not value or _TOKEN.fullmatch(value) is not None


_flag = _one_of("true", "false")


def _only(value: str) -> Callable[[str], bool]:
    return lambda given: given == value


def _logs(prefix: str, *, offered: bool) -> dict[str, Attribute]:
    return {
        f"{prefix}.s3.enabled": Attribute("false", _flag, _anything if offered else _only("false")),
        f"{prefix}.s3.bucket": Attribute("", _anything),
        f"{prefix}.s3.prefix": Attribute("", _log_prefix),
    }


def _log_prefix(value: str) -> bool:
    return "AWSLogs" not in value and not value.startswith("/") and not value.endswith("/")


LOGS = ("access_logs", "connection_logs")  # those that are delivered
BALANCER = {
    **_logs("access_logs", offered=True),
    **_logs("connection_logs", offered=True),
    **_logs("health_check_logs", offered=False),
    "client_keep_alive.seconds": Attribute("3600", _between(60, 604800)),
    "deletion_protection.enabled": Attribute("false", _flag),
    "idle_timeout.timeout_seconds": Attribute("60", _between(1, 4000)),
    "ipv6.deny_all_igw_traffic": Attribute("false", _flag, _only("false")),
    "load_balancing.cross_zone.enabled": Attribute("true", _only("true")),
    "routing.http.desync_mitigation_mode": Attribute(
        "defensive", _one_of("monitor", "defensive", "strictest"), _only("defensive")
    ),
    "routing.http.drop_invalid_header_fields.enabled": Attribute("false", _flag),
    "routing.http.preserve_host_header.enabled": Attribute("false", _flag),
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": Attribute("false", _flag),
    "routing.http.xff_client_port.enabled": Attribute("false", _flag),
    "routing.http.xff_header_processing.mode": Attribute("append", _one_of("append", "preserve", "remove")),
    "routing.http2.enabled": Attribute("true", _flag),
    "waf.fail_open.enabled": Attribute("false", _flag, _only("false")),
    "zonal_shift.config.enabled": Attribute("false", _flag, _only("false")),
}

# those of network load balancers
NETWORK_BALANCER = {
    **_logs("access_logs", offered=False),
    "deletion_protection.enabled": Attribute("false", _flag),
    # a load balancer has one address here: there is no zone that its name could be looked up in
    "dns_record.client_routing_policy": Attribute(
        "any_availability_zone",
        _one_of("any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity"),
        _only("any_availability_zone"),
    ),
    "ipv6.deny_all_igw_traffic": Attribute("false", _flag, _only("false")),
    # connections come in at one address, so that either way every target gets its share
    "load_balancing.cross_zone.enabled": Attribute("false", _flag),
    "secondary_ips.auto_assigned.per_subnet": Attribute("0", _between(0, 7), _only("0")),
    "zonal_shift.config.enabled": Attribute("false", _flag, _only("false")),
}

GROUP = {
    "deregistration_delay.timeout_seconds": Attribute("300", _between(0, 3600)),
    "load_balancing.algorithm.anomaly_mitigation": Attribute("off", _one_of("on", "off"), _only("off")),
    "load_balancing.algorithm.type": Attribute(
        "round_robin", _one_of("round_robin", "least_outstanding_requests", "weighted_random")
    ),
    "load_balancing.cross_zone.enabled": Attribute(
        "use_load_balancer_configuration",
        _one_of("true", "false", "use_load_balancer_configuration"),
        _one_of("true", "use_load_balancer_configuration"),
    ),
    "slow_start.duration_seconds": Attribute("0", _between(30, 900, "0")),
    "stickiness.app_cookie.cookie_name": Attribute(
        "", lambda name: _TOKEN.fullmatch(name) is not None and not name.startswith(_RESERVED_COOKIES)
    ),
    "stickiness.app_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.enabled": Attribute("false", _flag),
    "stickiness.lb_cookie.duration_seconds": Attribute("86400", _between(1, 604800)),
    "stickiness.type": Attribute("lb_cookie", _one_of("lb_cookie", "app_cookie")),
    # a load balancer has one address here: there is no zone for DNS to leave out
    "target_group_health.dns_failover.minimum_healthy_targets.count": Attribute(
        "1", _between(1, 1_000_000, "off"), _one_of("1", "off")
    ),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": Attribute(
        "off", _between(1, 100, "off"), _only("off")
    ),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": Attribute("1", _between(1, 1_000_000)),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": Attribute(
        "off", _between(1, 100, "off")
    ),
}

# those of the target groups of network load balancers
NETWORK_GROUP = {
    **{
        key: GROUP[key]
        for key in (
            "deregistration_delay.timeout_seconds",
            "load_balancing.cross_zone.enabled",
            "target_group_health.dns_failover.minimum_healthy_targets.count",
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        )
    },
    "deregistration_delay.connection_termination.enabled": Attribute("false", _flag, _only("false")),
    "preserve_client_ip.enabled": Attribute("false", _flag, _only("false")),
    "proxy_protocol_v2.enabled": Attribute("false", _flag),
    "stickiness.enabled": Attribute("false", _flag),
    "stickiness.type": Attribute("source_ip", _only("source_ip")),
    # on AWS the first one is true at first: here connections to a target that becomes unhealthy stay as they are
    "target_health_state.unhealthy.connection_termination.enabled": Attribute("false", _flag, _only("false")),
    "target_health_state.unhealthy.draining_interval_seconds": Attribute("0", _between(0, 360000), _only("0")),
}

_ADDED = "routing.http.response."
ADDED_HEADERS = {
    f"{_ADDED}access_control_allow_credentials.header_value": "Access-Control-Allow-Credentials",
    f"{_ADDED}access_control_allow_headers.header_value": "Access-Control-Allow-Headers",
    f"{_ADDED}access_control_allow_methods.header_value": "Access-Control-Allow-Methods",
    f"{_ADDED}access_control_allow_origin.header_value": "Access-Control-Allow-Origin",
    f"{_ADDED}access_control_expose_headers.header_value": "Access-Control-Expose-Headers",
    f"{_ADDED}access_control_max_age.header_value": "Access-Control-Max-Age",
    f"{_ADDED}content_security_policy.header_value": "Content-Security-Policy",
    f"{_ADDED}strict_transport_security.header_value": "Strict-Transport-Security",
    f"{_ADDED}x_content_type_options.header_value": "X-Content-Type-Options",
    f"{_ADDED}x_frame_options.header_value": "X-Frame-Options",
}
_CLIENT = "routing.http.request.x_amzn_mtls_clientcert"
# the attribute that renames a header of a client's certificate -> what is in it, and how it is called at first
CLIENT_HEADERS = {
    f"{_CLIENT}.header_name": ("chain", "X-Amzn-Mtls-Clientcert"),
    f"{_CLIENT}_issuer.header_name": ("issuer", "X-Amzn-Mtls-Clientcert-Issuer"),
    f"{_CLIENT}_leaf.header_name": ("leaf", "X-Amzn-Mtls-Clientcert-Leaf"),
    f"{_CLIENT}_serial_number.header_name": ("serial", "X-Amzn-Mtls-Clientcert-Serial-Number"),
    f"{_CLIENT}_subject.header_name": ("subject", "X-Amzn-Mtls-Clientcert-Subject"),
    f"{_CLIENT}_validity.header_name": ("validity", "X-Amzn-Mtls-Clientcert-Validity"),
}
TCP_LISTENER = {"tcp.idle_timeout.seconds": Attribute("350", _between(60, 6000))}
LISTENER = {
    "routing.http.response.server.enabled": Attribute("true", _flag),
    **{key: Attribute("", _header_value) for key in ADDED_HEADERS},
}
VERSION_HEADER = "routing.http.request.x_amzn_tls_version.header_name"
CIPHER_HEADER = "routing.http.request.x_amzn_tls_cipher_suite.header_name"
# these rename headers that only an HTTPS listener sends
_TLS_ONLY = frozenset({VERSION_HEADER, CIPHER_HEADER, *CLIENT_HEADERS})
HTTPS_LISTENER = {**LISTENER, **{key: Attribute("", _header_name) for key in sorted(_TLS_ONLY)}}


def defaults(table: Mapping[str, Attribute]) -> dict[str, str]:
    """Return what the attributes are at first."""
    return {key: each.default for key, each in table.items() if each.default is not None}


def changed(
    what: str, table: Mapping[str, Attribute], present: Mapping[str, str], given: Iterable[Mapping[str, str]]
) -> dict[str, str]:
    """Return attributes with the given ones put over them; raise ValidationError, or refuse by name."""
    result = dict(present)
    for each in given:
        key, value = each.get("Key", ""), each.get("Value", "")
        if key in _TLS_ONLY and key not in table:
            raise ServiceError(
                "InvalidConfigurationRequest", f"Listener attribute '{key}' is only supported by HTTPS listeners"
            )
        attribute = table.get(key)
        if attribute is None:
            raise ServiceError("ValidationError", f"{what} attribute key '{key}' is not recognized")
        if not attribute.valid(value):
            raise ServiceError("ValidationError", f"{what} attribute value '{value}' is not valid for key '{key}'")
        if not attribute.offered(value):
            raise not_offered(f"elbv2: the {what.lower()} attribute {key}={value}")
        result[key] = value
    return result


def listed(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    """Return attributes as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(attributes.items())]
