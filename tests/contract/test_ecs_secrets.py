"""Secrets and environment files in containers: given to them by the execution role, and to nobody else."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import policy
from tests.daemon import Daemon
from tests.fargate import Fargate, until

SECRET = "correct-horse-battery"
FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve "
)
ACCOUNT = "000000000000"


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    return Fargate(cloud)


def allow(fargate: Fargate, *actions: str, resource: str = "*", name: str = "p") -> None:
    document = policy("Allow", list(actions), resource)
    fargate.iam.put_role_policy(RoleName="execution", PolicyName=name, PolicyDocument=document)


def secret(name: str, value_from: str) -> dict[str, str]:
    return {"name": name, "valueFrom": value_from}


def stopped(fargate: Fargate, *secrets: dict[str, str], **more: Any) -> str:
    """Run a container with secrets and return why its task stopped."""
    arn = fargate.run(fargate.container("app", "echo started", secrets=list(secrets), **more))
    task = fargate.wait_for(arn, "STOPPED")
    assert (task["stopCode"], fargate.lines()) == ("TaskFailedToStart", [])
    return str(task["stoppedReason"])


def test_secrets_are_variables_of_the_container(fargate: Fargate) -> None:
    ssm, manager = fargate.cloud.client("ssm"), fargate.cloud.client("secretsmanager")
    for name, value in (("plain", "p1"), ("/app/key", SECRET)):
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
    whole = json.dumps({"user": "u", "port": 5432, "many": 12345678, "on": True})
    arn = manager.create_secret(Name="db", SecretString="old")["ARN"]
    manager.put_secret_value(SecretId="db", SecretString=whole)
    allow(fargate, "ssm:GetParameters", "secretsmanager:GetSecretValue")
    prefix = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
    secrets = [
        secret("BY_NAME", "plain"),
        secret("BY_ARN", f"{prefix}/app/key"),
        secret("PLAIN_ARN", f"{prefix}/plain"),
        secret("WHOLE", arn),
        secret("USER_NAME", f"{arn}:user::"),
        secret("PORT", f"{arn}:port::"),
        secret("MANY", f"{arn}:many::"),
        secret("ON", f"{arn}:on::"),
        secret("OLD", f"{arn}::AWSPREVIOUS:"),
    ]
    names = " ".join(f"${each['name']}" for each in secrets)
    running = fargate.run(fargate.container("app", f"echo {names}; sleep 60", secrets=secrets))
    task = fargate.wait_for(running, "RUNNING")
    expected = f"p1 {SECRET} p1 {whole} u 5432 1.2345678e+07 true old"
    assert until(fargate.lines) == [expected]
    definition = fargate.ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
    assert definition["containerDefinitions"][0]["secrets"] == secrets
    assert SECRET not in json.dumps([task, definition], default=str)
    processes = subprocess.run(["ps", "-axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in processes.splitlines() if SECRET in line and "pytest" not in line]
    listed = subprocess.run(
        ["docker", "ps", "--no-trunc", "--format", "{{json .}}"], capture_output=True, text=True, check=True
    ).stdout
    assert SECRET not in listed
    written = [path for path in fargate.cloud.data_dir.rglob("*.log") if SECRET.encode() in path.read_bytes()]
    assert not written
    fargate.ecs.stop_task(cluster="c", task=running)


def test_what_is_not_there(fargate: Fargate) -> None:
    allow(fargate, "ssm:GetParameters", "secretsmanager:GetSecretValue")
    missing = [secret("A", "/app/none"), secret("B", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/neither")]
    assert stopped(fargate, *missing) == (
        f"{FAILED}secrets from ssm: service call has been retried 1 time(s): "
        "invalid ssm parameters: /app/none,/app/neither"
    )
    arn = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:none-abcdef"
    retried = f"{FAILED}secret from asm: service call has been retried 1 time(s): "
    assert stopped(fargate, secret("A", arn)) == (
        f"{retried}failed to fetch secret {arn} from secrets manager: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )
    manager = fargate.cloud.client("secretsmanager")
    db = manager.create_secret(Name="db", SecretString=json.dumps({"password": SECRET}))["ARN"]
    assert stopped(fargate, secret("A", f"{db}:user::")) == (
        f"{retried}retrieved secret from Secrets Manager did not contain json key user"
    )
    assert stopped(fargate, secret("A", f"{db}:password")) == (
        f"{retried}unexpected ARN format with parameters when trying to retrieve ASM secret"
    )
    plain = manager.create_secret(Name="plain", SecretString=SECRET)["ARN"]
    why = stopped(fargate, secret("A", f"{plain}:password::"))
    assert why.startswith(f"{retried}the secret is no JSON object")
    assert SECRET not in why


def test_the_execution_role_has_to_be_allowed(fargate: Fargate) -> None:
    fargate.cloud.client("ssm").put_parameter(Name="/app/key", Value=SECRET, Type="SecureString")
    arn = fargate.cloud.client("secretsmanager").create_secret(Name="db", SecretString=SECRET)["ARN"]
    why = stopped(fargate, secret("A", "/app/key"))
    user = f"AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/execution/"
    assert why.startswith(f"{FAILED}secrets from ssm: service call has been retried 1 time(s): {user}")
    assert why.endswith(
        "is not authorized to perform: ssm:GetParameters on resource: "
        f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/key "
        "because no identity-based policy allows the ssm:GetParameters action"
    )
    why = stopped(fargate, secret("A", arn))
    fetch = f"failed to fetch secret {arn} from secrets manager: {user}"
    assert why.startswith(f"{FAILED}secret from asm: service call has been retried 1 time(s): {fetch}")
    allow(fargate, "ssm:GetParameters", resource=f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/*")
    done = fargate.run(fargate.container("app", "echo $A", secrets=[secret("A", "/app/key")]))
    fargate.wait_for(done, "STOPPED")
    assert fargate.lines() == [SECRET]


def test_environment_files(fargate: Fargate) -> None:
    s3 = fargate.cloud.client("s3")
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="one.env", Body=b"# a comment\nA=one\nB=two words \nOWN=file\nnonsense\n")
    s3.put_object(Bucket="files", Key="two.env", Body=b'A=second\nC="quoted"\n')
    files = [{"type": "s3", "value": f"arn:aws:s3:::files/{name}.env"} for name in ("one", "two")]
    why = stopped(fargate, environmentFiles=files)
    assert why.startswith(
        "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): operation "
        "error S3: HeadObject, https response error StatusCode: 403, api error Forbidden: Forbidden: "
        "arn:aws:s3:::files/one.env: "
    )
    allow(fargate, "s3:GetObject", "s3:GetBucketLocation", "s3:ListBucket")
    own = {"environmentFiles": files, "environment": [{"name": "OWN", "value": "definition"}]}
    done = fargate.run(fargate.container("app", 'echo "$A,$B,$C,$OWN"', **own))
    fargate.wait_for(done, "STOPPED")
    assert fargate.lines() == ['one,two words ,"quoted",definition']
    gone = [{"type": "s3", "value": "arn:aws:s3:::files/none.env"}]
    arn = fargate.run(fargate.container("app", "echo started", environmentFiles=gone))
    assert "StatusCode: 404, api error NotFound" in fargate.wait_for(arn, "STOPPED")["stoppedReason"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"secrets": [secret("A", "a")], "environment": [{"name": "A", "value": "b"}]}, "name must be unique"),
        ({"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/k.txt"}]}, "ends with .env"),
        ({"environmentFiles": [{"type": "s3", "value": "https://b/k.env"}]}, "not the ARN"),
    ],
)
def test_what_a_definition_cannot_say(fargate: Fargate, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        fargate.register(fargate.container("app", "true", **more))
    assert caught.value.response["Error"]["Code"] == "ClientException"
