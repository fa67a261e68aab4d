"""Sessions: AWS that asks to be called less often is called again later, and somebody is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import botocore.session
import pytest

from tidegate.deploy.session import Session

_REFUSALS = [(400, "ThrottlingException"), (429, "TooManyRequestsException")]


class Impatient(BaseHTTPRequestHandler):
    """Refuses the first calls as AWS does, then answers that there are no clusters."""

    refusals: ClassVar[list[tuple[int, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = 200, dict[str, Any](clusterArns=[])
        if self.refusals:
            status, code = self.refusals.pop(0)
            body = {"__type": code, "message": "Rate exceeded"}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def aws() -> Iterator[str]:
    Impatient.refusals = list(_REFUSALS)
    server = HTTPServer(("127.0.0.1", 0), Impatient)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_throttling_is_waited_out_and_told(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    raw = botocore.session.Session()
    raw.set_credentials("key", "secret")
    session, told = Session(raw, "eu-west-1", None), list[str]()
    session.throttled = told.append
    assert session.client("ecs").list_clusters()["clusterArns"] == []
    assert told == ["ecs:ListClusters"] * len(_REFUSALS)


def test_other_regions_share_what_is_known() -> None:
    session = Session(botocore.session.Session(), "eu-west-1", None)
    assert session.at("eu-west-1") is session
    assert session.at(None) is session
    assert session.at("us-east-1").region == "us-east-1"


def test_only_the_local_cloud_keeps_copies_of_somebody_elses_repositories() -> None:
    raw = botocore.session.Session()
    assert Session(raw, "eu-west-1", None).copy_of("https://github.com/acme/shop.git") is None
    local = Session(raw, "eu-west-1", "http://127.0.0.1:4650")
    assert local.copy_of("https://github.com/acme/shop.git") == "http://127.0.0.1:4650/mirrors/github.com/acme/shop.git"
    assert local.copy_of("http://127.0.0.1:4650/v1/repos/shop") is None
