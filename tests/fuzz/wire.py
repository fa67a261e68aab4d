"""Requests as they go over the wire: encoded for the protocol whatever the values are, signed, or broken."""

from __future__ import annotations

import json
import random
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

import cbor2
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import OperationModel
from botocore.serialize import create_serializer

BREAKS = ("cut", "flip", "type", "target", "binary", "nest")


@dataclass(slots=True)
class Request:
    """One request, before or after it is signed."""

    method: str
    path: str  # with its query, as it goes over the wire
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def encoded(operation: OperationModel, parameters: dict[str, Any], *, cbor: bool) -> Request | None:
    """Return the request of an operation; None where these parameters cannot even be written down."""
    try:
        return _encoded(operation, parameters, cbor=cbor)
    except UnicodeError:
        return None


def _encoded(operation: OperationModel, parameters: dict[str, Any], *, cbor: bool) -> Request | None:
    service = operation.service_model
    protocol = service.resolved_protocol
    if cbor and "smithy-rpc-v2-cbor" in service.metadata.get("protocols", ()):
        path = f"/service/{service.metadata['targetPrefix']}/operation/{operation.name}"
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return Request("POST", path, headers, cbor2.dumps(parameters))
    if protocol in ("json", "smithy-rpc-v2-cbor"):
        version = service.metadata.get("jsonVersion", "1.1")
        headers = {
            "Content-Type": f"application/x-amz-json-{version}",
            "X-Amz-Target": f"{service.metadata['targetPrefix']}.{operation.name}",
        }
        return Request("POST", "/", headers, json.dumps(parameters).encode("utf-8", "surrogatepass"))
    if protocol in ("query", "ec2"):
        pairs = [("Action", operation.name), ("Version", service.metadata["apiVersion"])]
        pairs += _flat(parameters, "", plain=protocol == "ec2")
        body = urllib.parse.urlencode(pairs, errors="surrogatepass").encode()
        return Request("POST", "/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body)
    return _by_path(operation, parameters)


def _flat(value: Any, prefix: str, *, plain: bool) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            pair
            for key, each in value.items()
            for pair in _flat(each, f"{prefix}.{key}" if prefix else str(key), plain=plain)
        ]
    if isinstance(value, list):
        middle = "" if plain else ".member"
        return [
            pair
            for number, each in enumerate(value[:300], 1)
            for pair in _flat(each, f"{prefix}{middle}.{number}", plain=plain)
        ]
    text = {True: "true", False: "false", None: ""}.get(value) if value is None or isinstance(value, bool) else value
    return [(prefix, str(text))]


def _by_path(operation: OperationModel, parameters: dict[str, Any]) -> Request | None:
    serializer = create_serializer(operation.service_model.resolved_protocol, include_validation=False)
    try:
        made = serializer.serialize_to_request(parameters, operation)
    except Exception:  # noqa: BLE001 - botocore cannot write these values down; many kinds of errors
        return None
    query = made["query_string"]
    pairs = query.items() if isinstance(query, dict) else query
    text = urllib.parse.urlencode(list(pairs), doseq=True, errors="surrogatepass")
    path = made["url_path"] + (f"{'&' if '?' in made['url_path'] else '?'}{text}" if text else "")
    headers = {str(key): str(value) for key, value in made["headers"].items()}
    headers.pop("Content-Length", None)  # one that is wrong spoils the next request of the connection
    if any(not value.isascii() or set("\r\n\x00") & set(value) for value in headers.values()):
        return None
    body = made["body"]
    content = body if isinstance(body, bytes) else str(body or "").encode(errors="surrogatepass")
    return Request(made["method"], path, headers, content)


def broken(request: Request, how: str, chance: random.Random) -> Request:
    """Return the request with its content, or what is said of it, broken in one way."""
    body = request.body
    place = chance.randrange(len(body) + 1)
    if how == "cut":
        body = body[:place]
    elif how == "flip" and body:
        flipped = bytearray(body)
        flipped[place - 1] ^= 1 << chance.randrange(8)
        body = bytes(flipped)
    elif how == "binary":
        body = chance.randbytes(chance.randrange(3000))
    elif how == "nest":
        body = chance.choice((b"[", b'{"a":', b"<a>", b"\x81", b"\xbf\x61a", b"a.b.")) * chance.choice((100, 20000))
    headers = dict(request.headers)
    if how == "type":
        headers["Content-Type"] = chance.choice(
            ("", "text/plain", "application/json", "application/cbor", "a/b;c=d", "multipart/form-data")
        )
    if how == "target" and "X-Amz-Target" in headers:
        target = headers["X-Amz-Target"]
        headers["X-Amz-Target"] = chance.choice(
            ("", ".", target[:-1], target + "x", target.lower(), "a.b.c", "x" * 5000)
        )
    return Request(request.method, request.path, headers, body)


class Signer:
    """Signs requests with the administrator's key, well or badly."""

    def __init__(self, endpoint: str, region: str, access_key: str, secret: str) -> None:
        self._endpoint = endpoint
        self._region = region
        self._credentials = Credentials(access_key, secret)

    def signed(self, request: Request, service: str) -> Request:
        """Return the request as a client would send it."""
        made = AWSRequest(
            method=request.method, url=self._endpoint + request.path, data=request.body, headers=request.headers
        )
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        made.context["payload_signing_enabled"] = True
        kind(self._credentials, service, self._region).add_auth(made)
        headers = {str(key): str(value) for key, value in made.headers.items()}
        return Request(request.method, request.path, headers, request.body)

    def badly_signed(self, request: Request, service: str, chance: random.Random) -> Request:
        """Return the request with a signature that does not hold, or is not one."""
        good = self.signed(request, service)
        name = chance.choice(("Authorization", "Authorization", "Authorization", "X-Amz-Date", "Host"))
        value = good.headers.get(name, "")
        place = chance.randrange(len(value) + 1)
        wrong = chance.choice(
            (
                "",
                value[:place],
                value[:place] + chance.choice("=/,;x0") + value[place:],
                value[:place] + value[place + 1 :],
                value.replace("/", "//"),
                value.replace("Credential=", "Credential=../"),
                value.replace("SignedHeaders=", "SignedHeaders=;;x;"),
                value.swapcase(),
                "AWS4-HMAC-SHA256 " + "x=y," * 5000,
                "Basic YTpi",
                "Bearer x",
            )
        )
        if wrong.replace(" ", "") == value.replace(" ", ""):  # the same, to whoever reads it
            wrong = "x"
        return Request(good.method, good.path, {**good.headers, name: wrong}, good.body)
