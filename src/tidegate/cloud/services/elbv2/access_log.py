"""Lines of access logs and connection logs, made from what Envoy wrote. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_NONE = "-"
_ABSENT = "-1"
_GONE = "460"  # what a client that did not wait for the answer got
_STANDARD_PORTS = {"http": "80", "https": "443"}

# what Envoy says of a handshake that failed -> how AWS calls that; the first that is found in it counts
_FAILURES = (
    ("certificate has expired", "ClientCertExpired"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "UnmappedConnectionError"),
    ("CERTIFICATE_VERIFY_FAILED", "ClientCertUntrusted"),
    ("rbac", "ClientCertCrlHit"),
)


def entry(line: Mapping[str, Any], balancer: str, certificate: str) -> str:
    """Return a request's line; `balancer` is a resource id (`app/web/50d…`), `certificate` the ARN of the one shown."""
    scheme, host, port = line["scheme"], line["host"] or line["last_host"] or "", line["port"]
    begun = _moment(line["start"])
    priority, _, action = (line["route"] or _NONE).partition(" ")
    answered = line["details"] == "via_upstream"
    status = str(line["status"]) if line["status"] else _GONE
    target, target_status = line["endpoint"] or _NONE, status if answered else _NONE
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    url = line["url"] or line["last_url"] or ""
    request = f"{line['method'] or _NONE} {scheme}://{name}:{port}{url} {line['protocol'] or _NONE}"
    return " ".join(
        [
            _kind(line),
            _shown(begun + timedelta(milliseconds=line["duration"] or 0)),
            balancer,
            line["client"],
            target,
            *(_seconds(line[each]) for each in ("to_endpoint", "at_endpoint", "to_client")),
            status,
            target_status,
            str(line["received"]),
            str(line["sent"]),
            _quoted(request),
            _quoted(line["agent"]),
            line["cipher"] or _NONE,
            line["tls"] or _NONE,
            line["cluster"] or _NONE,
            _quoted(line["trace"]),
            _quoted(line["server_name"]),
            _quoted(certificate or None),
            priority,
            _shown(begun),
            _quoted(action or None),
            _quoted(line["location"] if action == "redirect" else None),
            _quoted(None),
            _quoted(target),
            _quoted(target_status),
            _quoted(None),
            _quoted(None),
            connection_id(line),
            *_transformed(line),
        ]
    )


def connection_entry(line: Mapping[str, Any]) -> str:
    """Return a connection's line."""
    client, _, client_port = line["client"].rpartition(":")
    failure = f"{line['failure'] or ''} {line['termination'] or ''}"
    reason = next((name for text, name in _FAILURES if text in failure), None)
    if reason is None and line["failure"]:
        reason = "UnmappedConnectionError"
    validity = f"NotBefore={line['valid_from']};NotAfter={line['valid_until']}" if line["valid_from"] else None
    done = line["tls"] is not None
    return " ".join(
        [
            _shown(_moment(line["start"])),
            client,
            client_port,
            line["port"],
            line["tls"] or _NONE,
            line["cipher"] or _NONE,
            f"{line['handshake'] / 1000:.3f}" if done and line["handshake"] is not None else _NONE,
            _quoted(line["subject"]),
            validity or _NONE,
            (line["serial"] or _NONE).upper(),
            _NONE if line["port_plain"] else "Success" if reason is None and done else f"Failed:{reason}",
            connection_id(line),
        ]
    )


def connection_id(line: Mapping[str, Any]) -> str:
    """Return what a connection's line and those of its requests have in common."""
    text = f"{line['listener']} {line['connection']} {line['client']}"
    return f"TID_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def path(kind: str, prefix: str, arn: str, address: str, mark: str) -> str:
    """Return the key of a log file: `mark` begins with the time at which it ends (`20260102T0304Z-…`), UTC."""
    region, account, resource = arn.split(":")[3:6]
    ended, _, rest = mark.partition("-")
    day = f"{ended[:4]}/{ended[4:6]}/{ended[6:8]}"
    balancer = resource.removeprefix("loadbalancer/").replace("/", ".")
    name = f"{account}_elasticloadbalancing_{region}_{balancer}_{ended}_{address}_{rest}.log.gz"
    beginning = "conn_log." if kind == "connection_logs" else ""
    return f"{folder(prefix, account)}/elasticloadbalancing/{region}/{day}/{beginning}{name}"


def folder(prefix: str, account: str) -> str:
    """Return where in a bucket an account's logs are."""
    return f"{prefix}/AWSLogs/{account}" if prefix else f"AWSLogs/{account}"


def _kind(line: Mapping[str, Any]) -> str:
    secure = line["scheme"] == "https"
    if (line["upgrade"] or "").lower() == "websocket":
        return "wss" if secure else "ws"
    if (line["content_type"] or "").startswith("application/grpc"):
        return "grpcs" if secure else "grpc"
    if line["protocol"] == "HTTP/2":
        return "h2"
    return "https" if secure else "http"


def _transformed(line: Mapping[str, Any]) -> list[str]:
    """Return the host and the URL after transforms that changed them, and how these ended."""
    host = line["host_rewritten"] if line["host_rewritten"] != line["host"] else None
    url = line["url_rewritten"] if line["url_rewritten"] != line["url"] else None
    if host is None and url is None:
        return [_quoted(None), _quoted(None), _quoted(None)]
    if line["details"] == "lua_response":
        failed = "TransformInvalidPath" if url is not None and not url.startswith("/") else "TransformInvalidHost"
        return [_quoted(None), _quoted(None), _quoted(failed)]
    return [_quoted(host), _quoted(url), _quoted("TransformSuccess")]


def _moment(text: str) -> datetime:
    seconds, _, micro = text.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micro))


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(microseconds: int | None) -> str:
    return _ABSENT if microseconds is None else f"{microseconds / 1_000_000:.3f}"


def _quoted(text: str | None) -> str:
    """Return a text in quotes; what would end it, or is not printable, is written in hexadecimal."""
    if not text:
        return f'"{_NONE}"'
    safe = "".join(
        each if each.isprintable() and each not in '"\\' else "".join(f"\\x{byte:02x}" for byte in each.encode())
        for each in text
    )
    return f'"{safe}"'
