"""AWS JSON 1.0 and 1.1. https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html"""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.protocols.scalars import decode_base64, epoch, malformed, parse_timestamp
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse


class JsonProtocol:
    """One JSON document each way; the operation is in `X-Amz-Target`."""

    def __init__(self, version: str = "1.1", *, query_compatible: bool = False) -> None:
        self._type = f"application/x-amz-json-{version}"
        self._query_compatible = query_compatible

    def parse(self, request: HttpRequest, operation: OperationModel) -> dict[str, Any]:
        """Read the body by the operation's input shape; members that the shape lacks are left out."""
        if not request.content:
            return {}
        try:
            document = json.loads(request.content)
        except (ValueError, RecursionError):
            raise malformed("the request's body is not valid JSON") from None
        if not isinstance(document, dict):
            raise malformed("the request's body is not a JSON object")
        return {} if operation.input_shape is None else read(operation.input_shape, document)

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Write the answer by the operation's output shape."""
        shape = operation.output_shape
        document = {} if shape is None else write(shape, response)
        content = b"" if shape is None else json.dumps(document, separators=(",", ":")).encode()
        return HttpResponse(200, {"content-type": self._type, "x-amzn-requestid": request_id}, content)

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Write `{"__type": code, "message": …}`."""
        code = json_code(error)
        headers = {"content-type": self._type, "x-amzn-requestid": request_id, "x-amzn-errortype": code}
        if self._query_compatible:
            headers["x-amzn-query-error"] = f"{code};{'Sender' if error.status < 500 else 'Receiver'}"
        document = {"__type": code, "message": error.message, **error.members}
        return HttpResponse(error.status, headers, json.dumps(document, default=str).encode())


_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "RequestTimeTooSkewed": "InvalidSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "ServiceUnavailable": "ServiceUnavailableException",
}


def json_code(error: ServiceError) -> str:
    """Return the error's code as JSON services name it."""
    return _CODES.get(error.code, error.code)


def read(shape: Shape, value: Any) -> Any:
    """Turn a JSON value into the plain value of its shape. Wrong types are left for validation to name."""
    kind = shape.type_name
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = shape.members
        wire_names = {member.serialization.get("name", name): name for name, member in members.items()}
        return {
            wire_names[key]: read(members[wire_names[key]], each)
            for key, each in value.items()
            if each is not None and key in wire_names
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [read(shape.member, each) for each in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: read(shape.value, each) for key, each in value.items() if each is not None}
    if kind == "timestamp":
        return parse_timestamp(value)
    if kind == "blob" and isinstance(value, str):
        return decode_base64(value)
    if kind in ("float", "double") and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    return value


def write(shape: Shape, value: Any) -> Any:
    """Turn a plain value into what JSON carries for its shape; what the shape lacks is left out."""
    kind = shape.type_name
    if isinstance(shape, StructureShape):
        if getattr(shape, "is_document_type", False):
            return value
        members = shape.members
        return {
            members[name].serialization.get("name", name): write(members[name], each)
            for name, each in value.items()
            if each is not None and name in members
        }
    if isinstance(shape, ListShape):
        return [write(shape.member, each) for each in value]
    if isinstance(shape, MapShape):
        return {str(key): write(shape.value, each) for key, each in value.items() if each is not None}
    if kind == "timestamp":
        return epoch(value)
    if kind == "blob":
        return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
    return value
