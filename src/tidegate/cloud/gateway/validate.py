"""A request held against its operation's input shape: required members, types, ranges, lengths, patterns, enums.

The sentences are the ones AWS's services write, so that whoever knows them from there knows them here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.protocols.scalars import parse_timestamp

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (Mapping,),
    "map": (Mapping,),
    "list": (list, tuple),
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
}
_LONGEST_ECHO = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
# where the service's model has a likelier name, which it does not use
_CODES = {"cloudwatch": "ValidationError", "logs": "InvalidParameterException", "route53": "InvalidInput"}


class RequestValidator:
    """Validates requests from the wire and from service to service alike (`call.Validator`)."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def __call__(self, service: str, operation: str, request: Any, *, coerce: bool) -> Any:
        """Return the request, coerced if so asked; raise a `ServiceError` with every fault in it."""
        model = self._models.operation(service, operation)
        if model.input_shape is None:
            return request
        if coerce:
            request = _coerce(model.input_shape, request, "#")
        faults = list(_faults(model.input_shape, request, ""))
        if faults:
            plural = "" if len(faults) == 1 else "s"
            message = f"{len(faults)} validation error{plural} detected: {'; '.join(faults)}"
            raise ServiceError(_code(model), message)
        return request


def _code(operation: OperationModel) -> str:
    """Return the error code that this operation uses for a request that its model does not allow."""
    model = operation.service_model
    if model.service_name in _CODES:
        return _CODES[model.service_name]
    if model.metadata["protocol"] == "ec2":
        return "InvalidParameterValue"
    if model.metadata["protocol"] == "rest-xml":
        return "InvalidArgument"
    if model.metadata["protocol"] == "query":
        return "ValidationError"
    codes = ("ValidationException", "InvalidParameterException", "InvalidInputException")
    own = {shape.name for shape in operation.error_shapes}
    return next((code for known in (own, model.shape_names) for code in codes if code in known), codes[0])


def _faults(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    expected = _TYPES.get(kind)
    if expected is not None and (not isinstance(value, expected) or (bool not in expected and isinstance(value, bool))):
        yield f"Value at '{path}' failed to satisfy constraint: Member must be of type {kind}"
        return
    if (kind == "string" and not _is_unicode(value)) or (
        kind == "blob" and isinstance(value, (int, float, list, dict))
    ):
        yield f"Value at '{path}' failed to satisfy constraint: Member must be of type {kind}"
        return
    metadata = shape.metadata
    if isinstance(shape, StructureShape):
        if getattr(shape, "is_document_type", False):
            return
        members = shape.members
        for name in shape.required_members:
            if value.get(name) is None:
                at = _join(path, name)
                yield f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
        for name, each in value.items():
            if name not in members:
                yield f"Value at '{_join(path, name)}' failed to satisfy constraint: Member is not known"
            elif each is not None:
                yield from _faults(members[name], each, _join(path, name))
    elif isinstance(shape, ListShape):
        yield from _out_of_range(len(value), metadata, path, value, "have length")
        for number, each in enumerate(value, 1):
            yield from _faults(shape.member, each, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        yield from _out_of_range(len(value), metadata, path, value, "have length")
        for key, each in value.items():
            yield from _faults(shape.key, key, f"{path}.key")
            yield from _faults(shape.value, each, f"{path}.{key}")
    elif kind == "string":
        faults = list(_out_of_range(len(value), metadata, path, value, "have length"))
        yield from faults
        if "enum" in metadata and value not in metadata["enum"]:
            names = ", ".join(metadata["enum"])
            yield f"{_value(value, path)}: Member must satisfy enum value set: [{names}]"
        # not of what is too long: an expression may take for ever
        if "pattern" in metadata and not faults and not _matches(metadata["pattern"], value):
            yield f"{_value(value, path)}: Member must satisfy regular expression pattern: {metadata['pattern']}"
    elif kind == "blob" and isinstance(value, (bytes, bytearray)):
        yield from _out_of_range(len(value), metadata, path, "blob", "have length")
    elif kind in ("integer", "long", "float", "double"):
        yield from _out_of_range(value, metadata, path, value, "have value")


def _is_unicode(text: str) -> bool:
    """Return whether a text is one: JSON can write half of a surrogate pair, which nothing can store."""
    return text.isascii() or not _SURROGATE.search(text)


def _out_of_range(size: float, metadata: Mapping[str, Any], path: str, value: Any, what: str) -> Iterator[str]:
    if "min" in metadata and size < metadata["min"]:
        yield f"{_value(value, path)}: Member must {what} greater than or equal to {metadata['min']}"
    if "max" in metadata and size > metadata["max"]:
        yield f"{_value(value, path)}: Member must {what} less than or equal to {metadata['max']}"


def _value(value: Any, path: str) -> str:
    text = str(value)
    text = text if len(text) <= _LONGEST_ECHO else text[:_LONGEST_ECHO] + "…"
    return f"Value '{text}' at '{path}' failed to satisfy constraint"


def _matches(pattern: str, value: str) -> bool:
    compiled = _compile(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=2048)
def _compile(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern compiled, or None for one that only Java's expressions know (`\\p{L}`)."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _coerce(shape: Shape, value: Any, path: str) -> Any:
    """Return a value as its shape wants it, from CloudFormation's writing: text for numbers, capitalized names."""
    kind = shape.type_name
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        if getattr(shape, "is_document_type", False):
            return value
        names = {name.lower(): name for name in shape.members}
        result = {}
        for key, each in value.items():
            name = names.get(key.lower())
            if name is None:
                raise ServiceError("ValidationError", f"{path}: extraneous key [{key}] is not permitted")
            result[name] = _coerce(shape.members[name], each, f"{path}/{key}")
        return result
    if isinstance(shape, ListShape):
        values = value if isinstance(value, (list, tuple)) else [value]
        return [_coerce(shape.member, each, f"{path}/{number}") for number, each in enumerate(values)]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: _coerce(shape.value, each, f"{path}/{key}") for key, each in value.items()}
    try:
        if kind in ("integer", "long") and isinstance(value, (str, float)):
            return int(value)
        if kind in ("float", "double") and isinstance(value, str):
            return float(value)
    except ValueError:
        return value
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "string" and isinstance(value, (int, float)):
        return str(value)
    if kind == "timestamp":
        return parse_timestamp(value)
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
