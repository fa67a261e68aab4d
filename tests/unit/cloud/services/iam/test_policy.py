"""The policy language against AWS's own description of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.iam.model import aws_managed, service_policies
from tidegate.cloud.services.iam.policy import MalformedPolicyError, Verdict, evaluate, parse

ALLOW, DENY, NOTHING = Verdict.ALLOW, Verdict.EXPLICIT_DENY, Verdict.IMPLICIT_DENY


def verdict(statements: Any, action: str, resource: str = "*", **keys: Any) -> Verdict:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return evaluate(parse(document), action, resource, {k.replace("_", ":", 1).lower(): v for k, v in keys.items()})


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("action", "asked", "expected"),
    [
        ("s3:GetObject", "s3:GetObject", ALLOW),
        ("s3:getobject", "s3:GetObject", ALLOW),
        ("s3:Get*", "s3:GetObject", ALLOW),
        ("s3:Get?bject", "s3:GetObject", ALLOW),
        ("s3:Get", "s3:GetObject", NOTHING),
        ("*", "s3:GetObject", ALLOW),
        (["ecs:*", "s3:Put*"], "s3:GetObject", NOTHING),
    ],
)
def test_actions(action: Any, asked: str, expected: Verdict) -> None:
    assert verdict(allow(action), asked) is expected


@pytest.mark.parametrize(
    ("resource", "asked", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b", ALLOW),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", NOTHING),
        ("arn:aws:s3:::B/*", "arn:aws:s3:::b/a", NOTHING),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ann/x", ALLOW),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/x", NOTHING),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", NOTHING),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", ALLOW),
    ],
)
def test_resources(resource: str, asked: str, expected: Verdict) -> None:
    assert verdict(allow(resource=resource), "s3:GetObject", asked, aws_username="ann") is expected


def test_a_deny_beats_every_allow() -> None:
    deny = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}
    for statements in ([allow(), deny], [deny, allow()]):
        assert verdict(statements, "s3:DeleteObject") is DENY
        assert verdict(statements, "s3:GetObject") is ALLOW


def test_not_action_and_not_resource() -> None:
    statement = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    assert verdict(statement, "s3:GetObject") is ALLOW
    assert verdict(statement, "iam:CreateUser") is NOTHING
    statement = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::secret/*"}
    assert verdict(statement, "s3:GetObject", "arn:aws:s3:::secret/x") is NOTHING
    assert verdict(statement, "s3:GetObject", "arn:aws:s3:::open/x") is ALLOW


@pytest.mark.parametrize(
    ("condition", "keys", "expected"),
    [
        ({"StringEquals": {"aws:x": "a"}}, {"aws_x": "a"}, ALLOW),
        ({"StringEquals": {"aws:x": ["b", "a"]}}, {"aws_x": "a"}, ALLOW),
        ({"StringEquals": {"aws:x": "a"}}, {"aws_x": "A"}, NOTHING),
        ({"StringEquals": {"aws:x": "a"}}, {}, NOTHING),
        ({"StringEqualsIfExists": {"aws:x": "a"}}, {}, ALLOW),
        ({"StringNotEquals": {"aws:x": ["a", "b"]}}, {"aws_x": "c"}, ALLOW),
        ({"StringNotEquals": {"aws:x": ["a", "b"]}}, {"aws_x": "b"}, NOTHING),
        ({"StringNotEquals": {"aws:x": "a"}}, {}, ALLOW),
        ({"StringLike": {"aws:x": "a*"}}, {"aws_x": "abc"}, ALLOW),
        ({"StringEqualsIgnoreCase": {"aws:x": "ABC"}}, {"aws_x": "abc"}, ALLOW),
        ({"NumericLessThan": {"aws:x": "10"}}, {"aws_x": "9"}, ALLOW),
        ({"NumericLessThan": {"aws:x": "10"}}, {"aws_x": "many"}, NOTHING),
        ({"DateGreaterThan": {"aws:x": "2026-01-01T00:00:00Z"}}, {"aws_x": "2026-06-01T00:00:00+00:00"}, ALLOW),
        ({"Bool": {"aws:x": "true"}}, {"aws_x": "true"}, ALLOW),
        ({"Bool": {"aws:x": True}}, {"aws_x": "false"}, NOTHING),
        ({"IpAddress": {"aws:x": "127.0.0.0/8"}}, {"aws_x": "127.0.0.1"}, ALLOW),
        ({"NotIpAddress": {"aws:x": "127.0.0.0/8"}}, {"aws_x": "127.0.0.1"}, NOTHING),
        ({"ArnLike": {"aws:x": "arn:aws:ecs:*:*:cluster/*"}}, {"aws_x": "arn:aws:ecs:r:1:cluster/c"}, ALLOW),
        ({"ArnEquals": {"aws:x": "arn:aws:ecs:*:*:service/*"}}, {"aws_x": "arn:aws:ecs:r:1:cluster/c"}, NOTHING),
        ({"Null": {"aws:x": "true"}}, {}, ALLOW),
        ({"Null": {"aws:x": "false"}}, {}, NOTHING),
        ({"ForAllValues:StringEquals": {"aws:x": ["a", "b"]}}, {"aws_x": ["a", "b"]}, ALLOW),
        ({"ForAllValues:StringEquals": {"aws:x": ["a", "b"]}}, {"aws_x": ["a", "c"]}, NOTHING),
        ({"ForAnyValue:StringEquals": {"aws:x": ["a", "b"]}}, {"aws_x": ["c", "b"]}, ALLOW),
        ({"StringEquals": {"aws:x": "a"}, "Bool": {"aws:y": "true"}}, {"aws_x": "a", "aws_y": "false"}, NOTHING),
    ],
)
def test_conditions(condition: Any, keys: dict[str, Any], expected: Verdict) -> None:
    assert verdict(allow(Condition=condition), "s3:GetObject", **keys) is expected


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"Statement": []}',
        '{"Statement": [1]}',
        '{"Version": "2020-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": {"a": 1}, "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Strange": {"a": "b"}}}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Resorce": "*"}}',
    ],
)
def test_documents_that_cannot_be_used(document: str) -> None:
    with pytest.raises(MalformedPolicyError):
        parse(document)


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_pattern_without_wildcards_is_only_itself(pattern: str, text: str) -> None:
    plain = "".join(c for c in pattern if c not in "*?$")
    expected = ALLOW if plain == text else NOTHING
    assert verdict(allow(resource=f"arn:{plain}"), "a:b", f"arn:{text}") is expected


def test_the_shipped_policies_can_be_evaluated() -> None:
    for arn, document in {**aws_managed(), **service_policies()}.items():
        assert parse(document), arn
