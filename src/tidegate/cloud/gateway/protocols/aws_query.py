"""AWS query and EC2 query: a form each way in, XML out.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and …/aws-ec2-query-protocol.html
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.protocols.scalars import from_text, malformed
from tidegate.cloud.gateway.protocols.xml_shapes import DECLARATION, write_members, xml_text
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse

_DEEPEST = 40
_LONGEST_LIST = 10_000

_QUERY_CODES = {"RequestTimeTooSkewed": "SignatureDoesNotMatch", "SerializationException": "MalformedInput"}
_EC2_CODES = {
    "AccessDenied": "UnauthorizedOperation",
    "ExpiredToken": "RequestExpired",
    "InvalidClientTokenId": "AuthFailure",
    "RequestTimeTooSkewed": "RequestExpired",
    "SerializationException": "InvalidParameterValue",
    "SignatureDoesNotMatch": "AuthFailure",
}

Tree = dict[str, Any]


def form(request: HttpRequest) -> dict[str, str]:
    """Return the parameters of a request, from its query string or its form body."""
    try:
        body = request.content.decode()
    except UnicodeDecodeError:
        raise malformed("the request's form is not UTF-8") from None
    return dict([*request.query, *parse_qsl(body, keep_blank_values=True)])


class QueryProtocol:
    """`Action=…&Version=…&Some.member.1=…` (iam, sts, cloudformation, elbv2, …)."""

    def parse(self, request: HttpRequest, operation: OperationModel) -> dict[str, Any]:
        """Read the form by the operation's input shape."""
        shape = operation.input_shape
        return {} if shape is None else cast("dict[str, Any]", self._read(shape, _tree(form(request))) or {})

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Write `<OperationResponse><OperationResult>…` by the output shape."""
        shape = operation.output_shape
        namespace = operation.service_model.metadata.get("xmlNamespace", "")
        inner = ""
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper")
            inner = write_members(shape, response)
            inner = f"<{wrapper}>{inner}</{wrapper}>" if wrapper else inner
        content = (
            f'{DECLARATION}<{operation.name}Response xmlns="{namespace}">{inner}'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
        )
        return _xml(200, content, request_id)

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Write `<ErrorResponse><Error>…`."""
        code = _QUERY_CODES.get(error.code, error.code)
        content = (
            f"{DECLARATION}<ErrorResponse><Error><Type>{'Sender' if error.status < 500 else 'Receiver'}</Type>"
            f"<Code>{xml_text(code)}</Code><Message>{xml_text(error.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return _xml(error.status, content, request_id)

    def _read(self, shape: Shape, node: Any) -> Any:
        if isinstance(shape, StructureShape):
            result = {}
            for name, member in shape.members.items():
                value = self._member(name, member, node)
                if value is not None:
                    result[name] = value
            return result
        if isinstance(shape, ListShape):
            return self._list(shape, node)
        if isinstance(shape, MapShape):
            return self._map(shape, node)
        if isinstance(node, dict):
            raise malformed("a parameter has members where a single value belongs")
        return from_text(shape, node)

    def _member(self, name: str, member: Shape, node: Any) -> Any:
        if not isinstance(node, dict):
            raise malformed(f"{name}: a single value stands where a structure belongs")
        wire_name = self._name(name, member)
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            wire_name = member.member.serialization.get("name", wire_name)
        if wire_name not in node:
            return None
        return self._read(member, node[wire_name])

    def _name(self, name: str, member: Shape) -> str:
        return cast("str", member.serialization.get("name", name))

    def _list(self, shape: ListShape, node: Any) -> list[Any]:
        if node == "":
            return []  # an empty list is sent as `Name=`
        if isinstance(node, dict) and not shape.serialization.get("flattened"):
            node = node.get(shape.member.serialization.get("name", "member"), node.get("member", {}))
        return [self._read(shape.member, each) for each in _numbered(node)]

    def _map(self, shape: MapShape, node: Any) -> dict[str, Any]:
        if isinstance(node, dict) and not shape.serialization.get("flattened"):
            node = node.get("entry", {})
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        result = {}
        for entry in _numbered(node):
            if not isinstance(entry, dict) or key_name not in entry:
                raise malformed("an entry of a map has no key")
            result[entry[key_name]] = self._read(shape.value, entry.get(value_name, ""))
        return result


class Ec2Protocol(QueryProtocol):
    """EC2's dialect: every list is flat, names are `queryName` or the capitalized location name."""

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Write `<OperationResponse>` with the request id inside."""
        shape = operation.output_shape
        inner = "" if shape is None else write_members(shape, response)
        if shape is None or not shape.members:
            inner = "<return>true</return>"
        content = (
            f'{DECLARATION}<{operation.name}Response xmlns="{operation.service_model.metadata["xmlNamespace"]}">'
            f"<requestId>{request_id}</requestId>{inner}</{operation.name}Response>"
        )
        return _xml(200, content, request_id)

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Write `<Response><Errors><Error>…`."""
        code = _EC2_CODES.get(error.code, error.code)
        content = (
            f"{DECLARATION}<Response><Errors><Error><Code>{xml_text(code)}</Code>"
            f"<Message>{xml_text(error.message)}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
        return _xml(error.status, content, request_id)

    def _name(self, name: str, member: Shape) -> str:
        serialization = member.serialization
        if "queryName" in serialization:
            return cast("str", serialization["queryName"])
        name = serialization.get("name", name)
        return name[:1].upper() + name[1:]

    def _member(self, name: str, member: Shape, node: Any) -> Any:
        if not isinstance(node, dict):
            raise malformed(f"{name}: a single value stands where a structure belongs")
        wire_name = self._name(name, member)
        return self._read(member, node[wire_name]) if wire_name in node else None

    def _list(self, shape: ListShape, node: Any) -> list[Any]:
        return [] if node == "" else [self._read(shape.member, each) for each in _numbered(node)]


def _xml(status: int, content: str, request_id: str) -> HttpResponse:
    return HttpResponse(
        status, {"content-type": "text/xml;charset=utf-8", "x-amzn-requestid": request_id}, content.encode()
    )


def _tree(parameters: dict[str, str]) -> Tree:
    """Turn `{"A.member.1.B": "x"}` into `{"A": {"member": {"1": {"B": "x"}}}}`."""
    root: Tree = {}
    for name, value in parameters.items():
        node = root
        *path, last = name.split(".")
        if len(path) > _DEEPEST:
            raise malformed(f"a parameter is nested deeper than {_DEEPEST} levels")
        for part in path:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node.setdefault(last, value)
    return root


def _numbered(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        raise malformed("a single value stands where a list belongs")
    try:
        numbers = sorted((int(key), each) for key, each in node.items() if key)
    except ValueError:
        raise malformed("a list has an item that is not numbered") from None
    except TypeError:
        raise malformed("a list has two items of one number") from None
    if len(numbers) > _LONGEST_LIST:
        raise malformed(f"a list has more than {_LONGEST_LIST} items")
    return [each for _, each in numbers]
