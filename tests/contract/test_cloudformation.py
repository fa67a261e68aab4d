"""CloudFormation over the wire: stacks, change sets, exports, failures and what is restored after them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.fargate import IMAGE
from tests.stacks import Stacks, text
from tests.waiting import wait_for

IAM = {"Capabilities": ["CAPABILITY_IAM"]}


@pytest.fixture
def stacks(cloud: Daemon) -> Stacks:
    return Stacks(cloud)


def group(name: str | None = None, days: int = 1, **attributes: Any) -> dict[str, Any]:
    """A log group: what a template can hold that is made at once."""
    properties: dict[str, Any] = {"RetentionInDays": days}
    if name is not None:
        properties["LogGroupName"] = name
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties, **attributes}


def groups(cloud: Daemon) -> dict[str, int | None]:
    answer = cloud.client("logs").describe_log_groups()
    return {each["logGroupName"]: each.get("retentionInDays") for each in answer["logGroups"]}


def template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


NETWORK = """
AWSTemplateFormatVersion: 2010-09-09
Description: Two subnets
Parameters:
  Range: {Type: String, Default: 10.20.0.0/16, AllowedPattern: '[0-9./]+'}
  Public: {Type: String, Default: 'yes', AllowedValues: ['yes', 'no']}
Conditions:
  IsPublic: !Equals [!Ref Public, 'yes']
Mappings:
  Names: {us-east-1: {vpc: east}}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: !Ref Range
      Tags: [{Key: Name, Value: !FindInMap [Names, !Ref AWS::Region, vpc]}]
  First:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [0, !GetAZs '']
  Second:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [1, !GetAZs '']
      MapPublicIpOnLaunch: !If [IsPublic, true, !Ref 'AWS::NoValue']
  Gateway: {Type: AWS::EC2::InternetGateway, Condition: IsPublic}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    Condition: IsPublic
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
Outputs:
  Subnets:
    Description: Both
    Value: !Join [',', [!Ref First, !Ref Second]]
    Export: {Name: !Sub '${AWS::StackName}-subnets'}
  Vpc: {Value: !Ref Vpc, Export: {Name: network-vpc}}
"""


def test_a_network_is_made_read_and_taken_away(cloud: Daemon, stacks: Stacks) -> None:
    stack = stacks.create("network", NETWORK, Tags=[{"Key": "team", "Value": "web"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Description"] == "Two subnets"
    ec2, physical = cloud.client("ec2"), stacks.physical("network")
    vpc = ec2.describe_vpcs(VpcIds=[physical["Vpc"]])["Vpcs"][0]
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert (tags["Name"], tags["team"]) == ("east", "web")
    assert tags["aws:cloudformation:stack-id"] == stack["StackId"]
    subnets = ec2.describe_subnets(SubnetIds=[physical["First"], physical["Second"]])["Subnets"]
    assert sorted(each["CidrBlock"] for each in subnets) == ["10.20.0.0/24", "10.20.1.0/24"]
    assert len({each["AvailabilityZone"] for each in subnets}) == 2
    assert stacks.outputs("network")["Subnets"] == f"{physical['First']},{physical['Second']}"
    exports = {each["Name"]: each["Value"] for each in stacks.client.list_exports()["Exports"]}
    assert exports["network-vpc"] == physical["Vpc"]

    # a condition that does not hold any more takes its resources away
    stacks.update("network", NETWORK, Parameters=[{"ParameterKey": "Public", "ParameterValue": "no"}])
    assert set(stacks.physical("network")) == {"Vpc", "First", "Second"}
    assert stacks.physical("network")["Vpc"] == physical["Vpc"]
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    assert physical["Gateway"] not in [each["InternetGatewayId"] for each in gateways]

    stacks.delete("network")
    assert physical["Vpc"] not in [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]]
    assert stacks.client.list_exports()["Exports"] == []
    with pytest.raises(ClientError, match="Stack with id network does not exist"):
        stacks.describe("network")
    assert stacks.describe(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_events_tell_the_order(stacks: Stacks) -> None:
    stacks.create("order", template(Second=group(DependsOn="First"), First=group()))
    events = stacks.events("order")
    assert events[0] == ("order", "CREATE_IN_PROGRESS")
    assert events[-1] == ("order", "CREATE_COMPLETE")
    assert events.index(("First", "CREATE_COMPLETE")) < events.index(("Second", "CREATE_IN_PROGRESS"))


def test_a_change_set_says_what_would_happen_and_then_it_does(cloud: Daemon, stacks: Stacks) -> None:
    client = stacks.client
    before = template(Kept=group("kept", 1), Renamed=group("old-name"), Dropped=group("dropped"))
    arguments = {"StackName": "sets", "ChangeSetName": "first"}
    client.create_change_set(**arguments, ChangeSetType="CREATE", TemplateBody=text(before))
    client.get_waiter("change_set_create_complete").wait(**arguments, WaiterConfig={"Delay": 1})
    assert stacks.describe("sets")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert groups(cloud) == {}
    client.execute_change_set(**arguments)
    stacks.wait("sets", "stack_create_complete")

    after = template(Kept=group("kept", 7), Renamed=group("new-name"), Added=group("added"))
    arguments["ChangeSetName"] = "second"
    client.create_change_set(**arguments, TemplateBody=text(after))
    client.get_waiter("change_set_create_complete").wait(**arguments, WaiterConfig={"Delay": 1})
    changes = {
        each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]
        for each in client.describe_change_set(**arguments)["Changes"]
    }
    actions = {name: (each["Action"], each.get("Replacement")) for name, each in changes.items()}
    assert actions == {
        "Kept": ("Modify", "False"),
        "Renamed": ("Modify", "True"),
        "Added": ("Add", None),
        "Dropped": ("Remove", None),
    }
    assert changes["Renamed"]["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "LogGroupName",
        "RequiresRecreation": "Always",
    }
    assert groups(cloud) == {"kept": 1, "old-name": 1, "dropped": 1}, "nothing is touched before it is executed"
    client.execute_change_set(**arguments)
    stacks.wait("sets", "stack_update_complete")
    assert groups(cloud) == {"kept": 7, "new-name": 1, "added": 1}
    events = stacks.events("sets")
    assert events.index(("Renamed", "UPDATE_COMPLETE")) < events.index(("Dropped", "DELETE_IN_PROGRESS"))

    client.create_change_set(StackName="sets", ChangeSetName="third", TemplateBody=text(after))
    answer = wait_for(
        lambda: client.describe_change_set(StackName="sets", ChangeSetName="third"),
        lambda each: each["Status"] in ("FAILED", "CREATE_COMPLETE"),
    )
    assert "didn't contain changes" in answer["StatusReason"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        client.update_stack(StackName="sets", TemplateBody=text(after))


def test_what_fails_to_be_created_is_taken_back(cloud: Daemon, stacks: Stacks) -> None:
    cloud.client("logs").create_log_group(logGroupName="taken")
    broken = template(Good=group("good"), Bad=group("taken", DependsOn="Good"), Never=group("never", DependsOn="Bad"))
    stacks.client.create_stack(StackName="broken", TemplateBody=text(broken))
    assert stacks.ended("broken") == "ROLLBACK_COMPLETE"
    assert groups(cloud) == {"taken": None}, "what was not the stack's stays"
    reason = stacks.reasons("broken")[0]
    assert reason.startswith('Bad: Resource handler returned message: "The specified log group already exists')
    assert "HandlerErrorCode: AlreadyExists" in reason
    assert ("Never", "CREATE_IN_PROGRESS") not in stacks.events("broken")
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update("broken", broken)
    stacks.delete("broken")

    stacks.client.create_stack(StackName="kept", TemplateBody=text(broken), OnFailure="DO_NOTHING")
    assert stacks.ended("kept") == "CREATE_FAILED"
    assert "good" in groups(cloud)
    stacks.delete("kept")


def test_what_fails_to_be_updated_is_restored(cloud: Daemon, stacks: Stacks) -> None:
    before = template(Changed=group("changed", 1), Renamed=group("old"), Dropped=group("dropped"))
    before["Outputs"] = {"Days": {"Value": "1"}}
    stacks.create("restored", before)
    cloud.client("logs").create_log_group(logGroupName="taken")
    after = template(
        Changed=group("changed", 7), Renamed=group("new"), Added=group("added"),
        Bad=group("taken", DependsOn=["Changed", "Renamed", "Added"]),
    )  # fmt: skip
    after["Outputs"] = {"Days": {"Value": "7"}}
    stack = stacks.update("restored", after, waiter="stack_rollback_complete")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert groups(cloud) == {"changed": 1, "old": 1, "dropped": 1, "taken": None}
    assert stacks.outputs("restored") == {"Days": "1"}
    assert set(stacks.physical("restored")) == {"Changed", "Renamed", "Dropped"}
    kept = json.loads(json.dumps(stacks.client.get_template(StackName="restored")["TemplateBody"]))
    assert "taken" not in str(kept)
    del after["Resources"]["Bad"]
    stacks.update("restored", after)
    assert groups(cloud) == {"changed": 7, "new": 1, "added": 1, "taken": None}


def test_a_rollback_that_fails_is_continued(cloud: Daemon, stacks: Stacks) -> None:
    """The update itself takes away the permission that its rollback would need."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="builder", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.attach_role_policy(RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    role = iam.get_role(RoleName="builder")["Role"]["Arn"]
    stacks.create("stuck", template(Group=group("stuck", 1)), RoleARN=role)
    cloud.client("logs").create_log_group(logGroupName="taken")
    denial = {"Effect": "Deny", "Action": "logs:PutRetentionPolicy", "Resource": "*"}
    policy = {
        "Type": "AWS::IAM::Policy",
        "DependsOn": "Group",
        "DeletionPolicy": "Retain",
        "Properties": {"PolicyName": "deny", "Roles": ["builder"], "PolicyDocument": {"Statement": [denial]}},
    }
    after = template(Group=group("stuck", 7), Denial=policy, Bad=group("taken", DependsOn="Denial"))
    stacks.client.update_stack(StackName="stuck", TemplateBody=text(after), Capabilities=["CAPABILITY_IAM"])
    assert stacks.ended("stuck") == "UPDATE_ROLLBACK_FAILED"
    assert "is not authorized to perform: logs:PutRetentionPolicy" in stacks.reasons("stuck")[-2]
    assert "HandlerErrorCode: AccessDenied" in stacks.reasons("stuck")[-2]
    iam.delete_role_policy(RoleName="builder", PolicyName="deny")
    stacks.client.continue_update_rollback(StackName="stuck")
    stacks.wait("stuck", "stack_rollback_complete")
    assert groups(cloud)["stuck"] == 1


def test_exports_in_use_stay(cloud: Daemon, stacks: Stacks) -> None:
    giving = template(Group=group("given"))
    giving["Outputs"] = {"Name": {"Value": {"Ref": "Group"}, "Export": {"Name": "the-group"}}}
    stacks.create("giving", giving)
    name = {"Fn::Sub": ["${it}-too", {"it": {"Fn::ImportValue": "the-group"}}]}
    taking = template(Group={"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name}})
    stacks.create("taking", taking)
    assert set(groups(cloud)) == {"given", "given-too"}
    assert stacks.client.list_imports(ExportName="the-group")["Imports"] == ["taking"]
    with pytest.raises(ClientError, match="export the-group as it is in use by taking"):
        stacks.client.delete_stack(StackName="giving")
    renamed = template(Group=group("given-anew"))
    renamed["Outputs"] = giving["Outputs"]
    stacks.update("giving", renamed, waiter="stack_rollback_complete")
    assert set(groups(cloud)) == {"given", "given-too"}
    missing = template(Group=group())
    missing["Conditions"] = {"Never": {"Fn::Equals": [{"Fn::ImportValue": "nowhere"}, "x"]}}
    with pytest.raises(ClientError, match="No export named nowhere"):
        stacks.client.create_stack(StackName="missing", TemplateBody=text(missing))
    stacks.delete("taking")
    stacks.delete("giving")
    assert groups(cloud) == {}


def test_what_is_to_be_retained_is_retained(cloud: Daemon, stacks: Stacks) -> None:
    stacks.create("retain", template(Kept=group("kept", DeletionPolicy="Retain"), Gone=group("gone")))
    stacks.delete("retain")
    assert set(groups(cloud)) == {"kept"}


def test_the_callers_permissions_bind(cloud: Daemon, stacks: Stacks) -> None:
    iam, sts = cloud.client("iam"), cloud.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="narrow", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    allowed = {"Effect": "Allow", "Action": ["cloudformation:*", "logs:Describe*"], "Resource": "*"}
    iam.put_role_policy(RoleName="narrow", PolicyName="x", PolicyDocument=json.dumps({"Statement": [allowed]}))
    role = iam.get_role(RoleName="narrow")["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    narrow = cloud.client("cloudformation", keys=keys)
    narrow.create_stack(StackName="narrow", TemplateBody=text(template(Group=group("narrow"))))
    assert stacks.ended("narrow") == "ROLLBACK_COMPLETE"
    assert "assumed-role/narrow/me is not authorized to perform: logs:CreateLogGroup" in stacks.reasons("narrow")[0]
    assert groups(cloud) == {}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("Resources: {A: {Type: AWS::No::Thing}}", "ValidationError", r"Unrecognized resource types: .AWS::No"),
        ("Resources: {A: {Type: AWS::WAFv2::WebACL}}", "NotImplemented", "AWS::WAFv2::WebACL"),
        ("Resources: {}", "ValidationError", "At least one Resources member must be defined"),
        ("Resources: [", "ValidationError", "YAML not well-formed"),
        ('{"Resources": }', "ValidationError", "JSON not well-formed"),
        ("Foo: 1\nResources: {A: {Type: AWS::Logs::LogGroup}}", "ValidationError", "Invalid template property"),
        (
            "Resources: {A: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref Missing}}}",
            "ValidationError",
            r"Unresolved resource dependencies \[Missing\] in the Resources block",
        ),
        (
            "Resources: {A: {Type: AWS::Logs::LogGroup, DependsOn: B}, B: {Type: AWS::Logs::LogGroup, DependsOn: A}}",
            "ValidationError",
            r"Circular dependency between resources: \[A, B\]",
        ),
        (
            "Parameters: {P: {Type: String}}\nResources: {A: {Type: AWS::Logs::LogGroup}}",
            "ValidationError",
            r"Parameters: \[P\] must have values",
        ),
        (
            "Resources: {A: {Type: AWS::Logs::LogGroup}}\nOutputs: {O: {Value: !GetAtt A.Nothing}}",
            "ValidationError",
            "does not support attribute type Nothing",
        ),
        (
            "Resources: {A: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}}",
            "InsufficientCapabilitiesException",
            r"Requires capabilities : \[CAPABILITY_IAM\]",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31\nResources: {A: {Type: AWS::Logs::LogGroup}}",
            "NotImplemented",
            "Serverless",
        ),
    ],
)  # fmt: skip
def test_a_bad_template_is_refused_at_once(stacks: Stacks, body: str, code: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        stacks.client.create_stack(StackName="bad", TemplateBody=body)
    assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe("bad")


def test_bad_properties_fail_their_resource(stacks: Stacks) -> None:
    bad = template(Group={"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": "7", "Colour": "red"}})
    stacks.client.create_stack(StackName="properties", TemplateBody=text(bad))
    assert stacks.ended("properties") == "ROLLBACK_COMPLETE"
    assert stacks.reasons("properties") == [
        "Group: Properties validation failed for resource Group with message: #: extraneous key [Colour] is not permitted"  # noqa: E501
    ]


def next_second() -> None:
    """The command line names its change sets after the second, and the local cloud is done within it."""
    second = int(time.time())
    wait_for(lambda: int(time.time()), lambda now: now > second)


@pytest.mark.slow
def test_the_command_line_deploys(cloud: Daemon, stacks: Stacks, tmp_path: Any) -> None:
    path = tmp_path / "template.yml"
    path.write_text(NETWORK)
    arguments = ["cloudformation", "deploy", "--stack-name", "cli", "--template-file", str(path)]
    assert "Successfully created/updated stack - cli" in cloud.aws(*arguments).stdout
    next_second()
    assert "No changes to deploy" in cloud.aws(*arguments, check=False).stderr
    next_second()
    done = cloud.aws(*arguments, "--parameter-overrides", "Public=no")
    assert "Successfully created/updated stack - cli" in done.stdout
    assert "Gateway" not in stacks.physical("cli")
    cloud.client("s3").create_bucket(Bucket="templates")
    cloud.client("s3").upload_file(str(path), "templates", "t/network.yml")
    url = f"{cloud.endpoint}/templates/t/network.yml"
    summary = cloud.aws_json("cloudformation", "get-template-summary", "--template-url", url)
    assert "AWS::EC2::VPC" in summary["ResourceTypes"]
    cloud.aws("cloudformation", "delete-stack", "--stack-name", "cli")
    stacks.wait("cli", "stack_delete_complete")


def test_nested_stacks(cloud: Daemon, stacks: Stacks) -> None:
    """Parameters by value go in, outputs come out, and a failure inside takes all of it back."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="templates")

    def put(key: str, body: Any) -> str:
        s3.put_object(Bucket="templates", Key=key, Body=text(body))
        return f"https://templates.s3.amazonaws.com/{key}"

    inner = template(Group={"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Ref": "Name"}}})
    inner["Parameters"] = {"Name": {"Type": "String"}}
    inner["Outputs"] = {"Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}}

    def outer(url: str, name: str) -> dict[str, Any]:
        nested = {"TemplateURL": url, "Parameters": {"Name": name}}
        made = template(Nested={"Type": "AWS::CloudFormation::Stack", "Properties": nested})
        made["Outputs"] = {"Arn": {"Value": {"Fn::GetAtt": "Nested.Outputs.Arn"}}}
        return made

    url = put("inner.yml", inner)
    parent = stacks.create("outer", outer(url, "first"))
    assert stacks.outputs("outer")["Arn"].endswith(":log-group:first:*")
    nested = stacks.describe(stacks.physical("outer")["Nested"])
    assert nested["ParentId"] == nested["RootId"] == parent["StackId"]
    stacks.update("outer", outer(url, "second"))
    assert set(groups(cloud)) == {"second"}
    inner["Resources"]["Bad"] = group("second", DependsOn="Group")
    stacks.update("outer", outer(put("bad.yml", inner), "third"), waiter="stack_rollback_complete")
    assert set(groups(cloud)) == {"second"}
    assert "Embedded stack" in stacks.reasons("outer")[0]
    stacks.delete("outer")
    assert groups(cloud) == {}


def waiting_service(cloud: Daemon) -> dict[str, Any]:
    """A service that is never stable, for nobody ever finds its container healthy."""
    subnets = [each["SubnetId"] for each in cloud.client("ec2").describe_subnets()["Subnets"]]
    container = {
        "Name": "web",
        "Image": IMAGE,
        "Command": ["sleep", "1000"],
        "StopTimeout": 2,
        "HealthCheck": {"Command": ["CMD-SHELL", "exit 1"], "StartPeriod": 300},
    }
    definition = {
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": "256",
        "Memory": "512",
        "ContainerDefinitions": [container],
    }
    service = {
        "Cluster": {"Ref": "Cluster"},
        "TaskDefinition": {"Ref": "Definition"},
        "LaunchType": "FARGATE",
        "DesiredCount": 1,
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": subnets}},
    }
    return {
        "Cluster": {"Type": "AWS::ECS::Cluster"},
        "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
        "Service": {"Type": "AWS::ECS::Service", "Properties": service},
    }


def test_an_update_can_be_cancelled(cloud: Daemon, stacks: Stacks) -> None:
    stacks.create("s", template(Group=group("g", 1)))
    with pytest.raises(ClientError) as refused:
        stacks.client.cancel_update_stack(StackName="s")
    assert "CancelUpdateStack cannot be called from current stack status CREATE_COMPLETE" in str(refused.value)
    stacks.client.update_stack(
        StackName="s", TemplateBody=text(template(Group=group("g", 3), **waiting_service(cloud)))
    )
    wait_for(lambda: dict(stacks.events("s")).get("Service"), lambda status: status == "CREATE_IN_PROGRESS")
    wait_for(lambda: groups(cloud)["g"], lambda days: days == 3)
    stacks.client.cancel_update_stack(StackName="s")
    assert stacks.ended("s") == "UPDATE_ROLLBACK_COMPLETE"
    assert groups(cloud)["g"] == 1
    assert list(stacks.physical("s")) == ["Group"]
    assert cloud.client("ecs").list_clusters()["clusterArns"] == []


@pytest.mark.slow
def test_a_stack_that_takes_too_long_is_taken_back(cloud: Daemon, stacks: Stacks) -> None:
    body = text(template(Group=group("g"), **waiting_service(cloud)))
    stacks.client.create_stack(StackName="s", TemplateBody=body, TimeoutInMinutes=1)
    wait_for(lambda: stacks.describe("s")["StackStatus"], lambda status: status == "ROLLBACK_COMPLETE", 90)
    reasons = [
        each.get("ResourceStatusReason", "")
        for each in stacks.client.describe_stack_events(StackName="s")["StackEvents"]
    ]
    assert any("Stack creation time exceeded the specified timeout." in reason for reason in reasons)
    assert groups(cloud) == {}


def test_change_sets_are_listed_and_forgotten(stacks: Stacks) -> None:
    stacks.create("s", template(A=group("a")))

    def change_sets() -> dict[str, str]:
        summaries = stacks.client.list_change_sets(StackName="s")["Summaries"]
        return {each["ChangeSetName"]: each["ExecutionStatus"] for each in summaries}

    for name, days in (("one", 3), ("two", 5)):
        stacks.client.create_change_set(
            StackName="s", ChangeSetName=name, TemplateBody=text(template(A=group("a", days)))
        )
        stacks.client.get_waiter("change_set_create_complete").wait(
            StackName="s", ChangeSetName=name, WaiterConfig={"Delay": 1}
        )
    assert change_sets() == {"one": "AVAILABLE", "two": "AVAILABLE"}
    for _ in range(2):  # one that is gone is no error
        stacks.client.delete_change_set(StackName="s", ChangeSetName="one")
    assert change_sets() == {"two": "AVAILABLE"}
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        stacks.client.describe_change_set(StackName="s", ChangeSetName="one")
    with pytest.raises(ClientError, match="does not exist"):
        stacks.client.list_change_sets(StackName="none")


def test_a_protected_stack_is_not_deleted(stacks: Stacks) -> None:
    made = stacks.create("s", template(A=group("a", Metadata={"why": "to be seen"})), EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.client.delete_stack(StackName="s")
    detail = stacks.client.describe_stack_resource(StackName="s", LogicalResourceId="A")["StackResourceDetail"]
    assert (detail["PhysicalResourceId"], detail["ResourceStatus"]) == ("a", "CREATE_COMPLETE")
    assert json.loads(detail["Metadata"]) == {"why": "to be seen"}
    with pytest.raises(ClientError, match="Resource B does not exist for stack s"):
        stacks.client.describe_stack_resource(StackName="s", LogicalResourceId="B")
    changed = stacks.client.update_termination_protection(StackName="s", EnableTerminationProtection=False)
    assert changed["StackId"] == made["StackId"]
    assert stacks.describe("s")["EnableTerminationProtection"] is False
    stacks.delete("s")


def test_a_template_is_validated(stacks: Stacks) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}
    body = {
        "Description": "d",
        "Parameters": {"Name": {"Type": "String", "Default": "x"}, "Secret": {"Type": "String", "NoEcho": True}},
        **template(A=role),
    }
    found = stacks.client.validate_template(TemplateBody=text(body))
    assert (found["Description"], found["Capabilities"]) == ("d", ["CAPABILITY_IAM"])
    assert {each["ParameterKey"]: (each.get("DefaultValue"), each["NoEcho"]) for each in found["Parameters"]} == {
        "Name": ("x", False),
        "Secret": (None, True),
    }
    for wrong, why in (("{", "Template format error"), (text({"Resources": {}}), "At least one Resources member")):
        with pytest.raises(ClientError, match=why) as caught:
            stacks.client.validate_template(TemplateBody=wrong)
        assert caught.value.response["Error"]["Code"] == "ValidationError"
