"""Parameters and secrets of templates: made by stacks, taken from Systems Manager and Secrets Manager, and kept to
themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import policy, trust
from tests.daemon import Daemon
from tests.stacks import Stacks

SECRET = "correct-horse-battery"


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **more}}


def template(**sections: Any) -> dict[str, Any]:
    """A template of resources, or of whole sections where they are named."""
    names = ("Parameters", "Outputs", "Conditions")
    whole = {name: each for name, each in sections.items() if name in names}
    return {**whole, "Resources": {name: each for name, each in sections.items() if name not in names}}


@pytest.fixture
def stacks(cloud: Daemon) -> Stacks:
    return Stacks(cloud)


@pytest.fixture
def ssm(cloud: Daemon) -> Any:
    client = cloud.client("ssm")
    client.put_parameter(Name="/app/plain", Value="one", Type="String")
    client.put_parameter(Name="/app/list", Value="a,b, c ", Type="StringList")
    client.put_parameter(Name="/app/secure", Value=SECRET, Type="SecureString")
    return client


@pytest.fixture
def secret(cloud: Daemon) -> str:
    """The ARN of a secret with two versions."""
    manager = cloud.client("secretsmanager")
    arn = manager.create_secret(Name="app/db", SecretString=json.dumps({"password": "before"}))["ARN"]
    manager.put_secret_value(SecretId="app/db", SecretString=json.dumps({"password": SECRET, "port": 5432}))
    return str(arn)


def value(ssm: Any, name: str) -> str:
    return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def refused(stacks: Stacks, match: str, document: Any, **settings: Any) -> None:
    with pytest.raises(ClientError, match=match) as caught:
        stacks.create("refused", document, **settings)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def failed(stacks: Stacks, name: str, document: Any, **settings: Any) -> list[str]:
    """Create a stack that fails, and return why."""
    stacks.client.create_stack(StackName=name, TemplateBody=json.dumps(document), **settings)
    assert stacks.ended(name) == "ROLLBACK_COMPLETE"
    return stacks.reasons(name)


def told(cloud: Daemon, name: str) -> str:
    """All that CloudFormation tells of a stack."""
    client = cloud.client("cloudformation")
    answers = [
        client.describe_stacks(StackName=name),
        client.describe_stack_events(StackName=name),
        client.describe_stack_resources(StackName=name),
        client.list_stack_resources(StackName=name),
    ]
    return json.dumps(answers, default=str)


def test_a_parameter_of_a_stack(stacks: Stacks, ssm: Any) -> None:
    outputs = {
        name: {"Value": {"Fn::GetAtt": ["Named", name]} if name != "Ref" else {"Ref": "Named"}}
        for name in ("Type", "Value", "Ref")
    }
    named = parameter("first", Name="/stack/p", Description="d", Tags={"a": "b"})
    stacks.create("s", template(Named=named, Other=parameter("x"), Outputs=outputs))
    assert stacks.outputs("s") == {"Type": "String", "Value": "first", "Ref": "/stack/p"}
    assert stacks.physical("s")["Other"].startswith("CFN-s-Other-")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/stack/p")["TagList"]
    assert {"Key": "a", "Value": "b"} in tags
    stacks.update("s", template(Named=parameter("second", Name="/stack/p", Tags={"c": "d"})))
    found = ssm.describe_parameters(ParameterFilters=[{"Key": "tag:c"}])["Parameters"][0]
    assert (found["Version"], "Description" in found, value(ssm, "/stack/p")) == (2, False, "second")
    stacks.delete("s")
    names = [each["Name"] for each in ssm.describe_parameters()["Parameters"]]
    assert names == ["/app/list", "/app/plain", "/app/secure"]


def test_a_secret_of_a_stack(cloud: Daemon, stacks: Stacks, ssm: Any) -> None:
    manager = cloud.client("secretsmanager")
    generated: dict[str, Any] = {
        "SecretStringTemplate": '{"user":"u"}',
        "GenerateStringKey": "password",
        "PasswordLength": 40,
    }
    properties: dict[str, Any] = {"Name": "db", "GenerateSecretString": generated}
    made = {"Type": "AWS::SecretsManager::Secret", "Properties": properties}
    own = json.loads(policy("Deny", "secretsmanager:DeleteSecret", "*", Principal="*"))
    own["Statement"][0]["Condition"] = {"StringEquals": {"aws:RequestedRegion": "nowhere"}}
    guard = {
        "Type": "AWS::SecretsManager::ResourcePolicy",
        "Properties": {"SecretId": {"Ref": "Db"}, "ResourcePolicy": own},
    }
    reference = {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Db"}, ":SecretString:password::}}"]]}
    outputs = {"Arn": {"Value": {"Ref": "Db"}}, "Id": {"Value": {"Fn::GetAtt": ["Db", "Id"]}}}
    document = template(Db=made, Guard=guard, Copy=parameter(reference, Name="/copy"), Outputs=outputs)
    stacks.create("s", document)
    arn = stacks.outputs("s")["Arn"]
    assert stacks.outputs("s")["Id"] == arn == manager.describe_secret(SecretId="db")["ARN"]
    first = json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])
    assert (first["user"], len(first["password"])) == ("u", 40)
    assert value(ssm, "/copy") == first["password"]
    assert json.loads(manager.get_resource_policy(SecretId="db")["ResourcePolicy"]) == own
    assert first["password"] not in told(cloud, "s")
    properties["Description"] = "d"
    stacks.update("s", document)
    assert json.loads(manager.get_secret_value(SecretId=arn)["SecretString"]) == first
    generated["PasswordLength"] = 20
    stacks.update("s", document)
    assert len(json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])["password"]) == 20
    stacks.delete("s")
    assert manager.list_secrets(IncludePlannedDeletion=True)["SecretList"] == []
    stacks.create("s", document)


def test_a_parameter_that_is_not_echoed(cloud: Daemon, stacks: Stacks) -> None:
    made = {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": {"Fn::Sub": "it is ${Password}"}}}
    document = template(Parameters={"Password": {"Type": "String", "NoEcho": True}}, Made=made)
    stacks.create("s", document, Parameters=[{"ParameterKey": "Password", "ParameterValue": SECRET}])
    arn = stacks.physical("s")["Made"]
    assert cloud.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"] == f"it is {SECRET}"
    assert SECRET not in told(cloud, "s")
    assert "it is ****" in told(cloud, "s")


def test_types_of_parameters_that_systems_manager_holds(stacks: Stacks, ssm: Any) -> None:
    kinds = {"Plain": "String", "Items": "List<String>", "Old": "String"}
    declared = {name: {"Type": f"AWS::SSM::Parameter::Value<{kind}>"} for name, kind in kinds.items()}
    outputs = {
        "All": {"Value": {"Fn::Join": ["|", [{"Ref": "Plain"}, {"Fn::Join": ["+", {"Ref": "Items"}]}, {"Ref": "Old"}]]}}
    }
    document = template(Parameters=declared, Outputs=outputs, P=parameter({"Ref": "Plain"}, Name="/made"))
    given = {"Plain": "/app/plain", "Items": "/app/list", "Old": "/app/plain:1"}
    stacks.create("s", document, Parameters=[{"ParameterKey": k, "ParameterValue": name} for k, name in given.items()])
    assert stacks.outputs("s") == {"All": "one|a+b+c|one"}
    shown = {each["ParameterKey"]: each for each in stacks.describe("s")["Parameters"]}
    assert (shown["Plain"]["ParameterValue"], shown["Plain"]["ResolvedValue"]) == ("/app/plain", "one")
    assert shown["Items"]["ResolvedValue"] == "a,b,c"
    ssm.put_parameter(Name="/app/plain", Value="two", Overwrite=True)
    stacks.update("s", document, Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in given])
    assert (value(ssm, "/made"), stacks.outputs("s")["All"]) == ("two", "two|a+b+c|one")
    for name, kind, match in (
        ("/app/none", "String", r"Unable to fetch parameters \[/app/none\] from parameter store"),
        ("/app/plain:9", "String", r"Unable to fetch parameters \[/app/plain:9\]"),
        ("/app/secure", "String", r"Parameters \[/app/secure\] referenced by template have types not supported"),
        ("/app/list", "String", r"Types for SSM parameters \[/app/list\] defined in CFN template and SSM are incomp"),
        ("/app/plain", "CommaDelimitedList", r"Types for SSM parameters \[/app/plain\]"),
    ):
        wrong = {"P": {"Type": f"AWS::SSM::Parameter::Value<{kind}>", "Default": name}}
        refused(stacks, match, template(Parameters=wrong, R=parameter("x")))


def test_references_to_plain_parameters(stacks: Stacks, ssm: Any) -> None:
    made = {
        "Whole": parameter("{{resolve:ssm:/app/plain}}", Name="/made/whole"),
        "Old": parameter("old {{resolve:ssm:/app/plain:1}}, {{resolve:ssm:/app/list:1}}", Name="/made/old"),
        "Sub": parameter({"Fn::Sub": "{{resolve:ssm:/${Prefix}/plain}}!"}, Name="/made/sub"),
    }
    document = template(Parameters={"Prefix": {"Type": "String", "Default": "app"}}, **made)
    stacks.create("s", document)
    assert [value(ssm, f"/made/{name}") for name in ("whole", "old", "sub")] == ["one", "old one, a,b, c ", "one!"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("s", document)
    ssm.put_parameter(Name="/app/plain", Value="two", Overwrite=True)
    stacks.update("s", document)
    assert [value(ssm, f"/made/{name}") for name in ("whole", "old", "sub")] == ["two", "old one, a,b, c ", "two!"]
    for text, match in (
        ("{{resolve:ssm:/app/none}}", r"Parameters: \[ssm:/app/none\] cannot be found"),
        ("{{resolve:ssm:/app/plain:9}}", r"Parameters: \[ssm:/app/plain:9\] cannot be found"),
        ("{{resolve:ssm:/app/plain:prod}}", r"Incorrect format is used in the following SSM reference"),
        ("{{resolve:ssm:/app/secure}}", "Non-secure ssm prefix was used for secure parameter /app/secure"),
        ("{{resolve:ssm-secure:/app/secure:1}}",
         r"SSM Secure reference is not supported in: \[AWS::SSM::Parameter/Properties/Value\]"),
        ("{{resolve:vault:x}}", "vault is no service of dynamic references"),
    ):  # fmt: skip
        refused(stacks, match, template(R=parameter(text)))
    wrong = {"P": {"Type": "String", "Default": "{{resolve:ssm:/app/plain}}"}}
    refused(
        stacks, "parameter P should not contain ssm versionless resolver", template(Parameters=wrong, R=parameter("x"))
    )


def test_references_to_secrets(cloud: Daemon, stacks: Stacks, ssm: Any, secret: str) -> None:
    group = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": "/g", "RetentionInDays": "{{resolve:secretsmanager:days}}"},
    }
    cloud.client("secretsmanager").create_secret(Name="days", SecretString="7")
    made = {
        "Key": parameter("{{resolve:secretsmanager:app/db:SecretString:password}}", Name="/made/key"),
        "Old": parameter("{{resolve:secretsmanager:app/db:SecretString:password:AWSPREVIOUS}}", Name="/made/old"),
        "Port": parameter(f"port {{{{resolve:secretsmanager:{secret}:SecretString:port::}}}}", Name="/made/port"),
        "Group": group,
        "Outputs": {"Literal": {"Value": "{{resolve:secretsmanager:app/db}}"}},
    }
    stacks.create("s", template(**made))
    assert [value(ssm, f"/made/{name}") for name in ("key", "old", "port")] == [SECRET, "before", "port 5432"]
    assert cloud.client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    assert stacks.outputs("s") == {"Literal": "{{resolve:secretsmanager:app/db}}"}
    assert SECRET not in told(cloud, "s")
    assert "{{resolve:secretsmanager:app/db:SecretString:password}}" in told(cloud, "s")

    cloud.client("secretsmanager").put_secret_value(SecretId="app/db", SecretString='{"password": "third", "port": 1}')
    stacks.update("s", template(**made, Another=parameter("x")))
    assert value(ssm, "/made/key") == SECRET  # a secret alone updates nothing
    made["Key"] = parameter(
        "{{resolve:secretsmanager:app/db:SecretString:password}}", Name="/made/key", Description="d"
    )
    stacks.update("s", template(**made))
    assert value(ssm, "/made/key") == "third"
    cloud.client("secretsmanager").delete_secret(SecretId="app/db", ForceDeleteWithoutRecovery=True)
    stacks.delete("s")


def test_references_that_stand_for_nothing(cloud: Daemon, stacks: Stacks, secret: str) -> None:
    cloud.client("secretsmanager").create_secret(Name="text", SecretString=SECRET)
    for number, (reference, why) in enumerate(
        (
            ("app/db:SecretString:user", "Could not find a value associated with JSONKey in SecretString"),
            ("text:SecretString:password", "Could not parse SecretString JSON"),
            ("none", "Secrets Manager can't find the specified secret."),
        )
    ):
        name = f"s{number}"
        made = template(R=parameter(f"{{{{resolve:secretsmanager:{reference}}}}}"))
        assert failed(stacks, name, made) == [f"R: {why}"]


def test_a_service_that_repeats_a_secret(cloud: Daemon, stacks: Stacks, secret: str) -> None:
    wrong = parameter("x", Name="/aws/{{resolve:secretsmanager:app/db:SecretString:password}}")
    (reason,) = failed(stacks, "s", template(R=wrong))
    assert "No access to reserved parameter name: /aws/****." in reason
    assert SECRET not in told(cloud, "s")


def test_references_need_permission(cloud: Daemon, stacks: Stacks, ssm: Any, secret: str) -> None:
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="cfn", AssumeRolePolicyDocument=trust(Service="cloudformation.amazonaws.com"))
    allowed = policy("Allow", ["ssm:PutParameter", "ssm:DeleteParameter", "ssm:AddTagsToResource"])
    iam.put_role_policy(RoleName="cfn", PolicyName="p", PolicyDocument=allowed)
    made = template(R=parameter("{{resolve:secretsmanager:app/db:SecretString:password}}"))
    (reason,) = failed(stacks, "s", made, RoleARN=role["Role"]["Arn"])
    assert "assumed-role/cfn/AWSCloudFormation is not authorized to perform: secretsmanager:GetSecretValue" in reason


def test_change_sets_show_references_and_not_their_values(cloud: Daemon, stacks: Stacks, ssm: Any, secret: str) -> None:
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/app/plain"}}
    made = template(Parameters=declared, R=parameter("{{resolve:secretsmanager:app/db}}"), Q=parameter({"Ref": "P"}))
    client = cloud.client("cloudformation")
    request = {"StackName": "s", "ChangeSetName": "c"}
    client.create_change_set(**request, ChangeSetType="CREATE", TemplateBody=json.dumps(made))
    client.get_waiter("change_set_create_complete").wait(**request, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    described = client.describe_change_set(**request)
    assert described["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "/app/plain", "ResolvedValue": "one"}]
    assert SECRET not in json.dumps(described, default=str)


def test_nothing_is_written_down_in_clear(own_cloud: Daemon) -> None:
    manager, stacks = own_cloud.client("secretsmanager"), Stacks(own_cloud)
    manager.create_secret(Name="app/db", SecretString=json.dumps({"password": SECRET}))
    made = {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"SecretString": "its {{resolve:secretsmanager:app/db:SecretString:password}}"},
    }
    stacks.create("s", template(Made=made))
    arn = stacks.physical("s")["Made"]
    assert manager.get_secret_value(SecretId=arn)["SecretString"] == f"its {SECRET}"
    files = [path for path in own_cloud.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
