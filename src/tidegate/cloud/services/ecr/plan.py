"""Lifecycle policies, read and evaluated purely: a policy, the images and the time in; what expires out.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered

# an image without a tag may be part of an index that is still being pushed
GRACE = timedelta(seconds=60)
_WILDCARDS = 4
_RULE = ({"rulePriority", "selection", "action"}, {"description"})
_SELECTION = (
    {"tagStatus", "countType", "countNumber"},
    {"tagPrefixList", "tagPatternList", "countUnit", "storageClass"},
)
_ACTION = ({"type"}, {"targetStorageClass"})
_TAG_STATUS = ("any", "tagged", "untagged")
_COUNT_TYPES = ("imageCountMoreThan", "sinceImagePulled", "sinceImagePushed", "sinceImageTransitioned")


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a lifecycle policy sees it. `children` are the digests of an index's images."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    children: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `patterns` are regular expressions, each of which one of the image's tags has to match whole.

    Either the newest `keep` images stay, or those younger than `age`.
    """

    priority: int
    tag_status: str
    patterns: tuple[str, ...]
    keep: int | None
    age: timedelta | None

    def selects(self, image: Image) -> bool:
        """Return whether the rule is about this image, by its tags."""
        if self.tag_status == "any":
            return True
        if self.tag_status == "untagged":
            return not image.tags
        return bool(image.tags) and all(
            any(re.fullmatch(pattern, tag) for tag in image.tags) for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What expires now: digest and the priority of the rule that says so; and when another image will, if known."""

    expired: tuple[tuple[str, int], ...]
    next: datetime | None


def plan(rules: Sequence[Rule], images: Iterable[Image], now: datetime, *, grace: timedelta = GRACE) -> Plan:
    """Return what a policy expires.

    A rule counts every image that it selects, but an image that a rule of higher priority selects is not its to
    expire. An image of an index stays as long as the index does, and what refers to an image goes with it.
    """
    everything = sorted(images, key=lambda image: (image.pushed_at, image.digest), reverse=True)
    held = {child for image in everything for child in image.children}
    expired: dict[str, int] = {}
    claimed: set[str] = set()
    moments: list[datetime] = []
    for rule in sorted(rules, key=lambda each: each.priority):
        selected = [image for image in everything if image.subject is None and rule.selects(image)]
        for place, image in enumerate(selected):
            if image.digest in claimed or image.digest in held:
                continue
            if rule.age is not None:
                due = image.pushed_at + rule.age
            elif rule.keep is not None and place >= rule.keep:
                due = now
            else:
                continue
            if not image.tags:
                due = max(due, image.pushed_at + grace)
            if due <= now:
                expired[image.digest] = rule.priority
            else:
                moments.append(due)
        claimed.update(image.digest for image in selected)
    while going := [
        image
        for image in everything
        if image.subject in expired and image.digest not in expired and image.digest not in held
    ]:
        expired.update((image.digest, expired[str(image.subject)]) for image in going)
    return Plan(tuple(expired.items()), min(moments, default=None))


def read_policy(text: str) -> tuple[Rule, ...]:
    """Return the rules of a policy document; raise InvalidParameterException, or refuse by name what is not offered."""
    try:
        document = from_json(text)
    except ValueError:
        raise _invalid("Could not map policyString into LifecyclePolicy.") from None
    if not isinstance(document, dict):
        raise _invalid("Could not map policyString into LifecyclePolicy.")
    _members(document, ({"rules"}, set()))
    if not isinstance(document["rules"], list) or not document["rules"]:
        raise _invalid("the list of rules is empty")
    rules = tuple(_rule(each) for each in document["rules"])
    _check_together(rules)
    return rules


def _rule(node: Any) -> Rule:
    _members(node, _RULE)
    selection, action = node["selection"], node["action"]
    _members(selection, _SELECTION)
    _members(action, _ACTION)
    _one_of(action["type"], ("expire", "transition"))
    if action["type"] == "transition":
        raise not_offered("an ECR lifecycle policy with action transition")
    if selection.get("storageClass", "standard") != "standard":
        raise not_offered(f"an ECR lifecycle policy with storageClass {selection['storageClass']}")
    status, count_type, number = selection["tagStatus"], selection["countType"], selection["countNumber"]
    _one_of(status, _TAG_STATUS)
    _one_of(count_type, _COUNT_TYPES)
    if count_type in ("sinceImagePulled", "sinceImageTransitioned"):
        raise not_offered(f"an ECR lifecycle policy with countType {count_type}")
    for name, value in (("countNumber", number), ("rulePriority", node["rulePriority"])):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _invalid(f"{name}: numeric instance is lower than the required minimum (minimum: 1, found: {value})")
    if count_type == "sinceImagePushed" and selection.get("countUnit") != "days":
        raise _invalid("countUnit: days is required with countType sinceImagePushed")
    if count_type == "imageCountMoreThan" and "countUnit" in selection:
        raise _invalid("countUnit is not allowed with countType imageCountMoreThan")
    return Rule(
        priority=node["rulePriority"],
        tag_status=status,
        patterns=_patterns(selection),
        keep=number if count_type == "imageCountMoreThan" else None,
        age=timedelta(days=number) if count_type == "sinceImagePushed" else None,
    )


def _patterns(selection: Mapping[str, Any]) -> tuple[str, ...]:
    given = [name for name in ("tagPrefixList", "tagPatternList") if selection.get(name)]
    if selection["tagStatus"] != "tagged":
        if given:
            raise _invalid(f"{given[0]} is only allowed with tagStatus tagged")
        return ()
    if len(given) != 1:
        raise _invalid("tagStatus tagged requires either tagPrefixList or tagPatternList")
    values = selection[given[0]]
    if not isinstance(values, list) or not all(isinstance(each, str) and each for each in values):
        raise _invalid(f"{given[0]} is not a list of strings")
    if given[0] == "tagPrefixList":
        return tuple(f"{re.escape(each)}.*" for each in values)
    for each in values:
        if each.count("*") > _WILDCARDS:
            raise _invalid(f"tagPatternList: {each} has more than {_WILDCARDS} wildcards")
    return tuple(".*".join(map(re.escape, each.split("*"))) for each in values)


def _check_together(rules: Sequence[Rule]) -> None:
    priorities = [rule.priority for rule in rules]
    if len(set(priorities)) != len(priorities):
        raise _invalid("rulePriority must be unique in the policy")
    if sum(rule.tag_status == "untagged" for rule in rules) > 1:
        raise _invalid("only one rule may select untagged images")
    for rule in rules:
        if rule.tag_status == "any" and rule.priority != max(priorities):
            raise _invalid("a rule with tagStatus any must have the highest rulePriority")
    lists = [frozenset(rule.patterns) for rule in rules if rule.tag_status == "tagged"]
    if len(set(lists)) != len(lists):
        raise _invalid("two rules select the same tags")


def _members(node: Any, members: tuple[set[str], set[str]]) -> None:
    required, optional = members
    if not isinstance(node, dict):
        raise _invalid('instance type does not match any allowed primitive type (allowed: ["object"])')
    missing = sorted(required - node.keys())
    if missing:
        raise _invalid(f"object has missing required properties ({json.dumps(missing)})")
    unknown = sorted(node.keys() - required - optional)
    if unknown:
        raise _invalid(f"object instance has properties which are not allowed by the schema: ({json.dumps(unknown)})")


def _one_of(value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise _invalid(
            f"instance value ({json.dumps(value)}) not found in enum (possible values: {json.dumps(allowed)})"
        )


def _invalid(why: str) -> ServiceError:
    return ServiceError(
        "InvalidParameterException",
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
        f"'Lifecycle policy validation failure: {why}'",
    )
