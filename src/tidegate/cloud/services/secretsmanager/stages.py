"""Staging labels: which version has which, and what moves with what. Pure: each returns new versions.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.secretsmanager.model import CURRENT, PREVIOUS, VersionRecord

_MOST_STAGES = 20  # on the versions of one secret
_MOST_VERSIONS = 100

Versions = Mapping[str, VersionRecord]


def added(versions: Versions, version: str, stages: Sequence[str], now: datetime) -> dict[str, VersionRecord]:
    """Return the versions with a new one, which takes its labels from the others."""
    result = _moved({**versions, version: {"stages": [], "created": now}}, version, stages)
    deprecated = [name for name, each in result.items() if not each["stages"]]
    for name in deprecated[: max(len(result) - _MOST_VERSIONS, 0)]:
        del result[name]
    return result


def relabelled(versions: Versions, stage: str, take_from: str | None, give_to: str | None) -> dict[str, VersionRecord]:
    """Return the versions with a label taken from one and given to another; raise InvalidParameterException."""
    for version in (take_from, give_to):
        if version is not None and version not in versions:
            raise _invalid(f"Not a valid version: {version}")
    holder = holder_of(versions, stage)
    if take_from is not None and take_from != holder:
        raise _invalid(f"Version stage {stage} not found in version {take_from}")
    if take_from is None and holder not in (None, give_to):
        raise _invalid(
            f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version "
            f"{holder}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    if give_to is None:
        if stage == CURRENT:
            raise _invalid(f"You can only move staging label {CURRENT} to a different secret version. It can't be "
                           "completely removed.")  # fmt: skip
        return {name: {**each, "stages": [one for one in each["stages"] if one != stage]}
                for name, each in versions.items()}  # fmt: skip
    return _moved(versions, give_to, [stage])


def holder_of(versions: Versions, stage: str) -> str | None:
    """Return the version that has a label."""
    return next((name for name, each in versions.items() if stage in each["stages"]), None)


def _moved(versions: Versions, version: str, stages: Sequence[str]) -> dict[str, VersionRecord]:
    """Return the versions with labels on one of them; AWSPREVIOUS goes to the one that AWSCURRENT leaves."""
    current = holder_of(versions, CURRENT)
    moving = {*stages, *versions[version]["stages"]}
    left = current if CURRENT in stages and current != version else None
    if left is not None:
        moving.discard(PREVIOUS)
    taken = moving if left is None else {*moving, PREVIOUS}
    result: dict[str, VersionRecord] = {}
    for name, each in versions.items():
        kept = moving if name == version else {one for one in each["stages"] if one not in taken}
        result[name] = {**each, "stages": sorted(kept | ({PREVIOUS} if name == left else set()))}
    if sum(len(each["stages"]) for each in result.values()) > _MOST_STAGES:
        raise ServiceError(
            "LimitExceededException", "You exceeded the maximum number of staging labels allowed on a secret."
        )
    return result


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
