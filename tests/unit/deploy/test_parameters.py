"""Names of secrets, and addresses of services."""

from __future__ import annotations

import pytest

from tidegate.deploy.address import at
from tidegate.deploy.errors import UserError
from tidegate.deploy.parameters import Use, parameter_name, uses
from tidegate.manifest import parse

MANIFEST = """
app: hello
services:
  web:
    port: 8080
    secrets: {DATABASE_URL: ssm:/hello/database-url, TOKEN: ssm:/shared/a/key, OTHER: secretsmanager:hello/other}
  worker:
    secrets: {DATABASE_URL: ssm:/hello/database-url, TOKEN: ssm:/shared/b/key}
"""


def test_who_uses_what() -> None:
    found = uses(parse(MANIFEST))
    assert found["/hello/database-url"] == (Use("web", "DATABASE_URL"), Use("worker", "DATABASE_URL"))
    assert sorted(found) == ["/hello/database-url", "/shared/a/key", "/shared/b/key"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("DATABASE_URL", "/hello/database-url"),
        ("database-url", "/hello/database-url"),
        ("/hello/database-url", "/hello/database-url"),
        ("/any/other", "/any/other"),
        ("API_KEY", "/hello/production/API_KEY"),
    ],
)
def test_what_a_name_stands_for(given: str, expected: str) -> None:
    assert parameter_name(given, "hello", "production", uses(parse(MANIFEST))) == expected


def test_what_a_name_cannot_stand_for() -> None:
    for given, why in (("TOKEN", "it may be /shared/a/key or /shared/b/key"), ("a b", "letters, digits")):
        with pytest.raises(UserError, match=why):
            parameter_name(given, "hello", "production", uses(parse(MANIFEST)))


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("[{path: /*}]", "http://balancer:81"),
        ("[{path: /api/*}]", "http://balancer:81/api/"),
        ("[{path: /api, host: api.example.com}]", "http://api.example.com:81/api"),
        ("[{path: '/v?/x', host: '*.example.com'}]", "http://balancer:81/v"),
    ],
)
def test_where_a_service_answers(routes: str, expected: str) -> None:
    service = parse(f"app: hello\nservices: {{web: {{port: 8080, routes: {routes}}}}}").services["web"]
    assert at("http://balancer:81", service) == expected
