"""REST with XML bodies (s3, route53). https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from email.header import Header
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.protocols.scalars import from_text, malformed, to_text
from tidegate.cloud.gateway.protocols.xml_shapes import DECLARATION, parse, read, write, write_members, xml_text
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_NAMESPACES = {"route53": "https://route53.amazonaws.com/doc/2013-04-01/", "s3": _NAMESPACE}
_ROOTS = {  # S3's root elements, which its botocore model leaves out
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
_CODES = {
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "MissingAuthenticationToken": "AccessDenied",
    "SerializationException": "MalformedXML",
}
# headers that some clients put into the query when they presign; a checksum there is of no body yet: S3 ignores it
_HOISTED = re.compile(r"^x-amz-(?!checksum-|sdk-checksum-)")
_LABEL = re.compile(r"\{(\w+)(\+?)\}")


class RestXmlProtocol:
    """Operations told apart by method, path, query and headers; `RestRouter` finds which."""

    def __init__(self, service: str = "s3") -> None:
        """`service` is botocore's name: S3's root elements and errors are unlike everybody else's."""
        self._service = service

    def parse(self, request: HttpRequest, operation: OperationModel) -> dict[str, Any]:
        """Read path labels, query, headers and body by the operation's input shape."""
        shape = operation.input_shape
        if shape is None:
            return {}
        path, _, _ = operation.http["requestUri"].partition("?")
        match = _pattern(path).match(request.resource_path)
        labels = match.groupdict() if match else {}
        result: dict[str, Any] = {}
        for name, member in shape.members.items():
            value = self._member(request, labels, name, member)
            if value is not None:
                result[name] = value
        payload = shape.serialization.get("payload")
        if payload is not None:
            value = _payload(request, shape.members[payload])
            if value is not None:
                result[payload] = value
        elif request.content and any("location" not in each.serialization for each in shape.members.values()):
            document = read(shape, parse(request.content))
            for name, member in shape.members.items():
                if "location" not in member.serialization and name in document:
                    result[name] = document[name]
        return result

    def _member(self, request: HttpRequest, labels: dict[str, str], name: str, member: Shape) -> Any:
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            return None if wire_name not in labels else from_text(member, _decoded(labels[wire_name]))
        if location == "querystring":
            if member.type_name == "map":
                return dict(request.query)
            if isinstance(member, ListShape):
                return [from_text(member.member, value) for key, value in request.query if key == wire_name] or None
            text = request.parameter(wire_name)
            return None if text is None else from_text(member, text)
        if location == "header":
            text = request.headers.get(wire_name.lower())
            if text is None and _HOISTED.match(wire_name.lower()):
                text = request.parameter(wire_name.lower())
            if text is None:
                return None
            if isinstance(member, ListShape):
                if len(text) > csv.field_size_limit():
                    raise malformed(f"the header {wire_name} is too long")
                parts = next(csv.reader([text], skipinitialspace=True, doublequote=False, escapechar="\\"), [])
                return [from_text(member.member, part.strip()) for part in parts]
            return from_text(member, text)
        if location == "headers":
            prefix = wire_name.lower()
            presigned = {key.lower(): value for key, value in request.query}
            given = {**presigned, **request.headers}
            return {key[len(prefix) :]: value for key, value in given.items() if key.startswith(prefix)} or None
        return None

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Write status, headers and body by the output shape."""
        shape = operation.output_shape
        name = "x-amz-request-id" if self._service == "s3" else "x-amzn-requestid"
        answer = HttpResponse(operation.http.get("responseCode", 200), {name: request_id})
        if shape is None:
            return answer
        for name, member in shape.members.items():
            value = response.get(name)
            if value is not None:
                _to_head(answer, name, member, value)
        if response.get("ContentRange") is not None:
            answer.status = 206
        payload = shape.serialization.get("payload")
        if payload is not None:
            member, value = shape.members[payload], response.get(payload)
            if value is None:
                return answer
            if member.type_name in ("blob", "string"):
                answer.content = value.encode() if isinstance(value, str) else value
                return answer
            inner = write(member, member.serialization.get("name", payload), value)
        elif any("location" not in member.serialization for member in shape.members.values()):
            if operation.name == "GetBucketLocation":  # its one member is the text of the root element
                text = xml_text(response.get("LocationConstraint") or "")
                inner = f'<LocationConstraint xmlns="{_NAMESPACE}">{text}</LocationConstraint>'
            else:
                inner = _document(operation, shape, response)
        else:
            return answer
        answer.headers["content-type"] = "application/xml"
        answer.content = (DECLARATION + inner).encode()
        return answer

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Write `<Error>…`, in an `<ErrorResponse>` but for S3."""
        if self._service != "s3":
            return self._wrapped(error, request_id)
        code = _CODES.get(error.code, error.code)
        members = "".join(f"<{name}>{xml_text(str(value))}</{name}>" for name, value in error.members.items())
        content = (
            f"{DECLARATION}<Error><Code>{xml_text(code)}</Code><Message>{xml_text(error.message)}</Message>"
            f"{members}<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
        )
        headers = {"content-type": "application/xml", "x-amz-request-id": request_id, **error.headers}
        return HttpResponse(error.status, headers, b"" if error.status == 304 else content.encode())

    def _wrapped(self, error: ServiceError, request_id: str) -> HttpResponse:
        kind = "Sender" if error.status < 500 else "Receiver"
        content = (
            f'{DECLARATION}<ErrorResponse xmlns="{_NAMESPACES[self._service]}"><Error><Type>{kind}</Type>'
            f"<Code>{xml_text(error.code)}</Code><Message>{xml_text(error.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        headers = {"content-type": "text/xml", "x-amzn-requestid": request_id}
        return HttpResponse(error.status, headers, content.encode())


class RestRouter:
    """Finds the operation of a REST request: of those whose path fits, the most particular one."""

    def __init__(self, operations: list[OperationModel]) -> None:
        # of S3's hundred operations most have one of three paths: each path is matched once
        self._candidates: defaultdict[str, defaultdict[re.Pattern[str], list[_Candidate]]]
        self._candidates = defaultdict(lambda: defaultdict(list))
        for each in map(_Candidate, operations):
            self._candidates[each.method][each.pattern].append(each)

    def find(self, request: HttpRequest) -> OperationModel | None:
        """Return the operation, or None."""
        names = {key for key, _ in request.query}
        by_path = self._candidates[request.method].items() if request.method in self._candidates else ()
        of_path = [each for path, them in by_path if path.match(request.resource_path) for each in them]
        fitting = (each for each in of_path if each.fits(request, names))
        found = min(fitting, key=lambda each: each.order, default=None)
        return None if found is None else found.operation


class _Candidate:
    def __init__(self, operation: OperationModel) -> None:
        self.operation = operation
        path, _, query = operation.http["requestUri"].partition("?")
        self.pattern = _pattern(path)
        self.method = operation.http["method"]
        self.query = [tuple(part.split("=", 1)) for part in query.split("&") if part]
        self.required_query: set[str] = set()
        self.required_headers: set[str] = set()
        shape = operation.input_shape
        members = {} if shape is None else {name: shape.members[name] for name in shape.required_members}
        for member in members.values():
            serialization = member.serialization
            if serialization.get("location") == "querystring":
                self.required_query.add(serialization["name"])
            elif serialization.get("location") == "header":
                self.required_headers.add(serialization["name"].lower())
        constraints = len(self.query) + len(self.required_query) + len(self.required_headers)
        self.order = (-constraints, -path.count("{"), operation.deprecated, len(operation.name))

    def fits(self, request: HttpRequest, names: set[str]) -> bool:
        """Return whether a request to this path is for this operation."""
        return (
            self.required_query <= names
            and self.required_headers <= request.headers.keys()
            and all(
                part[0] in names if len(part) == 1 else request.parameter(part[0]) == part[1] for part in self.query
            )
        )


@cache
def _pattern(path: str) -> re.Pattern[str]:
    parts, position = [], 0
    for label in _LABEL.finditer(path):
        parts.append(re.escape(path[position : label.start()]))
        parts.append(f"(?P<{label[1]}>.+)" if label[2] else f"(?P<{label[1]}>[^/]+)")
        position = label.end()
    return re.compile("^" + "".join(parts) + re.escape(path[position:]) + "/?$", re.DOTALL)


def _payload(request: HttpRequest, member: Shape) -> Any:
    if member.type_name == "blob":
        return request.body if member.serialization.get("streaming") else request.content
    if not request.content:
        return None
    if member.type_name == "string":
        try:
            return request.content.decode()
        except UnicodeDecodeError:
            raise malformed("the request's body is not UTF-8") from None
    return read(member, parse(request.content))


def _decoded(label: str) -> str:
    try:
        return unquote(label, errors="strict")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.") from None


def _to_head(answer: HttpResponse, name: str, member: Shape, value: Any) -> None:
    location = member.serialization.get("location")
    wire_name = member.serialization.get("name", name)
    if location == "statusCode":
        answer.status = value
    elif location == "header":
        answer.headers[wire_name.lower()] = to_text(member, value, "rfc822")
    elif location == "headers":
        for key, each in value.items():
            # what is not ASCII goes as RFC 2047 writes it, as S3 does
            answer.headers[f"{wire_name}{key}".lower()] = (
                each if each.isascii() else Header(each, "utf-8", maxlinelen=10**6).encode()
            )


def _document(operation: OperationModel, shape: StructureShape, response: Any) -> str:
    members = {
        name: value
        for name, value in response.items()
        if name in shape.members and "location" not in shape.members[name].serialization
    }
    service = operation.service_model.service_name
    root = _ROOTS.get(operation.name, operation.name + "Result") if service == "s3" else shape.name
    return f'<{root} xmlns="{_NAMESPACES[service]}">{write_members(shape, members)}</{root}>'
