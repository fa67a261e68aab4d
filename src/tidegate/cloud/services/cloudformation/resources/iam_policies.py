"""IAM's policies, inline and managed, and what all of IAM's handlers need."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any, ClassVar

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    without,
)

MISSING = frozenset({"NoSuchEntity"})
_LONGEST_NAME = 128
_MOST_VERSIONS = 5
_HOLDERS = {"Roles": "role", "Users": "user"}  # the property, and the noun in the operations' names


def document(properties: Properties, name: str = "PolicyDocument") -> str:
    """Return a policy document as text; a template has it as a mapping, or as text already."""
    value = properties.get(name)
    return value if isinstance(value, str) else json.dumps(value)


def refuse(handler: Handler, properties: Properties, *names: str) -> None:
    """Refuse properties that nothing here can make real."""
    for name in names:
        if properties.get(name):
            raise not_offered(f"cloudformation {handler.type} {name}")


async def found(call: Awaitable[Any]) -> Any | None:
    """Return what a call answers, None where there is no such entity."""
    try:
        return await call
    except ServiceError as error:
        if error.code not in MISSING:
            raise
        return None


async def unless_missing(call: Awaitable[Any]) -> None:
    """Make a call that takes something away; that it is gone already is no error."""
    await found(call)


async def all_pages(step: Step, operation: str, member: str, **request: Any) -> list[Any]:
    """Return everything that a List operation lists."""
    answer = await step.call("iam", operation, **request)
    items = list(answer[member])
    while answer.get("IsTruncated"):
        answer = await step.call("iam", operation, **request, Marker=answer["Marker"])
        items += answer[member]
    return items


class Policy(Handler):
    """An inline policy of several roles and users; IAM has no id for it, so CloudFormation makes one up.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-policy.html
    """

    type = "AWS::IAM::Policy"
    missing = MISSING

    async def create(self, step: Step) -> str:
        """Put the policy on everybody who is to have it; repeating that changes nothing."""
        refuse(self, step.properties, "Groups")
        if not any(step.properties.get(name) for name in _HOLDERS):
            raise FailedError("At least one of [Groups,Roles,Users] must be non-empty.", "InvalidRequest")
        step.made(step.name("Id", _LONGEST_NAME))
        await self._put(step, {})
        return step.physical_id

    async def find(self, step: Step) -> str | None:
        """Put the policy on those who do not have it yet; nobody can say whether they had."""
        return await self.create(step)

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Put the policy on all who are to have it, and take it from all who are not."""
        refuse(self, step.properties, "Groups")
        await self._put(step, before)
        await self._take(step, before, step.properties)

    async def delete(self, step: Step) -> None:
        """Take the policy from everybody who has it."""
        await self._take(step, step.properties, {})

    async def _put(self, step: Step, before: Properties) -> None:
        everywhere = changed(before, step.properties, "PolicyName", "PolicyDocument")
        request = {"PolicyName": step.properties["PolicyName"], "PolicyDocument": document(step.properties)}
        for name, noun in _HOLDERS.items():
            for holder in step.properties.get(name) or ():
                if everywhere or holder not in (before.get(name) or ()):
                    named = {f"{noun.capitalize()}Name": holder}
                    await step.call("iam", f"put_{noun}_policy", **named, **request)

    async def _take(self, step: Step, before: Properties, after: Properties) -> None:
        renamed = changed(before, after, "PolicyName")
        for name, noun in _HOLDERS.items():
            for holder in before.get(name) or ():
                if renamed or holder not in (after.get(name) or ()):
                    request = {f"{noun.capitalize()}Name": holder, "PolicyName": before["PolicyName"]}
                    await unless_missing(step.call("iam", f"delete_{noun}_policy", **request))


class _OnePolicy(Handler):
    """An inline policy of one role or user; its id is made of both names."""

    missing = MISSING
    noun: ClassVar[str]

    async def create(self, step: Step) -> str:
        """Put the policy; repeating that changes nothing."""
        await self._put(step)
        return f"{step.properties['PolicyName']}|{step.properties[f'{self.noun.capitalize()}Name']}"

    async def update(self, step: Step, before: Properties) -> None:
        """Put the policy anew."""
        await self._put(step)

    async def delete(self, step: Step) -> None:
        """Delete the policy."""
        await step.call("iam", f"delete_{self.noun}_policy", **without(step.properties, "PolicyDocument"))

    async def _put(self, step: Step) -> None:
        request = {**step.properties, "PolicyDocument": document(step.properties)}
        await step.send("iam", f"put_{self.noun}_policy", request)


class RolePolicy(_OnePolicy):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html."""

    type = "AWS::IAM::RolePolicy"
    noun = "role"


class UserPolicy(_OnePolicy):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-userpolicy.html."""

    type = "AWS::IAM::UserPolicy"
    noun = "user"


class ManagedPolicy(Handler):
    """Its id is its ARN.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-managedpolicy.html
    """

    type = "AWS::IAM::ManagedPolicy"
    missing = MISSING

    async def create(self, step: Step) -> str:
        """Create the policy, then attach it."""
        refuse(self, step.properties, "Groups")
        request = {
            **only(step.properties, "Path", "Description"),
            "PolicyName": step.name("ManagedPolicyName", _LONGEST_NAME),
            "PolicyDocument": document(step.properties),
        }
        arn = str((await step.send("iam", "create_policy", request))["Policy"]["Arn"])
        step.made(arn)
        await self._attach(step, {})
        return arn

    async def find(self, step: Step) -> str | None:
        """Return the ARN if the policy is there, once it is attached: `create` would be refused."""
        name = f"{step.properties.get('Path', '/')}{step.name('ManagedPolicyName', _LONGEST_NAME)}"
        arn = f"arn:aws:iam::{step.account}:policy{name}"
        if await found(step.call("iam", "get_policy", PolicyArn=arn)) is None:
            return None
        step.made(arn)
        await self._attach(step, {})
        return arn

    async def read(self, step: Step) -> Attributes:
        """Return the ARN and what IAM knows of the policy."""
        policy = (await step.call("iam", "get_policy", PolicyArn=step.physical_id))["Policy"]
        counts = only(policy, "AttachmentCount", "PermissionsBoundaryUsageCount", "IsAttachable")
        dates = {name: policy[name].isoformat() for name in ("CreateDate", "UpdateDate")}
        return {**only(policy, "PolicyId", "DefaultVersionId"), **counts, **dates, "PolicyArn": policy["Arn"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Make a changed document the default version, and attach the policy to whom it is to be."""
        refuse(self, step.properties, "Groups")
        if document(before) != document(step.properties):
            versions = await self._versions(step)
            for version in versions[: max(0, len(versions) + 2 - _MOST_VERSIONS)]:  # room for this one and the default
                await step.call("iam", "delete_policy_version", PolicyArn=step.physical_id, VersionId=version)
            request = {"PolicyArn": step.physical_id, "PolicyDocument": document(step.properties)}
            await step.call("iam", "create_policy_version", **request, SetAsDefault=True)
        await self._attach(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the policy, after it was detached from whoever has it, with all its versions."""
        named = {"PolicyArn": step.physical_id}
        answer = await step.call("iam", "list_entities_for_policy", **named)
        for name, noun in _HOLDERS.items():
            for holder in answer[f"Policy{name}"]:
                member = f"{noun.capitalize()}Name"
                await step.call("iam", f"detach_{noun}_policy", **named, **{member: holder[member]})
        for version in await self._versions(step):
            await step.call("iam", "delete_policy_version", **named, VersionId=version)
        await step.call("iam", "delete_policy", **named)

    async def _attach(self, step: Step, before: Properties) -> None:
        for name, noun in _HOLDERS.items():
            old, new = before.get(name) or [], step.properties.get(name) or []
            for verb, holders in (("attach", new), ("detach", old)):
                for holder in holders:
                    if (holder in old) is (holder in new):
                        continue
                    request = {f"{noun.capitalize()}Name": holder, "PolicyArn": step.physical_id}
                    call = step.call("iam", f"{verb}_{noun}_policy", **request)
                    await (unless_missing(call) if verb == "detach" else call)

    async def _versions(self, step: Step) -> list[str]:
        """Return the versions that are not the default, the oldest first."""
        versions = await all_pages(step, "list_policy_versions", "Versions", PolicyArn=step.physical_id)
        versions.sort(key=lambda each: int(each["VersionId"][1:]))
        return [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]


HANDLERS: tuple[Handler, ...] = (Policy(), RolePolicy(), UserPolicy(), ManagedPolicy())
