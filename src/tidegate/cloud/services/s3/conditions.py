"""Ranges and preconditions of requests, decided purely. https://www.rfc-editor.org/rfc/rfc9110#section-13"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.model import ObjectRecord

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte that a Range header asks for, or None for the whole.

    A header that is not one range of bytes asks for the whole. Raises InvalidRange where nothing of it is there.
    """
    match = _RANGE.match((text or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
        satisfiable = int(match[2]) > 0 and size > 0
    else:
        first, last = int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return None
        satisfiable = first < size
    if not satisfiable:
        raise ServiceError(
            "InvalidRange",
            "The requested range is not satisfiable",
            416,
            headers={"content-range": f"bytes */{size}"},
            RangeRequested=text,
            ActualObjectSize=size,
        )
    return first, last


def copy_range(text: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte of an `x-amz-copy-source-range`; raise InvalidArgument or InvalidRange."""
    match = _RANGE.match(text)
    if match is None or not match[1] or not match[2] or int(match[1]) > int(match[2]):
        raise ServiceError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    if int(match[2]) >= size:
        raise ServiceError("InvalidArgument", f"Range specified is not valid for source object of size: {size}")
    return int(match[1]), int(match[2])


def check_read(request: Mapping[str, Any], record: ObjectRecord, *, copied: bool = False) -> None:
    """Raise NotModified (304) or PreconditionFailed (412) where the request's conditions say so.

    They are those of a GET, or of the source of a copy (`copied`), which fails with 412 on all of them.
    """
    etag, modified = record["etag"], record["modified"].replace(microsecond=0)
    if_match, if_none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    modified_since, unmodified_since = request.get("IfModifiedSince"), request.get("IfUnmodifiedSince")
    if if_match is not None:
        if not _matches(if_match, etag):
            raise _failed("If-Match", copied=copied)
    elif isinstance(unmodified_since, datetime) and modified > unmodified_since:
        raise _failed("If-Unmodified-Since", copied=copied)
    if if_none_match is not None:
        if _matches(if_none_match, etag):
            raise _not_modified(record, "If-None-Match", copied=copied)
    elif isinstance(modified_since, datetime) and modified <= modified_since:
        raise _not_modified(record, "If-Modified-Since", copied=copied)


def check_write(request: Mapping[str, Any], current: ObjectRecord | None) -> None:
    """Raise where a conditional write finds another object than it expects.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    if_match, if_none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if if_none_match is not None:
        if if_none_match != "*":
            raise ServiceError(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501,
                Header="If-None-Match",
                additionalMessage="We don't accept the provided value of If-None-Match header for this API",
            )
        if current is not None:
            raise _failed("If-None-Match")
    if if_match is not None:
        if current is None:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
        if not _matches(if_match, current["etag"]):
            raise _failed("If-Match")


def _matches(wanted: str, etag: str) -> bool:
    tags = [each.strip().removeprefix("W/").strip('"') for each in wanted.split(",")]
    return "*" in tags or etag in tags


def _failed(condition: str, *, copied: bool = False) -> ServiceError:
    name = f"x-amz-copy-source-{condition.lower()}" if copied else condition
    return ServiceError(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, Condition=name
    )


def _not_modified(record: ObjectRecord, condition: str, *, copied: bool) -> ServiceError:
    if copied:
        return _failed(condition, copied=True)
    return ServiceError("NotModified", "Not Modified", 304, headers={"etag": f'"{record["etag"]}"'})
