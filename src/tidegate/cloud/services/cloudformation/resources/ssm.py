"""Systems Manager: parameters."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    only,
    tag_changes,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 500


class Parameter(Handler):
    """`Fn::GetAtt` gives `Type` and `Value` as the template has them.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html
    """

    type = "AWS::SSM::Parameter"
    missing = frozenset({"ParameterNotFound"})

    async def create(self, step: Step) -> str:
        """Put the parameter, which must not be there."""
        name = _name(step)
        tags, _ = tag_changes({}, step.properties)
        request = _request(step.properties)
        await step.send("ssm", "put_parameter", {**request, "Name": name, **({"Tags": tags} if tags else {})})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the parameter's name if it is there and this resource's."""
        try:
            tags = await step.call("ssm", "list_tags_for_resource", ResourceType="Parameter", ResourceId=_name(step))
        except ServiceError as error:
            if error.code == "InvalidResourceId":
                return None
            raise
        return _name(step) if carries(step, tags["TagList"]) else None

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`; the other attributes are properties."""
        name = step.physical_id.lstrip("/")
        return {"Arn": f"arn:aws:ssm:{step.region}:{step.account}:parameter/{name}"}

    async def update(self, step: Step, before: Properties) -> None:
        """Put a new version, and change the tags."""
        request = {"Description": "", "AllowedPattern": "", **_request(step.properties)}
        await step.send("ssm", "put_parameter", {**request, "Name": step.physical_id, "Overwrite": True})
        put, taken = tag_changes(before, step.properties)
        resource = {"ResourceType": "Parameter", "ResourceId": step.physical_id}
        if put:
            await step.call("ssm", "add_tags_to_resource", **resource, Tags=put)
        if taken:
            await step.call("ssm", "remove_tags_from_resource", **resource, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the parameter with its history."""
        await step.call("ssm", "delete_parameter", Name=step.physical_id)


def _name(step: Step) -> str:
    """Return the given name, or one that begins with `CFN-`: a stack's own could begin with what SSM reserves."""
    name = step.name("Name", _LONGEST_NAME)
    return name if step.properties.get("Name") else f"CFN-{name}"


def _request(properties: Properties) -> dict[str, Any]:
    return only(properties, "Type", "Value", "Description", "AllowedPattern", "Tier", "DataType", "Policies")


HANDLERS: tuple[Handler, ...] = (Parameter(),)
