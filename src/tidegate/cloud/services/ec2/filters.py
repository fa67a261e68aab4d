"""The filters of the Describe operations: a name, and values any of which fits; `*` and `?` stand for more.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from tidegate.cloud.errors import ServiceError

R = TypeVar("R")

Values = Callable[[Any], Iterable[Any]]


def at(*path: str) -> Values:
    """Return what reads the values at a path of a record, through every list on the way."""

    def values(record: Any) -> Iterator[Any]:
        return _walk(record, path)

    return values


def nothing(record: Any) -> Iterable[Any]:
    """Read a member that no resource of the local cloud has: the filter is known, and nothing fits it."""
    return ()


class Filters:
    """What one Describe operation can be filtered by; `tag:KEY`, `tag-key` and `tag-value` come with `tags`."""

    def __init__(self, fields: Mapping[str, Values], *, tags: str | None = "Tags") -> None:
        self.fields = fields
        self._tags = tags

    def __call__(self, records: Iterable[R], filters: Sequence[Any]) -> list[R]:
        """Return the records that fit all filters; raise InvalidParameterValue for one that is not known."""
        tests = [self._test(each) for each in filters]
        return [record for record in records if all(test(record) for test in tests)]

    def knows(self, name: str) -> bool:
        """Return whether this is a filter of the operation."""
        return self._values(name) is not None

    def _test(self, given: Mapping[str, Any]) -> Callable[[Any], bool]:
        name = given.get("Name", "null")
        values = self._values(name)
        if values is None:
            raise ServiceError("InvalidParameterValue", f"The filter '{name}' is invalid")
        patterns = [_pattern(value) for value in given.get("Values", ())]

        def fits(record: Any) -> bool:
            return any(pattern.fullmatch(_text(each)) for each in values(record) for pattern in patterns)

        return fits

    def _values(self, name: str) -> Values | None:
        if self._tags is not None:
            tags = self._tags
            if name == "tag-key":
                return at(tags, "Key")
            if name == "tag-value":
                return at(tags, "Value")
            if name.startswith("tag:"):
                key = name.removeprefix("tag:")
                return lambda record: (tag["Value"] for tag in record.get(tags, ()) if tag["Key"] == key)
        return self.fields.get(name)


def _walk(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _walk(value[path[0]], path[1:])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(\\.|\*|\?)", text)
    wild = {"*": ".*", "?": "."}
    literal = (part[1] if part.startswith("\\") and len(part) == 2 else part for part in parts)
    return re.compile(
        "".join(wild.get(part) or re.escape(plain) for part, plain in zip(parts, literal, strict=True)), re.DOTALL
    )
