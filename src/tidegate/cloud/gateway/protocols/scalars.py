"""Numbers, booleans, times and bytes, from and to the text that the wire carries.

Timestamps: https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
"""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape

from tidegate.cloud.errors import ServiceError


def malformed(why: str) -> ServiceError:
    """Refuse what cannot be read as what the operation's shape says it is."""
    return ServiceError("SerializationException", why)


def from_text(shape: Shape, text: str) -> Any:
    """Return the value that `text` stands for (query strings, forms, headers, XML)."""
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
    except ValueError:
        raise malformed(f"{text!r} is not a number") from None
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise malformed(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if kind == "timestamp":
        return parse_timestamp(text)
    if kind == "blob":
        return decode_base64(text)
    return text


def to_text(shape: Shape, value: Any, timestamp_format: str = "iso8601") -> str:
    """Return a value as text, by its shape."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return format_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "blob":
        return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
    return str(value)


def parse_timestamp(value: Any) -> datetime:
    """Read a timestamp in any of the formats that clients send."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        try:
            return datetime.fromtimestamp(float(value), UTC)
        except ValueError:
            pass
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, OSError):
        raise malformed(f"{value!r} is not a timestamp") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def format_timestamp(value: datetime, how: str) -> str:
    """Write a timestamp as `iso8601`, `rfc822` or `unixTimestamp`."""
    value = value.astimezone(UTC)
    if how == "rfc822":
        return format_datetime(value, usegmt=True)
    if how == "unixTimestamp":
        return repr(epoch(value))
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def epoch(value: datetime) -> float | int:
    """Return epoch seconds, as an integer where there is no fraction."""
    seconds = round(value.timestamp(), 3)
    return int(seconds) if math.floor(seconds) == seconds else seconds


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 text."""
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        raise malformed("a blob is not valid base64") from None
