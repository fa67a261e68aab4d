"""Smithy RPC v2 over CBOR. https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html"""

from __future__ import annotations

from typing import Any

import cbor2
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.protocols.aws_json import json_code
from tidegate.cloud.gateway.protocols.scalars import epoch, malformed, parse_timestamp
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse

_EPOCH_TAG = 1


class CborProtocol:
    """`POST /service/NAME/operation/OPERATION` with a CBOR document each way."""

    def __init__(self, *, query_compatible: bool = False) -> None:
        self._query_compatible = query_compatible

    def parse(self, request: HttpRequest, operation: OperationModel) -> dict[str, Any]:
        """Read the body by the operation's input shape."""
        if not request.content:
            return {}
        try:
            document = cbor2.loads(request.content)
        except (cbor2.CBORDecodeError, RecursionError):
            raise malformed("the request's body is not valid CBOR") from None
        if not isinstance(document, dict):
            raise malformed("the request's body is not a CBOR map")
        return {} if operation.input_shape is None else _read(operation.input_shape, document)

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Write the answer by the operation's output shape."""
        document = {} if operation.output_shape is None else _write(operation.output_shape, response)
        return HttpResponse(200, _headers(request_id), cbor2.dumps(document))

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Write `{"__type": code, "message": …}`."""
        code = json_code(error)
        headers = _headers(request_id)
        if self._query_compatible:
            headers["x-amzn-query-error"] = f"{code};{'Sender' if error.status < 500 else 'Receiver'}"
        return HttpResponse(
            error.status, headers, cbor2.dumps({"__type": code, "message": error.message, **error.members})
        )


def _headers(request_id: str) -> dict[str, str]:
    return {
        "content-type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
        "x-amzn-requestid": request_id,
    }


def _read(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = shape.members
        return {key: _read(members[key], each) for key, each in value.items() if each is not None and key in members}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_read(shape.member, each) for each in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _read(shape.value, each) for key, each in value.items() if each is not None}
    if kind == "timestamp":
        return parse_timestamp(value)
    return value


def _write(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    if isinstance(shape, StructureShape):
        members = shape.members
        return {
            name: _write(members[name], each) for name, each in value.items() if each is not None and name in members
        }
    if isinstance(shape, ListShape):
        return [_write(shape.member, each) for each in value]
    if isinstance(shape, MapShape):
        return {str(key): _write(shape.value, each) for key, each in value.items() if each is not None}
    if kind == "timestamp":
        return cbor2.CBORTag(_EPOCH_TAG, epoch(value))
    if kind in ("float", "double"):
        return float(value)
    return value
