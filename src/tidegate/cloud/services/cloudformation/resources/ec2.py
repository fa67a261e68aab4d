"""What the handlers of EC2's types have in common: tags, finding again, and waiting for what is on its way out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import Handler, Properties, Step, changed, tag_changes

# a load balancer's interfaces, or a task's, go a moment after what they belong to
_IN_USE = frozenset({"DependencyViolation", "InvalidIPAddress.InUse"})


class Removed(Handler):
    """Something that EC2 does not let go while other things need it; CloudFormation waits for those."""

    @abstractmethod
    async def remove(self, step: Step) -> None:
        """Ask EC2 once to delete the resource."""

    async def delete(self, step: Step) -> None:
        """Delete the resource; what still needs it is waited for in `gone`."""
        try:
            await self.remove(step)
        except ServiceError as error:
            if error.code not in _IN_USE:
                raise

    async def gone(self, step: Step) -> bool:
        """Ask again, and return whether the resource is gone."""
        try:
            await self.remove(step)
        except ServiceError as error:
            if error.code not in _IN_USE and not self.is_missing(error):
                raise
            return error.code not in _IN_USE
        return True


class Tagged(Removed):
    """A resource with an id and tags of its own, by which what an interrupted `create` left is found."""

    resource: ClassVar[str]  # as tag specifications call it: `vpc`
    describe: ClassVar[str]  # the operation that lists it
    listed: ClassVar[str]  # the member of its answer: `Vpcs`
    member: ClassVar[str]  # the member that holds the id: `VpcId`
    # properties that never change, and the members that show them: a resource that is replaced has the same tags
    fixed: ClassVar[tuple[tuple[str, str], ...]] = ()

    @abstractmethod
    async def make(self, step: Step) -> str:
        """Make the resource by one call, and return its id."""

    async def configure(self, step: Step, before: Properties) -> None:
        """Do what is left after `make`, or what an update changes; everything where `before` is empty."""

    async def create(self, step: Step) -> str:
        """Make the resource, then set what its own call does not."""
        resource_id = await self.make(step)
        step.made(resource_id)
        await self.configure(step, {})
        return resource_id

    async def find(self, step: Step) -> str | None:
        """Return the id of the resource with CloudFormation's tags, once it has everything that it should have."""
        answer = await step.call("ec2", self.describe, Filters=step.owned)
        for each in answer[self.listed]:
            if all(each.get(shown) == step.properties.get(name, each.get(shown)) for name, shown in self.fixed):
                step.made(each[self.member])
                await self.configure(step, {})
                return str(each[self.member])
        return None

    async def update(self, step: Step, before: Properties) -> None:
        """Change what can be changed, and the tags."""
        await self.configure(step, before)
        await retag(step, before, step.physical_id)

    async def described(self, step: Step) -> Any:
        """Return the resource as EC2 shows it; raise the type's not-found error."""
        answer = await step.call("ec2", self.describe, **{f"{self.member}s": [step.physical_id]})
        return answer[self.listed][0]

    def tags(self, step: Step) -> dict[str, Any]:
        """Return the tags as the call that makes the resource takes them."""
        tags = step.properties.get("Tags")
        return {"TagSpecifications": [{"ResourceType": self.resource, "Tags": tags}]} if tags else {}


async def retag(step: Step, before: Properties, resource_id: str) -> None:
    """Change a resource's tags."""
    put, taken = tag_changes(before, step.properties)
    if put:
        await step.call("ec2", "create_tags", Resources=[resource_id], Tags=put)
    if taken:
        await step.call("ec2", "delete_tags", Resources=[resource_id], Tags=[{"Key": key} for key in taken])


def refuse(handler: Handler, properties: Properties, *names: str) -> None:
    """Refuse properties that nothing here can make real."""
    for name in names:
        if properties.get(name) not in (None, False, "", [], {}):
            raise not_offered(f"cloudformation {handler.type} {name}")


def refuse_change(handler: Handler, before: Properties, after: Properties, *names: str) -> None:
    """Refuse to change properties that are set once, when the resource is made."""
    for name in names:
        if before and changed(before, after, name):
            raise not_offered(f"cloudformation {handler.type} {name}, in an update")
