"""Envoy's configuration of routes: what a request has to be like, and what is done with it. Pure.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from tidegate.cloud.planes.envoy.config import (
    Action,
    Answer,
    Choice,
    Fail,
    Forward,
    Listener,
    Match,
    Redirect,
    Rewrite,
    Route,
    Session,
    Stick,
)
from tidegate.cloud.planes.envoy.pages import page
from tidegate.cloud.planes.envoy.scripts import KEEP_HEADER, REDIRECT, REWRITES, keep, session_header, sessions_of

Document = dict[str, Any]

TYPE = "type.googleapis.com/"
LUA = "envoy.filters.http.lua"
SESSION = "envoy.filters.http.stateful_session"
REWRITE = "envoy.filters.http.header_to_metadata"
REWRITE_CONFIG = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
TAG_HEADER = "x-tidegate-source"  # set by Envoy, seen by routes alone: taken off before a request goes on
# a request that was not yet sent to an endpoint that is gone can be sent to another, once
_RETRY: Document = {
    "retry_on": "connect-failure,reset-before-request,refused-stream",
    "num_retries": 1,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPE}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 3,
}


def routes(each: Listener) -> Document:
    """Return a listener's routes."""
    tags = tags_of(each)
    written = [route for wanted in each.routes for route in _routes(wanted, each, tags)]
    return {
        "@type": f"{TYPE}envoy.config.route.v3.RouteConfiguration",
        "name": each.name,
        "request_headers_to_add": [
            header("X-Forwarded-Port", str(each.port)),
            *([] if each.version_header is None else [header(each.version_header, "%DOWNSTREAM_TLS_VERSION%")]),
            *([] if each.cipher_header is None else [header(each.cipher_header, "%DOWNSTREAM_TLS_CIPHER%")]),
        ],
        "request_headers_to_remove": [
            "x-envoy-external-address",
            "x-envoy-internal",
            TAG_HEADER,
            *sorted({session_header(session) for session in sessions_of(each)}),
            *(["x-forwarded-for"] if each.forwarded_for == "remove" else []),
        ],
        "response_headers_to_add": [header(name, literal(value)) for name, value in each.response_headers],
        "response_headers_to_remove": [] if each.show_server else ["server"],
        "virtual_hosts": [{"name": each.name, "domains": ["*"], "routes": written}],
    }


def tags_of(each: Listener) -> dict[tuple[str, ...], str]:
    """Return a name for every list of ranges that a route asks for."""
    lists = dict.fromkeys(ranges for route in each.routes for ranges in route.match.sources)
    return {ranges: f"s{number}" for number, ranges in enumerate(lists)}


def _routes(wanted: Route, each: Listener, tags: dict[tuple[str, ...], str]) -> list[Document]:
    match = _match(wanted.match, tags)
    written = _acting(wanted.action, each, match)
    rewrites = [
        _rewritten(name, key, rewrite)
        for name, key, rewrite in ((":authority", "host", wanted.host), (":path", "url", wanted.url))
        if rewrite is not None
    ]
    for route in written:
        route["name"] = wanted.name
        if rewrites and isinstance(wanted.action, Forward):
            rules = {"@type": f"{TYPE}{REWRITE_CONFIG}", "request_rules": rewrites}
            route.setdefault("typed_per_filter_config", {})[REWRITE] = rules
    return written


def _acting(action: Action, each: Listener, match: Document) -> list[Document]:
    if isinstance(action, Answer):
        body = {"body": {"inline_string": action.body}} if action.body else {}
        headers = [header("content-type", literal(action.content_type))] if action.body else []
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
    stuck, marks = [], {choice.cluster: _cookies(action.stick, choice, each) for choice in choices}
    for choice in choices:
        cookie = f"(.*;\\s*)?{action.stick.cookie}={_mark(choice)}(\\s*;.*)?"
        with_cookie = {**match, "headers": [*match["headers"], _fits("cookie", cookie)]}
        stuck.append(_forward([choice], with_cookie, marks))
    return [*stuck, _forward(choices, match, marks)]


def _forward(choices: Sequence[Choice], match: Document, cookies: dict[str, list[str]] | None = None) -> Document:
    weighted = []
    for choice in choices:
        entry: Document = {"name": choice.cluster, "weight": choice.weight}
        added = [
            {"header": {"key": "Set-Cookie", "value": each}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
            for each in (cookies or {}).get(choice.cluster, ())
        ]
        if choice.session is not None:
            added.append(header(KEEP_HEADER, literal(keep(choice.session))))
            entry["typed_per_filter_config"] = {SESSION: _session(choice.session)}
        if added:
            entry["response_headers_to_add"] = added
        weighted.append(entry)
    action = {"weighted_clusters": {"clusters": weighted}, "timeout": "0s", "retry_policy": _RETRY}
    return {"match": match, "route": action}


def _cookies(stick: Stick, choice: Choice, each: Listener) -> list[str]:
    """Return the cookies that lead to a choice again."""
    mark, age = _mark(choice), f"Max-Age={stick.seconds}; Path=/"
    twin = f"{stick.twin}={mark}; {age}; SameSite=None{'; Secure' if each.tls else ''}"
    return [f"{stick.cookie}={mark}; {age}", *([] if stick.twin is None else [twin])]


def _rewritten(name: str, key: str, rewrite: Rewrite) -> Document:
    """Return what leaves a rewritten header as metadata, for the listener's script to put it in its place."""
    pattern = {"pattern": {"regex": rewrite.expression}, "substitution": rewrite.replacement}
    value = {"metadata_namespace": REWRITES, "key": key, "type": "STRING", "regex_value_rewrite": pattern}
    return {"header": name, "on_header_present": value, "remove": False}


def _failure(status: int, match: Document) -> Document:
    response = {"status": status, "body": {"inline_string": page(status)}}
    return {
        "match": match,
        "direct_response": response,
        "response_headers_to_add": [header("content-type", "text/html")],
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
        "@type": f"{TYPE}envoy.extensions.filters.http.lua.v3.LuaPerRoute",
        "source_code": {"inline_string": REDIRECT},
        "filter_context": context,
    }
    # the script answers first; the response is only there because a route has to have one
    return {"match": match, "direct_response": {"status": 500}, "typed_per_filter_config": {LUA: lua}}


def _session(session: Session) -> Document:
    state = "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState"
    return {
        "@type": f"{TYPE}envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        "stateful_session": {
            "session_state": {
                "name": "envoy.http.stateful_session.header",
                "typed_config": {"@type": f"{TYPE}{state}", "name": session_header(session)},
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
    headers += [_fits(TAG_HEADER, f"(.*,)?{tags[ranges]}(,.*)?") for ranges in match.sources]
    path = {"prefix": "/"} if match.path is None else {"safe_regex": {"regex": match.path}}
    return {**path, "headers": headers}


def _fits(name: str, expression: str) -> Document:
    return {"name": name, "string_match": {"safe_regex": {"regex": expression}}}


def header(name: str, value: str) -> Document:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def literal(text: str) -> str:
    """Return a text in which nothing stands for something else: Envoy substitutes what is between `%`."""
    return text.replace("%", "%%")


def _mark(choice: Choice) -> str:
    """Return how a cookie names a choice, without telling its name."""
    return hashlib.sha256(choice.cluster.encode()).hexdigest()[:32]


def address_range(text: str) -> Document:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length)}
