"""Pipelines for tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tests.builds import IMAGE, service_role
from tests.daemon import Daemon
from tests.waiting import wait_for

STORE = "pipeline-store"
OVER = ("Succeeded", "Failed", "Stopped", "Superseded", "Cancelled")


def action(
    name: str,
    kind: str,
    configuration: Mapping[str, str] | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """Declare an action; `kind` is `Category/Provider`."""
    category, _, provider = kind.partition("/")
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": dict(configuration or {}),
        "inputArtifacts": [{"name": each} for each in inputs],
        "outputArtifacts": [{"name": each} for each in outputs],
        **more,
    }


def source(repository: str = "hello", branch: str = "main", **configuration: str) -> dict[str, Any]:
    """Declare the source action."""
    return action(
        "Source",
        "Source/CodeCommit",
        {"RepositoryName": repository, "BranchName": branch, **configuration},
        outputs=["SourceArtifact"],
        namespace="SourceVariables",
    )


def approval(name: str = "Approve", **configuration: str) -> dict[str, Any]:
    """Declare a manual approval."""
    return action(name, "Approval/Manual", configuration)


def build(name: str = "Build", outputs: Sequence[str] = ("BuildArtifact",), **more: Any) -> dict[str, Any]:
    """Declare a build of the project `hello`."""
    configuration = {"ProjectName": "hello", **more.pop("configuration", {})}
    inputs = more.pop("inputs", ["SourceArtifact"])
    return action(name, "Build/CodeBuild", configuration, inputs=inputs, outputs=outputs, **more)


def stages(*named: tuple[str, Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"name": name, "actions": list(actions)} for name, actions in named]


def declaration(cloud: Daemon, *named: tuple[str, Sequence[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    """Declare the pipeline `release`, with a bucket and a role that may do everything."""
    role = more.pop("role", None) or pipeline_role(cloud)
    s3 = cloud.client("s3")
    if STORE not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=STORE)
    return {
        "name": "release",
        "roleArn": role,
        "artifactStore": {"type": "S3", "location": STORE},
        "stages": stages(*named),
        **more,
    }


def pipeline_role(cloud: Daemon) -> str:
    """Return the ARN of the role `pipeline`, made if it is not there."""
    try:
        return str(cloud.client("iam").get_role(RoleName="pipeline")["Role"]["Arn"])
    except ClientError:
        return service_role(cloud, "codepipeline", name="pipeline")


def create(cloud: Daemon, *named: tuple[str, Sequence[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    """Create the pipeline `release`."""
    declared = declaration(cloud, *named, **more)
    return dict(cloud.client("codepipeline").create_pipeline(pipeline=declared)["pipeline"])


def executions(cloud: Daemon) -> list[dict[str, Any]]:
    """Return the executions of `release`, the oldest first."""
    answer = cloud.client("codepipeline").list_pipeline_executions(pipelineName="release")
    return list(reversed(answer["pipelineExecutionSummaries"]))


def execution(cloud: Daemon, identity: str) -> dict[str, Any]:
    """Return one execution of `release`."""
    answer = cloud.client("codepipeline").get_pipeline_execution(pipelineName="release", pipelineExecutionId=identity)
    return dict(answer["pipelineExecution"])


def over(cloud: Daemon, identity: str, patience: float = 30) -> dict[str, Any]:
    """Return an execution of `release` once it is over."""
    return wait_for(lambda: execution(cloud, identity), lambda each: each["status"] in OVER, patience)


def nth(cloud: Daemon, number: int) -> str:
    """Return the id of an execution by its number, the first is 1, once it was started."""
    return str(wait_for(lambda: executions(cloud), lambda each: len(each) >= number)[number - 1]["pipelineExecutionId"])


def start(cloud: Daemon, **request: Any) -> str:
    """Start an execution of `release` and return its id."""
    return str(cloud.client("codepipeline").start_pipeline_execution(name="release", **request)["pipelineExecutionId"])


def state(cloud: Daemon, stage: str) -> dict[str, Any]:
    """Return the state of a stage of `release`."""
    answer = cloud.client("codepipeline").get_pipeline_state(name="release")
    return dict(next(each for each in answer["stageStates"] if each["stageName"] == stage))


def action_state(cloud: Daemon, stage: str, name: str) -> dict[str, Any]:
    """Return what an action of `release` did last; empty where it has not been run."""
    actions = state(cloud, stage)["actionStates"]
    return dict(next(each for each in actions if each["actionName"] == name).get("latestExecution", {}))


def action_executions(cloud: Daemon, **filters: Any) -> list[dict[str, Any]]:
    """Return what the actions of `release` did, the oldest first."""
    request = {"filter": filters} if filters else {}
    answer = cloud.client("codepipeline").list_action_executions(pipelineName="release", **request)
    return list(reversed(answer["actionExecutionDetails"]))


def decide(cloud: Daemon, status: str = "Approved", *, stage: str = "Approve", name: str = "Approve") -> str:
    """Wait for an approval to be asked for, give or refuse it, and return its token."""
    asked = wait_for(lambda: action_state(cloud, stage, name), lambda each: "token" in each)
    cloud.client("codepipeline").put_approval_result(
        pipelineName="release",
        stageName=stage,
        actionName=name,
        result={"summary": "seen", "status": status},
        token=asked["token"],
    )
    return str(asked["token"])


def artifact(cloud: Daemon, place: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of an artifact."""
    body = cloud.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Mapping[str, str]) -> bytes:
    """Return a zip of text files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def build_project(cloud: Daemon, *commands: str, files: Sequence[str] = (), **spec: Any) -> None:
    """Make the project `hello` for a pipeline, whose buildspec is given and not in the source."""
    document = {"version": "0.2", "phases": {"build": {"commands": list(commands)}}, **spec}
    if files:
        document["artifacts"] = {"files": list(files)}
    cloud.client("codebuild").create_project(
        name="hello",
        source={"type": "CODEPIPELINE", "buildspec": json.dumps(document, indent=1)},
        artifacts={"type": "CODEPIPELINE"},
        environment={"type": "LINUX_CONTAINER", "image": IMAGE, "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=service_role(cloud),
    )
