"""What a rule may say is what the proxy can be told: one that it refuses would hold up all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon import free_port
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.envoy import Answer, Config, EnvoyPlane, Listener, Match, Route
from tidegate.cloud.services.elbv2.reconciler.config import _any_of
from tidegate.cloud.services.elbv2.rules import checked_actions, checked_conditions

ACCEPTED = [
    *("a{1000}", "(?P<n>a)", r"\d\w\s\b\D\W\S\B", "(?i)abc", "a|b", "x*?y", "[^/]+", r"\.", r"\/", r"\-", "a{2,}"),
    *("{", "a{,3}", r"\x41", r"\t\n\r\f\v\a", "$^", "(?:)", "()", r"\A", "[]a]", "(a*)*", r"\#\&\~\ ", "}", "a{1"),
    *("^/api/v[0-9]+/(.*)$", "[a-z0-9-]{3,20}", "x{0,1000}", "", "a.b", "(?i:a)b"),
]
REFUSED = [
    *("a{1001}", r"[\d-z]", "a++", "(?>a)", r"(a)\1", "(?=a)", "(?!a)", "(?<=a)b", "(?#c)a", "(?s).", "(?x) a"),
    *(r"\u0041", r"\N{DIGIT ONE}", r"\Z", r"\p{L}", "a{10}{10}", "(x{100}){100}", r"[\b]", "é", r"\e", "(", "a" * 129),
]


def path(expression: str) -> list[dict[str, Any]]:
    return [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": [expression]}}]


@pytest.mark.parametrize("expression", REFUSED)
def test_expressions_that_are_refused(expression: str) -> None:
    with pytest.raises(ServiceError, match="not a valid regular expression"):
        checked_conditions(path(expression))


async def test_the_proxy_takes_what_is_accepted(tmp_path: Path) -> None:
    conditions = [checked_conditions(path(each))[0] for each in ACCEPTED]
    routes = tuple(Route(Match(path=_any_of(each["PathPatternConfig"])), Answer(200)) for each in conditions)
    plane = EnvoyPlane(tmp_path, lambda: None)
    try:
        await plane.apply(Config((Listener("l", "127.0.0.1", free_port(), routes),)))
    finally:
        await plane.close()


def test_what_is_left_out_is_written_out() -> None:
    arn = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/a/0123456789abcdef"
    assert checked_actions([{"Type": "forward", "TargetGroupArn": arn}]) == [
        {
            "Type": "forward",
            "TargetGroupArn": arn,
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": arn, "Weight": 1}],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ]
    (redirect,) = checked_actions([{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", "Port": "443"}}])
    assert redirect["RedirectConfig"] == {
        "StatusCode": "HTTP_302",
        "Protocol": "#{protocol}",
        "Host": "#{host}",
        "Port": "443",
        "Path": "/#{path}",
        "Query": "#{query}",
    }
