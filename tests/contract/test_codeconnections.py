"""Connections under both names of the service, asked with boto3 and the AWS CLI; mirrors, pushed to with git."""

from __future__ import annotations

import http.client
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.git import Git, signed_in
from tests.waiting import until
from tidegate.deploy.git_password import git_password
from tidegate.deploy.session import Keys

ACCOUNT = "000000000000"
MIRROR = "/mirrors/github.com/example/shop.git"


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def connect(cloud: Daemon, provider: str = "GitHub", service: str = "codeconnections", **where: Any) -> str:
    client = cloud.client(service, **where)
    return str(client.create_connection(ConnectionName="shop", ProviderType=provider)["ConnectionArn"])


def mirrored(cloud: Daemon, folder: Path, place: str = MIRROR) -> Git:
    """A working copy whose remote is a mirror, as the administrator."""
    git = Git(folder)
    git("init", "-q", "-b", "main")
    url = f"{cloud.endpoint}{place}"
    git("remote", "add", "origin", signed_in(url, cloud.document["access_key"], cloud.document["secret"]))
    return git


@pytest.mark.parametrize("service", ["codeconnections", "codestar-connections"])
def test_a_connection_lives(cloud: Daemon, service: str) -> None:
    client = cloud.client(service)
    made = client.create_connection(
        ConnectionName="shop", ProviderType="GitHub", Tags=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]
    )
    arn = made["ConnectionArn"]
    assert arn.startswith(f"arn:aws:{service}:us-east-1:{ACCOUNT}:connection/")
    assert client.get_connection(ConnectionArn=arn)["Connection"] == {
        "ConnectionName": "shop",
        "ConnectionArn": arn,
        "ProviderType": "GitHub",
        "OwnerAccountId": ACCOUNT,
        "ConnectionStatus": "AVAILABLE",
    }
    other = connect(cloud, "GitLab")
    both = client.list_connections()["Connections"]
    assert {each["ConnectionArn"] for each in both} == {arn, other}
    (found,) = client.list_connections(ProviderTypeFilter="GitLab")["Connections"]
    assert found["ConnectionArn"] == other
    page = client.list_connections(MaxResults=1)
    (last,) = client.list_connections(MaxResults=1, NextToken=page["NextToken"])["Connections"]
    assert {last["ConnectionArn"], page["Connections"][0]["ConnectionArn"]} == {arn, other}
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "c", "Value": "e"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "e"}]
    client.delete_connection(ConnectionArn=arn)
    for ask in (client.get_connection, client.delete_connection):
        with pytest.raises(ClientError, match=f"{arn} not found") as caught:
            ask(ConnectionArn=arn)
        assert error_of(caught) == "ResourceNotFoundException"


def test_what_is_refused(cloud: Daemon) -> None:
    client = cloud.client("codeconnections")
    host = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:host/a-1"
    for request, message in (
        ({"ProviderType": "GitHubEnterpriseServer"}, "ProviderType GitHubEnterpriseServer"),
        ({"HostArn": host}, "CreateConnection HostArn"),
        ({}, "one of either ProviderType or HostArn"),
    ):
        with pytest.raises(ClientError, match=message):
            client.create_connection(ConnectionName="x", **request)
    with pytest.raises(ClientError, match="does not offer codeconnections:ListHosts"):
        client.list_hosts()
    elsewhere = connect(cloud, region="eu-west-1")
    with pytest.raises(ClientError, match="not found"):
        client.get_connection(ConnectionArn=elsewhere)


def test_permissions_have_the_name_that_is_in_the_arn(cloud: Daemon) -> None:
    old = connect(cloud, service="codestar-connections")
    new = connect(cloud)
    keys = assume(cloud, "reader")
    document = policy("Allow", "codestar-connections:GetConnection", "*")
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document)
    for service in ("codeconnections", "codestar-connections"):
        client = cloud.client(service, keys=keys)
        client.get_connection(ConnectionArn=old)
        with pytest.raises(ClientError, match=f"to perform: codeconnections:GetConnection on resource: {new}"):
            client.get_connection(ConnectionArn=new)


def test_the_cli(cloud: Daemon) -> None:
    asked = ("--connection-name", "shop", "--provider-type", "Bitbucket")
    arn = cloud.aws_json("codeconnections", "create-connection", *asked)["ConnectionArn"]
    found = cloud.aws_json("codestar-connections", "get-connection", "--connection-arn", arn)
    assert found["Connection"]["ConnectionStatus"] == "AVAILABLE"


@pytest.mark.parametrize(
    "place",
    [MIRROR, "/mirrors/gitlab.com/example/group/sub/shop.git", "/mirrors/bitbucket.org/Example/Shop"],
)
def test_the_first_push_makes_a_mirror(cloud: Daemon, tmp_path: Path, place: str) -> None:
    git = mirrored(cloud, tmp_path / "copy", place)
    url = git("remote", "get-url", "origin").stdout.strip()
    assert "has no copy of" in git("ls-remote", url, check=False).stderr
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    git("checkout", "-q", "-b", "other")
    git.commit("second", a_txt="b")
    git("push", "-q", "origin", "other")
    Git(tmp_path)("clone", "-q", url, "clone")
    assert (tmp_path / "clone" / "a.txt").read_text() == "a"  # of main


@pytest.mark.parametrize(
    "path",
    [
        "github.com/../../secret", "github.com/example", "github.com/a/b/c", "github.com/example/%2e%2e",
        "github.com/example/.git", "github.com/-x/y", "github.com/a/b%00c", "gitlab.com/a/../b",
    ],
)  # fmt: skip
def test_no_path_leads_outside(cloud: Daemon, path: str) -> None:
    target = f"/mirrors/{path}/info/refs?service=git-receive-pack"
    with closing(http.client.HTTPConnection("127.0.0.1", cloud.port)) as connection:
        connection.request("GET", target)
        assert connection.getresponse().status in (401, 404)
    assert list((cloud.data_dir / "mirrors").glob("*")) == []


def test_who_may_push(cloud: Daemon, tmp_path: Path) -> None:
    git = mirrored(cloud, tmp_path / "copy")
    git.commit("first", a_txt="a")
    url = f"{cloud.endpoint}{MIRROR}"
    assert git("push", url, "main", check=False).returncode != 0
    wrong = git("push", signed_in(url, cloud.document["access_key"], "wrong"), "main", check=False)
    assert "Authentication failed" in wrong.stderr
    # the product's own password, signed for the region of its session
    connect(cloud, region="eu-west-1")
    keys = Keys(cloud.document["access_key"], cloud.document["secret"], None, "eu-west-1")
    git("push", "-q", signed_in(url, *git_password(url, keys)), "main")
    away = git_password(url, keys._replace(region="sa-east-1"))
    assert "Authentication failed" in git("push", signed_in(url, *away), "main:b", check=False).stderr
    session = assume(cloud, "pusher")
    user = f"{session['AccessKeyId']}%{session['SessionToken']}"
    mine = signed_in(url, user, session["SecretAccessKey"])
    assert "not authorized to perform: codeconnections:UseConnection" in git("ls-remote", mine, check=False).stderr
    only = {"StringEquals": {"codeconnections:FullRepositoryId": "example/shop"}}
    reading = policy("Allow", "codeconnections:UseConnection", "*", Condition=only)
    iam = cloud.client("iam")
    iam.put_role_policy(RoleName="pusher", PolicyName="p", PolicyDocument=reading)
    git("push", "-q", mine, "main:mine")
    no_main = {"StringEquals": {"codeconnections:BranchName": "main", "codeconnections:ProviderAction": "GitPush"}}
    denial = policy("Deny", "codeconnections:UseConnection", "*", Condition=no_main)
    iam.put_role_policy(RoleName="pusher", PolicyName="q", PolicyDocument=denial)
    git.commit("second", a_txt="b")
    git("push", "-q", mine, "main:mine")
    assert "codeconnections:UseConnection" in git("push", mine, "main", check=False).stderr


def test_a_bucket_may_be_called_mirrors(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="mirrors")
    s3.put_object(Bucket="mirrors", Key="a/b", Body=b"c")
    assert s3.get_object(Bucket="mirrors", Key="a/b")["Body"].read() == b"c"


def test_killed_between_push_and_record(own_cloud: Daemon, tmp_path: Path) -> None:
    git = mirrored(own_cloud, tmp_path / "copy")
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    own_cloud.kill()
    later = git.commit("second", a_txt="b")
    (bare,) = (own_cloud.data_dir / "mirrors").glob("*.git")
    git("push", "-q", str(bare), "main:other")
    (own_cloud.data_dir / "mirrors" / "leftover.git").mkdir()
    own_cloud.start()
    assert until(lambda: later in git("ls-remote", "origin", "other").stdout, True)
    assert until(lambda: len(list((own_cloud.data_dir / "mirrors").glob("*"))), 1)
