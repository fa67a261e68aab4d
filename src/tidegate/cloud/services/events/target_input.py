"""What a target is told: the event, a part of it, a constant, or a template filled from it.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.documents import from_json

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t

_STEP = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>\d+)\]|\['(?P<quoted>[^']+)'\]")
_VARIABLE = re.compile(r"<([\w.-]+)>")


class InvalidPathError(Exception):
    """A path that is none of `$`, `$.detail.name`, `$.resources[0]`."""


def steps(path: str) -> list[str | int]:
    """Return the steps of a JSON path; raise `InvalidPathError`."""
    found: list[str | int] = []
    if not path.startswith("$"):
        raise InvalidPathError(path)
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise InvalidPathError(path)
        found.append(int(match["index"]) if match["index"] else match["name"] or match["quoted"])
        at = match.end()
    return found


def select(event: Any, path: str) -> Any:
    """Return what is at a path of an event; None where there is nothing."""
    for step in steps(path):
        if isinstance(step, int):
            event = event[step] if isinstance(event, list) and step < len(event) else None
        else:
            event = event.get(step) if isinstance(event, Mapping) else None
    return event


def document(target: t.TargetTypeDef, rule: str, event: Mapping[str, Any], accepted: str) -> Any:
    """Return the input that a target asks for, read as JSON; text that is no JSON stays text.

    `rule` is the rule's ARN, `accepted` when the event came in (ISO 8601).
    """
    if "Input" in target:
        return _read(target["Input"])
    if "InputPath" in target:
        return select(event, target["InputPath"])
    transformer = target.get("InputTransformer")
    if transformer is None:
        return event
    values = {name: select(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule,
        "aws.events.rule-name": rule.rpartition("/")[2],
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": accepted,
    }
    return _read(_fill(transformer["InputTemplate"], values))


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """Put values into a template: as JSON where they stand alone, as bare text within quotation marks."""
    filled, at = [], 0
    for match in _VARIABLE.finditer(template):
        if match[1] not in values:
            continue
        before = template[at : match.start()]
        filled.append(before)
        value = values[match[1]]
        encoded = json.dumps(value)
        quoted = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2 == 1
        filled.append((encoded[1:-1] if isinstance(value, str) else encoded.replace('"', '\\"')) if quoted else encoded)
        at = match.end()
    return "".join([*filled, template[at:]])


def _read(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:
        return text
