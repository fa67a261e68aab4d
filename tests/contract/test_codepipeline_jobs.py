"""Custom actions: job workers with boto3, who take jobs, reach the artifacts of these and nothing else, and answer."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.contract.test_codepipeline import ACCOUNT, code_of
from tests.daemon import Daemon
from tests.git import working_copy
from tests.pipelines import (
    STORE,
    action,
    action_executions,
    action_state,
    approval,
    artifact,
    create,
    decide,
    execution,
    executions,
    nth,
    over,
    source,
    start,
    state,
)
from tests.waiting import until, wait_for

KIND = {"category": "Test", "owner": "Custom", "provider": "Bench", "version": "1"}


def custom(name: str = "Measure", project: str = "shop", **more: Any) -> dict[str, Any]:
    declared = action(name, "Test/Bench", {"Project": project}, inputs=["SourceArtifact"], **more)
    return {**declared, "actionTypeId": KIND}


def bounds(least: int, most: int) -> dict[str, int]:
    return {"minimumCount": least, "maximumCount": most}


def declare(cloud: Daemon, **more: Any) -> dict[str, Any]:
    request = {
        **{name: KIND[name] for name in ("category", "provider", "version")},
        "settings": {
            "entityUrlTemplate": "https://bench.example.com/{Config:Project}",
            "executionUrlTemplate": "https://bench.example.com/{Config:Project}/runs/{ExternalExecutionId}",
        },
        "configurationProperties": [
            {"name": "Project", "required": True, "key": True, "secret": False, "queryable": True}
        ],
        "inputArtifactDetails": bounds(0, 1),
        "outputArtifactDetails": bounds(0, 1),
    }
    return dict(cloud.client("codepipeline").create_custom_action_type(**{**request, **more}))


class Worker:
    """A job worker."""

    def __init__(self, cloud: Daemon, project: str = "shop") -> None:
        self.cloud = cloud
        self.client = cloud.client("codepipeline")
        self.query = {"Project": project}

    def poll(self) -> list[Any]:
        return list(self.client.poll_for_jobs(actionTypeId=KIND, queryParam=self.query)["jobs"])

    def take(self) -> Any:
        """Wait for a job and acknowledge it."""
        (job,) = wait_for(self.poll, bool)
        assert self.client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])["status"] == "InProgress"
        return job

    def s3(self, job: Any) -> Any:
        keys = job["data"]["artifactCredentials"]
        return boto3.client(
            "s3",
            endpoint_url=self.cloud.endpoint,
            region_name=self.cloud.region,
            aws_access_key_id=keys["accessKeyId"],
            aws_secret_access_key=keys["secretAccessKey"],
            aws_session_token=keys["sessionToken"],
        )


@pytest.fixture
def worker(cloud: Daemon, tmp_path: Path) -> Worker:
    """A worker of a custom action, and the repository `hello` for pipelines that have one."""
    copy = working_copy(cloud, tmp_path / "copy")
    copy.commit("first", hello_txt="hello\n")
    copy("push", "-q", "origin", "main")
    declare(cloud)
    return Worker(cloud)


def pipeline(cloud: Daemon, *actions: dict[str, Any]) -> str:
    create(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Test", list(actions)))
    return nth(cloud, 1)


def test_a_worker_makes_the_action_succeed(cloud: Daemon, worker: Worker) -> None:
    asked = approval("Ask", CustomData="#{Bench.Score}")
    first = pipeline(cloud, custom(outputs=["Report"], namespace="Bench"), {**asked, "runOrder": 2})
    job = worker.take()
    assert worker.poll() == []
    data = job["data"]
    context = data["pipelineContext"]
    assert (context["pipelineName"], context["pipelineExecutionId"]) == ("release", first)
    assert (context["stage"]["name"], context["action"]["name"]) == ("Test", "Measure")
    assert context["pipelineArn"] == f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:release"
    assert data["actionConfiguration"]["configuration"] == {"Project": "shop"}
    (given,), (wanted,) = data["inputArtifacts"], data["outputArtifacts"]
    s3, place = worker.s3(job), given["location"]["s3Location"]
    body = s3.get_object(Bucket=place["bucketName"], Key=place["objectKey"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.read("hello.txt") == b"hello\n"
    for refused, request in (
        ("put_object", {"Bucket": place["bucketName"], "Key": place["objectKey"], "Body": b"other"}),
        ("get_object", {"Bucket": STORE, "Key": "another"}),
        ("list_buckets", {}),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(s3, refused)(**request)
        assert code_of(caught) == "AccessDenied"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("report.txt", "good")
    where = wanted["location"]["s3Location"]
    s3.put_object(Bucket=where["bucketName"], Key=where["objectKey"], Body=content.getvalue())

    worker.client.put_job_success_result(
        jobId=job["id"],
        continuationToken="run-7",
        executionDetails={"summary": "half of it", "externalExecutionId": "7", "percentComplete": 50},
    )
    found = action_state(cloud, "Test", "Measure")
    assert (found["status"], found["percentComplete"], found["summary"]) == ("InProgress", 50, "half of it")
    assert found["externalExecutionUrl"] == "https://bench.example.com/shop/runs/7"
    assert state(cloud, "Test")["actionStates"][0]["entityUrl"] == "https://bench.example.com/shop"
    again = worker.take()
    assert again["id"] != job["id"]
    assert again["data"]["continuationToken"] == "run-7"
    details = worker.client.get_job_details(jobId=again["id"])["jobDetails"]
    assert details["data"]["continuationToken"] == "run-7"
    with pytest.raises(ClientError) as caught:
        worker.client.put_job_success_result(jobId=again["id"], continuationToken="x", outputVariables={"a": "b"})
    assert code_of(caught) == "ValidationException"
    worker.client.put_job_success_result(
        jobId=again["id"],
        outputVariables={"Score": "42"},
        currentRevision={"revision": "r1", "changeIdentifier": "c1"},
        executionDetails={"summary": "all of it", "percentComplete": 100},
    )
    decide(cloud, stage="Test", name="Ask")
    assert over(cloud, first)["status"] == "Succeeded"
    _, measured, ask = action_executions(cloud)
    assert ask["input"]["resolvedConfiguration"]["CustomData"] == "42"
    assert measured["output"]["outputVariables"] == {"Score": "42"}
    assert measured["output"]["executionResult"]["externalExecutionSummary"] == "all of it"
    assert artifact(cloud, measured["output"]["outputArtifacts"][0]["s3location"]) == {"report.txt": b"good"}
    assert state(cloud, "Test")["actionStates"][0]["currentRevision"]["revisionId"] == "r1"
    with pytest.raises(ClientError) as caught:
        worker.client.put_job_failure_result(
            jobId=again["id"], failureDetails={"type": "JobFailed", "message": "too late"}
        )
    assert code_of(caught) == "InvalidJobStateException"


def test_a_worker_makes_the_action_fail_and_a_retry_has_a_new_job(cloud: Daemon, worker: Worker) -> None:
    first = pipeline(cloud, custom())
    job = worker.take()
    worker.client.put_job_failure_result(
        jobId=job["id"], failureDetails={"type": "ConfigurationError", "message": "no such project"}
    )
    assert over(cloud, first)["status"] == "Failed"
    error = action_state(cloud, "Test", "Measure")["errorDetails"]
    assert error == {"code": "ConfigurationError", "message": "no such project"}
    cloud.client("codepipeline").retry_stage_execution(
        pipelineName="release", stageName="Test", pipelineExecutionId=first, retryMode="FAILED_ACTIONS"
    )
    again = worker.take()
    assert again["id"] != job["id"]
    worker.client.put_job_success_result(jobId=again["id"])
    assert over(cloud, first)["status"] == "Succeeded"


def test_a_job_is_one_workers(cloud: Daemon, worker: Worker) -> None:
    first = pipeline(cloud, custom(), custom("Other", "depot"))
    (one,) = wait_for(worker.poll, bool)
    (other,) = worker.poll()
    assert one["id"] == other["id"]
    with pytest.raises(ClientError) as caught:
        worker.client.acknowledge_job(jobId=one["id"], nonce=one["nonce"])
    assert code_of(caught) == "InvalidNonceException"
    with pytest.raises(ClientError) as caught:
        worker.client.put_job_success_result(jobId=one["id"])
    assert code_of(caught) == "InvalidJobStateException"
    assert worker.client.acknowledge_job(jobId=one["id"], nonce=other["nonce"])["status"] == "InProgress"
    assert worker.poll() == []
    (depot,) = wait_for(Worker(cloud, "depot").poll, bool)
    assert depot["data"]["pipelineContext"]["action"]["name"] == "Other"
    cloud.client("codepipeline").stop_pipeline_execution(
        pipelineName="release", pipelineExecutionId=first, abandon=True
    )
    assert over(cloud, first)["status"] == "Stopped"
    assert worker.client.acknowledge_job(jobId=depot["id"], nonce=depot["nonce"])["status"] == "TimedOut"
    with pytest.raises(ClientError) as caught:
        worker.client.put_job_success_result(jobId=one["id"])
    assert code_of(caught) == "InvalidJobStateException"
    cloud.client("codepipeline").delete_pipeline(name="release")
    with pytest.raises(ClientError) as caught:
        worker.client.get_job_details(jobId=one["id"])
    assert code_of(caught) == "JobNotFoundException"


def test_a_custom_source_is_told_of_revisions(cloud: Daemon, worker: Worker) -> None:
    client = cloud.client("codepipeline")
    declare(cloud, category="Source", configurationProperties=[], outputArtifactDetails=bounds(1, 1))
    kind = {**KIND, "category": "Source"}
    named = {**action("Source", "Source/Bench", outputs=["SourceArtifact"]), "actionTypeId": kind}
    create(cloud, ("Source", [named]), ("Approve", [approval()]))
    for number, revision in enumerate(("r1", "r2"), start=1):
        (job,) = wait_for(lambda: client.poll_for_jobs(actionTypeId=kind)["jobs"], bool)
        client.acknowledge_job(jobId=job["id"], nonce=job["nonce"])
        client.put_job_success_result(
            jobId=job["id"],
            currentRevision={"revision": revision, "changeIdentifier": revision, "revisionSummary": "what is new"},
        )
        decide(cloud)
        (seen,) = over(cloud, nth(cloud, number))["artifactRevisions"]
        assert (seen["name"], seen["revisionId"]) == ("SourceArtifact", revision)
        if number == 2:
            break
        given = {"revisionId": "r2", "revisionChangeId": "c", "created": "2026-01-01T00:00:00Z"}
        where = {"pipelineName": "release", "stageName": "Source", "actionName": "Source"}
        told = client.put_action_revision(**where, actionRevision=given)
        assert told["newRevision"] is True
        assert execution(cloud, told["pipelineExecutionId"])["trigger"]["triggerType"] == "PutActionRevision"
        again = client.put_action_revision(**where, actionRevision=given)
        assert (again["newRevision"], again["pipelineExecutionId"]) == (False, told["pipelineExecutionId"])
    assert len(executions(cloud)) == 2
    with pytest.raises(ClientError) as caught:
        client.put_action_revision(
            pipelineName="release", stageName="Approve", actionName="Approve", actionRevision=given
        )
    assert code_of(caught) == "ActionNotFoundException"


def test_a_revision_of_a_branch(cloud: Daemon, worker: Worker, tmp_path: Path) -> None:
    create(cloud, ("Source", [source(PollForSourceChanges="false")]), ("Approve", [approval()]))
    decide(cloud)
    (revision,) = over(cloud, nth(cloud, 1))["artifactRevisions"]
    client = cloud.client("codepipeline")
    where = {"pipelineName": "release", "stageName": "Source", "actionName": "Source"}
    given = {"revisionId": revision["revisionId"], "revisionChangeId": "c", "created": "2026-01-01T00:00:00Z"}
    assert client.put_action_revision(**where, actionRevision=given)["newRevision"] is False
    assert client.put_action_revision(**where, actionRevision={**given, "revisionId": "0" * 40})["newRevision"] is True
    assert over(cloud, nth(cloud, 2))["status"] == "Failed"


def test_custom_action_types_live(cloud: Daemon) -> None:
    client = cloud.client("codepipeline")
    made = declare(cloud, tags=[{"key": "team", "value": "blue"}])
    assert made["actionType"]["id"] == KIND
    arn = f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:actiontype:Custom/Test/Bench/1"
    client.tag_resource(resourceArn=arn, tags=[{"key": "cost", "value": "low"}])
    assert len(client.list_tags_for_resource(resourceArn=arn)["tags"]) == 2
    client.untag_resource(resourceArn=arn, tagKeys=["team", "cost"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == []
    listed = client.list_action_types(actionOwnerFilter="Custom")["actionTypes"]
    assert [each["id"] for each in listed] == [KIND]
    with pytest.raises(ClientError) as caught:
        declare(cloud)
    assert code_of(caught) == "ValidationException"
    name = {each: KIND[each] for each in ("category", "provider", "version")}
    client.delete_custom_action_type(**name)
    client.delete_custom_action_type(**name)
    assert client.list_action_types(actionOwnerFilter="Custom")["actionTypes"] == []
    with pytest.raises(ClientError) as caught:
        client.poll_for_jobs(actionTypeId=KIND, queryParam={"Project": "shop"})
    assert code_of(caught) == "ActionTypeNotFoundException"
    with pytest.raises(ClientError) as caught:
        declare(cloud, inputArtifactDetails=bounds(0, 0))
    assert "only be restored as it was" in caught.value.response["Error"]["Message"]
    declare(cloud)
    with pytest.raises(ClientError) as caught:
        client.poll_for_jobs(actionTypeId=KIND)
    assert "queryParam must have the property Project" in caught.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as caught:
        client.poll_for_jobs(actionTypeId={**KIND, "owner": "AWS"})
    assert code_of(caught) == "ValidationException"
    with pytest.raises(ClientError) as caught:
        create(cloud, ("Source", [source()]), ("Test", [{**custom(), "configuration": {"Projekt": "shop"}}]))
    assert code_of(caught) == "InvalidActionDeclarationException"


def test_a_kill_keeps_the_jobs(own_cloud: Daemon, tmp_path: Path) -> None:
    """A job that a worker has taken is that worker's still, whoever was killed meanwhile."""
    copy = working_copy(own_cloud, tmp_path / "copy")
    copy.commit("first", hello_txt="hello\n")
    copy("push", "-q", "origin", "main")
    declare(own_cloud)
    first = pipeline(own_cloud, custom(), custom("Other", "depot"))
    job = Worker(own_cloud).take()
    own_cloud.kill()
    own_cloud.start()
    Worker(own_cloud).client.put_job_success_result(jobId=job["id"])
    assert until(lambda: action_state(own_cloud, "Test", "Measure")["status"], "Succeeded")
    second = start(own_cloud)
    other = Worker(own_cloud, "depot").take()
    assert other["data"]["pipelineContext"]["pipelineExecutionId"] == first
    Worker(own_cloud).client.put_job_success_result(jobId=other["id"])
    assert over(own_cloud, first)["status"] == "Succeeded"
    assert execution(own_cloud, second)["status"] == "InProgress"
