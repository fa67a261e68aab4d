"""Filters of DescribeParameters and GetParametersByPath. Pure.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ssm.model import ParameterRecord, VersionRecord
from tidegate.cloud.services.ssm.names import check_path, is_below

_VALUES = {
    "Type": ("String", "StringList", "SecureString"),
    "Tier": ("Standard", "Advanced", "Intelligent-Tiering"),
}
_DESCRIBE_KEYS = ("Path", "Name", "Type", "KeyId", "Tier", "DataType")
_PATH_KEYS = ("Type", "KeyId", "Label")


class Entry(NamedTuple):
    """A parameter and the version of it that is looked at."""

    record: ParameterRecord
    version: VersionRecord


def check(filters: Sequence[Mapping[str, Any]], *, by_path: bool) -> None:
    """Raise InvalidFilterKey, InvalidFilterOption, InvalidFilterValue or ValidationException for a wrong filter."""
    keys = _PATH_KEYS if by_path else _DESCRIBE_KEYS
    seen: set[str] = set()
    for each in filters:
        key, values = each["Key"], each.get("Values", [])
        if key not in keys and (by_path or not key.startswith("tag:")):
            raise ServiceError(
                "InvalidFilterKey",
                f"The following filter key is not valid: {key}. Valid filter keys include: [{', '.join(keys)}].",
            )
        if key in seen:
            raise ServiceError(
                "InvalidFilterKey",
                f"The following filter is duplicated in the request: {key}. A request can contain only one occurrence "
                "of a specific filter.",
            )
        seen.add(key)
        if not values and not key.startswith("tag:"):
            raise ServiceError(
                "InvalidFilterValue", f"The following filter values are missing : null for filter key {key}."
            )
        options = _options(key)
        if each.get("Option", options[0]) not in options:
            raise ServiceError(
                "InvalidFilterOption",
                f"The following filter option is not valid: {each['Option']}. Valid options include: "
                f"[{', '.join(sorted(options))}].",
            )
        for value in values:
            if key in _VALUES and value not in _VALUES[key]:
                raise ServiceError(
                    "InvalidFilterValue",
                    f"The following filter value is not valid: {value}. Valid values include: "
                    f"[{', '.join(_VALUES[key])}].",
                )
            if key == "Path":
                _check_own_path(value)


def fits(entry: Entry, filters: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether every filter lets a parameter through."""
    return all(_fits(entry, each["Key"], each.get("Option"), each.get("Values", [])) for each in filters)


def fits_old(entry: Entry, filters: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether every filter of the older kind (`Filters`) lets a parameter through: names by their beginning."""
    return all(
        any(_texts(entry, each["Key"])[0].startswith(value) for value in each["Values"])
        if each["Key"] == "Name"
        else _texts(entry, each["Key"])[0] in each["Values"]
        for each in filters
    )


def _fits(entry: Entry, key: str, option: str | None, values: Sequence[str]) -> bool:
    if key == "Path":
        recursive = option == "Recursive"
        return any(is_below(entry.record["name"], value, recursive=recursive) for value in values)
    texts = _texts(entry, key)
    if key == "Name":  # with a slash before it or without, as it is kept
        texts = [f"/{text.lstrip('/')}" for text in texts]
        if option != "Contains":
            values = [f"/{value.lstrip('/')}" for value in values]
    if not values:
        return bool(texts)
    if option == "BeginsWith":
        return any(text.startswith(value) for text in texts for value in values)
    if option == "Contains":
        return any(value in text for text in texts for value in values)
    return any(text in values for text in texts)


def _texts(entry: Entry, key: str) -> list[str]:
    record, version = entry
    if key.startswith("tag:"):
        tag = record["tags"].get(key.removeprefix("tag:"))
        return [] if tag is None else [tag]
    if key == "Label":
        return version["labels"]
    return [
        {
            "Name": record["name"],
            "Type": record["type"],
            "KeyId": version.get("key", ""),
            "Tier": version["tier"],
            "DataType": version["data_type"],
        }[key]
    ]


def _options(key: str) -> tuple[str, ...]:
    if key == "Path":
        return ("OneLevel", "Recursive")
    if key == "Name":
        return ("Equals", "BeginsWith", "Contains")
    return ("Equals",) if key == "Label" or key.startswith("tag:") else ("Equals", "BeginsWith")


def _check_own_path(path: str) -> None:
    if path.lower().startswith(("/aws", "/ssm")):
        raise ServiceError(
            "ValidationException",
            'Filters for common parameters can\'t be prefixed with "aws" or "ssm" (case-insensitive). When using '
            "global parameters, please specify within a global namespace.",
        )
    check_path(path)
