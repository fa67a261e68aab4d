"""Parameters and secrets as resources: made, found again after a kill, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cloud.services.cloudformation.stack import Stack
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import FailedError
from tidegate.cloud.services.cloudformation.resources.secretsmanager import ResourcePolicy, Secret
from tidegate.cloud.services.cloudformation.resources.ssm import Parameter


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def test_a_parameter_is_found_again(stack: Stack) -> None:
    handler = Parameter()
    name = await stack.create(handler, "P", Type="String", Value="v", Tags={"a": "b"})
    assert name == "CFN-demo-P-ABCDEFGHIJKL"
    assert await stack.find(handler, "P") == name
    with pytest.raises(ServiceError) as caught:
        await stack.create(handler, "P", Type="String", Value="v")
    assert caught.value.code == "ParameterAlreadyExists"
    await stack.call("ssm", "put_parameter", Name="theirs", Type="String", Value="v")
    stack.properties["Q"] = {"Name": "theirs", "Type": "String", "Value": "v", "Tags": {"mine": "yes"}}
    assert await stack.find(handler, "Q") is None
    stack.properties["Q"]["Name"] = "nobodys"
    assert await stack.find(handler, "Q") is None
    assert await stack.read(handler, "P") == {"Arn": f"arn:aws:ssm:us-east-1:000000000000:parameter/{name}"}


async def test_a_secret_is_found_again(stack: Stack) -> None:
    handler = Secret()
    arn = await stack.create(handler, "S", Name="s", GenerateSecretString={"PasswordLength": 20})
    assert await stack.find(handler, "S") == arn
    first = await stack.call("secretsmanager", "get_secret_value", SecretId="s")
    assert len(first["SecretString"]) == 20
    await stack.update(handler, "S", GenerateSecretString={"PasswordLength": 30})  # with the token of the create
    assert await stack.call("secretsmanager", "get_secret_value", SecretId="s") == first
    await stack.call("secretsmanager", "delete_secret", SecretId="s")
    assert await stack.find(handler, "S") is None
    half = {"GenerateSecretString": {"SecretStringTemplate": "{}"}}
    with pytest.raises(FailedError, match="must be specified together"):
        await stack.create(handler, "T", **half)
    both = {"SecretString": "x", "GenerateSecretString": {}}
    with pytest.raises(FailedError, match="both SecretString and GenerateSecretString"):
        await stack.create(handler, "T", **both)


async def test_a_policy_that_is_somebody_elses_stays(stack: Stack) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:PutSecretValue", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    arn = await stack.create(Secret(), "S", Name="s", SecretString="x")
    handler = ResourcePolicy()
    assert await stack.create(handler, "P", SecretId="s", ResourcePolicy=document) == arn
    assert await stack.create(handler, "P", SecretId="s", ResourcePolicy=document) == arn  # the same again is no other
    with pytest.raises(FailedError, match="already exists"):
        await stack.create(handler, "O", SecretId="s", ResourcePolicy=json.dumps({**document, "Id": "other"}))
