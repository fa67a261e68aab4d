"""Event patterns as EventBridge's guide describes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.cloud.services.events.pattern import InvalidPatternError, parse
from tidegate.cloud.services.events.target_input import document

EVENT = {
    "source": "aws.codecommit",
    "detail-type": "CodeCommit Repository State Change",
    "resources": ["arn:aws:codecommit:us-east-1:000000000000:hello"],
    "detail": {
        "event": "referenceUpdated",
        "referenceName": "main",
        "count": 5,
        "size": 5.0,
        "on": True,
        "nothing": None,
        "ip": "10.1.2.3",
        "files": [{"name": "a.py", "kind": "x"}, {"name": "b.md", "kind": "y"}],
    },
}


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"referenceName": ["main"]}, True),
        ({"referenceName": ["other", "main"]}, True),
        ({"referenceName": ["other"]}, False),
        ({"referenceName": ["main"], "event": ["referenceDeleted"]}, False),
        ({"referenceName": [{"prefix": "ma"}]}, True),
        ({"referenceName": [{"prefix": {"equals-ignore-case": "MA"}}]}, True),
        ({"referenceName": [{"suffix": "in"}]}, True),
        ({"referenceName": [{"suffix": "x"}]}, False),
        ({"referenceName": [{"equals-ignore-case": "MAIN"}]}, True),
        ({"referenceName": [{"wildcard": "m*n"}]}, True),
        ({"referenceName": [{"wildcard": "m\\*n"}]}, False),
        ({"referenceName": [{"anything-but": "main"}]}, False),
        ({"referenceName": [{"anything-but": ["other", 3]}]}, True),
        ({"referenceName": [{"anything-but": {"prefix": "ma"}}]}, False),
        ({"referenceName": [{"anything-but": {"suffix": [".x", "in"]}}]}, False),
        ({"missing": [{"anything-but": "main"}]}, False),
        ({"count": [5]}, True),
        ({"size": [5]}, True),
        ({"count": ["5"]}, False),
        ({"on": [True]}, True),
        ({"on": [1]}, False),
        ({"nothing": [None]}, True),
        ({"count": [{"numeric": [">", 0, "<=", 5]}]}, True),
        ({"count": [{"numeric": ["<", 5]}]}, False),
        ({"count": [{"exists": True}]}, True),
        ({"missing": [{"exists": True}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"count": [{"exists": False}]}, False),
        ({"missing": [{"exists": False}, "x"]}, True),
        ({"ip": [{"cidr": "10.1.0.0/16"}]}, True),
        ({"ip": [{"cidr": "10.2.0.0/16"}]}, False),
        ({"$or": [{"count": [6]}, {"on": [True]}]}, True),
        ({"$or": [{"count": [6]}, {"on": [False]}]}, False),
        ({"files": {"name": ["a.py"], "kind": ["x"]}}, True),
        ({"files": {"name": ["a.py"], "kind": ["y"]}}, False),
        ({"referenceName": {"deeper": ["x"]}}, False),
    ],
)
def test_matchers(detail: dict[str, Any], expected: bool) -> None:
    assert parse(json.dumps({"source": ["aws.codecommit"], "detail": detail})).matches(EVENT) is expected


def test_a_list_matches_when_one_of_it_does() -> None:
    assert parse('{"resources": [{"suffix": ":hello"}]}').matches(EVENT)
    assert not parse('{"resources": ["other"]}').matches(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        "{",
        "[]",
        "{}",
        '{"source": "x"}',
        '{"source": []}',
        '{"source": [["x"]]}',
        '{"source": [{"near": "x"}]}',
        '{"source": [{"prefix": 3}]}',
        '{"source": [{"prefix": "a", "suffix": "b"}]}',
        '{"source": [{"numeric": ["~", 3]}]}',
        '{"source": [{"exists": "yes"}]}',
        '{"source": [{"wildcard": "a**b"}]}',
        '{"source": [{"cidr": "x"}]}',
        '{"detail": {}}',
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        parse(pattern)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"a": 1}'}, {"a": 1}),
        ({"InputPath": "$.detail.files[1].name"}, "b.md"),
        ({"InputPath": "$.nothing.here"}, None),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"x": "$.detail.event"},
                    "InputTemplate": '{"a": <x>, "b": "is <x>"}',
                }
            },
            {"a": "referenceUpdated", "b": "is referenceUpdated"},
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"n": "$.detail.count"}, "InputTemplate": '{"a": <n>}'}},
            {"a": 5},
        ),
        ({"InputTransformer": {"InputTemplate": '"by <aws.events.rule-name>"'}}, "by r"),
        ({"InputTransformer": {"InputTemplate": "<aws.events.event.json>"}}, EVENT),
    ],
)
def test_what_a_target_is_told(target: Any, expected: Any) -> None:
    assert document(target, "arn:aws:events:r:1:rule/r", EVENT, "now") == expected
