"""What a delivery starts: a pipeline, a build, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t

# how RunTask calls what a target calls otherwise
_RENAMED = {"TaskDefinitionArn": "taskDefinition", "TaskCount": "count"}


async def start(session: Caller, target: t.TargetTypeDef, told: Mapping[str, Any], token: str, rule: str) -> None:
    """Start what a target names, with what it is `told`; one that was told before knows the `token`."""
    arn = target["Arn"]
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    if service == "codepipeline":
        known = {name: told[name] for name in ("variables", "sourceRevisions") if name in told}
        await session("codepipeline", "start_pipeline_execution", name=resource, clientRequestToken=token, **known)
    elif service == "ecs":
        await _run_tasks(session, target, told, token, rule)
    else:
        given = {name: value for name, value in told.items() if name not in ("projectName", "idempotencyToken")}
        project = resource.removeprefix("project/")
        await session("codebuild", "start_build", projectName=project, idempotencyToken=token, **given)


async def _run_tasks(session: Caller, target: t.TargetTypeDef, told: Mapping[str, Any], token: str, rule: str) -> None:
    """Run the tasks of a target; its input says in what they differ from their definition (a TaskOverride).

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EcsParameters.html
    """
    parameters: Mapping[str, Any] = target["EcsParameters"]
    request = {_RENAMED.get(name, name): value for name, value in parameters.items()}
    request |= {
        "cluster": target["Arn"],
        "startedBy": f"events-rule/{rule.rpartition('/')[2]}"[:128],
        "clientToken": token,
        **({"overrides": told} if told else {}),
    }
    answer = await session.coerced("ecs", "run_task", request)
    if answer["failures"]:
        raise ServiceError("InternalFailure", str(answer["failures"][0].get("reason")), 500)
