"""Filters of ListSecrets and BatchGetSecretValue. Pure.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_search-secret.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.services.secretsmanager.model import SecretRecord

_BREAKS = re.compile(r"[ /_+=.@!:-]+|(?<=[a-z0-9])(?=[A-Z])")


def fits(region: str, record: SecretRecord, filters: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether every filter lets a secret through: one of its values fits, and none that is negated (`!`)."""
    return all(_fits(region, record, each.get("Key", "all"), each.get("Values", [])) for each in filters)


def _fits(region: str, record: SecretRecord, key: str, values: Sequence[str]) -> bool:
    wanted = [value for value in values if not value.startswith("!")]
    unwanted = [value[1:] for value in values if value.startswith("!")]
    if any(_has(region, record, key, value) for value in unwanted):
        return False
    return not wanted or any(_has(region, record, key, value) for value in wanted)


def _has(region: str, record: SecretRecord, key: str, value: str) -> bool:
    description = record.get("description", "")
    if key == "name":
        return record["name"].startswith(value)
    if key == "description":
        return _words_in(value, [description])
    if key == "tag-key":
        return any(tag.get("Key", "").startswith(value) for tag in record["tags"])
    if key == "tag-value":
        return any(tag.get("Value", "").startswith(value) for tag in record["tags"])
    if key == "all":
        tags = [text for tag in record["tags"] for text in (tag.get("Key", ""), tag.get("Value", ""))]
        return _words_in(value, [record["name"], description, *tags])
    return False  # primary-region, owning-service: no secret has a replica or belongs to a service


def _words_in(wanted: str, texts: Sequence[str]) -> bool:
    """Return whether every word that is wanted begins a word of the texts, in any case."""
    there = [word for text in texts for word in _words(text)]
    return all(any(word.startswith(each) for word in there) for each in _words(wanted))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _BREAKS.split(text) if word]
