"""The Parameter Store, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import base64
import stat
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

ARN = "arn:aws:ssm:us-east-1:000000000000:parameter"


@pytest.fixture
def ssm(cloud: Daemon) -> Any:
    return cloud.client("ssm")


def put(ssm: Any, name: str, value: str = "v", **more: Any) -> int:
    return int(ssm.put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})["Version"])


def get(ssm: Any, name: str, **more: Any) -> Any:
    return ssm.get_parameter(Name=name, **more)["Parameter"]


def refused(code: str, match: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError, match=match) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_a_parameter_reads_as_written(ssm: Any) -> None:
    answer = ssm.put_parameter(Name="/app/db/host", Value="h", Type="String", Tags=[{"Key": "a", "Value": "b"}])
    assert (answer["Version"], answer["Tier"]) == (1, "Standard")
    found = get(ssm, "/app/db/host")
    assert {key: found[key] for key in ("Name", "Type", "Value", "Version", "ARN", "DataType")} == {
        "Name": "/app/db/host",
        "Type": "String",
        "Value": "h",
        "Version": 1,
        "ARN": f"{ARN}/app/db/host",
        "DataType": "text",
    }
    assert get(ssm, f"{ARN}/app/db/host")["Name"] == "/app/db/host"
    tags = {"ResourceType": "Parameter", "ResourceId": "/app/db/host"}
    ssm.add_tags_to_resource(**tags, Tags=[{"Key": "c", "Value": "d"}])
    ssm.remove_tags_from_resource(**tags, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**tags)["TagList"] == [{"Key": "c", "Value": "d"}]
    refused("InvalidResourceId", "not valid", ssm.list_tags_for_resource, **{**tags, "ResourceId": "/no"})
    ssm.delete_parameter(Name="/app/db/host")
    refused("ParameterNotFound", "/app/db/host", ssm.get_parameter, Name="/app/db/host")
    refused("ParameterNotFound", "/app/db/host", ssm.delete_parameter, Name="/app/db/host")


def test_a_name_that_is_no_path_has_no_slash(ssm: Any) -> None:
    put(ssm, "/plain")
    assert [get(ssm, name)["Name"] for name in ("plain", "/plain", f"{ARN}/plain")] == ["plain"] * 3
    refused("ParameterAlreadyExists", "already exists", put, ssm=ssm, name="plain")
    refused("ValidationException", "fully qualified", put, ssm=ssm, name="a/b")
    refused("ValidationException", "sub-paths divided by slash", ssm.get_parameter, Name="a/b")
    refused("ValidationException", 'prefixed with "aws" or "ssm"', put, ssm=ssm, name="awsome")
    refused("ValidationException", 'prefixed with "ssm"', put, ssm=ssm, name="/ssm/x")
    refused("AccessDeniedException", "reserved parameter name", put, ssm=ssm, name="/aws/x")
    refused("ValidationException", "sub-paths", put, ssm=ssm, name="/a b")
    refused("HierarchyLevelLimitExceededException", "15 levels", put, ssm=ssm, name="/a" * 16)


def test_versions_and_labels(ssm: Any) -> None:
    assert put(ssm, "p", "one", Description="first", AllowedPattern="[a-z]+") == 1
    refused("ParameterAlreadyExists", "overwrite option", put, ssm=ssm, name="p")
    assert ssm.put_parameter(Name="p", Value="two", Overwrite=True)["Version"] == 2
    assert ssm.put_parameter(Name="p", Value="three", Overwrite=True)["Version"] == 3
    answer = ssm.label_parameter_version(Name="p", ParameterVersion=1, Labels=["prod", "1st", "aws-x"])
    assert (answer["InvalidLabels"], answer["ParameterVersion"]) == (["1st", "aws-x"], 1)
    ssm.label_parameter_version(Name="p", ParameterVersion=2, Labels=["test"])
    assert ssm.label_parameter_version(Name="p", Labels=["new"])["ParameterVersion"] == 3
    for selector, value in (("1", "one"), ("2", "two"), ("prod", "one"), ("test", "two"), ("new", "three")):
        found = get(ssm, f"p:{selector}")
        assert (found["Value"], found["Name"], found["Selector"]) == (value, "p", f":{selector}")
    assert get(ssm, f"{ARN}/p:prod")["Value"] == "one"
    assert get(ssm, "p")["Value"] == "three"
    ssm.label_parameter_version(Name="p", ParameterVersion=2, Labels=["prod"])
    assert get(ssm, "p:prod")["Value"] == "two"
    history = ssm.get_parameter_history(Name="p")["Parameters"]
    assert [(each["Value"], each["Labels"]) for each in history] == [
        ("one", []),
        ("two", ["prod", "test"]),
        ("three", ["new"]),
    ]
    assert history[0]["Description"] == history[2]["Description"] == "first"
    assert history[0]["LastModifiedUser"] == "arn:aws:iam::000000000000:user/administrator"
    answer = ssm.unlabel_parameter_version(Name="p", ParameterVersion=2, Labels=["prod", "no"])
    assert (answer["RemovedLabels"], answer["InvalidLabels"]) == (["prod"], ["no"])
    refused("ParameterVersionNotFound", "could not find label prod", ssm.get_parameter, Name="p:prod")
    refused("ParameterVersionNotFound", "could not find version 9 of p", ssm.get_parameter, Name="p:9")
    many = [f"l{number}" for number in range(9)]
    refused(
        "ParameterVersionLabelLimitExceeded", "maximum 10 labels", ssm.label_parameter_version,
        Name="p", ParameterVersion=2, Labels=[*many, "m"],
    )  # fmt: skip
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="p", PaginationConfig={"PageSize": 2})
    assert [[each["Version"] for each in page["Parameters"]] for page in pages] == [[1, 2], [3]]


def test_a_hundred_versions_are_kept(ssm: Any) -> None:
    for number in range(101):
        ssm.put_parameter(Name="p", Value=str(number), Type="String", Overwrite=True)
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="p")
    versions = [each["Version"] for page in pages for each in page["Parameters"]]
    assert versions == list(range(2, 102))
    ssm.label_parameter_version(Name="p", ParameterVersion=2, Labels=["old"])
    refused("ParameterMaxVersionLimitExceeded", "Version 2, the oldest", put, ssm=ssm, name="p", Overwrite=True)


def test_what_a_value_may_be(ssm: Any) -> None:
    put(ssm, "p", "x" * 4096)
    refused("ValidationException", "maximum parameter value of 4096", put, ssm=ssm, name="q", value="x" * 4097)
    assert (
        ssm.put_parameter(Name="q", Value="x" * 4097, Type="String", Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    )
    put(ssm, "r", "x" * 8192, Tier="Advanced")
    refused("ValidationException", "of 8192", put, ssm=ssm, name="s", value="x" * 8193, Tier="Advanced")
    refused("ValidationException", "can't downgrade", put, ssm=ssm, name="r", Tier="Standard", Overwrite=True)
    assert put(ssm, "r", "small again", Overwrite=True) == 2
    refused("ValidationException", "greater than or equal to 1", put, ssm=ssm, name="t", value="")
    refused("ValidationException", "can't nest another parameter", put, ssm=ssm, name="t", value="{{p}}")
    refused("ValidationException", "type is required", ssm.put_parameter, Name="t", Value="v")
    refused("ValidationException", "data type is not supported", put, ssm=ssm, name="t", DataType="TEXT")
    refused("HierarchyTypeMismatchException", "changing a parameter type", put, ssm=ssm, name="p",
            Type="StringList", Overwrite=True)  # fmt: skip
    match = "cannot be validated against allowedPattern: "
    refused("ParameterPatternMismatchException", match, put, ssm=ssm, name="t", value="ab", AllowedPattern="[a-z]")
    refused("InvalidAllowedPatternException", "regular expression", put, ssm=ssm, name="t", AllowedPattern="[")
    put(ssm, "list", "1,22,333", Type="StringList", AllowedPattern=r"\d+")
    refused("ParameterPatternMismatchException", match, put, ssm=ssm, name="list", value="1,x", Type="StringList",
            Overwrite=True)  # fmt: skip
    tags = [{"Key": "a", "Value": "b"}]
    refused("ValidationException", "tags and overwrite", put, ssm=ssm, name="p", Tags=tags, Overwrite=True)


def test_several_at_once(ssm: Any) -> None:
    put(ssm, "a", "1")
    put(ssm, "/b/c", "2")
    names = ["a", "/b/c", "no", "a:7", f"{ARN}/b/c"]
    answer = ssm.get_parameters(Names=names)
    assert [(each["Name"], each["Value"]) for each in answer["Parameters"]] == [
        ("a", "1"),
        ("/b/c", "2"),
        ("/b/c", "2"),
    ]
    assert answer["InvalidParameters"] == ["no", "a:7"]
    answer = ssm.delete_parameters(Names=["a", "no"])
    assert (answer["DeletedParameters"], answer["InvalidParameters"]) == (["a"], ["no"])


def test_by_path(ssm: Any) -> None:
    for name in ("/app/a", "/app/b", "/app/deep/c", "/apple", "root"):
        put(ssm, name, Type="StringList" if name == "/app/b" else "String")
    ssm.label_parameter_version(Name="/app/a", Labels=["x"])

    def names(path: str, **more: Any) -> list[str]:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, **more)
        return [each["Name"] for page in pages for each in page["Parameters"]]

    assert names("/app") == names("/app/") == ["/app/a", "/app/b"]
    assert names("/app", Recursive=True, PaginationConfig={"PageSize": 1}) == ["/app/a", "/app/b", "/app/deep/c"]
    assert sorted(names("/")) == ["apple", "root"]
    assert len(names("/", Recursive=True)) == 5
    assert names("/app", ParameterFilters=[{"Key": "Type", "Values": ["StringList"]}]) == ["/app/b"]
    assert names("/app", ParameterFilters=[{"Key": "Label", "Values": ["x"]}]) == ["/app/a"]
    refused("ValidationException", "must begin with a forward slash", ssm.get_parameters_by_path, Path="app")
    wrong = [{"Key": "Name", "Values": ["x"]}]
    refused("InvalidFilterKey", "Valid filter keys include: .Type, KeyId", ssm.get_parameters_by_path,
            Path="/", ParameterFilters=wrong)  # fmt: skip


def test_descriptions_and_filters(ssm: Any) -> None:
    put(ssm, "/app/a", Tags=[{"Key": "env", "Value": "prod"}], Description="d")
    put(ssm, "/app/deep/b", Tier="Advanced")
    put(ssm, "c", Type="SecureString")

    def names(*filters: dict[str, Any], **more: Any) -> list[str]:
        pages = ssm.get_paginator("describe_parameters").paginate(ParameterFilters=list(filters), **more)
        return [each["Name"] for page in pages for each in page["Parameters"]]

    assert names(PaginationConfig={"PageSize": 1}) == ["/app/a", "/app/deep/b", "c"]
    described = ssm.describe_parameters()["Parameters"]
    assert (described[0]["Description"], described[0]["ARN"]) == ("d", f"{ARN}/app/a")
    assert (described[2]["KeyId"], "Value" in described[2]) == ("alias/aws/ssm", False)
    assert names({"Key": "Name", "Option": "Equals", "Values": ["/app/a", "/c"]}) == ["/app/a", "c"]
    assert names({"Key": "Name", "Option": "BeginsWith", "Values": ["/app"]}) == ["/app/a", "/app/deep/b"]
    assert names({"Key": "Name", "Option": "Contains", "Values": ["deep"]}) == ["/app/deep/b"]
    assert names({"Key": "Path", "Values": ["/app"]}) == ["/app/a"]
    assert names({"Key": "Path", "Option": "Recursive", "Values": ["/app"]}) == ["/app/a", "/app/deep/b"]
    assert names({"Key": "Type", "Values": ["SecureString"]}) == names({"Key": "KeyId", "Values": ["alias/aws/ssm"]})
    assert names({"Key": "Tier", "Values": ["Advanced"]}) == ["/app/deep/b"]
    assert names({"Key": "tag:env", "Values": ["prod"]}) == names({"Key": "tag:env"}) == ["/app/a"]
    old = ssm.describe_parameters(Filters=[{"Key": "Name", "Values": ["/app/d"]}])["Parameters"]
    assert [each["Name"] for each in old] == ["/app/deep/b"]
    for code, match, wrong in (
        ("InvalidFilterKey", "not valid: Label", {"Key": "Label", "Values": ["x"]}),
        ("InvalidFilterOption", "not valid: Contains", {"Key": "Type", "Option": "Contains", "Values": ["String"]}),
        ("InvalidFilterValue", "not valid: Text", {"Key": "Type", "Values": ["Text"]}),
    ):
        refused(code, match, ssm.describe_parameters, ParameterFilters=[wrong])


def test_secure_strings_are_encrypted(own_cloud: Daemon) -> None:
    ssm = own_cloud.client("ssm")
    secret = "correct horse battery staple"
    put(ssm, "/app/key", secret, Type="SecureString")
    assert get(ssm, "/app/key", WithDecryption=True)["Value"] == secret
    sealed = get(ssm, "/app/key")["Value"]
    assert secret.encode() not in base64.b64decode(sealed, validate=True)
    assert ssm.get_parameters_by_path(Path="/app", WithDecryption=True)["Parameters"][0]["Value"] == secret
    assert ssm.get_parameter_history(Name="/app/key")["Parameters"][0]["Value"] == sealed
    assert ssm.get_parameters(Names=["/app/key"], WithDecryption=True)["Parameters"][0]["Value"] == secret
    own_cloud.kill()
    own_cloud.start()
    assert get(ssm, "/app/key", WithDecryption=True)["Value"] == secret
    files = [path for path in own_cloud.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    key = own_cloud.data_dir / "secrets.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    own_cloud.reset()
    assert not key.exists()
    put(ssm, "/app/key", secret, Type="SecureString")
    assert key.read_bytes() != before
    key.write_bytes(before)
    refused("InvalidKeyId", "cannot be decrypted", ssm.get_parameter, Name="/app/key", WithDecryption=True)


def test_who_may_what(cloud: Daemon, ssm: Any) -> None:
    for name in ("/app/a", "/app/b", "/other/c"):
        put(ssm, name)
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/other/c", Tags=[{"Key": "team", "Value": "x"}])
    reader = cloud.client("ssm", keys=assume(cloud, "reader"))
    document = policy("Allow", ["ssm:GetParameter*"], f"{ARN}/app/*")
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document)
    assert get(reader, "/app/a")["Value"] == get(reader, "/app/a:1")["Value"] == "v"
    assert len(reader.get_parameters(Names=["/app/a", "/app/b", "/app/none"])["Parameters"]) == 2
    denied = f"ssm:GetParameters on resource: {ARN}/other/c because no identity-based policy"
    refused("AccessDeniedException", denied, reader.get_parameters, Names=["/app/a", "/other/c"])
    refused("AccessDeniedException", f"{ARN}/app ", reader.get_parameters_by_path, Path="/app")
    assert reader.get_parameters_by_path(Path="/app/")["Parameters"]
    refused("AccessDeniedException", "ssm:DescribeParameters on resource", reader.describe_parameters)
    refused("AccessDeniedException", "ssm:PutParameter", put, ssm=reader, name="/app/new")
    tagged = policy("Allow", "ssm:GetParameter", "*", Condition={"StringEquals": {"ssm:resourceTag/team": "x"}})
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="q", PolicyDocument=tagged)
    assert get(reader, "/other/c")["Value"] == "v"
    writing = policy("Allow", "ssm:PutParameter", f"{ARN}/app/*")
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="r", PolicyDocument=writing)
    refused("AccessDeniedException", "ssm:AddTagsToResource", put, ssm=reader, name="/app/t",
            Tags=[{"Key": "a", "Value": "b"}])  # fmt: skip


def test_awss_own_parameters(ssm: Any) -> None:
    path = "/aws/service/global-infrastructure/regions/us-east-1"
    found = get(ssm, path)
    assert (found["Value"], found["ARN"]) == ("us-east-1", f"arn:aws:ssm:us-east-1::parameter{path}")
    listed = ssm.get_parameters_by_path(Path=path)["Parameters"]
    assert [each["Value"] for each in listed] == ["amazonaws.com", "aws"]
    ami = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    refused("ParameterNotFound", "not found", ssm.get_parameter, Name=ami)


def test_aws_cli(cloud: Daemon) -> None:
    made = cloud.aws_json("ssm", "put-parameter", "--name", "/app/key", "--type", "SecureString", "--value", "s3cret")
    assert made == {"Version": 1, "Tier": "Standard"}
    asked = ("ssm", "get-parameters-by-path", "--path", "/app", "--with-decryption")
    assert cloud.aws_json(*asked)["Parameters"][0]["Value"] == "s3cret"
    told = cloud.aws("ssm", "get-parameter", "--name", "/no", check=False)
    assert "An error occurred (ParameterNotFound) when calling the GetParameter operation" in told.stderr


def test_what_is_not_offered_is_refused_by_name(ssm: Any) -> None:
    refused("NotImplemented", "PutParameter Policies", put, ssm=ssm, name="p", Policies="[]", Tier="Advanced")
    refused("NotImplemented", "KeyId other than alias/aws/ssm", put, ssm=ssm, name="p", Type="SecureString",
            KeyId="alias/mine")  # fmt: skip
    refused("NotImplemented", "DataType aws:ec2:image", put, ssm=ssm, name="p", DataType="aws:ec2:image")
    refused("NotImplemented", "/aws/reference/secretsmanager/", ssm.get_parameter,
            Name="/aws/reference/secretsmanager/x", WithDecryption=True)  # fmt: skip
    refused("NotImplemented", "ssm:SendCommand", ssm.send_command, DocumentName="AWS-RunShellScript")
