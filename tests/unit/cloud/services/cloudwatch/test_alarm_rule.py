"""Rules of composite alarms: read and held against states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudwatch.alarm_rule import Both, Constant, Either, In, Node, Not, holds, names_in, parse

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")


def written(rule: Node) -> str:
    match rule:
        case Constant():
            return "TRUE" if rule.value else "FALSE"
        case In():
            escaped = rule.alarm.replace("\\", "\\\\").replace('"', '\\"')
            return f'{rule.state}("{escaped}")'
        case Not():
            return f"NOT ({written(rule.operand)})"
        case Both():
            return f"({written(rule.left)}) AND ({written(rule.right)})"
        case Either():
            return f"({written(rule.left)} OR {written(rule.right)})"


names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8).filter(
    lambda name: not name.startswith("arn:")
)
leaves = st.builds(Constant, st.booleans()) | st.builds(In, st.sampled_from(STATES), names)
rules = st.recursive(
    leaves,
    lambda inner: st.builds(Not, inner) | st.builds(Both, inner, inner) | st.builds(Either, inner, inner),
    max_leaves=8,
)


@given(rules, st.data())
def test_what_is_written_is_read(rule: Node, data: st.DataObject) -> None:
    states = {name: data.draw(st.sampled_from(STATES)) for name in names_in(rule)}
    read = parse(written(rule))
    assert names_in(read) == names_in(rule)
    assert holds(read, states) is holds(rule, states)


def test_and_binds_stronger_than_or() -> None:
    rule = parse("TRUE OR FALSE AND FALSE")
    assert holds(rule, {})
    assert holds(parse("ALARM(a) AND NOT OK(b)"), {"a": "ALARM", "b": "INSUFFICIENT_DATA"})
    assert names_in(parse('ALARM("arn:aws:cloudwatch:us-east-1:000000000000:alarm:a:b") or ok(c)')) == {"a:b", "c"}
    assert holds(parse("INSUFFICIENT_DATA(gone)"), {})


@pytest.mark.parametrize("text", ["", "ALARM", "ALARM(a", "ALARM(a) ALARM(b)", "FOO(a)", "(TRUE", "NOT", "(" * 99])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ServiceError, match="AlarmRule is invalid"):
        parse(text)
