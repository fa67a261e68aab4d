"""Dynamic references: what they name, where they are, what replaces them."""

from __future__ import annotations

import pytest

from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.services.cloudformation.template.references import Reference, check, found, read, replaced

ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssm:/a/b", Reference("ssm", "/a/b")),
        ("ssm:/a/b:3", Reference("ssm", "/a/b", "3")),
        ("ssm-secure:plain:1", Reference("ssm-secure", "plain", "1")),
        ("secretsmanager:db", Reference("secretsmanager", "db")),
        ("secretsmanager:db:SecretString:user", Reference("secretsmanager", "db", key="user")),
        (f"secretsmanager:{ARN}:SecretString:user::", Reference("secretsmanager", ARN, key="user")),
        ("secretsmanager:db:SecretString::AWSPREVIOUS:", Reference("secretsmanager", "db", stage="AWSPREVIOUS")),
        ("secretsmanager:db:SecretString:k::v1", Reference("secretsmanager", "db", "v1", "k")),
    ],
)
def test_reading(text: str, expected: Reference) -> None:
    assert read(f"{{{{resolve:{text}}}}}") == expected


@pytest.mark.parametrize(
    "text", ["ssm:", "ssm:a b", "ssm:a:prod", "secretsmanager:", "secretsmanager:a:Other:k", "x:y"]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(TemplateError):
        read(f"{{{{resolve:{text}}}}}")


def test_finding_and_replacing() -> None:
    one, two = "{{resolve:ssm:/a}}", "{{resolve:secretsmanager:s}}"
    value = {"A": f"x {one} y {two}", "B": [{"C": two}, 7], "D": "${resolve}"}
    assert list(found(value, "T/Properties")) == [
        ("T/Properties/A", one),
        ("T/Properties/A", two),
        ("T/Properties/B/C", two),
    ]
    assert replaced(value, {one: "1"}) == {"A": f"x 1 y {two}", "B": [{"C": two}, 7], "D": "${resolve}"}


def test_secure_parameters_are_for_few_properties() -> None:
    secure = "{{resolve:ssm-secure:p:1}}"
    check("AWS::IAM::User", {"LoginProfile": {"Password": secure}})
    with pytest.raises(TemplateError, match=r"not supported in: \[AWS::IAM::User/Properties/UserName\]"):
        check("AWS::IAM::User", {"UserName": secure})
