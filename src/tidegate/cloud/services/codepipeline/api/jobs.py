"""Jobs of custom actions, as a job worker sees them: poll, acknowledge, work, say how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.api.custom_types import type_arn
from tidegate.cloud.services.codepipeline.custom import (
    CUSTOM,
    DISPATCHED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    JobRecord,
    filled,
    queryable,
)
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    IN_PROGRESS,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    find_action,
)
from tidegate.cloud.services.codepipeline.structure import artifact_store

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SERVICE = "codepipeline.amazonaws.com"
_BATCH = 1
_LARGEST_VARIABLES = 122_880  # bytes


class Job(NamedTuple):
    """A job with the action that it is of."""

    record: JobRecord
    pipeline: str
    execution: ExecutionRecord
    action: ActionRecord

    @property
    def status(self) -> str:
        """How it stands; one whose action has ended without it has timed out."""
        status = self.record["status"]
        over = self.action["status"] != IN_PROGRESS and status not in (SUCCEEDED, FAILED)
        return TIMED_OUT if over else status


def _polled(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return type_arn(context, request["actionTypeId"])


class JobsApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PollForJobs.html and its siblings."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._lifecycle = lifecycle
        self._calls = calls
        self._clock = clock

    @operation(resource=_polled)
    async def poll_for_jobs(self, context: Context, request: t.PollForJobsInputTypeDef) -> Mapping[str, Any]:
        """Give out jobs that nobody has acknowledged, each with a nonce that makes earlier ones worthless."""
        kind = request["actionTypeId"]
        if kind["owner"] != CUSTOM:
            raise ServiceError("ValidationException", "Jobs can only be polled for action types of the owner Custom")
        found = self.model.custom.find(context.region, kind)
        if found is None:
            name = "/".join(kind[part] for part in ("category", "provider", "version"))
            raise ServiceError("ActionTypeNotFoundException", f"There is no custom action type {name}")
        key, query = queryable(found), request.get("queryParam", {})
        if set(query) != ({key} if key else set()):
            wanted = f"must have the property {key}" if key else "must be empty"
            raise ServiceError("ValidationException", f"queryParam {wanted}")
        waiting = self._waiting(context.region, kind, query)[: request.get("maxBatchSize", _BATCH)]
        jobs = [self._find(context, identity) for identity in waiting]
        for job in jobs:  # all of them before anything is awaited
            job.record["status"], job.record["nonce"] = DISPATCHED, self._clock.token(16)
            self.model.custom.jobs.put((context.region, job.record["id"]), job.record)
        return {"jobs": [{**await self._described(context, job), "nonce": job.record["nonce"]} for job in jobs]}

    @operation()
    async def acknowledge_job(self, context: Context, request: t.AcknowledgeJobInputTypeDef) -> Mapping[str, Any]:
        """Take a job: from now on it is not given out to others."""
        job = self._find(context, request["jobId"])
        if job.record.get("nonce") != request["nonce"]:
            raise ServiceError("InvalidNonceException", f"The nonce is not the last one of the job {request['jobId']}")
        if job.status == DISPATCHED:
            job.record["status"] = RUNNING
            self.model.custom.jobs.put((context.region, request["jobId"]), job.record)
        return {"status": job.status}

    @operation()
    async def get_job_details(self, context: Context, request: t.GetJobDetailsInputTypeDef) -> Mapping[str, Any]:
        """Return a job, with credentials that are new."""
        return {"jobDetails": await self._described(context, self._find(context, request["jobId"]))}

    @operation()
    async def put_job_success_result(
        self, context: Context, request: t.PutJobSuccessResultInputTypeDef
    ) -> Mapping[str, Any]:
        """End a job well, and with it the action, or have the action go on with another job and this token."""
        job = self._in_progress(context, request["jobId"])
        variables = request.get("outputVariables", {})
        if sum(len(name.encode()) + len(value.encode()) for name, value in variables.items()) > _LARGEST_VARIABLES:
            raise ServiceError(
                "OutputVariablesSizeExceededException", f"Output variables have more than {_LARGEST_VARIABLES} bytes"
            )
        token = request.get("continuationToken")
        if token is not None and variables:
            raise ServiceError("ValidationException", "outputVariables cannot be given with a continuationToken")
        self._note(context, job, request.get("executionDetails", {}))
        with self.model.store.transaction():
            job.record["status"] = SUCCEEDED
            self.model.custom.jobs.put((context.region, job.record["id"]), job.record)
            if token is not None:
                self._go_on(context, job, token)
            else:
                job.action["variables"] = dict(variables)
                revision = _revision(job.action, request.get("currentRevision"))
                self._lifecycle.succeed(context.region, job.pipeline, job.execution, job.action, revision=revision)
            self.model.put_execution(context.region, job.pipeline, job.execution)
        return {}

    @operation()
    async def put_job_failure_result(
        self, context: Context, request: t.PutJobFailureResultInputTypeDef
    ) -> Mapping[str, Any]:
        """End a job badly, and with it the action."""
        job, details = self._in_progress(context, request["jobId"]), request["failureDetails"]
        self._note(context, job, details)
        with self.model.store.transaction():
            job.record["status"] = FAILED
            self.model.custom.jobs.put((context.region, job.record["id"]), job.record)
            self._lifecycle.fail(
                context.region, job.pipeline, job.execution, job.action, details["type"], details["message"]
            )
            self.model.put_execution(context.region, job.pipeline, job.execution)
        return {}

    def _waiting(self, region: str, kind: Mapping[str, Any], query: Mapping[str, str]) -> list[str]:
        """Return the ids of the jobs of an action type that wait for a worker, the oldest first."""
        running = (self._running(each) for each in self.model.all_running_actions() if each[0] == region)
        actions = [each for each in running if each is not None and each["input"]["actionTypeId"] == kind]
        jobs = (
            each["progress"]["job"]
            for each in sorted(actions, key=lambda each: each["started"])
            if "job" in each["progress"]
            and all(each["input"]["resolvedConfiguration"].get(key) == value for key, value in query.items())
        )
        return [each for each in jobs if self._status(region, each) in (QUEUED, DISPATCHED)]

    def _running(self, key: tuple[str, ...]) -> ActionRecord | None:
        execution = self.model.executions.get(*key[:3])
        return None if execution is None else find_action(execution, key[3])

    def _status(self, region: str, identity: str) -> str | None:
        record = self.model.custom.jobs.get(region, identity)
        return None if record is None else record["status"]

    def _find(self, context: Context, identity: str) -> Job:
        record = self.model.custom.jobs.get(context.region, identity)
        if record is not None:
            pipeline, execution_id, action_id = record["execution"]
            execution = self.model.executions.get(context.region, pipeline, execution_id)
            action = None if execution is None else find_action(execution, action_id)
            if execution is not None and action is not None:
                return Job(record, pipeline, execution, action)
        raise ServiceError("JobNotFoundException", f"There is no job with the id {identity}")

    def _in_progress(self, context: Context, identity: str) -> Job:
        job = self._find(context, identity)
        if job.status != RUNNING:
            raise ServiceError("InvalidJobStateException", f"The job {identity} is {job.status}, not {RUNNING}")
        return job

    def _note(self, context: Context, job: Job, details: Mapping[str, Any]) -> None:
        """Write down what a worker tells of its work."""
        action = job.action
        if "summary" in details:
            action["summary"] = details["summary"]
        if "percentComplete" in details:
            action["percent"] = details["percentComplete"]
        if "externalExecutionId" in details:
            action["external_id"] = details["externalExecutionId"]
            found = self.model.custom.types.get(
                context.region, *(action["input"]["actionTypeId"][part] for part in ("category", "provider", "version"))
            )
            template = "" if found is None else found["type"].get("settings", {}).get("executionUrlTemplate", "")
            if template:
                action["external_url"] = filled(
                    template, action["input"]["resolvedConfiguration"], action["external_id"]
                )

    def _go_on(self, context: Context, job: Job, token: str) -> None:
        following: JobRecord = {
            "id": self._clock.new_id(),
            "status": QUEUED,
            "execution": job.record["execution"],
            "continuation": token,
        }
        self.model.custom.jobs.put((context.region, following["id"]), following)
        job.action["progress"]["job"] = following["id"]
        job.action["updated"] = job.execution["updated"] = self._clock.now()

    async def _described(self, context: Context, job: Job) -> dict[str, Any]:
        action, execution = job.action, job.execution
        pipeline = self.model.pipelines.get(context.region, job.pipeline)
        assert pipeline is not None
        revisions = {each["name"]: each["revisionId"] for each in execution["revisions"]}
        data: dict[str, Any] = {
            "actionTypeId": action["input"]["actionTypeId"],
            "actionConfiguration": {"configuration": action["input"]["resolvedConfiguration"]},
            "pipelineContext": {
                "pipelineName": job.pipeline,
                "stage": {"name": action["stage"]},
                "action": {"name": action["name"], "actionExecutionId": action["id"]},
                "pipelineArn": self.model.arn(context.region, job.pipeline),
                "pipelineExecutionId": execution["id"],
            },
            "inputArtifacts": [_artifact(each, revisions) for each in action["input"]["inputArtifacts"]],
            "outputArtifacts": [_artifact(each, revisions) for each in action["outputs"]],
        }
        if "continuation" in job.record:
            data["continuationToken"] = job.record["continuation"]
        store = artifact_store(pipeline["pipeline"], context.region)
        if "encryptionKey" in store:
            data["encryptionKey"] = store["encryptionKey"]
        if action["input"]["inputArtifacts"] or action["outputs"]:
            data["artifactCredentials"] = await self._credentials(context, job, pipeline["pipeline"]["roleArn"])
        return {"id": job.record["id"], "data": data, "accountId": context.account}

    async def _credentials(self, context: Context, job: Job, role: str) -> dict[str, str]:
        """Return keys of the pipeline's role that reach the action's artifacts and nothing else."""
        read = [_object(each) for each in job.action["input"]["inputArtifacts"]]
        written = [_object(each) for each in job.action["outputs"]]
        statements = [
            {"Effect": "Allow", "Action": actions, "Resource": places}
            for actions, places in (
                (["s3:GetObject", "s3:GetObjectVersion"], read),
                (["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"], written),
                (["kms:Decrypt", "kms:GenerateDataKey*", "kms:Encrypt", "kms:DescribeKey"], ["*"]),
            )
            if places
        ]
        session = await self._calls.as_role(
            role,
            _SERVICE,
            job.execution["id"],
            context.region,
            source=self.model.arn(context.region, job.pipeline),
            policy=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )
        keys = session.credentials
        return {
            "accessKeyId": keys["AccessKeyId"],
            "secretAccessKey": keys["SecretAccessKey"],
            "sessionToken": keys["SessionToken"],
        }


def _artifact(place: t.ArtifactDetailTypeDef, revisions: Mapping[str, str]) -> dict[str, Any]:
    where = place["s3location"]
    return {
        "name": place["name"],
        **({"revision": revisions[place["name"]]} if place["name"] in revisions else {}),
        "location": {"type": "S3", "s3Location": {"bucketName": where["bucket"], "objectKey": where["key"]}},
    }


def _object(place: t.ArtifactDetailTypeDef) -> str:
    return f"arn:aws:s3:::{place['s3location']['bucket']}/{place['s3location']['key']}"


def _revision(action: ActionRecord, given: t.CurrentRevisionTypeDef | None) -> t.ArtifactRevisionTypeDef | None:
    if given is None:
        return None
    name = action["outputs"][0]["name"] if action["outputs"] else action["name"]
    revision: t.ArtifactRevisionTypeDef = {
        "name": name,
        "revisionId": given["revision"],
        "revisionChangeIdentifier": given["changeIdentifier"],
        "created": given.get("created", action["started"]),  # type: ignore[typeddict-item]
    }
    if "revisionSummary" in given:
        revision["revisionSummary"] = given["revisionSummary"]
    return revision
