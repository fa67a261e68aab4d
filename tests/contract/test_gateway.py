"""The door: signatures, hosts, protocols, refusals; asked by real clients and by broken ones."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.daemon import Daemon


def ask(cloud: Daemon, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=10)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read().decode()


def signed(cloud: Daemon, body: str, *, secret: str | None = None, **headers: str) -> dict[str, str]:
    request = AWSRequest("POST", f"{cloud.endpoint}/", headers=headers, data=body)
    keys = Credentials(cloud.document["access_key"], secret or cloud.document["secret"])
    SigV4Auth(keys, "sts", "us-east-1").add_auth(request)
    return dict(request.headers)


WHO = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def code_of(call: Any, *arguments: Any, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_who_am_i(cloud: Daemon) -> None:
    identity = cloud.client("sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::000000000000:user/administrator"


def test_aws_cli(cloud: Daemon) -> None:
    assert cloud.aws_json("sts", "get-caller-identity")["Account"] == "000000000000"


def test_unsigned(cloud: Daemon) -> None:
    status, text = ask(cloud, "POST", "/", WHO, **FORM)
    assert (status, "MissingAuthenticationToken" in text) == (403, True)
    status, text = ask(cloud, "POST", "/", "{}", X_Amz_Target="AmazonEC2ContainerServiceV20141113.ListClusters")
    assert (status, json.loads(text)["__type"]) == (403, "MissingAuthenticationTokenException")


def test_wrong_secret(cloud: Daemon) -> None:
    status, text = ask(cloud, "POST", "/", WHO, **signed(cloud, WHO, secret="wrong", **FORM))
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


def test_changed_body(cloud: Daemon) -> None:
    status, text = ask(cloud, "POST", "/", WHO + "&x=y", **signed(cloud, WHO, **FORM))
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


def test_unknown_key(cloud: Daemon) -> None:
    keys = {"AccessKeyId": "AKIAABCDEFGHIJKLMNOP", "SecretAccessKey": "x"}
    assert code_of(cloud.client("sts", keys=keys).get_caller_identity)[0] == "InvalidClientTokenId"
    assert code_of(cloud.client("ecs", keys=keys).list_clusters)[0] == "UnrecognizedClientException"
    assert code_of(cloud.client("ec2", keys=keys).describe_vpcs)[0] == "AuthFailure"
    assert code_of(cloud.client("s3", keys=keys).list_buckets)[0] == "InvalidAccessKeyId"


def test_old_signature(cloud: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=6)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: before)
    assert code_of(cloud.client("sts").get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_foreign_host(cloud: Daemon) -> None:
    status, _ = ask(cloud, "POST", "/", WHO, Host="evil.example:4650", **FORM)
    assert status == 421


def test_operation_not_built_is_refused_by_name(cloud: Daemon) -> None:
    code, message, status = code_of(cloud.client("ecs").create_capacity_provider, name="x")
    assert (code, status) == ("NotImplemented", 501)
    assert message == (
        "tidegate local does not offer ecs:CreateCapacityProvider: "
        "a cluster on Fargate has the capacity providers FARGATE and FARGATE_SPOT, which nobody makes"
    )


def test_service_not_offered_is_refused_by_name(cloud: Daemon) -> None:
    code, message, status = code_of(cloud.client("dynamodb").list_tables)
    assert (code, status, "dynamodb" in message) == ("NotImplemented", 501, True)


def test_classic_load_balancer_names_what_to_use(cloud: Daemon) -> None:
    code, message, status = code_of(cloud.client("elb").describe_load_balancers)
    assert (code, status, "Application Load Balancer" in message) == ("NotImplemented", 501, True)


def test_invalid_request_names_the_member(cloud: Daemon) -> None:
    body = "Action=CreateRole&Version=2010-05-08&RoleName=" + "r" * 65
    request = AWSRequest("POST", f"{cloud.endpoint}/", headers=FORM, data=body)
    SigV4Auth(Credentials(cloud.document["access_key"], cloud.document["secret"]), "iam", "us-east-1").add_auth(request)
    status, text = ask(cloud, "POST", "/", body, **dict(request.headers))
    assert status == 400
    assert "2 validation errors detected" in text
    assert "Value null at 'AssumeRolePolicyDocument' failed to satisfy constraint: Member must not be null" in text


def test_control_needs_the_token(cloud: Daemon) -> None:
    assert ask(cloud, "POST", "/_tidegate/reset")[0] == 403
    assert ask(cloud, "POST", "/_tidegate/reset", Authorization="Bearer wrong")[0] == 403


def test_keys_survive_a_reset(cloud: Daemon) -> None:
    cloud.client("iam").create_user(UserName="somebody")
    cloud.reset()
    users = cloud.client("iam").list_users()["Users"]
    assert [user["UserName"] for user in users] == ["administrator"]
