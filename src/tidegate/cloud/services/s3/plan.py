"""Lifecycle rules, decided purely: which versions, delete markers and uploads are due.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.s3.model import ObjectRecord, UploadRecord

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

    Rule = t.LifecycleRuleOutputTypeDef


@dataclass(frozen=True, slots=True)
class Expiration:
    """When something goes, and by which rule."""

    at: datetime
    rule: str


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What is to be done with one key: expire what a GET sees, and remove these versions (their ids) for good."""

    expire: bool = False
    remove: tuple[str, ...] = ()


def plan(
    rules: Sequence[Rule], key: str, current: ObjectRecord | None, behind: Sequence[ObjectRecord], now: datetime
) -> KeyPlan:
    """Decide for one key. `behind` are its further versions and delete markers, newest first."""
    active = [rule for rule in rules if rule["Status"] == "Enabled"]
    if current is not None:
        due = expiration(active, key, current)
        expire = due is not None and due.at <= now
    else:
        expire = False
    noncurrent = behind if current is not None else behind[1:]
    remove = [record["version"] for record in noncurrent if _noncurrent_due(active, key, record, noncurrent, now)]
    if current is None and len(behind) == 1 + len(remove) and behind and _marker_due(active, key, behind[0], now):
        remove.append(behind[0]["version"])
    return KeyPlan(expire, tuple(remove))


def expiration(rules: Iterable[Rule], key: str, record: ObjectRecord) -> Expiration | None:
    """Return when the current version of a key expires: the soonest of the rules that fit it, or None."""
    dates = []
    for rule in rules:
        expire = rule.get("Expiration", {})
        if rule["Status"] != "Enabled" or not fits(rule, key, record):
            continue
        if "Days" in expire:
            dates.append(Expiration(_midnight_after(record["modified"], expire["Days"]), rule["ID"]))
        elif "Date" in expire:
            dates.append(Expiration(expire["Date"], rule["ID"]))
    return min(dates, key=lambda each: each.at, default=None)


def abortion(rules: Iterable[Rule], key: str, upload: UploadRecord) -> Expiration | None:
    """Return when an upload in parts is aborted if it is not completed before, or None."""
    dates = [
        Expiration(_midnight_after(upload["initiated"], days), rule["ID"])
        for rule in rules
        if rule["Status"] == "Enabled"
        and key.startswith(prefix_of(rule))
        and (days := rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")) is not None
    ]
    return min(dates, key=lambda each: each.at, default=None)


def fits(rule: Rule, key: str, record: ObjectRecord) -> bool:
    """Return whether a rule's filter takes in a version of a key."""
    if not key.startswith(prefix_of(rule)):
        return False
    given: Any = rule.get("Filter", {})
    given = given.get("And", given)
    wanted = given.get("Tags", [given["Tag"]] if "Tag" in given else [])
    tags = {tag["Key"]: tag["Value"] for tag in record.get("tags", ())}
    size = record.get("size", 0)
    return (
        all(tags.get(tag["Key"]) == tag["Value"] for tag in wanted)
        and size > given.get("ObjectSizeGreaterThan", -1)
        and ("ObjectSizeLessThan" not in given or size < given["ObjectSizeLessThan"])
    )


def prefix_of(rule: Rule) -> str:
    """Return the prefix of the keys that a rule is about, in the old form of a rule or the new."""
    given: Any = rule.get("Filter", {})
    return str(given.get("And", given).get("Prefix") or rule.get("Prefix") or "")


def _noncurrent_due(
    rules: Iterable[Rule], key: str, record: ObjectRecord, noncurrent: Sequence[ObjectRecord], now: datetime
) -> bool:
    newer = noncurrent.index(record)
    for rule in rules:
        given = rule.get("NoncurrentVersionExpiration")
        if given is None or not fits(rule, key, record):
            continue
        since = record.get("replaced", record["modified"])
        if newer >= given.get("NewerNoncurrentVersions", 0) and _midnight_after(since, given["NoncurrentDays"]) <= now:
            return True
    return False


def _marker_due(rules: Iterable[Rule], key: str, marker: ObjectRecord, now: datetime) -> bool:
    """Return whether a delete marker that is the last version of its key goes."""
    for rule in rules:
        expire = rule.get("Expiration", {})
        if not key.startswith(prefix_of(rule)):
            continue
        if expire.get("ExpiredObjectDeleteMarker"):
            return True
        if "Days" in expire and _midnight_after(marker["modified"], expire["Days"]) <= now:
            return True
    return False


def _midnight_after(moment: datetime, days: int) -> datetime:
    """Return the midnight (UTC) that follows `days` after a moment: S3 rounds so."""
    due = moment + timedelta(days=days)
    midnight = due.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == due else midnight + timedelta(days=1)
