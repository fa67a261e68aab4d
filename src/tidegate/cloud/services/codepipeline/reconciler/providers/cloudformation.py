"""Deploy, CloudFormation: stacks and change sets from a template in an artifact.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts, FileTooLargeError, MissingFileError
from tidegate.cloud.services.codepipeline.reconciler.providers.template_parameters import (
    ParametersError,
    TemplateConfiguration,
    as_text,
    configuration_of,
    overrides_of,
)
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    ActionFailedError,
    ActionRun,
    Done,
    Later,
)

_LARGEST_FILE = 1 << 20  # bytes
_LONGEST_BODY = 51_200  # characters of a template within a request
_NOTHING = ("No updates are to be performed", "didn't contain changes")
_BROKEN = frozenset(
    {
        "CREATE_FAILED",
        "DELETE_FAILED",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_FAILED",
    }
)
_COMPLETE = {
    "CREATE": ("CREATE_COMPLETE",),
    "UPDATE": ("UPDATE_COMPLETE",),
    "EXECUTE": ("CREATE_COMPLETE", "UPDATE_COMPLETE"),
    "DELETE": ("DELETE_COMPLETE",),
    "CLEAR": ("DELETE_COMPLETE",),  # before a stack is created anew
}


class CloudFormationDeploy:
    """Does what `ActionMode` says.

    `operation` is kept before it is asked for, and asked for with the action's id as its token: after a kill it is
    the same one.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def advance(self, run: ActionRun) -> Later | Done:
        """Begin what is to be done, or look how it stands."""
        session, mode = await run.session(), run.configuration["ActionMode"]
        if mode == "CHANGE_SET_REPLACE":
            return await self._replace_change_set(run, session)
        if run.progress.get("stack") is None:
            if mode == "CHANGE_SET_EXECUTE":
                done = await self._execute(run, session)
            elif mode == "DELETE_ONLY":
                done = await self._delete(run, session)
            else:
                done = await self._create_or_update(run, session)
            if done is not None:
                return done
        return await self._follow(run, session)

    async def _create_or_update(self, run: ActionRun, session: RoleSession) -> Done | None:
        operation = run.progress.get("operation")
        if operation is None:
            stack = await _find(session, run.configuration["StackName"])
            status = "REVIEW_IN_PROGRESS" if stack is None else stack["StackStatus"]
            operation = "CREATE" if status == "REVIEW_IN_PROGRESS" else "UPDATE"
            if run.configuration["ActionMode"] == "REPLACE_ON_FAILURE" and status in _BROKEN:
                assert stack is not None
                run.keep(operation="CLEAR", cleared=stack["StackId"])
                operation = "CLEAR"
            else:
                run.keep(operation=operation)
        if operation == "CLEAR":
            await session("cloudformation", "delete_stack", StackName=run.progress["cleared"], **_role(run))
            _follow_stack(run, run.progress["cleared"])
            return None
        request = await self._request(run, session)
        call = "create_stack" if operation == "CREATE" else "update_stack"
        try:
            answer = await session("cloudformation", call, ClientRequestToken=run.id, **request)
        except ServiceError as error:
            if not any(each in error.message for each in _NOTHING):
                raise
            stack = await _find(session, run.configuration["StackName"])
            return await self._done(run, session, stack or {})
        _follow_stack(run, answer["StackId"])
        return None

    async def _delete(self, run: ActionRun, session: RoleSession) -> Done | None:
        if "operation" not in run.progress:
            stack = await _find(session, run.configuration["StackName"])
            if stack is None:
                return Done(summary=f"The stack {run.configuration['StackName']} does not exist")
            run.keep(operation="DELETE", deleted=stack["StackId"])
        identity = run.progress["deleted"]
        request = {"StackName": identity, "ClientRequestToken": run.id, **_role(run)}
        await session("cloudformation", "delete_stack", **request)
        _follow_stack(run, identity)
        return None

    async def _replace_change_set(self, run: ActionRun, session: RoleSession) -> Later | Done:
        name, stack_name = run.configuration["ChangeSetName"], run.configuration["StackName"]
        if "change_set" not in run.progress:
            stack = await _find(session, stack_name)
            new = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
            if stack is not None:
                await session("cloudformation", "delete_change_set", StackName=stack_name, ChangeSetName=name)
            request = await self._request(run, session)
            answer = await session(
                "cloudformation",
                "create_change_set",
                ChangeSetName=name,
                ChangeSetType="CREATE" if new else "UPDATE",
                ClientToken=run.id,
                **{key: value for key, value in request.items() if key != "StackPolicyBody"},
            )
            run.keep(
                change_set=answer["Id"],
                waits_for=["cloudformation.stack", run.region, *_key(answer["StackId"])],
                external_id=answer["Id"],
                external_url=_url(run, answer["StackId"]),
            )
        found = await session(
            "cloudformation",
            "describe_change_set",
            ChangeSetName=run.progress["change_set"],
            StackName=stack_name,
        )
        if found["Status"] == "CREATE_COMPLETE":
            return Done(summary=f"Change set {name} was created.")
        if found["Status"] != "FAILED":
            return Later(1.0)
        reason = found.get("StatusReason", "")
        if any(each in reason for each in _NOTHING):
            return Done(summary=f"Change set {name} was created with no changes.")
        raise ActionFailedError(JOB_FAILED, f"Change set {name} failed to be created: {reason}")

    async def _execute(self, run: ActionRun, session: RoleSession) -> Done | None:
        name, stack_name = run.configuration["ChangeSetName"], run.configuration["StackName"]
        if "executed" not in run.progress:
            found = await session("cloudformation", "describe_change_set", ChangeSetName=name, StackName=stack_name)
            if found["Status"] == "FAILED" and any(each in found.get("StatusReason", "") for each in _NOTHING):
                return Done(summary=f"Change set {name} has no changes: there is nothing to execute.")
            run.keep(operation="EXECUTE", executed=found["ChangeSetId"], of=found["StackId"])
            resumed = False
        else:
            resumed = True
        try:
            await session(
                "cloudformation",
                "execute_change_set",
                ChangeSetName=run.progress["executed"],
                StackName=run.progress["of"],
                ClientRequestToken=run.id,
            )
        except ServiceError as error:
            # executed before a kill, it may be gone by now, or over
            if not resumed or error.code not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
                raise
        _follow_stack(run, run.progress["of"])
        return None

    async def _follow(self, run: ActionRun, session: RoleSession) -> Later | Done:
        operation, identity = run.progress["operation"], run.progress["stack"]
        stack = await _find(session, identity)
        status = "DELETE_COMPLETE" if stack is None else stack["StackStatus"]
        if status.endswith("_IN_PROGRESS"):
            return Later()
        if status not in _COMPLETE[operation]:
            reason = "" if stack is None else stack.get("StackStatusReason", "")
            raise ActionFailedError(JOB_FAILED, f"The stack {_key(identity)[0]} is in the state {status}. {reason}")
        if operation == "CLEAR":
            run.keep(operation="CREATE", stack=None)
            return Later(0.01)
        if operation == "DELETE":
            return Done(summary=f"The stack {_key(identity)[0]} was deleted.")
        return await self._done(run, session, stack or {})

    async def _done(self, run: ActionRun, session: RoleSession, stack: Mapping[str, Any]) -> Done:
        """End the action with the stack's outputs, as variables and in a file if one is asked for."""
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        name = run.configuration.get("OutputFileName")
        if name is not None:
            content = io.BytesIO()
            with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(name, json.dumps(outputs))
            (place,) = run.outputs.values()
            await self._artifacts.store(session, place, content.getvalue(), run.encryption_key)
        return Done(outputs, summary=f"The stack {run.configuration['StackName']} is {stack.get('StackStatus', '')}")

    async def _request(self, run: ActionRun, session: RoleSession) -> dict[str, Any]:
        """Return what a stack or a change set is asked for with."""
        configuration = run.configuration

        async def read(artifact: str, file: str) -> str:
            return await self._read(run, session, artifact, file)

        settings = TemplateConfiguration({}, {}, None)
        parameters: dict[str, Any] = {}
        key = "TemplateConfiguration"
        try:
            if key in configuration:
                settings = configuration_of(await read(*configuration[key].split("::", 1)))
                parameters |= settings.parameters
            key = "ParameterOverrides"
            if key in configuration:
                parameters |= await overrides_of(configuration[key], run.inputs, run.region, read)
        except ParametersError as error:
            raise ActionFailedError(CONFIGURATION_ERROR, f"{key} cannot be used: {error}") from error
        artifact, _, file = configuration["TemplatePath"].partition("::")
        request: dict[str, Any] = {
            "StackName": configuration["StackName"],
            **await self._template(run, session, artifact, file),
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": as_text(value)} for name, value in parameters.items()
            ],
            "Capabilities": [each.strip() for each in configuration.get("Capabilities", "").split(",") if each.strip()],
            **_role(run),
        }
        if settings.tags:
            request["Tags"] = [{"Key": name, "Value": str(value)} for name, value in settings.tags.items()]
        if settings.policy is not None:
            request["StackPolicyBody"] = json.dumps(settings.policy)
        return request

    async def _template(self, run: ActionRun, session: RoleSession, artifact: str, file: str) -> dict[str, str]:
        """Return a template as a request takes it: within, or where it is put beside its artifact if it is long."""
        text = await self._read(run, session, artifact, file)
        if len(text) <= _LONGEST_BODY:
            return {"TemplateBody": text}
        place = run.inputs[artifact]
        key = f"{place['key']}.{run.id}.template"
        await self._artifacts.store(session, {"bucket": place["bucket"], "key": key}, text.encode(), run.encryption_key)
        return {"TemplateURL": f"https://s3.{run.region}.amazonaws.com/{place['bucket']}/{key}"}

    async def _read(self, run: ActionRun, session: RoleSession, artifact: str, file: str) -> str:
        if artifact not in run.inputs:
            raise ActionFailedError(CONFIGURATION_ERROR, f"{artifact} is not an input artifact of the action")
        try:
            content = await self._artifacts.read(session, run.inputs[artifact], file, _LARGEST_FILE)
            return content.decode("utf-8-sig")
        except MissingFileError:
            why = f"The file {file} does not exist in the artifact {artifact}"
        except FileTooLargeError:
            why = f"The file {file} of the artifact {artifact} is larger than {_LARGEST_FILE >> 20} MB"
        except UnicodeDecodeError:
            why = f"The file {file} of the artifact {artifact} is not UTF-8"
        raise ActionFailedError(CONFIGURATION_ERROR, why)


async def _find(session: RoleSession, name: str) -> Mapping[str, Any] | None:
    """Return a stack by its name or id, or None where there is none (any more)."""
    try:
        answer = await session("cloudformation", "describe_stacks", StackName=name)
    except ServiceError as error:
        if error.code == "ValidationError" and "does not exist" in error.message:
            return None
        raise
    stack: Mapping[str, Any] = answer["Stacks"][0]
    return stack


def _follow_stack(run: ActionRun, identity: str) -> None:
    run.keep(
        stack=identity,
        waits_for=["cloudformation.stack", run.region, *_key(identity)],
        external_id=identity,
        external_url=_url(run, identity),
    )


def _role(run: ActionRun) -> dict[str, str]:
    return {"RoleARN": run.configuration["RoleArn"]} if "RoleArn" in run.configuration else {}


def _key(stack_id: str) -> list[str]:
    """Return a stack's name and the unique part of its id."""
    return stack_id.split(":", 5)[5].split("/")[1:]


def _url(run: ActionRun, stack_id: str) -> str:
    return console(run.region, f"cloudformation/home?region={run.region}#/stacks/stackinfo?stackId={stack_id}")
