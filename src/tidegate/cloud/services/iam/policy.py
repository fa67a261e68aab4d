"""The policy language, evaluated purely: documents, an action, a resource and condition keys in; a decision out.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from tidegate.cloud.documents import from_json

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_KEYS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

Keys = Mapping[str, Any]  # condition keys in lower case to a value, or a list of values


class Verdict(Enum):
    """What a set of policies says of one action on one resource."""

    ALLOW = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class MalformedPolicyError(Exception):
    """A policy document that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, its one-or-many values made many. `principals` maps AWS/Service/… to names; None: not given."""

    allow: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    principals: Mapping[str, tuple[str, ...]] | None
    not_principals: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def applies(self, action: str, resource: str, keys: Keys) -> bool:
        """Return whether the statement is about this action on this resource under these conditions."""
        action_fits = any(_like(pattern.lower(), action.lower()) for pattern in self.actions)
        if action_fits is self.not_actions:
            return False
        if self.resources:
            resource_fits = self.resource_of(resource, keys) is not None
            if resource_fits is self.not_resources:
                return False
        return all(_condition(operator, key, values, keys) for operator, key, values in self.conditions)

    def resource_of(self, resource: str, keys: Keys) -> str | None:
        """Return the first of the statement's resources, as it is written, that this resource fits, or None."""
        return next((each for each in self.resources if _like(_expand(each, keys), resource)), None)


@lru_cache(maxsize=1024)
def parse(document: str) -> tuple[Statement, ...]:
    """Return a document's statements; raise `MalformedPolicyError`."""
    try:
        policy = from_json(document)
    except ValueError:
        raise MalformedPolicyError("This policy contains invalid Json") from None
    if not isinstance(policy, dict):
        raise MalformedPolicyError("Syntax errors in policy.")
    version = policy.get("Version", _VERSIONS[1])
    if version not in _VERSIONS:
        raise MalformedPolicyError(f"The policy's Version {version!r} is none of {', '.join(_VERSIONS)}")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyError("Syntax errors in policy: Statement must be a statement or a list of them.")
    return tuple(_statement(each) for each in statements)


def is_resource_policy(document: str) -> bool:
    """Return whether a document can be evaluated as the policy of a resource: each statement says whom it is about."""
    try:
        return all(statement.principals is not None for statement in parse(document))
    except MalformedPolicyError:
        return False


def evaluate(statements: Iterable[Statement], action: str, resource: str, keys: Keys) -> Verdict:
    """Return the verdict: a deny beats an allow, and nothing said is no."""
    return decide(statements, action, resource, keys)[0]


def decide(statements: Iterable[Statement], action: str, resource: str, keys: Keys) -> tuple[Verdict, int | None]:
    """Return the verdict and the place of the statement that it comes from; None where none says anything.

    Of several that allow, the first counts.
    """
    allowing = None
    for number, statement in enumerate(statements):
        if statement.applies(action, resource, keys):
            if not statement.allow:
                return Verdict.EXPLICIT_DENY, number
            if allowing is None:
                allowing = number
    return (Verdict.IMPLICIT_DENY if allowing is None else Verdict.ALLOW), allowing


def _statement(node: Any) -> Statement:
    if not isinstance(node, dict):
        raise MalformedPolicyError("Syntax errors in policy: a statement is not an object.")
    unknown = node.keys() - _STATEMENT_KEYS
    if unknown:
        raise MalformedPolicyError(f"Syntax errors in policy: unknown element {min(unknown)}.")
    if node.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyError("Syntax errors in policy: Effect must be Allow or Deny.")
    if ("Action" in node) is ("NotAction" in node):
        raise MalformedPolicyError("Policy statement must contain actions.")
    actions = _texts(node.get("Action", node.get("NotAction")))
    for action in actions:
        if action != "*" and ":" not in action:
            raise MalformedPolicyError(
                f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2: {action}"
            )
    principals = node.get("Principal", node.get("NotPrincipal"))
    return Statement(
        allow=node["Effect"] == "Allow",
        actions=actions,
        not_actions="NotAction" in node,
        resources=_texts(node.get("Resource", node.get("NotResource", ()))),
        not_resources="NotResource" in node,
        principals=_principals(principals),
        not_principals="NotPrincipal" in node,
        conditions=tuple(_conditions(node.get("Condition") or {})),
    )


def _principals(node: Any) -> Mapping[str, tuple[str, ...]] | None:
    if node is None:
        return None
    if node == "*":
        return {"AWS": ("*",)}
    if not isinstance(node, dict):
        raise MalformedPolicyError("Invalid principal in policy: it is neither * nor an object.")
    return {kind: _texts(names) for kind, names in node.items()}


def _conditions(node: Any) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    if not isinstance(node, dict):
        raise MalformedPolicyError("Syntax errors in policy: Condition is not an object.")
    for operator, tests in node.items():
        base = operator.rpartition(":")[2].removesuffix("IfExists")
        if base not in _OPERATORS and base != "Null":
            raise MalformedPolicyError(f"Invalid Condition type : {operator}")
        if not isinstance(tests, dict):
            raise MalformedPolicyError(f"Syntax errors in policy: {operator} is not an object.")
        for key, values in tests.items():
            yield operator, key.lower(), _texts(values)


def _texts(node: Any) -> tuple[str, ...]:
    values = node if isinstance(node, (list, tuple)) else (node,)
    if not all(isinstance(value, (str, bool, int, float)) for value in values):
        raise MalformedPolicyError("Syntax errors in policy: a value is neither text nor a list of texts.")
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _condition(operator: str, key: str, wanted: tuple[str, ...], keys: Keys) -> bool:
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    given = keys.get(key)
    if base == "Null":
        return (given is None) is (wanted[0].lower() == "true")
    if given is None:
        # without a value a negated test holds, a plain one does not; ForAllValues holds for no value at all
        return name.endswith("IfExists") or quantifier == "ForAllValues" or base in _NEGATED
    values = [str(value) for value in given] if isinstance(given, (list, tuple)) else [str(given)]
    test, negated = _OPERATORS[base], base in _NEGATED
    expanded = [_expand(each, keys) for each in wanted]

    def holds(value: str) -> bool:
        return any(test(each, value) for each in expanded) is not negated

    return all(map(holds, values)) if quantifier == "ForAllValues" else any(map(holds, values))


def _expand(text: str, keys: Keys) -> str:
    """Replace `${aws:username}` and its like; `${*}`, `${?}` and `${$}` stand for the character itself."""

    def value(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(",")
        if name.strip() in ("*", "?", "$"):
            return {"*": "\ue000", "?": "\ue001", "$": "$"}[name.strip()]
        found = keys.get(name.strip().lower(), default.strip().strip("'") or None)
        return match[0] if found is None else str(found)

    return _VARIABLE.sub(value, text) if "${" in text else text


@lru_cache(maxsize=8192)
def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped.replace("\ue000", r"\*").replace("\ue001", r"\?"), re.DOTALL)


def _like(pattern: str, value: str) -> bool:
    return pattern in ("*", value) or _pattern(pattern).fullmatch(value) is not None


def _number(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compare(wanted: str, given: str) -> bool:
        try:
            return test(float(given), float(wanted))
        except ValueError:
            return False

    return compare


def _date(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def seconds(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return datetime.fromisoformat(text).timestamp()

    def compare(wanted: str, given: str) -> bool:
        try:
            return test(seconds(given), seconds(wanted))
        except ValueError:
            return False

    return compare


def _in_network(wanted: str, given: str) -> bool:
    try:
        return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _arn_like(wanted: str, given: str) -> bool:
    patterns, parts = wanted.split(":", 5), given.split(":", 5)
    return len(patterns) == len(parts) and all(map(_like, patterns, parts))


def _equals(wanted: str, given: str) -> bool:
    return wanted == given


def _equals_ignoring_case(wanted: str, given: str) -> bool:
    return wanted.lower() == given.lower()


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equals,
    "StringNotEquals": _equals,
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringNotEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": _like,
    "StringNotLike": _like,
    "NumericEquals": _number(lambda a, b: a == b),
    "NumericNotEquals": _number(lambda a, b: a == b),
    "NumericLessThan": _number(lambda a, b: a < b),
    "NumericLessThanEquals": _number(lambda a, b: a <= b),
    "NumericGreaterThan": _number(lambda a, b: a > b),
    "NumericGreaterThanEquals": _number(lambda a, b: a >= b),
    "DateEquals": _date(lambda a, b: a == b),
    "DateNotEquals": _date(lambda a, b: a == b),
    "DateLessThan": _date(lambda a, b: a < b),
    "DateLessThanEquals": _date(lambda a, b: a <= b),
    "DateGreaterThan": _date(lambda a, b: a > b),
    "DateGreaterThanEquals": _date(lambda a, b: a >= b),
    "Bool": _equals_ignoring_case,
    "BinaryEquals": _equals,
    "IpAddress": _in_network,
    "NotIpAddress": _in_network,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "ArnNotEquals": _arn_like,
    "ArnNotLike": _arn_like,
}
_NEGATED = frozenset(name for name in _OPERATORS if "Not" in name)
