"""What a network's resolver knows by itself, and what follows from it for a question. Pure.

Names are in lower case and end in a dot. https://www.rfc-editor.org/rfc/rfc1034 (4.3.2), …/rfc2308, …/rfc4592
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_WILDCARD = r"\052."
_MOST_VALUES = 8  # of a multivalue answer
_LONGEST_CHAIN = 8  # of CNAMEs
_POINTING = ("CNAME",)

Choice = Literal["all", "any", "one"]


@dataclass(frozen=True, slots=True)
class RecordSet:
    """Values of one name and type; TTL in seconds.

    `choice` is how several sets of one name and type are chosen from: `all` of them, up to eight drawn from them
    (`any`), or `one` by its weight. With `alias`, a name of the same zone, the values are that name's.
    """

    name: str
    type: str
    ttl: int
    values: tuple[str, ...] = ()
    choice: Choice = "all"
    weight: int = 1
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """All names below one. `start` is the value of its SOA record, `ttl` how long to remember that a name is none."""

    name: str
    start: str
    ttl: int
    records: tuple[RecordSet, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The zones of a network."""

    zones: tuple[Zone, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known: sets to be shown in this order, and a name that is asked for elsewhere, if the chain leads there.

    `exists` is False where the name is none, `zone` the zone that says so.
    """

    sets: tuple[RecordSet, ...]
    exists: bool
    zone: Zone
    elsewhere: str | None = None


class Names:
    """A view, ready to be asked."""

    def __init__(self, view: View) -> None:
        self._zones = {zone.name: zone for zone in view.zones}
        self._sets: dict[str, dict[str, list[RecordSet]]] = {}
        self._nodes: set[tuple[str, str]] = set()  # (zone, name): every name that is there, those in between included
        for zone in view.zones:
            self._nodes.add((zone.name, zone.name))
            for each in zone.records:
                self._sets.setdefault(f"{zone.name} {each.name}", {}).setdefault(each.type, []).append(each)
                name = each.name
                while name.endswith(f".{zone.name}"):
                    self._nodes.add((zone.name, name))
                    name = name.partition(".")[2]

    def zone_of(self, name: str) -> Zone | None:
        """Return the smallest zone that a name is in."""
        while name:
            if name in self._zones:
                return self._zones[name]
            name = name.partition(".")[2]
        return None

    def ask(self, name: str, kind: str, chance: random.Random) -> Answer | None:
        """Return what is known of a name; None where it is in no zone."""
        zone = self.zone_of(name)
        if zone is None:
            return None
        shown: list[RecordSet] = []
        for _ in range(_LONGEST_CHAIN):
            found = self._at(zone, name)
            if found is None:
                return Answer(tuple(shown), bool(shown), zone)
            sets = _chosen(found.get(kind, ()), chance)
            shown += [self._resolved(zone, each, name, chance) for each in sets]
            pointing = () if sets or kind in _POINTING else _chosen(found.get("CNAME", ()), chance)
            if not pointing:
                return Answer(tuple(each for each in shown if each.values), True, zone)
            shown.append(_named(pointing[0], name))
            name = pointing[0].values[0].lower().removesuffix(".") + "."
            next_zone = self.zone_of(name)
            if next_zone is None:
                return Answer(tuple(shown), True, zone, elsewhere=name)
            zone = next_zone
        return Answer(tuple(shown), True, zone)

    def _at(self, zone: Zone, name: str) -> Mapping[str, Sequence[RecordSet]] | None:
        """Return the sets at a name by their types, a wildcard's where it covers the name; None where there is none."""
        own = self._sets.get(f"{zone.name} {name}")
        if own is not None or (zone.name, name) in self._nodes:
            return own or {}
        parent = name.partition(".")[2]
        while (zone.name, parent) not in self._nodes:
            parent = parent.partition(".")[2]
        return self._sets.get(f"{zone.name} {_WILDCARD}{parent}")

    def _resolved(self, zone: Zone, each: RecordSet, name: str, chance: random.Random) -> RecordSet:
        """Return a set under the name that was asked for, with the values of the name that it is an alias of."""
        if each.alias is None:
            return _named(each, name)
        others = _chosen((self._at(zone, each.alias) or {}).get(each.type, ()), chance)
        values = tuple(value for other in others if other.alias is None for value in other.values)
        ttl = min((other.ttl for other in others), default=each.ttl)
        return RecordSet(name, each.type, ttl, values)


def _chosen(sets: Sequence[RecordSet], chance: random.Random) -> list[RecordSet]:
    if not sets:
        return []
    match sets[0].choice:
        case "any":
            drawn = list(sets)
            chance.shuffle(drawn)
            return drawn[:_MOST_VALUES]
        case "one":
            weights = [each.weight for each in sets]
            return chance.choices(list(sets), weights if any(weights) else None)
        case _:
            return list(sets[:1])


def _named(each: RecordSet, name: str) -> RecordSet:
    return RecordSet(name, each.type, each.ttl, each.values)


def written(view: View) -> dict[str, Any]:
    """Return a view as JSON has it; `read` turns it back."""
    return {
        "zones": [
            {
                "name": zone.name,
                "start": zone.start,
                "ttl": zone.ttl,
                "records": [
                    {
                        "name": each.name,
                        "type": each.type,
                        "ttl": each.ttl,
                        "values": list(each.values),
                        "choice": each.choice,
                        "weight": each.weight,
                        "alias": each.alias,
                    }
                    for each in zone.records
                ],
            }
            for zone in view.zones
        ]
    }


def read(document: Mapping[str, Any]) -> View:
    """Return the view that `written` made a document of."""
    return View(
        tuple(
            Zone(
                zone["name"],
                zone["start"],
                zone["ttl"],
                tuple(RecordSet(**{**each, "values": tuple(each["values"])}) for each in zone["records"]),
            )
            for zone in document["zones"]
        )
    )
