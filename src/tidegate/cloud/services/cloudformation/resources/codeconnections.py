"""CodeConnections: connections, under the service's name and under the one that it had before."""

from __future__ import annotations

from typing import ClassVar

from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    only,
    tag_changes,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries


class Connection(Handler):
    """Its id is the ARN.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codeconnections-connection.html
    """

    type = "AWS::CodeConnections::Connection"
    missing = frozenset({"ResourceNotFoundException"})
    service: ClassVar[str] = "codeconnections"

    async def create(self, step: Step) -> str:
        """Create the connection."""
        tags, _ = tag_changes({}, step.properties)
        request = only(step.properties, "ConnectionName", "ProviderType", "HostArn")
        answer = await step.send(self.service, "create_connection", {**request, **({"Tags": tags} if tags else {})})
        return str(answer["ConnectionArn"])

    async def find(self, step: Step) -> str | None:
        """Return the ARN of the connection of that name if it has CloudFormation's tags."""
        token: dict[str, str] = {}
        while True:
            answer = await step.call(self.service, "list_connections", **token)
            for each in answer["Connections"]:
                arn = each["ConnectionArn"]
                if each["ConnectionName"] != step.properties["ConnectionName"] or arn.split(":")[2] != self.service:
                    continue
                tags = await step.call(self.service, "list_tags_for_resource", ResourceArn=arn)
                if carries(step, tags["Tags"]):
                    return str(arn)
            if "NextToken" not in answer:
                return None
            token = {"NextToken": answer["NextToken"]}

    async def read(self, step: Step) -> Attributes:
        """Return `ConnectionArn`, `ConnectionStatus` and `OwnerAccountId`."""
        found = await step.call(self.service, "get_connection", ConnectionArn=step.physical_id)
        return only(found["Connection"], "ConnectionArn", "ConnectionStatus", "OwnerAccountId")

    async def update(self, step: Step, before: Properties) -> None:
        """Change the tags: everything else makes another connection."""
        put, taken = tag_changes(before, step.properties)
        if put:
            await step.call(self.service, "tag_resource", ResourceArn=step.physical_id, Tags=put)
        if taken:
            await step.call(self.service, "untag_resource", ResourceArn=step.physical_id, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the connection."""
        await step.call(self.service, "delete_connection", ConnectionArn=step.physical_id)


class OldConnection(Connection):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codestarconnections-connection.html."""

    type = "AWS::CodeStarConnections::Connection"
    service = "codestar-connections"


HANDLERS: tuple[Handler, ...] = (Connection(), OldConnection())
