"""What a secret's reference names, and what a value of its JSON becomes in a container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.cloud.services.ecs.secrets import (
    Parameter,
    Secret,
    SecretError,
    extracted,
    file_variables,
    is_environment_file,
    reference,
)

ARN = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:db-AbCdEf"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/app/key", Parameter("us-east-1", "/app/key")),
        ("plain:3", Parameter("us-east-1", "plain:3")),
        ("arn:aws:ssm:eu-west-1:000000000000:parameter/app/key", Parameter("eu-west-1", "/app/key")),
        ("arn:aws:ssm:eu-west-1:000000000000:parameter/plain", Parameter("eu-west-1", "plain")),
        (ARN, Secret("eu-west-1", ARN)),
        (f"{ARN}:user::", Secret("eu-west-1", ARN, "user")),
        (f"{ARN}:user:AWSPREVIOUS:v1", Secret("eu-west-1", ARN, "user", "AWSPREVIOUS", "v1")),
    ],
)
def test_references(text: str, expected: Any) -> None:
    assert reference(text, "us-east-1") == expected


@pytest.mark.parametrize("text", [f"{ARN}:user", f"{ARN}:user:stage", f"{ARN}:a:b:c:d", "arn:aws:s3:::b/k", "arn:x"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(SecretError):
        reference(text, "us-east-1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        (None, "<nil>"),
        (0, "0"),
        (5432, "5432"),
        (-7, "-7"),
        (100000, "100000"),
        (1000000, "1e+06"),
        (12345678, "1.2345678e+07"),
        (1.5, "1.5"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        ({"b": 1, "a": "x"}, "map[a:x b:1]"),
        (["a", 2, False], "[a 2 false]"),
    ],
)
def test_values_are_written_as_the_agent_writes_them(value: Any, expected: str) -> None:
    assert extracted(json.dumps({"key": value}), "key") == expected


def test_environment_files() -> None:
    text = '# comment\nA=1\n B =with spaces \nC="quoted=yes"\n=nothing\nnonsense\nE=\n'
    assert file_variables(text) == {"A": "1", "B": "with spaces ", "C": '"quoted=yes"', "E": ""}
    good, *bad = "arn:aws:s3:::b/k.env", "arn:aws:s3:::b/k", "arn:aws:s3:::/k.env", "s3://b/k.env", "arn:aws:s3:::.env"
    assert is_environment_file(good)
    assert not [each for each in bad if is_environment_file(each)]
