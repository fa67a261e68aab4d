"""Every operation of every service, round trip: what botocore sends we read, what we write botocore reads."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import pytest
from botocore import xform_name
from botocore.awsrequest import HeadersDict
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.route import TARGETS, Router
from tidegate.cloud.gateway.wire import HttpRequest, RequestBody

SERVICES = sorted({*TARGETS.values(), "cloudformation", "ec2", "elbv2", "iam", "s3", "sts"})
MODELS = Models()


class Draw:
    """Draws values of shapes from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def value(self, shape: Shape, depth: int = 0) -> Any:
        chance = self._random
        if isinstance(shape, StructureShape):
            plain = [name for name, member in shape.members.items() if _plain(member)]
            chosen = [n for n in plain if n in shape.required_members or chance.random() < 0.6 / (depth + 1) ** 2]
            if shape.is_tagged_union or not chosen:  # one member at least: an empty structure leaves no trace
                chosen = [chance.choice(plain)] if plain and depth < 12 else []
            return {name: self.value(shape.members[name], depth + 1) for name in chosen}
        if isinstance(shape, ListShape):
            return [self.value(shape.member, depth + 1) for _ in range(chance.randint(1, 2))]
        if isinstance(shape, MapShape):
            keys = [self._text() for _ in range(chance.randint(1, 2))]
            if shape.serialization.get("location") == "headers":
                return {key.lower().replace("é", "e"): "x y" for key in keys}  # header names have no case
            return {key: self.value(shape.value, depth + 1) for key in keys}
        if shape.type_name in ("integer", "long"):
            return chance.randint(0, 2**31 - 1)
        if shape.type_name in ("float", "double"):
            return chance.randint(0, 4000) / 4
        if shape.type_name == "boolean":
            return chance.random() < 0.5
        if shape.type_name == "timestamp":
            return datetime.fromtimestamp(chance.randint(1_000_000, 2_000_000_000), UTC)
        if shape.type_name == "blob":
            return chance.randbytes(chance.randint(1, 8))
        return self._text()

    def _text(self) -> str:
        return "".join(self._random.choices("abcXYZ019-_é&<>\"'/ +%=~", k=self._random.randint(1, 8))).strip() or "x"


def _plain(shape: Shape) -> bool:
    return not shape.serialization.get("eventstream") and not shape.serialization.get("streaming")


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def request_of(serialized: dict[str, Any], signed_for: str) -> HttpRequest:
    path, _, query = serialized["url_path"].partition("?")
    body = serialized["body"]
    content = urlencode(body).encode() if isinstance(body, dict) else body
    content = content.encode() if isinstance(content, str) else content
    parameters = serialized["query_string"]
    if isinstance(parameters, dict):
        pairs = [(k, each) for k, v in parameters.items() for each in (v if isinstance(v, list) else [v])]
    else:
        pairs = list(parameters)
    pairs += parse_qsl(query, keep_blank_values=True)
    headers = {name.lower(): str(value) for name, value in serialized["headers"].items()}
    return HttpRequest(
        method=serialized["method"],
        raw_path=path,
        path=unquote(path),
        query_string=urlencode(pairs),
        query=[(k, str(v)) for k, v in pairs],
        headers=headers,
        client="127.0.0.1",
        body=RequestBody(_nothing(), None),
        content=content or b"",
    )


CASES = [
    (service, protocol)
    for service in SERVICES
    for protocol in MODELS.service(service).metadata.get("protocols", [MODELS.service(service).metadata["protocol"]])
]


@pytest.mark.parametrize(("service", "protocol"), CASES)
def test_round_trip(service: str, protocol: str) -> None:
    model = MODELS.service(service)
    router = Router(MODELS)
    serializer, parser = create_serializer(protocol, include_validation=False), create_parser(protocol)
    for number, name in enumerate(model.operation_names):
        operation = model.operation_model(name)
        if operation.has_event_stream_output or operation.deprecated or _unroutable(operation):
            continue
        draw = Draw(number)
        asked = draw.value(operation.input_shape) if operation.input_shape else {}
        request = request_of(serializer.serialize_to_request(asked, operation), service)
        route = router.find(request, model.signing_name)
        assert (route.service, route.operation.name, route.name) == (service, name, xform_name(name))
        read = {k: v for k, v in route.protocol.parse(request, operation).items() if v is not request.body}
        assert _normal(read) == _normal(asked), name

        shape = operation.output_shape
        answer = draw.value(shape) if shape else {}
        response = route.protocol.serialize(answer, operation, "req-1")
        if shape is None:
            continue
        parsed = parser.parse(
            {"status_code": 200, "headers": HeadersDict(response.headers), "body": response.content}, shape
        )
        for added in ("ResponseMetadata", operation.get_streaming_output() and shape.serialization["payload"]):
            parsed.pop(added, None)
        assert _normal(parsed) == _normal(answer), name


def _unroutable(operation: OperationModel) -> bool:
    """S3 operations that botocore tells apart by host or by parameters that the client chooses itself."""
    if operation.service_model.service_name != "s3":
        return False
    return operation.name in {"ListDirectoryBuckets", "CreateSession", "WriteGetObjectResponse", "GetBucketLocation"}


def _normal(value: Any) -> Any:
    """Leave out what is empty: the XML protocols do not tell an empty structure or list from none."""
    if isinstance(value, dict):
        cleaned = {key: _normal(each) for key, each in value.items()}
        return {key: each for key, each in cleaned.items() if each not in (None, {}, [])}
    if isinstance(value, (list, tuple)):
        return [_normal(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    return value


def test_targets_are_those_of_the_models() -> None:
    for target, service in TARGETS.items():
        assert MODELS.service(service).metadata["targetPrefix"] == target


def test_a_document_type_is_refused() -> None:
    from tidegate.cloud.errors import ServiceError
    from tidegate.cloud.gateway.protocols.xml_shapes import parse

    with pytest.raises(ServiceError, match="document type"):
        parse(b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')


def test_json_body_that_is_not_json() -> None:
    from tidegate.cloud.errors import ServiceError
    from tidegate.cloud.gateway.protocols.aws_json import JsonProtocol

    operation = MODELS.service("ecs").operation_model("ListClusters")
    for body in (b"{", b"[]", b"\xff"):
        request = request_of(
            {"url_path": "/", "body": body, "query_string": {}, "headers": {}, "method": "POST"}, "ecs"
        )
        with pytest.raises(ServiceError) as caught:
            JsonProtocol().parse(request, operation)
        assert caught.value.code == "SerializationException"
    assert json.loads(JsonProtocol().error(caught.value, "r").content)["__type"] == "SerializationException"
    assert asyncio.run(RequestBody(_nothing(), 0).read(1)) == b""
