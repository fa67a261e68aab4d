"""CloudFormation: nested stacks."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
)

_LONGEST_NAME = 128
_NO_STACK = "does not exist"
_NO_UPDATES = "No updates are to be performed"
_REFUSED = ("NotificationARNs", "StackPolicyBody", "StackPolicyURL", "TemplateBody", "RoleARN", "StackName")


class Stack(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-stack.html."""

    type = "AWS::CloudFormation::Stack"

    async def create(self, step: Step) -> str:
        """Begin to create the nested stack, with what its parent was allowed to do."""
        request = await self._request(step)
        if "TimeoutInMinutes" in step.properties:
            request["TimeoutInMinutes"] = step.properties["TimeoutInMinutes"]
        answer = await step.call(
            "cloudformation",
            "create_stack",
            StackName=step.name("", _LONGEST_NAME),
            OnFailure="DO_NOTHING",  # the parent takes it back
            ClientRequestToken=step.token,
            **request,
        )
        return str(answer["StackId"])

    async def find(self, step: Step) -> str | None:
        """Return the nested stack of this name if there is one."""
        stack = await self._describe(step, step.name("", _LONGEST_NAME))
        return None if stack is None else str(stack["StackId"])

    async def settled(self, step: Step) -> bool:
        """Return whether nothing is under way on the nested stack; raise where that went wrong."""
        stack = await self._describe(step, step.physical_id)
        if stack is None:
            raise FailedError(f"Embedded stack {step.physical_id} is gone", "NotFound")
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
            return True
        if status.endswith("_IN_PROGRESS"):
            return False
        if status == "UPDATE_ROLLBACK_COMPLETE" and not await self._ended_ours(step):
            return True  # it had taken itself back, and that is what is wanted
        verb = "created" if status.startswith(("CREATE", "ROLLBACK")) else "updated"
        reason = stack.get("StackStatusReason", status)
        raise FailedError(f"Embedded stack {step.physical_id} was not successfully {verb}: {reason}")

    async def read(self, step: Step) -> Attributes:
        """Return `Outputs.NAME` for every output."""
        stack = await self._describe(step, step.physical_id) or {}
        return {f"Outputs.{each['OutputKey']}": each["OutputValue"] for each in stack.get("Outputs", [])}

    async def update(self, step: Step, before: Properties) -> None:
        """Begin to update the nested stack; one that would not change is left alone."""
        request = await self._request(step)
        try:
            await step.call(
                "cloudformation",
                "update_stack",
                StackName=step.physical_id,
                ClientRequestToken=step.token,
                **request,
            )
        except ServiceError as error:
            if _NO_UPDATES not in error.message:
                raise

    async def delete(self, step: Step) -> None:
        """Begin to delete the nested stack."""
        await step.call("cloudformation", "delete_stack", StackName=step.physical_id)

    async def gone(self, step: Step) -> bool:
        """Return whether the nested stack is deleted; raise where it could not be."""
        stack = await self._describe(step, step.physical_id)
        if stack is not None and stack["StackStatus"] == "DELETE_FAILED":
            reason = stack.get("StackStatusReason", "")
            raise FailedError(f"Embedded stack {step.physical_id} was not successfully deleted: {reason}")
        return stack is None or stack["StackStatus"] == "DELETE_COMPLETE"

    async def _request(self, step: Step) -> dict[str, Any]:
        for name in _REFUSED:
            if step.properties.get(name):
                raise not_offered(f"cloudformation {self.type} {name}")
        parent = await step.call("cloudformation", "describe_stacks", StackName=step.stack_id)
        parameters = step.properties.get("Parameters", {})
        return {
            "TemplateURL": step.properties["TemplateURL"],
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": ",".join(value) if isinstance(value, list) else str(value)}
                for name, value in parameters.items()
            ],
            "Tags": list(step.properties.get("Tags", [])),
            "Capabilities": list(parent["Stacks"][0].get("Capabilities", [])),
        }

    async def _ended_ours(self, step: Step) -> bool:
        """Return whether the last operation on the nested stack was this step's own."""
        answer = await step.call("cloudformation", "describe_stack_events", StackName=step.physical_id)
        return bool(answer["StackEvents"][0].get("ClientRequestToken") == step.token)

    async def _describe(self, step: Step, name: str) -> Any | None:
        try:
            answer = await step.call("cloudformation", "describe_stacks", StackName=name)
        except ServiceError as error:
            if _NO_STACK in error.message:
                return None
            raise
        return answer["Stacks"][0]


HANDLERS: tuple[Handler, ...] = (Stack(),)
