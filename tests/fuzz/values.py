"""Values for an operation's input: as its model asks for, and one fault among them."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

_DEPTH = 5
_KEPT = 40  # per name, of what answers said
# what files and processes must never see: a test looks whether this file has come into being
ESCAPE = "/tmp/tidegate-fuzz-escaped"
HOSTILE = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud83d",
    "ÅÄÖ 漢字 🜂",
    "‮gnirts",
    "../../../../../../../.." + ESCAPE,
    "..%2f..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:1/",
    f"$(touch {ESCAPE})",
    f"`touch {ESCAPE}`",
    f"x; touch {ESCAPE} #",
    f"--upload-pack=touch {ESCAPE}",
    "-oProxyCommand=x",
    "'\"><script>alert(1)</script>",
    "' OR 1=1 --",
    "%s%n%x{0}{{7*7}}${jndi:ldap://x}",
    "\r\nX-Injected: yes",
    "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "&a: [*a]",
    "arn:aws:::::::::",
    "arn:aws:iam::000000000000:role/../x",
    "*" * 300 + "?",
    "(" * 2000,
    "[" * 50000,
    "a" * 70000,
    "9" * 4400,
    "-1",
    "NaN",
    "null",
    "true",
    '{"Version":"2012-10-17","Statement":' + "[" * 900,
    '{"a":' * 3000,
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    -(2**70),
    1.5,
    1e308,
    "x",
    [],
    {},
    [None],
    [[[]]],
    {"": None},
    {"__type": "x"},
    ["x"] * 3000,
    {str(number): number for number in range(500)},
)


class Values:
    """Makes inputs; what the cloud has answered before is used again, so that requests meet what exists."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._known: dict[str, list[Any]] = defaultdict(list)

    def learn(self, answer: Any, name: str = "") -> None:
        """Keep the strings of an answer by the names that they have there."""
        if isinstance(answer, dict):
            for key, value in answer.items():
                self.learn(value, key)
        elif isinstance(answer, list):
            for each in answer[:5]:
                self.learn(each, name)
        elif isinstance(answer, str) and 0 < len(answer) < 300:
            kept = self._known[_singular(name)]
            if answer not in kept:
                kept.append(answer)
                del kept[:-_KEPT]

    def request(self, shape: StructureShape | None, fault: str) -> dict[str, Any]:
        """Return parameters for an operation. `fault` is none, missing, wrong, huge or hostile: one, somewhere."""
        if shape is None:
            return {} if fault == "none" else {"Surprise": self._chance.choice(WRONG)}
        value: dict[str, Any] = self._structure(shape, _DEPTH)
        if fault != "none":
            self._spoil(value, fault)
        return value

    def _spoil(self, value: dict[str, Any], fault: str) -> None:
        places = list(_places(value))
        if not places:
            value["Surprise"] = self._faulty(fault)
            return
        holder, key = self._chance.choice(places)
        if fault == "missing":
            del holder[key]
        else:
            holder[key] = self._faulty(fault)

    def _faulty(self, fault: str) -> Any:
        if fault == "huge":
            text = "x" * self._chance.choice((1 << 10, 1 << 16, 1 << 20))
            return self._chance.choice((text, [text[:100]] * 2000, {text[:1000]: text[:1000]}))
        return self._chance.choice(HOSTILE if fault == "hostile" else WRONG)

    def _structure(self, shape: StructureShape, depth: int) -> dict[str, Any]:
        members = list(shape.members.items())
        if getattr(shape, "is_tagged_union", False):
            members = [self._chance.choice(members)] if members else []
        asked = set(shape.required_members)
        more = min(0.3, 2 / max(1, len(members)))
        return {
            name: self._value(member, name, depth - 1)
            for name, member in members
            if name in asked or (depth > 1 and self._chance.random() < more)
        }

    def _value(self, shape: Shape, name: str, depth: int) -> Any:
        if isinstance(shape, StructureShape):
            return self._structure(shape, depth)
        if isinstance(shape, ListShape):
            number = self._chance.choice((1, 1, 1, 2, 3)) if depth > 0 else 1
            return [self._value(shape.member, name, depth - 1) for _ in range(number)]
        if isinstance(shape, MapShape):
            return {self._value(shape.key, name, 0): self._value(shape.value, name, depth - 1)}
        return self._scalar(shape, name)

    def _scalar(self, shape: Shape, name: str) -> Any:
        if isinstance(shape, StringShape):
            if shape.enum and self._chance.random() < 0.9:
                return self._chance.choice(shape.enum)
            known = self._known.get(_singular(name)) or self._known.get(_singular(shape.name))
            if known and self._chance.random() < 0.8:
                return self._chance.choice(known)
            return self._chance.choice(("a", "first", "web-1", "10.0.0.0/24", "80", "tcp", "x" * 12, "{}"))
        if shape.type_name in ("integer", "long"):
            return self._chance.choice((0, 1, 2, 80, 256, 512, 8080, int(shape.metadata.get("max", 100))))
        if shape.type_name in ("float", "double"):
            return self._chance.choice((0.0, 1.0, 99.5))
        if shape.type_name == "boolean":
            return self._chance.random() < 0.5
        if shape.type_name == "timestamp":
            return self._chance.choice((0, 1_700_000_000, 1_800_000_000))
        return "AAAA"  # a blob, in base64


def _places(value: Any) -> Any:
    """Yield every place of a value that something else can be put in, as its holder and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(items):
        yield value, key
        if isinstance(each, (dict, list)):
            yield from _places(each)


def _singular(name: str) -> str:
    """Return the name that a thing and a list of such things share, and `clusterName` and `cluster`."""
    low = name.lower().replace("_", "").replace("-", "")
    for ending in ("arns", "names", "ids", "arn", "name", "id", "s"):
        if low.endswith(ending) and len(low) > len(ending) + 1:
            return low.removesuffix(ending)
    return low
