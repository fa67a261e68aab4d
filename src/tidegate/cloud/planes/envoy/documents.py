"""Envoy's own configuration, made from `config`: pure, values in, JSON documents out.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.envoy.config import (
    Answer,
    Choice,
    Cluster,
    Config,
    Fail,
    Forward,
    Listener,
    Match,
    Redirect,
    Route,
    Session,
    TcpListener,
)
from tidegate.cloud.planes.envoy.pages import FAILURES, REDIRECT, on_request, page
from tidegate.cloud.planes.envoy.sockets import tcp_proxy, tls_socket, upstream_socket

Document = dict[str, Any]

_TYPE = "type.googleapis.com/"
_LUA = "envoy.filters.http.lua"
_SESSION = "envoy.filters.http.stateful_session"
_ADDRESS_TAGS = "envoy.filters.http.ip_tagging"
_TAG_HEADER = "x-tidegate-source"  # set by Envoy, seen by routes alone: taken off before a request goes on
_ALGORITHMS = {"round_robin": "ROUND_ROBIN", "least_request": "LEAST_REQUEST", "random": "RANDOM"}
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
                "@type": f"{_TYPE}envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
                "formatter_type_on_envoy_headers": "PROPER_CASE",
            },
        }
    }
}
# a request that was not yet sent to an endpoint that is gone can be sent to another, once
_RETRY: Document = {
    "retry_on": "connect-failure,reset-before-request,refused-stream",
    "num_retries": 1,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{_TYPE}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 3,
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
                        "@type": f"{_TYPE}envoy.extensions.resource_monitors.downstream_connections.v3"
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
        "@type": f"{_TYPE}envoy.config.cluster.v3.Cluster",
        "name": each.name,
        "type": "EDS",
        "connect_timeout": _seconds(_CONNECT),
        "eds_cluster_config": {"eds_config": _source(endpoints_file(directory, each.name))},
        "lb_policy": "MAGLEV" if each.by_source else _ALGORITHMS[each.algorithm],
        # never spread requests over unhealthy endpoints by itself: which ones get traffic is decided elsewhere
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
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
                "@type": f"{_TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _seconds(_UPSTREAM_IDLE)},
                "explicit_http_config": spoken,
            }
        }
    socket = upstream_socket(each)
    if socket is not None:
        document["transport_socket"] = socket
    if each.slow_start and each.algorithm != "random":
        document[f"{each.algorithm}_lb_config"] = {
            "slow_start_config": {"slow_start_window": _seconds(each.slow_start)}
        }
    return document


def endpoints(each: Cluster) -> Document:
    """Return a cluster's endpoints."""
    return {
        "@type": f"{_TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": each.name,
        "endpoints": [
            {
                "lb_endpoints": [
                    {
                        "endpoint": {"address": _address(endpoint.address, endpoint.port)},
                        "health_status": _STATES[endpoint.state],
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
    secure = {} if each.tls is None else {"transport_socket": tls_socket(each.tls)}
    return {
        "@type": f"{_TYPE}envoy.config.listener.v3.Listener",
        "name": each.name,
        "address": _address(each.address, each.port),
        # two processes that listen on one port without knowing would take each other's requests
        "enable_reuse_port": False,
        "filter_chains": [{"filters": filters, **secure}],
    }


def _manager(each: Listener, config: Config, directory: Path) -> Document:
    return {
        "@type": f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": each.name,
        "codec_type": "AUTO" if each.http2 else "HTTP1",
        "rds": {"route_config_name": each.name, "config_source": _source(routes_file(directory, each.name))},
        "use_remote_address": True,  # a client's X-Forwarded-For is passed on, but not believed
        "skip_xff_append": True,
        "internal_address_config": {"cidr_ranges": [_range("255.255.255.255/32")]},  # every client is an outsider
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
        "http_filters": _filters(each, config.trace_header),
    }


def routes(each: Listener) -> Document:
    """Return a listener's routes."""
    tags = _tags(each)
    written = [route for wanted in each.routes for route in _routes(wanted, each, tags)]
    return {
        "@type": f"{_TYPE}envoy.config.route.v3.RouteConfiguration",
        "name": each.name,
        "request_headers_to_add": [
            _header("X-Forwarded-Port", str(each.port)),
            *([] if each.version_header is None else [_header(each.version_header, "%DOWNSTREAM_TLS_VERSION%")]),
            *([] if each.cipher_header is None else [_header(each.cipher_header, "%DOWNSTREAM_TLS_CIPHER%")]),
        ],
        "request_headers_to_remove": [
            "x-envoy-external-address",
            "x-envoy-internal",
            _TAG_HEADER,
            *(["x-forwarded-for"] if each.forwarded_for == "remove" else []),
        ],
        "response_headers_to_add": [_header(name, _literal(value)) for name, value in each.response_headers],
        "response_headers_to_remove": [] if each.show_server else ["server"],
        "virtual_hosts": [{"name": each.name, "domains": ["*"], "routes": written}],
    }


def endpoints_file(directory: Path, name: str) -> Path:
    """Return where a cluster's endpoints are."""
    return directory / "endpoints" / f"{name}.json"


def routes_file(directory: Path, name: str) -> Path:
    """Return where a listener's routes are."""
    return directory / "routes" / f"{name}.json"


def _filters(each: Listener, trace_header: str | None) -> list[Document]:
    filters: list[Document] = []
    tags = _tags(each)
    if tags:
        filters.append(
            _filter(
                _ADDRESS_TAGS,
                "ip_tagging.v3.IPTagging",
                request_type="BOTH",
                ip_tags=[
                    {"ip_tag_name": tag, "ip_list": [_range(text) for text in ranges]} for ranges, tag in tags.items()
                ],
                ip_tag_header={"header": _TAG_HEADER, "action": "SANITIZE"},
            )
        )
    script = on_request(
        append_address=each.forwarded_for == "append", client_port=each.client_port, trace_header=trace_header
    )
    source = {"default_source_code": {"inline_string": script}} if script else {}
    filters.append(_filter(_LUA, "lua.v3.Lua", clear_route_cache=False, **source))
    if any(_sessions(route) for route in each.routes):
        filters.append(_filter(_SESSION, "stateful_session.v3.StatefulSession"))
    filters.append(_filter("envoy.filters.http.router", "router.v3.Router", suppress_envoy_headers=True))
    return filters


def _filter(name: str, kind: str, **members: Any) -> Document:
    return {"name": name, "typed_config": {"@type": f"{_TYPE}envoy.extensions.filters.http.{kind}", **members}}


def _sessions(route: Route) -> list[Session]:
    choices = route.action.choices if isinstance(route.action, Forward) else ()
    return [choice.session for choice in choices if choice.session is not None]


def _tags(each: Listener) -> dict[tuple[str, ...], str]:
    """Return a name for every list of ranges that a route asks for."""
    lists = dict.fromkeys(ranges for route in each.routes for ranges in route.match.sources)
    return {ranges: f"s{number}" for number, ranges in enumerate(lists)}


def _routes(wanted: Route, each: Listener, tags: dict[tuple[str, ...], str]) -> list[Document]:
    match = _match(wanted.match, tags)
    action = wanted.action
    if isinstance(action, Answer):
        body = {"body": {"inline_string": action.body}} if action.body else {}
        headers = [_header("content-type", _literal(action.content_type))] if action.body else []
        response = {"status": action.status, **body}
        return [{"match": match, "direct_response": response, "response_headers_to_add": headers}]
    if isinstance(action, Fail):
        return [_failure(action.status, match)]
    if isinstance(action, Redirect):
        return [_redirect(action, each, match)]
    choices = [choice for choice in action.choices if choice.weight]
    if not choices:
        return [_failure(503, match)]
    if action.stick is None:
        return [_forward(choices, match)]
    stuck = []
    for choice in choices:
        cookie = f"(.*;\\s*)?{action.stick.cookie}={_mark(choice)}(\\s*;.*)?"
        with_cookie = {**match, "headers": [*match["headers"], _fits("cookie", cookie)]}
        stuck.append(_forward([choice], with_cookie))
    age = f"Max-Age={action.stick.seconds}; Path=/"
    marks = {choice.cluster: f"{action.stick.cookie}={_mark(choice)}; {age}" for choice in choices}
    return [*stuck, _forward(choices, match, marks)]


def _forward(choices: Sequence[Choice], match: Document, cookies: dict[str, str] | None = None) -> Document:
    weighted = []
    for choice in choices:
        entry: Document = {"name": choice.cluster, "weight": choice.weight}
        if cookies:
            added = {"key": "Set-Cookie", "value": cookies[choice.cluster]}
            entry["response_headers_to_add"] = [{"header": added, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]
        if choice.session is not None:
            entry["typed_per_filter_config"] = {_SESSION: _session(choice.session)}
        weighted.append(entry)
    action = {"weighted_clusters": {"clusters": weighted}, "timeout": "0s", "retry_policy": _RETRY}
    return {"match": match, "route": action}


def _failure(status: int, match: Document) -> Document:
    response = {"status": status, "body": {"inline_string": page(status)}}
    return {
        "match": match,
        "direct_response": response,
        "response_headers_to_add": [_header("content-type", "text/html")],
    }


def _redirect(action: Redirect, each: Listener, match: Document) -> Document:
    context = {
        "status": str(action.status),
        "protocol": action.protocol,
        "host": action.host,
        "port": action.port,
        "path": action.path,
        "query": action.query,
        "listener_port": str(each.port),
        "page": page(action.status),
    }
    lua = {
        "@type": f"{_TYPE}envoy.extensions.filters.http.lua.v3.LuaPerRoute",
        "source_code": {"inline_string": REDIRECT},
        "filter_context": context,
    }
    # the script answers first; the response is only there because a route has to have one
    return {"match": match, "direct_response": {"status": 500}, "typed_per_filter_config": {_LUA: lua}}


def _session(session: Session) -> Document:
    return {
        "@type": f"{_TYPE}envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        "stateful_session": {
            "session_state": {
                "name": "envoy.http.stateful_session.cookie",
                "typed_config": {
                    "@type": f"{_TYPE}envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState",
                    "cookie": {"name": session.cookie, "path": "/", "ttl": _seconds(session.seconds)},
                },
            }
        },
    }


def _match(match: Match, tags: dict[tuple[str, ...], str]) -> Document:
    headers = [_fits(name, expression) for name, expression in match.headers]
    if match.host is not None:
        headers.append(_fits(":authority", f"(?i:{match.host})(:[0-9]+)?"))
    if match.methods:
        headers.append(_fits(":method", "|".join(match.methods)))
    headers += [_fits(":path", rf"[^?]*\?(.*&)?({expression})(&.*)?") for expression in match.queries]
    headers += [_fits(_TAG_HEADER, f"(.*,)?{tags[ranges]}(,.*)?") for ranges in match.sources]
    path = {"prefix": "/"} if match.path is None else {"safe_regex": {"regex": match.path}}
    return {**path, "headers": headers}


def _fits(name: str, expression: str) -> Document:
    return {"name": name, "string_match": {"safe_regex": {"regex": expression}}}


def _local_replies(server: str | None) -> list[Document]:
    """Return what the answers are like that are no endpoint's: who made them, and a page for what went wrong."""
    headers = [] if server is None else [_header("server", _literal(server))]

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
        "@type": f"{_TYPE}envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "response.code_details.contains('connection_timeout')",
    }
    every = {"comparison": {"op": "GE", "value": {"default_value": 100, "runtime_key": "unused"}}}
    return [
        # no flag tells an endpoint that does not let one in from one that lets one wait
        mapper({"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": late}}, 504),
        *(mapper({"response_flag_filter": {"flags": list(flags)}}, status) for flags, status in FAILURES),
        {"filter": {"status_code_filter": every}, "headers_to_add": headers},
    ]


def _header(name: str, value: str) -> Document:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _literal(text: str) -> str:
    """Return a text in which nothing stands for something else: Envoy substitutes what is between `%`."""
    return text.replace("%", "%%")


def _mark(choice: Choice) -> str:
    """Return how a cookie names a choice, without telling its name."""
    return hashlib.sha256(choice.cluster.encode()).hexdigest()[:32]


def _source(path: Path) -> Document:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(address: str, port: int) -> Document:
    return {"socket_address": {"address": address, "port_value": port}}


def _range(text: str) -> Document:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}


def _seconds(value: float) -> str:
    return f"{value:g}s"
