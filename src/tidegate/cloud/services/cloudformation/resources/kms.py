"""KMS: keys, their replicas in other Regions, aliases.

A key has no name, and on AWS none of CloudFormation's tags. Here it has two of them, by which a create that was killed
on its way finds what it made.
"""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
)

_WINDOW = 30  # days in which a key that was deleted can be had back
_DOOMED = ("PendingDeletion", "PendingReplicaDeletion")


class Key(Handler):
    """Its id is the key's id. Deleted, it can be had back for a while.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kms-key.html
    """

    type = "AWS::KMS::Key"
    missing = frozenset({"NotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the key, then set its rotation and whether it is enabled."""
        names = ("Description", "KeySpec", "KeyUsage", "Origin", "MultiRegion", "BypassPolicyLockoutSafetyCheck")
        request = {**only(step.properties, *names), **_policy(step.properties), "Tags": _tags(step)}
        answer = await step.send("kms", "create_key", request)
        key = str(answer["KeyMetadata"]["KeyId"])
        step.made(key)
        await self._turn(step, key)
        return key

    async def find(self, step: Step) -> str | None:
        """Return the id of the key with CloudFormation's tags, once it is set to what it should be."""
        key = await _find(step)
        if key is not None:
            step.made(key)
            await self._turn(step, key)
        return key

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `KeyId`."""
        return await _read(step)

    async def update(self, step: Step, before: Properties) -> None:
        """Change what can be changed."""
        await _update(step, before)
        if changed(before, step.properties, "EnableKeyRotation", "RotationPeriodInDays", "Enabled"):
            await self._turn(step, step.physical_id)

    async def delete(self, step: Step) -> None:
        """Have the key deleted when its window is over."""
        await _delete(step)

    async def _turn(self, step: Step, key: str) -> None:
        """Set rotation first: a disabled key has none."""
        rotates, enabled = step.properties.get("EnableKeyRotation", False), step.properties.get("Enabled", True)
        found = await step.call("kms", "describe_key", KeyId=key)
        if found["KeyMetadata"]["KeyState"] == "Disabled" and enabled:
            await step.call("kms", "enable_key", KeyId=key)
        if found["KeyMetadata"]["KeyState"] == "Enabled" or enabled:
            period = only(step.properties, "RotationPeriodInDays") if rotates else {}
            operation = "enable_key_rotation" if rotates else "disable_key_rotation"
            await step.send("kms", operation, {"KeyId": key, **period})
        if not enabled:
            await step.call("kms", "disable_key", KeyId=key)


class ReplicaKey(Handler):
    """Its id is the key's id, which is that of the primary key.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kms-replicakey.html
    """

    type = "AWS::KMS::ReplicaKey"
    missing = frozenset({"NotFoundException"})

    async def create(self, step: Step) -> str:
        """Replicate the primary key from its own Region into this one."""
        primary = str(step.properties["PrimaryKeyArn"])
        request = {
            "KeyId": primary,
            "ReplicaRegion": step.region,
            **only(step.properties, "Description"),
            **_policy(step.properties),
            "Tags": _tags(step),
        }
        parts = primary.split(":")
        if len(parts) < 6:
            raise FailedError(f"{primary} is not the ARN of a key", "InvalidRequest")
        answer = await step.send("kms", "replicate_key", request, region=parts[3])
        key = str(answer["ReplicaKeyMetadata"]["KeyId"])
        step.made(key)
        if not step.properties.get("Enabled", True):
            await step.call("kms", "disable_key", KeyId=key)
        return key

    async def find(self, step: Step) -> str | None:
        """Return the id of the key with CloudFormation's tags."""
        return await _find(step)

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `KeyId`."""
        return await _read(step)

    async def update(self, step: Step, before: Properties) -> None:
        """Change what can be changed."""
        await _update(step, before)
        if changed(before, step.properties, "Enabled"):
            operation = "enable_key" if step.properties.get("Enabled", True) else "disable_key"
            await step.call("kms", operation, KeyId=step.physical_id)

    async def delete(self, step: Step) -> None:
        """Have the replica deleted when its window is over."""
        await _delete(step)


class Alias(Handler):
    """Its id is its name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kms-alias.html
    """

    type = "AWS::KMS::Alias"
    missing = frozenset({"NotFoundException"})

    async def create(self, step: Step) -> str:
        """Give the key its name."""
        await step.send("kms", "create_alias", _alias(step))
        return str(step.properties["AliasName"])

    async def find(self, step: Step) -> str | None:
        """Return the name if it is the key's already: nobody else would have given it."""
        wanted = (await step.call("kms", "describe_key", KeyId=_alias(step)["TargetKeyId"]))["KeyMetadata"]["KeyId"]
        try:
            found = await step.call("kms", "describe_key", KeyId=step.properties["AliasName"])
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise
        return str(step.properties["AliasName"]) if found["KeyMetadata"]["KeyId"] == wanted else None

    async def update(self, step: Step, before: Properties) -> None:
        """Give the name to another key."""
        await step.send("kms", "update_alias", _alias(step))

    async def delete(self, step: Step) -> None:
        """Take the name away."""
        await step.call("kms", "delete_alias", AliasName=step.physical_id)


def _alias(step: Step) -> dict[str, Any]:
    return only(step.properties, "AliasName", "TargetKeyId")


def _policy(properties: Properties) -> dict[str, str]:
    if "KeyPolicy" not in properties:
        return {}
    document = properties["KeyPolicy"]
    return {"Policy": document if isinstance(document, str) else json.dumps(document)}


def _tags(step: Step) -> list[dict[str, str]]:
    tags, _ = tag_changes({}, step.properties)
    given = [tag for tag in tags if not tag["Key"].startswith("aws:")]
    return _as_kms([*given, *_marks(step)])


def _marks(step: Step) -> list[dict[str, str]]:
    """Return the tags that tell whose a key is."""
    marks = {"aws:cloudformation:stack-id": step.stack_id, "aws:cloudformation:logical-id": step.logical_id}
    return [{"Key": key, "Value": value} for key, value in marks.items()]


def _as_kms(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]


async def _find(step: Step) -> str | None:
    """Return the id of the key of this region that has CloudFormation's tags and is not to be deleted."""
    marker: dict[str, str] = {}
    while True:
        answer = await step.call("kms", "list_keys", **marker)
        for each in answer["Keys"]:
            metadata = (await step.call("kms", "describe_key", KeyId=each["KeyId"]))["KeyMetadata"]
            if metadata["KeyManager"] == "AWS" or metadata["KeyState"] in _DOOMED:
                continue
            tags = (await step.call("kms", "list_resource_tags", KeyId=each["KeyId"]))["Tags"]
            there = [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in tags]
            if all(mark in there for mark in _marks(step)):
                return str(each["KeyId"])
        if not answer["Truncated"]:
            return None
        marker = {"Marker": answer["NextMarker"]}


async def _read(step: Step) -> Attributes:
    metadata = (await step.call("kms", "describe_key", KeyId=step.physical_id))["KeyMetadata"]
    return {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]}


async def _update(step: Step, before: Properties) -> None:
    """Change description, policy and tags."""
    key, after = step.physical_id, step.properties
    if changed(before, after, "Description"):
        await step.call("kms", "update_key_description", KeyId=key, Description=after.get("Description", ""))
    if changed(before, after, "KeyPolicy") and "KeyPolicy" in after:
        bypass = only(after, "BypassPolicyLockoutSafetyCheck")
        await step.send("kms", "put_key_policy", {"KeyId": key, **_policy(after), **bypass})
    put, taken = tag_changes(before, after)
    if put:
        await step.call("kms", "tag_resource", KeyId=key, Tags=_as_kms(put))
    if taken:
        await step.call("kms", "untag_resource", KeyId=key, TagKeys=taken)


async def _delete(step: Step) -> None:
    window = step.properties.get("PendingWindowInDays", _WINDOW)
    try:
        await step.send("kms", "schedule_key_deletion", {"KeyId": step.physical_id, "PendingWindowInDays": window})
    except ServiceError as error:
        if error.code != "KMSInvalidStateException":  # it is on its way already
            raise


HANDLERS: tuple[Handler, ...] = (Key(), ReplicaKey(), Alias())
