"""Variables of builds that are parameters or secrets: there for the commands, `***` in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builds import build, context_of, log_of, project, service_role
from tests.contract.test_iam import policy
from tests.daemon import Daemon

ACCOUNT = "000000000000"
TOKEN, PASSWORD, KEY = "correct-horse", "battery-staple", "first line of it\nsecond line of it"
BUILD = policy("Allow", ["logs:*"])


def spec(*commands: str, **env: Any) -> str:
    return json.dumps({"version": "0.2", "env": env, "phases": {"build": {"commands": list(commands)}}}, indent=1)


@pytest.fixture
def stored(cloud: Daemon) -> str:
    """Three values, and the ARN of a secret."""
    ssm, manager = cloud.client("ssm"), cloud.client("secretsmanager")
    ssm.put_parameter(Name="/app/token", Value=TOKEN, Type="SecureString")
    ssm.put_parameter(Name="/app/key", Value=KEY, Type="SecureString")
    arn = manager.create_secret(Name="app/db", SecretString=json.dumps({"password": "before"}))["ARN"]
    manager.put_secret_value(SecretId="app/db", SecretString=json.dumps({"password": PASSWORD, "port": 5432}))
    return str(arn)


def test_secrets_of_the_buildspec_and_of_the_project(cloud: Daemon, stored: str) -> None:
    text = spec(
        f'test "$TOKEN" = {TOKEN} && test "$PASSWORD$PORT$OLD" = {PASSWORD}5432before && echo all there',
        'echo "token: $TOKEN, password: $PASSWORD"; echo "$KEY"; echo "whole: $WHOLE"',
        'export TAKEN="it is $TOKEN"; printenv COVERED',
        f'false "{TOKEN}"',
        **{
            "parameter-store": {"TOKEN": "/app/token", "KEY": "/app/key", "COVERED": "/app/none"},
            "secrets-manager": {
                "PASSWORD": "app/db:password",
                "PORT": f"{stored}:port",
                "OLD": "app/db:password:AWSPREVIOUS",
            },
            "exported-variables": ["TAKEN"],
        },
    )  # fmt: skip
    variables = [
        {"name": "WHOLE", "value": "app/db", "type": "SECRETS_MANAGER"},
        {"name": "COVERED", "value": "plain", "type": "PLAINTEXT"},
    ]
    made = project(cloud, text, environment={"environmentVariables": variables})
    assert made["environment"]["environmentVariables"] == variables
    done = build(cloud)
    log = log_of(cloud, done)
    assert "\nall there\n" in log
    assert "\ntoken: ***, password: ***\n***\n***\nwhole: ***\n" in log
    assert "Decrypting parameter store environment variables\n" in log
    assert "\nplain\n" in log
    assert 'Running command false "***"' in log
    assert done["exportedEnvironmentVariables"] == [{"name": "TAKEN", "value": "it is ***"}]
    assert context_of(done, "BUILD")[1] == 'Error while executing command: false "***". Reason: exit status 1'
    for value in (TOKEN, PASSWORD, *KEY.splitlines()):
        assert value not in log + json.dumps([done["phases"], done["environment"]], default=str)


def test_overrides(cloud: Daemon, stored: str) -> None:
    project(cloud, spec(f'test "$A" = {TOKEN} && echo right'))
    override = [{"name": "A", "value": "/app/token", "type": "PARAMETER_STORE"}]
    done = build(cloud, environmentVariablesOverride=override)
    assert done["environment"]["environmentVariables"] == override
    assert "\nright\n" in log_of(cloud, done)


@pytest.mark.parametrize(
    ("env", "code", "message"),
    [
        ({"parameter-store": {"A": "/no"}}, "Decrypted Variables Error", "parameter does not exist: /no"),
        (
            {"secrets-manager": {"A": "no"}},
            "Secrets Manager Error",
            "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        ),
        ({"secrets-manager": {"A": "app/db:user"}}, "Secrets Manager Error", "no JSON object with the key user"),
        ({"secrets-manager": {"A": "a:b:c:d:e"}}, "Secrets Manager Error", "is not secret-id:json-key"),
    ],
)
def test_what_is_not_there(cloud: Daemon, stored: str, env: Any, code: str, message: str) -> None:
    project(cloud, spec("echo never", **env))
    done = build(cloud)
    found = context_of(done, "DOWNLOAD_SOURCE")
    assert (done["buildStatus"], found[0]) == ("FAILED", code)
    assert message in found[1]
    assert f"Phase context status code: {code} Message: " in log_of(cloud, done)


@pytest.mark.parametrize(
    ("env", "code", "action"),
    [
        ({"parameter-store": {"A": "/app/token"}}, "Decrypted Variables Error", "ssm:GetParameters"),
        ({"secrets-manager": {"A": "app/db"}}, "Secrets Manager Error", "secretsmanager:GetSecretValue"),
    ],
)
def test_the_role_has_to_be_allowed(cloud: Daemon, stored: str, env: Any, code: str, action: str) -> None:
    role = service_role(cloud, policy="")
    cloud.client("iam").put_role_policy(RoleName="builder", PolicyName="p", PolicyDocument=BUILD)
    project(cloud, spec("echo never", **env), role=role)
    found = context_of(build(cloud), "DOWNLOAD_SOURCE")
    assert found[0] == code
    user = f"AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/builder/AWSCodeBuild-"
    assert found[1].startswith(user)
    assert f"is not authorized to perform: {action} on resource: arn:aws:" in found[1]
