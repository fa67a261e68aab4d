"""What a commit gives to a source action's variables: its moments, as AWS writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(date: str) -> datetime:
    """Return the moment that git's `SECONDS +ZONE` names."""
    return datetime.fromtimestamp(int(date.split()[0]), UTC)


def stamp(when: datetime) -> str:
    """Return a moment as variables have it."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
