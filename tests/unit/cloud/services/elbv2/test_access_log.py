"""What a log's lines say where no request of a test comes by easily."""

from __future__ import annotations

import shlex
from typing import Any

from tidegate.cloud.planes.envoy.logs import REQUEST
from tidegate.cloud.services.elbv2.access_log import entry, path

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"


def fields(**more: Any) -> list[str]:
    """Return the fields of a request that waits for its target, with more said of it."""
    fixed = {"listener": "l", "port": "80", "port_plain": "true", "scheme": "http", "certificate": ""}
    said = {"start": "1700000000.000500", "duration": 250, "client": "10.0.0.9:4711", "connection": 1, "status": 0,
            "received": 80, "sent": 0, "method": "GET", "protocol": "HTTP/1.1", "host": "web.test",
            "url": "/"}  # fmt: skip
    line = {**dict.fromkeys(REQUEST), **fixed, **said, **more}
    return shlex.split(entry(line, "app/web/50dc6c495c0c9188", ""))


def test_a_client_that_did_not_wait() -> None:
    found = fields(flags="DC", details="downstream_remote_disconnect", endpoint="10.0.0.4:80", to_endpoint=1500)
    assert found[1] == "2023-11-14T22:13:20.250500Z"
    assert found[4:10] == ["10.0.0.4:80", "0.002", "-1", "-1", "460", "-"]
    assert (found[12], found[21]) == ("GET http://web.test:80/ HTTP/1.1", "2023-11-14T22:13:20.000500Z")


def test_what_kind_of_request_it_was() -> None:
    assert fields(upgrade="WebSocket")[0] == "ws"
    assert fields(upgrade="websocket", scheme="https")[0] == "wss"
    assert fields(content_type="application/grpc+proto", scheme="https", protocol="HTTP/2")[0] == "grpcs"
    assert fields(protocol="HTTP/2", scheme="https")[0] == "h2"


def test_transforms_are_told_where_they_changed_something() -> None:
    assert fields(url_rewritten="/", host_rewritten="web.test")[30:] == ["-", "-", "-"]
    assert fields(url_rewritten="/new", host_rewritten="web.test")[30:] == ["-", "/new", "TransformSuccess"]
    failed = fields(url_rewritten="new", details="lua_response", status=500)
    assert failed[30:] == ["-", "-", "TransformInvalidPath"]


def test_nothing_ends_a_quoted_text() -> None:
    assert fields(agent='a" b\n')[13] == "a\\x22 b\\x0a"


def test_where_files_are() -> None:
    key = path("connection_logs", "", ARN, "127.1.2.3", "20260102T0304Z-abcdef01")
    assert key == (
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/01/02/conn_log.123456789012_elasticloadbalancing_"
        "eu-west-1_app.web.50dc6c495c0c9188_20260102T0304Z_127.1.2.3_abcdef01.log.gz"
    )
