"""Envoy's own configuration, made from `config`: pure, values in, JSON documents out.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.envoy import logs
from tidegate.cloud.planes.envoy.config import Cluster, Config, Listener, TcpListener
from tidegate.cloud.planes.envoy.pages import FAILURES, page
from tidegate.cloud.planes.envoy.routing import (
    LUA,
    REWRITE,
    REWRITE_CONFIG,
    SESSION,
    TAG_HEADER,
    TYPE,
    address_range,
    header,
    literal,
    tags_of,
)
from tidegate.cloud.planes.envoy.scripts import of_listener, sessions_of
from tidegate.cloud.planes.envoy.sockets import client_filters, tcp_proxy, tls_socket, upstream_socket

Document = dict[str, Any]

_ADDRESS_TAGS = "envoy.filters.http.ip_tagging"
_ALGORITHMS = {"round_robin": "ROUND_ROBIN", "random": "RANDOM"}
_STATES = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY", "draining": "DRAINING"}
# an endpoint may close a connection that is idle just when a request is sent on it: close it first
_UPSTREAM_IDLE = 1.0
_CONNECT = 5.0
_HEADER_KILOBYTES = 64
_NO_LIMIT = 1 << 20  # of concurrent connections and requests: nothing is refused for its number
_KEEP_CASE: Document = {
    "header_key_format": {
        "stateful_formatter": {
            "name": "preserve_case",
            "typed_config": {
                "@type": f"{TYPE}envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
                "formatter_type_on_envoy_headers": "PROPER_CASE",
            },
        }
    }
}


def bootstrap(directory: Path, admin: Path) -> Document:
    """Return what Envoy is started with: where the rest is, and where it answers questions."""
    return {
        "node": {"id": "tidegate", "cluster": "tidegate"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": _source(directory / "listeners.json"),
            "cds_config": _source(directory / "clusters.json"),
        },
        # expressions are checked where they come from; Envoy's own limit is meant for untrusted control planes
        "layered_runtime": {
            "layers": [{"name": "limits", "static_layer": {"re2.max_program_size.error_level": _NO_LIMIT}}]
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{TYPE}envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 100_000,
                    },
                }
            ]
        },
    }


def discovery(resources: Sequence[Document]) -> str:
    """Return resources as a file that Envoy watches; its version is the hash of what is in it."""
    body = json.dumps(list(resources), sort_keys=True)
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return json.dumps({"version_info": version, "resources": list(resources)}, sort_keys=True)


def version_of(text: str) -> str:
    """Return the version of a file made by `discovery`."""
    return str(json.loads(text)["version_info"])


def cluster(each: Cluster, directory: Path) -> Document:
    """Return a cluster; its endpoints are in a file of their own."""
    document: Document = {
        "@type": f"{TYPE}envoy.config.cluster.v3.Cluster",
        "name": each.name,
        "type": "EDS",
        "connect_timeout": _seconds(_CONNECT),
        "eds_cluster_config": {"eds_config": _source(endpoints_file(directory, each.name))},
        **_policy(each),
        # never spread requests over unhealthy endpoints by itself: which ones get traffic is decided elsewhere
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "metadata": {"filter_metadata": {"tidegate": {"label": each.label}}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _NO_LIMIT,
                    "max_pending_requests": _NO_LIMIT,
                    "max_requests": _NO_LIMIT,
                    "max_retries": _NO_LIMIT,
                }
            ]
        },
    }
    if each.protocol != "tcp":
        spoken: Document = (
            {"http2_protocol_options": {}} if each.protocol == "http2" else {"http_protocol_options": _KEEP_CASE}
        )
        document["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _seconds(_UPSTREAM_IDLE)},
                "explicit_http_config": spoken,
            }
        }
    socket = upstream_socket(each)
    if socket is not None:
        document["transport_socket"] = socket
    if each.slow_start and each.algorithm == "round_robin":
        document["round_robin_lb_config"] = {"slow_start_config": {"slow_start_window": _seconds(each.slow_start)}}
    return document


def _policy(each: Cluster) -> Document:
    """Return how an endpoint is chosen; of those with the fewest requests, all are looked at."""
    if each.by_source:
        return {"lb_policy": "MAGLEV"}
    if each.algorithm != "least_request":
        return {"lb_policy": _ALGORITHMS[each.algorithm]}
    policy = {
        "@type": f"{TYPE}envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
        "selection_method": "FULL_SCAN",
    }
    named = {"name": "envoy.load_balancing_policies.least_request", "typed_config": policy}
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": named}]}}


def endpoints(each: Cluster) -> Document:
    """Return a cluster's endpoints."""
    return {
        "@type": f"{TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": each.name,
        "endpoints": [
            {
                "lb_endpoints": [
                    {
                        "endpoint": {"address": _address(endpoint.address, endpoint.port)},
                        "health_status": _STATES[endpoint.state],
                        "metadata": {"filter_metadata": {"tidegate": {"label": endpoint.label}}},
                    }
                    for endpoint in each.endpoints
                ]
            }
        ],
    }


def listener(each: Listener | TcpListener, config: Config, directory: Path) -> Document:
    """Return a listener; its routes are in a file of their own, so that connections outlive a change of them."""
    if isinstance(each, TcpListener):
        filters = [{"name": "tcp", "typed_config": tcp_proxy(each)}]
    else:
        filters = [{"name": "http", "typed_config": _manager(each, config, directory)}]
    if each.tls is not None and each.tls.clients is not None:
        filters = [*client_filters(each.tls.clients, each.name), *filters]
    secure = {} if each.tls is None else {"transport_socket": tls_socket(each.tls)}
    return {
        "@type": f"{TYPE}envoy.config.listener.v3.Listener",
        "name": each.name,
        "address": _address(each.address, each.port),
        # two processes that listen on one port without knowing would take each other's requests
        "enable_reuse_port": False,
        "stat_prefix": each.name,
        "filter_chains": [{"filters": filters, **secure}],
        **_logged(each, directory),
    }


def _logged(each: Listener | TcpListener, directory: Path) -> Document:
    """Return what a listener needs for its logs: the one of connections, and somebody who reads the name asked for."""
    document: Document = {}
    if isinstance(each, Listener) and each.connection_log is not None:
        document["access_log"] = [logs.of_connections(each.connection_log, directory)]
    if isinstance(each, Listener) and each.request_log is not None and each.tls is not None:
        kind = f"{TYPE}envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        document["listener_filters"] = [
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": kind}}
        ]
    return document


def _manager(each: Listener, config: Config, directory: Path) -> Document:
    return {
        "@type": f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": each.name,
        "codec_type": "AUTO" if each.http2 else "HTTP1",
        "rds": {"route_config_name": each.name, "config_source": _source(routes_file(directory, each.name))},
        "use_remote_address": True,  # a client's X-Forwarded-For is passed on, but not believed
        "skip_xff_append": True,
        "internal_address_config": {
            "cidr_ranges": [address_range("255.255.255.255/32")]
        },  # every client is an outsider
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": _seconds(each.idle),
        "max_request_headers_kb": _HEADER_KILOBYTES,
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": each.address, **_KEEP_CASE},
        "common_http_protocol_options": {
            "idle_timeout": _seconds(each.idle),
            "max_connection_duration": _seconds(each.lifetime),
            "headers_with_underscores_action": "DROP_HEADER" if each.drop_invalid_headers else "ALLOW",
        },
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": {"mappers": _local_replies(config.server if each.show_server else None)},
        "access_log": [] if each.request_log is None else [logs.of_requests(each.request_log, directory)],
        "http_filters": _filters(each, config.trace_header),
    }


def endpoints_file(directory: Path, name: str) -> Path:
    """Return where a cluster's endpoints are."""
    return directory / "endpoints" / f"{name}.json"


def routes_file(directory: Path, name: str) -> Path:
    """Return where a listener's routes are."""
    return directory / "routes" / f"{name}.json"


def _filters(each: Listener, trace_header: str | None) -> list[Document]:
    filters: list[Document] = []
    tags = tags_of(each)
    if tags:
        filters.append(
            _filter(
                _ADDRESS_TAGS,
                "ip_tagging.v3.IPTagging",
                request_type="BOTH",
                ip_tags=[
                    {"ip_tag_name": tag, "ip_list": [address_range(text) for text in ranges]}
                    for ranges, tag in tags.items()
                ],
                ip_tag_header={"header": TAG_HEADER, "action": "SANITIZE"},
            )
        )
    if any(route.host or route.url for route in each.routes):
        filters.append({"name": REWRITE, "typed_config": {"@type": f"{TYPE}{REWRITE_CONFIG}"}})
    source = {"inline_string": of_listener(each, trace_header)}
    filters.append(_filter(LUA, "lua.v3.Lua", clear_route_cache=False, default_source_code=source))
    if sessions_of(each):
        filters.append(_filter(SESSION, "stateful_session.v3.StatefulSession"))
    filters.append(_filter("envoy.filters.http.router", "router.v3.Router", suppress_envoy_headers=True))
    return filters


def _filter(name: str, kind: str, **members: Any) -> Document:
    return {"name": name, "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.{kind}", **members}}


def _local_replies(server: str | None) -> list[Document]:
    """Return what the answers are like that are no endpoint's: who made them, and a page for what went wrong."""
    headers = [] if server is None else [header("server", literal(server))]

    def mapper(fits: Document, status: int) -> Document:
        return {
            "filter": fits,
            "status_code": status,
            "body": {"inline_string": page(status)},
            "body_format_override": {
                "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
                "content_type": "text/html",
            },
            "headers_to_add": headers,
        }

    late = {
        "@type": f"{TYPE}envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "response.code_details.contains('connection_timeout')",
    }
    every = {"comparison": {"op": "GE", "value": {"default_value": 100, "runtime_key": "unused"}}}
    return [
        # no flag tells an endpoint that does not let one in from one that lets one wait
        mapper({"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": late}}, 504),
        *(mapper({"response_flag_filter": {"flags": list(flags)}}, status) for flags, status in FAILURES),
        {"filter": {"status_code_filter": every}, "headers_to_add": headers},
    ]


def _source(path: Path) -> Document:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(address: str, port: int) -> Document:
    return {"socket_address": {"address": address, "port_value": port}}


def _seconds(value: float) -> str:
    return f"{value:g}s"
