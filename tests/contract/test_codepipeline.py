"""Pipelines, their executions and stages, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import service_role
from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.git import Git, working_copy
from tests.pipelines import (
    STORE,
    action,
    action_executions,
    action_state,
    approval,
    artifact,
    create,
    decide,
    declaration,
    execution,
    executions,
    nth,
    over,
    source,
    start,
    state,
    zipped,
)
from tests.waiting import until, wait_for

ACCOUNT = "000000000000"


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def git(cloud: Daemon, tmp_path: Path) -> Git:
    """A working copy of the repository `hello`, whose first commit is pushed."""
    copy = working_copy(cloud, tmp_path / "copy")
    copy.commit("first\n\nWith a body.", hello_txt="hello\n")
    copy("push", "-q", "origin", "main")
    return copy


def push(git: Git, message: str = "next", **files: str) -> str:
    commit = git.commit(message, **files)
    git("push", "-q", "origin", "main")
    return commit


def test_a_pipeline_lives(cloud: Daemon) -> None:
    client = cloud.client("codepipeline")
    declared = declaration(cloud, ("Source", [source()]), ("Approve", [approval()]))
    answer = client.create_pipeline(pipeline=declared, tags=[{"key": "a", "value": "b"}])
    made = answer["pipeline"]
    assert (made["version"], made["executionMode"], made["pipelineType"]) == (1, "SUPERSEDED", "V1")
    assert made["stages"][1]["actions"][0]["runOrder"] == 1
    assert answer["tags"] == [{"key": "a", "value": "b"}]
    found = client.get_pipeline(name="release")
    assert found["pipeline"] == made
    arn = found["metadata"]["pipelineArn"]
    assert arn == f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release"
    with pytest.raises(ClientError) as caught:
        client.create_pipeline(pipeline=declared)
    assert code_of(caught) == "PipelineNameInUseException"
    changed = {**made, "stages": [*made["stages"], {"name": "More", "actions": [approval("Again")]}]}
    assert client.update_pipeline(pipeline=changed)["pipeline"]["version"] == 2
    assert client.get_pipeline(name="release")["pipeline"]["version"] == 2
    assert client.get_pipeline(name="release", version=1)["pipeline"] == made
    with pytest.raises(ClientError) as caught:
        client.get_pipeline(name="release", version=3)
    assert code_of(caught) == "PipelineVersionNotFoundException"
    for name in ("b", "a"):
        client.create_pipeline(pipeline={**declared, "name": name})
    pages = client.get_paginator("list_pipelines").paginate(PaginationConfig={"PageSize": 2})
    assert [each["name"] for page in pages for each in page["pipelines"]] == ["a", "b", "release"]
    client.tag_resource(resourceArn=arn, tags=[{"key": "c", "value": "d"}])
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "c", "value": "d"}]
    client.delete_pipeline(name="release")
    client.delete_pipeline(name="release")
    for ask in (client.get_pipeline, client.get_pipeline_state, client.start_pipeline_execution):
        with pytest.raises(ClientError, match="does not have a pipeline with name 'release'") as caught:
            ask(name="release")
        assert code_of(caught) == "PipelineNotFoundException"


def changed(declared: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**declared, **changes}.items() if value is not None}


BUILD = {"ProjectName": "hello"}
DEPLOY = {"ClusterName": "c", "ServiceName": "s"}
FAULTS: list[tuple[Any, str, str]] = [
    ([("Source", [source()])], "InvalidStructureException", "only 1 stage"),
    ([("A", [approval()]), ("B", [approval()])], "InvalidStructureException", "only contains source actions"),
    ([("S", [source(), approval()]), ("B", [approval()])], "InvalidStructureException", "only contains source"),
    ([("S", [source()]), ("T", [source()])], "InvalidStructureException", "only the first stage"),
    ([("S", [source()]), ("S", [approval()])], "InvalidStructureException", "Stage name must be unique"),
    ([("S", [source()]), ("T", [])], "InvalidStageDeclarationException", "at least one action"),
    (
        [("S", [source()]), ("T", [approval(), approval()])],
        "InvalidStageDeclarationException",
        "Action name must be unique",
    ),
    (
        [("S", [source()]), ("T", [action("B", "Build/CodeBuild", inputs=["SourceArtifact"])])],
        "InvalidActionDeclarationException",
        "Action configuration for action 'B' is missing required configuration 'ProjectName'",
    ),
    (
        [("S", [source()]), ("T", [approval(Colour="red")])],
        "InvalidActionDeclarationException",
        "contains unknown configuration 'Colour'",
    ),
    (
        [("S", [source()]), ("T", [action("B", "Build/CodeBuild", BUILD)])],
        "InvalidActionDeclarationException",
        r"Action B declares 0 input artifacts which is less than the minimum count \(1\)",
    ),
    (
        [("S", [source()]), ("T", [action("A", "Approval/Manual", inputs=["SourceArtifact"])])],
        "InvalidActionDeclarationException",
        r"more than the maximum count \(0\)",
    ),
    (
        [("S", [source()]), ("T", [action("B", "Build/CodeBuild", BUILD, inputs=["Other"])])],
        "InvalidActionDeclarationException",
        "Input Artifact Bundle Other in action B is not declared",
    ),
    (
        [
            ("S", [source()]),
            (
                "T",
                [
                    action("B", "Build/CodeBuild", BUILD, inputs=["SourceArtifact"], outputs=["Built"]),
                    action("D", "Deploy/ECS", DEPLOY, inputs=["Built"]),
                ],
            ),
        ],
        "InvalidActionDeclarationException",
        "Input Artifact Bundle Built in action D is not declared",
    ),
    (
        [
            ("S", [source()]),
            ("T", [action("B", "Build/CodeBuild", BUILD, inputs=["SourceArtifact"], outputs=["SourceArtifact"])]),
        ],
        "InvalidActionDeclarationException",
        "SourceArtifact has been used more than once",
    ),
    (
        [("S", [source()]), ("T", [approval(CustomData="#{Nothing.CommitId}")])],
        "InvalidActionDeclarationException",
        r"VariableReferenceText=\[Nothing.CommitId\]",
    ),
    (
        [("S", [source()]), ("T", [{**approval(), "namespace": "SourceVariables"}])],
        "InvalidActionDeclarationException",
        "Namespace must be unique",
    ),
    (
        [("S", [source()]), ("T", [action("X", "Deploy/Nowhere")])],
        "InvalidActionDeclarationException",
        r"\(Category: 'Deploy', Provider: 'Nowhere', Owner: 'AWS', Version: '1'\) in action 'X' is not available in",
    ),
    (
        [
            ("S", [source()]),
            ("T", [action("D", "Deploy/ECS", {**DEPLOY, "DeploymentTimeout": "61"}, inputs=["SourceArtifact"])]),
        ],
        "InvalidActionDeclarationException",
        "between 1 and 60 minutes",
    ),
    (
        [
            ("S", [source()]),
            ("T", [{**action("B", "Build/CodeBuild", BUILD, inputs=["SourceArtifact"]), "timeoutInMinutes": 5}]),
        ],
        "InvalidActionDeclarationException",
        "for manual approval actions alone",
    ),
    (
        [("S", [source()]), ("T", [{**approval(), "commands": ["ls"]}])],
        "InvalidActionDeclarationException",
        "cannot contain a commands field: Approve",
    ),
    (
        [("S", [source(PollForSourceChanges="maybe")]), ("T", [approval()])],
        "InvalidActionDeclarationException",
        "true or false",
    ),
    # known, and refused by name
    (
        [("S", [source()]), ("T", [action("L", "Invoke/Lambda", {"FunctionName": "f"})])],
        "NotImplemented",
        "Invoke provider Lambda .* there are no functions here",
    ),
    ([("S", [source()]), ("T", [action("L", "Invoke/Lambda")])], "NotImplemented", "Invoke provider Lambda"),
    (
        [("S", [source(OutputArtifactFormat="CODEBUILD_CLONE_REF")]), ("T", [approval()])],
        "NotImplemented",
        "CODEBUILD_CLONE_REF",
    ),
    (
        [
            ("S", [source()]),
            ("T", [action("B", "Build/CodeBuild", {**BUILD, "BatchEnabled": "true"}, inputs=["SourceArtifact"])]),
        ],
        "NotImplemented",
        "BatchEnabled",
    ),
    ([("S", [source()]), ("T", [{**approval(), "region": "eu-west-1"}])], "NotImplemented", "another region"),
]


@pytest.mark.parametrize(("named", "code", "message"), FAULTS, ids=range(len(FAULTS)))
def test_what_is_no_pipeline_is_refused(cloud: Daemon, named: Any, code: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        create(cloud, *named)
    assert code_of(caught) == code
    assert cloud.client("codepipeline").list_pipelines()["pipelines"] == []


def test_more_that_is_refused(cloud: Daemon) -> None:
    client = cloud.client("codepipeline")
    good = declaration(cloud, ("Source", [source()]), ("Approve", [approval()]))
    store = good["artifactStore"]
    condition = {"beforeEntry": {"conditions": [{"result": "FAIL"}]}}
    for changes, code, message in (
        ({"artifactStore": None}, "ValidationException", "exactly one of artifactStore"),
        ({"artifactStore": None, "artifactStores": {"eu-west-1": store}}, "InvalidStructureException", "us-east-1"),
        ({"pipelineType": "V1", "executionMode": "QUEUED"}, "InvalidStructureException", "type V2"),
        ({"pipelineType": "V1", "variables": [{"name": "a"}]}, "InvalidStructureException", "type V2"),
        ({"stages": [good["stages"][0], {**good["stages"][1], **condition}]}, "InvalidStructureException", "type V2"),
        (
            {"triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {"sourceActionName": "S"}}]},
            "InvalidStructureException",
            "Triggers for connection must reference a CodeStarSourceConnection action",
        ),
        (
            {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
            "InvalidStructureException",
            "not authorized to perform AssumeRole",
        ),
        ({"roleArn": service_role(cloud)}, "InvalidStructureException", "not authorized to perform AssumeRole"),
    ):
        with pytest.raises(ClientError, match=message) as caught:
            client.create_pipeline(pipeline=changed(good, **changes))
        assert code_of(caught) == code
    with pytest.raises(ClientError, match="does not offer codepipeline:ListWebhooks: it is of the first kind"):
        client.list_webhooks()
    client.create_pipeline(pipeline=changed(good, artifactStore=None, artifactStores={"us-east-1": store}))
    kinds = [(each["id"]["category"], each["id"]["provider"]) for each in client.list_action_types()["actionTypes"]]
    assert ("Source", "CodeCommit") in kinds
    assert ("Deploy", "ECS") in kinds
    assert client.list_action_types(actionOwnerFilter="Custom")["actionTypes"] == []


def test_who_creates_a_pipeline_must_be_allowed_to_pass_its_role(cloud: Daemon) -> None:
    keys = assume(cloud, "author")
    iam, declared = cloud.client("iam"), declaration(cloud, ("Source", [source()]), ("Approve", [approval()]))
    iam.put_role_policy(RoleName="author", PolicyName="p", PolicyDocument=policy("Allow", "codepipeline:*"))
    client = cloud.client("codepipeline", keys=keys)
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        client.create_pipeline(pipeline=declared)
    passing = {"StringEquals": {"iam:PassedToService": "codepipeline.amazonaws.com"}}
    iam.put_role_policy(
        RoleName="author",
        PolicyName="q",
        PolicyDocument=policy("Allow", "iam:PassRole", declared["roleArn"], Condition=passing),
    )
    client.create_pipeline(pipeline=declared)
    denied = policy("Deny", "codepipeline:PutApprovalResult", "arn:aws:codepipeline:*:*:release/Approve/Approve")
    iam.put_role_policy(RoleName="author", PolicyName="r", PolicyDocument=denied)
    with pytest.raises(ClientError, match=r"codepipeline:PutApprovalResult on resource: .*:release/Approve/Approve"):
        client.put_approval_result(
            pipelineName="release",
            stageName="Approve",
            actionName="Approve",
            result={"summary": "", "status": "Approved"},
            token="00000000-0000-0000-0000-000000000000",
        )


def test_a_trust_policy_may_ask_for_the_pipeline(cloud: Daemon) -> None:
    """The conditions that keep a role from being used for another's pipeline (confused deputy)."""
    role = service_role(cloud, "codepipeline", name="careful")
    declared = declaration(cloud, ("Source", [source()]), ("Approve", [approval()]), role=role)
    client, iam = cloud.client("codepipeline"), cloud.client("iam")

    def trust(arn: str) -> None:
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "codepipeline.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": arn}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.update_assume_role_policy(RoleName="careful", PolicyDocument=document)

    trust("arn:aws:codepipeline:*:*:other")
    with pytest.raises(ClientError, match="not authorized to perform AssumeRole"):
        client.create_pipeline(pipeline=declared)
    trust(f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release")
    client.create_pipeline(pipeline=declared)


def test_a_push_runs_the_pipeline(cloud: Daemon, git: Git) -> None:
    first = git("rev-parse", "HEAD").stdout.strip()
    create(cloud, ("Source", [source()]), ("Approve", [approval(CustomData="#{SourceVariables.CommitId}")]))
    one = nth(cloud, 1)
    decide(cloud)
    done = over(cloud, one)
    assert done["status"] == "Succeeded"
    assert done["trigger"] == {
        "triggerType": "CreatePipeline",
        "triggerDetail": f"arn:aws:iam::{ACCOUNT}:user/administrator",
    }
    (revision,) = done["artifactRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (first, "first\n\nWith a body.")
    second = push(git, hello_txt="hello again\n", bin_run="#!/bin/sh\n")
    two = nth(cloud, 2)
    decide(cloud)
    assert over(cloud, two)["trigger"] == {"triggerType": "PollForSourceChanges", "triggerDetail": "Source"}
    summaries = executions(cloud)
    assert [each["sourceRevisions"][0]["revisionId"] for each in summaries] == [first, second]
    *_, found, asked = action_executions(cloud, pipelineExecutionId=two)
    assert found["output"]["outputVariables"] == {
        "RepositoryName": "hello",
        "BranchName": "main",
        "CommitId": second,
        "CommitMessage": "next",
        "AuthorDate": found["output"]["outputVariables"]["AuthorDate"],
        "CommitterDate": found["output"]["outputVariables"]["CommitterDate"],
    }
    assert asked["input"]["resolvedConfiguration"] == {"CustomData": second}
    place = found["output"]["outputArtifacts"][0]["s3location"]
    assert place["bucket"] == STORE
    folder, name, key = place["key"].split("/")
    assert (folder, name, len(key)) == ("release", "SourceArti", 7)
    assert artifact(cloud, place) == {"hello.txt": b"hello again\n", "bin.run": b"#!/bin/sh\n"}
    assert len(executions(cloud)) == 2


def test_who_does_not_poll_is_started_by_a_rule(cloud: Daemon, git: Git) -> None:
    create(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]))
    events, role = cloud.client("events"), service_role(cloud, "events", name="trigger")
    pattern = {"source": ["aws.codecommit"], "detail": {"referenceName": ["main"]}}
    rule = events.put_rule(Name="on-push", EventPattern=json.dumps(pattern))["RuleArn"]
    arn = f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release"
    events.put_targets(Rule="on-push", Targets=[{"Id": "p", "Arn": arn, "RoleArn": role}])
    decide(cloud)
    over(cloud, nth(cloud, 1))
    commit = push(git)
    two = nth(cloud, 2)
    decide(cloud)
    done = over(cloud, two)
    assert done["trigger"] == {"triggerType": "CloudWatchEvent", "triggerDetail": rule}
    assert done["artifactRevisions"][0]["revisionId"] == commit
    assert len(executions(cloud)) == 2


def test_the_expected_failures_of_a_source(cloud: Daemon, git: Git) -> None:
    iam = cloud.client("iam")
    role = service_role(cloud, "codepipeline", name="small", policy="")
    create(cloud, ("Source", [source(branch="live")]), ("Approve", [approval()]), role=role)

    def failure(identity: str) -> tuple[str, str]:
        assert over(cloud, identity)["status"] == "Failed"
        error = action_state(cloud, "Source", "Source")["errorDetails"]
        return error["code"], error["message"]

    def allow(*actions: str) -> None:
        iam.put_role_policy(RoleName="small", PolicyName="p", PolicyDocument=policy("Allow", list(actions)))

    one = nth(cloud, 1)
    code, message = failure(one)
    assert code == "PermissionError"
    assert (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/small/{one} is not authorized to perform: codecommit:GetBranch "
        f"on resource: arn:aws:codecommit:us-east-1:{ACCOUNT}:hello" in message
    )
    allow("codecommit:Get*")
    code, message = failure(start(cloud))
    assert code == "ConfigurationError"
    assert "no branch named live was found in the selected AWS CodeCommit repository hello" in message
    git("push", "-q", "origin", "main:live")  # the pipeline watches it
    code, message = failure(nth(cloud, 3))
    assert (code, "codecommit:UploadArchive" in message) == ("PermissionError", True)
    allow("codecommit:*")
    code, message = failure(start(cloud))
    assert (code, "s3:PutObject" in message) == ("PermissionError", True)
    allow("codecommit:*", "s3:PutObject")
    last = start(cloud)
    decide(cloud)
    assert over(cloud, last)["status"] == "Succeeded"
    cloud.client("codecommit").delete_repository(repositoryName="hello")
    code, message = failure(start(cloud))
    assert (code, "no AWS CodeCommit repository named hello" in message) == ("ConfigurationError", True)


def test_an_action_may_have_a_role_of_its_own(cloud: Daemon, git: Git) -> None:
    iam = cloud.client("iam")
    own = iam.create_role(
        RoleName="reader",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                },
            }
        ),
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy("Allow", ["codecommit:*", "s3:*"]))
    role = service_role(cloud, "codepipeline", name="small", policy="")
    declared = {**source(PollForSourceChanges="false"), "roleArn": own}
    create(cloud, ("Source", [declared]), ("Approve", [approval()]), role=role)
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"
    error = action_state(cloud, "Source", "Source")["errorDetails"]
    assert error["code"] == "PermissionError"
    assert f"not authorized to perform: sts:AssumeRole on resource: {own}" in error["message"]
    iam.put_role_policy(RoleName="small", PolicyName="p", PolicyDocument=policy("Allow", "sts:AssumeRole", own))
    last = start(cloud)
    decide(cloud)
    assert over(cloud, last)["status"] == "Succeeded"
    assert action_executions(cloud, pipelineExecutionId=last)[0]["input"]["roleArn"] == own


def test_an_object_of_a_bucket_as_the_source(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="sources")
    declared = action(
        "Source",
        "Source/S3",
        {"S3Bucket": "sources", "S3ObjectKey": "app.zip", "AllowOverrideForS3ObjectKey": "true"},
        outputs=["App"],
        namespace="From",
    )
    create(cloud, ("Source", [declared]), ("Approve", [approval(CustomData="#{From.VersionId}")]))
    assert over(cloud, nth(cloud, 1))["status"] == "Failed"
    assert "versioning" in action_state(cloud, "Source", "Source")["errorDetails"]["message"]
    s3.put_bucket_versioning(Bucket="sources", VersioningConfiguration={"Status": "Enabled"})
    note = {"codepipeline-artifact-revision-summary": "the first"}
    version = s3.put_object(Bucket="sources", Key="app.zip", Body=zipped({"a": "1"}), Metadata=note)["VersionId"]
    two = nth(cloud, 2)
    decide(cloud)
    done = over(cloud, two)
    assert done["trigger"]["triggerType"] == "PollForSourceChanges"
    (revision,) = done["artifactRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (version, "the first")
    assert action_executions(cloud)[-1]["input"]["resolvedConfiguration"] == {"CustomData": version}
    s3.put_object(Bucket="sources", Key="other.zip", Body=zipped({"a": "2"}))
    override = {"actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": "other.zip"}
    three = start(cloud, sourceRevisions=[override])
    decide(cloud)
    assert over(cloud, three)["status"] == "Succeeded"
    place = action_executions(cloud, pipelineExecutionId=three)[0]["output"]["outputArtifacts"][0]["s3location"]
    assert artifact(cloud, place) == {"a": b"2"}
    assert len(executions(cloud)) == 3


def test_a_commit_that_is_asked_for_and_a_token_that_starts_once(cloud: Daemon, git: Git) -> None:
    first = git("rev-parse", "HEAD").stdout.strip()
    create(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]))
    decide(cloud)
    push(git)
    over(cloud, nth(cloud, 1))
    override = {"actionName": "Source", "revisionType": "COMMIT_ID", "revisionValue": first}
    two = start(cloud, sourceRevisions=[override], clientRequestToken="once")
    assert start(cloud, clientRequestToken="once") == two
    decide(cloud)
    assert over(cloud, two)["artifactRevisions"][0]["revisionId"] == first
    for wrong, message in (
        ({**override, "actionName": "X"}, "does not have a source action"),
        ({**override, "revisionType": "IMAGE_DIGEST"}, "cannot be used"),
    ):
        with pytest.raises(ClientError, match=message):
            start(cloud, sourceRevisions=[wrong])
    absent = {**override, "revisionValue": "0" * 40}
    assert over(cloud, start(cloud, sourceRevisions=[absent]))["status"] == "Failed"
    assert action_state(cloud, "Source", "Source")["errorDetails"]["code"] == "RevisionUnavailable"


def test_variables(cloud: Daemon, git: Git) -> None:
    variables = [{"name": "where", "defaultValue": "here"}, {"name": "who", "description": "whoever"}]
    asked = approval(CustomData="#{variables.who} #{variables.where} #{codepipeline.PipelineExecutionId}")
    made = create(cloud, ("Source", [source()]), ("Approve", [asked]), variables=variables)
    assert made["pipelineType"] == "V2"
    assert executions(cloud) == []  # who has no value
    with pytest.raises(ClientError, match="The variable who has no default value"):
        start(cloud)
    with pytest.raises(ClientError, match="The variable what is not declared"):
        start(cloud, variables=[{"name": "what", "value": "x"}])
    one = start(cloud, variables=[{"name": "who", "value": "Ann"}])
    decide(cloud)
    done = over(cloud, one)
    assert done["variables"] == [{"name": "where", "resolvedValue": "here"}, {"name": "who", "resolvedValue": "Ann"}]
    resolved = action_executions(cloud)[-1]["input"]["resolvedConfiguration"]
    assert resolved == {"CustomData": f"Ann here {one}"}


def test_an_approval(cloud: Daemon, git: Git) -> None:
    client = cloud.client("codepipeline")
    create(cloud, ("Source", [source()]), ("Approve", [approval()]), ("Again", [approval("Again")]))
    asked = wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    about = {"pipelineName": "release", "stageName": "Approve", "actionName": "Approve"}
    result = {"summary": "fine", "status": "Approved"}
    for change, code in (
        ({"token": "00000000-0000-0000-0000-000000000000"}, "InvalidApprovalTokenException"),
        ({"stageName": "Nowhere"}, "StageNotFoundException"),
        ({"actionName": "Nothing"}, "ActionNotFoundException"),
        ({"pipelineName": "none"}, "PipelineNotFoundException"),
    ):
        with pytest.raises(ClientError) as caught:
            client.put_approval_result(**{**about, "result": result, "token": asked["token"], **change})
        assert code_of(caught) == code
    assert "approvedAt" in client.put_approval_result(**about, result=result, token=asked["token"])
    given = action_state(cloud, "Approve", "Approve")
    assert (given["status"], given["summary"]) == ("Succeeded", "fine")
    assert given["lastUpdatedBy"] == f"arn:aws:iam::{ACCOUNT}:user/administrator"
    with pytest.raises(ClientError) as caught:
        client.put_approval_result(**about, result=result, token=asked["token"])
    assert code_of(caught) == "ApprovalAlreadyCompletedException"
    decide(cloud, "Rejected", stage="Again", name="Again")
    done = over(cloud, nth(cloud, 1))
    assert (done["status"], done["statusSummary"]) == ("Failed", "The stage Again failed: Again")
    refused = action_state(cloud, "Again", "Again")
    assert (refused["status"], refused["summary"]) == ("Failed", "seen")
    retry = {"pipelineName": "release", "pipelineExecutionId": nth(cloud, 1), "retryMode": "FAILED_ACTIONS"}
    assert client.retry_stage_execution(**retry, stageName="Again")["pipelineExecutionId"] == nth(cloud, 1)
    decide(cloud, stage="Again", name="Again")
    assert over(cloud, nth(cloud, 1))["status"] == "Succeeded"
    assert state(cloud, "Again")["retryStageMetadata"] == {
        "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry",
    }


def test_superseded(cloud: Daemon, git: Git) -> None:
    create(cloud, ("Source", [source()]), ("Approve", [approval()]), ("Again", [approval("Again")]))
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    push(git, "second")
    until(lambda: state(cloud, "Approve").get("inboundExecution", {}).get("pipelineExecutionId"), nth(cloud, 2))
    push(git, "third")
    assert over(cloud, nth(cloud, 2))["status"] == "Superseded"
    until(lambda: state(cloud, "Approve").get("inboundExecution", {}).get("pipelineExecutionId"), nth(cloud, 3))
    assert execution(cloud, nth(cloud, 1))["status"] == "InProgress"
    decide(cloud)
    until(lambda: state(cloud, "Approve")["latestExecution"]["pipelineExecutionId"], nth(cloud, 3))
    assert state(cloud, "Again")["latestExecution"]["pipelineExecutionId"] == nth(cloud, 1)


def test_a_queue(cloud: Daemon, git: Git) -> None:
    create(cloud, ("Source", [source()]), ("Approve", [approval()]), executionMode="QUEUED")
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    two, three = start(cloud), start(cloud)
    until(lambda: [each["pipelineExecutionId"] for each in state(cloud, "Approve")["inboundExecutions"]], [two, three])
    for identity in (nth(cloud, 1), two, three):
        until(lambda: state(cloud, "Approve")["latestExecution"]["pipelineExecutionId"], identity)
        decide(cloud)
        assert over(cloud, identity)["status"] == "Succeeded"


def test_in_parallel(cloud: Daemon, git: Git) -> None:
    create(cloud, ("Source", [source()]), ("Approve", [approval()]), executionMode="PARALLEL")
    start(cloud)

    def waiting() -> int:
        actions = action_executions(cloud)
        return sum(each["actionName"] == "Approve" and each["status"] == "InProgress" for each in actions)

    assert until(waiting, 2)


def test_a_transition_that_is_disabled_holds_executions(cloud: Daemon, git: Git) -> None:
    client = cloud.client("codepipeline")
    create(cloud, ("Source", [source()]), ("Approve", [approval()]))
    decide(cloud)
    over(cloud, nth(cloud, 1))
    about = {"pipelineName": "release", "stageName": "Approve", "transitionType": "Inbound"}
    client.disable_stage_transition(**about, reason="not today")
    gate = state(cloud, "Approve")["inboundTransitionState"]
    assert (gate["enabled"], gate["disabledReason"]) == (False, "not today")
    assert gate["lastChangedBy"] == f"arn:aws:iam::{ACCOUNT}:user/administrator"
    push(git, "second")
    until(lambda: state(cloud, "Approve").get("inboundExecution", {}).get("pipelineExecutionId"), nth(cloud, 2))
    push(git, "third")
    assert over(cloud, nth(cloud, 2))["status"] == "Superseded"
    client.enable_stage_transition(**about)
    decide(cloud)
    assert over(cloud, nth(cloud, 3))["status"] == "Succeeded"
    with pytest.raises(ClientError) as caught:
        client.disable_stage_transition(**{**about, "stageName": "X"}, reason="r")
    assert code_of(caught) == "StageNotFoundException"


@pytest.mark.parametrize("abandon", [True, False])
def test_a_stop(cloud: Daemon, git: Git, abandon: bool) -> None:
    client = cloud.client("codepipeline")
    create(cloud, ("Source", [source()]), ("Approve", [approval(), {**approval("Again"), "runOrder": 2}]))
    one = nth(cloud, 1)
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    about = {"pipelineName": "release", "pipelineExecutionId": one}
    client.stop_pipeline_execution(**about, abandon=abandon, reason="enough")
    if not abandon:
        assert (execution(cloud, one)["status"], state(cloud, "Approve")["latestExecution"]["status"]) == (
            "Stopping",
            "Stopping",
        )
        with pytest.raises(ClientError) as caught:
            client.stop_pipeline_execution(**about)
        assert code_of(caught) == "DuplicatedStopRequestException"
        decide(cloud)
    assert over(cloud, one)["status"] == "Stopped"
    assert action_state(cloud, "Approve", "Approve")["status"] == ("Abandoned" if abandon else "Succeeded")
    assert state(cloud, "Approve")["latestExecution"]["status"] == "Stopped"
    assert executions(cloud)[0]["stopTrigger"] == {"reason": "enough"}
    with pytest.raises(ClientError) as caught:
        client.stop_pipeline_execution(**about)
    assert code_of(caught) == "PipelineExecutionNotStoppableException"
    client.retry_stage_execution(
        pipelineName="release", pipelineExecutionId=one, stageName="Approve", retryMode="FAILED_ACTIONS"
    )
    if abandon:
        decide(cloud)
    decide(cloud, name="Again")
    assert over(cloud, one)["status"] == "Succeeded"


def test_what_cannot_be_retried(cloud: Daemon, git: Git) -> None:
    client = cloud.client("codepipeline")
    create(cloud, ("Source", [source()]), ("Approve", [approval()]))
    one = nth(cloud, 1)

    def code(stage: str = "Approve", identity: str = one) -> str:
        with pytest.raises(ClientError) as caught:
            client.retry_stage_execution(
                pipelineName="release", stageName=stage, pipelineExecutionId=identity, retryMode="FAILED_ACTIONS"
            )
        return code_of(caught)

    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    assert code() == "ConflictException"
    assert code("Source") == "StageNotRetryableException"
    assert code("Nowhere") == "StageNotFoundException"
    assert code(identity="00000000-0000-0000-0000-000000000000") == "NotLatestPipelineExecutionException"
    decide(cloud, "Rejected")
    over(cloud, one)
    two = start(cloud)
    decide(cloud)
    over(cloud, two)
    assert code() == "NotLatestPipelineExecutionException"
    assert code(identity=two) == "StageNotRetryableException"


def test_a_stage_goes_back_to_what_was_there_before(cloud: Daemon, git: Git) -> None:
    client = cloud.client("codepipeline")
    ask = approval(CustomData="#{SourceVariables.CommitId}")
    create(cloud, ("Source", [source()]), ("Approve", [ask]), ("Again", [approval("Again")]), pipelineType="V2")
    first = git("rev-parse", "HEAD").stdout.strip()
    decide(cloud)
    decide(cloud, stage="Again", name="Again")
    one = nth(cloud, 1)
    over(cloud, one)
    push(git)
    decide(cloud)
    two = nth(cloud, 2)
    about = {"pipelineName": "release", "stageName": "Approve"}
    back = client.rollback_stage(**about, targetPipelineExecutionId=one)["pipelineExecutionId"]
    decide(cloud)
    done = over(cloud, back)
    assert (done["status"], done["executionType"]) == ("Succeeded", "ROLLBACK")
    assert done["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": one}
    assert done["trigger"]["triggerType"] == "ManualRollback"
    assert done["artifactRevisions"][0]["revisionId"] == first
    (only,) = action_executions(cloud, pipelineExecutionId=back)
    assert only["input"]["resolvedConfiguration"] == {"CustomData": first}
    assert state(cloud, "Approve")["latestExecution"]["type"] == "ROLLBACK"
    for change, code in (
        ({"stageName": "Source"}, "UnableToRollbackStageException"),
        ({"targetPipelineExecutionId": back}, "UnableToRollbackStageException"),
        ({"stageName": "Again", "targetPipelineExecutionId": two}, "UnableToRollbackStageException"),
        ({"targetPipelineExecutionId": "00000000-0000-0000-0000-000000000000"}, "PipelineExecutionNotFoundException"),
    ):
        with pytest.raises(ClientError) as caught:
            client.rollback_stage(**{**about, "targetPipelineExecutionId": one, **change})
        assert code_of(caught) == code
    filtered = client.list_pipeline_executions(
        pipelineName="release", filter={"succeededInStage": {"stageName": "Again"}}
    )["pipelineExecutionSummaries"]
    assert [each["pipelineExecutionId"] for each in filtered] == [one]


def test_a_failed_stage_rolls_back_or_tries_again_by_itself(cloud: Daemon, git: Git) -> None:
    declared = declaration(cloud, ("Source", [source()]), ("Approve", [approval()]), pipelineType="V2")
    declared["stages"][1]["onFailure"] = {"result": "ROLLBACK"}
    client = cloud.client("codepipeline")
    client.create_pipeline(pipeline=declared)
    decide(cloud)
    one = nth(cloud, 1)
    over(cloud, one)
    two = start(cloud)
    token = decide(cloud, "Rejected")
    assert over(cloud, two)["status"] == "Failed"
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: each.get("token", token) != token)
    back = execution(cloud, nth(cloud, 3))
    assert back["trigger"] == {"triggerType": "AutomatedRollback", "triggerDetail": two}
    assert back["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": one}
    decide(cloud)
    assert over(cloud, nth(cloud, 3))["status"] == "Succeeded"
    declared["stages"][1]["onFailure"] = {"result": "RETRY"}
    client.update_pipeline(pipeline=declared)
    four = start(cloud)
    token = decide(cloud, "Rejected")
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: each.get("token", token) != token)
    assert state(cloud, "Approve")["retryStageMetadata"]["autoStageRetryAttempt"] == 1
    assert execution(cloud, four)["status"] == "InProgress"
    decide(cloud)
    assert over(cloud, four)["status"] == "Succeeded"


def test_an_update_cancels_what_is_in_a_changed_stage_alone(cloud: Daemon, git: Git) -> None:
    client = cloud.client("codepipeline")
    made = create(cloud, ("Source", [source()]), ("Approve", [approval()]))
    one = nth(cloud, 1)
    wait_for(lambda: action_state(cloud, "Approve", "Approve"), lambda each: "token" in each)
    longer = [*made["stages"], {"name": "Again", "actions": [approval("Again")]}]
    client.update_pipeline(pipeline={**made, "stages": longer})
    decide(cloud)
    wait_for(lambda: action_state(cloud, "Again", "Again"), lambda each: "token" in each)
    assert execution(cloud, one)["status"] == "InProgress"
    longer[2] = {"name": "Again", "actions": [approval("Again", CustomData="other")]}
    client.update_pipeline(pipeline={**made, "stages": longer})
    assert over(cloud, one)["status"] == "Cancelled"
    assert len(executions(cloud)) == 1


def test_histories_come_in_pages(cloud: Daemon, git: Git) -> None:
    create(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]), executionMode="QUEUED")
    client = cloud.client("codepipeline")
    ids = [nth(cloud, 1), *(start(cloud) for _ in range(4))]
    until(lambda: len(action_executions(cloud)), 6)  # one stage is passed by all, one is waited for
    pages = client.get_paginator("list_pipeline_executions").paginate(
        pipelineName="release", PaginationConfig={"PageSize": 2}
    )
    listed = [each["pipelineExecutionId"] for page in pages for each in page["pipelineExecutionSummaries"]]
    assert listed == ids[::-1]
    pages = client.get_paginator("list_action_executions").paginate(
        pipelineName="release", PaginationConfig={"PageSize": 4}
    )
    details = [each for page in pages for each in page["actionExecutionDetails"]]
    assert [each["startTime"] for each in details] == sorted((each["startTime"] for each in details), reverse=True)
    assert len({each["actionExecutionId"] for each in details}) == 6
    with pytest.raises(ClientError) as caught:
        client.list_pipeline_executions(pipelineName="release", nextToken="x" * 9)
    assert code_of(caught) == "InvalidNextTokenException"
    with pytest.raises(ClientError) as caught:
        client.list_action_executions(
            pipelineName="release", filter={"pipelineExecutionId": "00000000-0000-0000-0000-000000000000"}
        )
    assert code_of(caught) == "PipelineExecutionNotFoundException"
    decide(cloud, "Rejected")
    over(cloud, ids[0])
    latest = {"pipelineExecutionId": ids[0], "startTimeRange": "Latest"}
    assert len(action_executions(cloud, latestInPipelineExecution=latest)) == 2


def test_eventbridge_hears_of_it(cloud: Daemon, git: Git) -> None:
    """A rule on one pipeline's success starts another."""
    create(cloud, ("Source", [source()]), ("Approve", [approval()]))
    other = declaration(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]), name="b")
    client = cloud.client("codepipeline")
    client.create_pipeline(pipeline=other)
    events, role = cloud.client("events"), service_role(cloud, "events", name="trigger")
    arn = f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release"
    pattern = {
        "source": ["aws.codepipeline"],
        "detail-type": ["CodePipeline Pipeline Execution State Change"],
        "resources": [arn],
        "detail": {"pipeline": ["release"], "state": ["SUCCEEDED"], "execution-id": [nth(cloud, 1)]},
    }
    rule = events.put_rule(Name="after", EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule="after", Targets=[{"Id": "b", "Arn": arn.replace("release", "b"), "RoleArn": role}])
    decide(cloud)

    def triggers() -> list[str]:
        answer = client.list_pipeline_executions(pipelineName="b")["pipelineExecutionSummaries"]
        return [each["trigger"]["triggerDetail"] for each in answer]

    wait_for(triggers, lambda found: rule in found)


def test_with_the_command_line(cloud: Daemon, git: Git, tmp_path: Path) -> None:
    declared = declaration(cloud, ("Source", [source()]), ("Approve", [approval()]))
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps({"pipeline": declared}))
    cloud.aws("codepipeline", "create-pipeline", "--cli-input-json", f"file://{file}")
    written = cloud.aws_json("codepipeline", "get-pipeline", "--name", "release")
    file.write_text(json.dumps({"pipeline": written["pipeline"]}))
    cloud.aws("codepipeline", "update-pipeline", "--cli-input-json", f"file://{file}")
    decide(cloud)
    summaries = cloud.aws_json("codepipeline", "list-pipeline-executions", "--pipeline-name", "release")
    assert summaries["pipelineExecutionSummaries"][0]["trigger"]["triggerType"] == "CreatePipeline"
