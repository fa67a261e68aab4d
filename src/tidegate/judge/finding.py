"""What a check has found: how bad it is, what it is about, what is wrong, and what to type or to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

# fault: it would fail. warning: it works, but costs requests, time or safety. note: worth knowing. fine: looked at
Level = Literal["fault", "warning", "note", "fine"]
_ORDER: tuple[Level, ...] = ("fault", "warning", "note", "fine")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    level: Level
    topic: str
    what: str
    fix: str = ""

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the worst first; those that are equally bad stay in the order in which they were found."""
    return sorted(findings, key=lambda each: _ORDER.index(each.level))
