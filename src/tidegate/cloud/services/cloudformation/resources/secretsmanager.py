"""Secrets Manager: secrets and their resource policies."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 256
_TEMPLATE, _KEY = "SecretStringTemplate", "GenerateStringKey"


class Secret(Handler):
    """Its id is the ARN. A generated value is in no record of CloudFormation's.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
    """

    type = "AWS::SecretsManager::Secret"
    missing = frozenset({"ResourceNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the secret, with a value that is given or generated, or without one."""
        _refuse(step)
        request = only(step.properties, "Description", "KmsKeyId", "Tags")
        name = step.name("Name", _LONGEST_NAME)
        answer = await step.send("secretsmanager", "create_secret", {**request, **await _value(step), "Name": name})
        return str(answer["ARN"])

    async def find(self, step: Step) -> str | None:
        """Return the ARN of the secret of that name if it is this resource's."""
        try:
            found = await step.call("secretsmanager", "describe_secret", SecretId=step.name("Name", _LONGEST_NAME))
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise
        there = carries(step, found.get("Tags") or [])
        return str(found["ARN"]) if there and found.get("DeletedDate") is None else None

    async def read(self, step: Step) -> Attributes:
        """Return `Id`, the ARN."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change description, value and tags; a new value is a new version."""
        _refuse(step)
        after, request = step.properties, {"SecretId": step.physical_id}
        if changed(before, after, "Description", "KmsKeyId"):
            request |= {"Description": after.get("Description", ""), **only(after, "KmsKeyId")}
        if changed(before, after, "SecretString", "GenerateSecretString"):
            request |= await _value(step)
        if len(request) > 1:
            await self._send(step, request)
        put, taken = tag_changes(before, after)
        if put:
            await step.call("secretsmanager", "tag_resource", SecretId=step.physical_id, Tags=put)
        if taken:
            await step.call("secretsmanager", "untag_resource", SecretId=step.physical_id, TagKeys=taken)

    async def _send(self, step: Step, request: Properties) -> None:
        try:
            await step.send("secretsmanager", "update_secret", request)
        except ServiceError as error:
            # this very step has done so before a kill: another password was generated then
            if error.code != "ResourceExistsException" or "GenerateSecretString" not in step.properties:
                raise

    async def delete(self, step: Step) -> None:
        """Delete the secret at once: a stack that is made again finds its name free."""
        await step.call("secretsmanager", "delete_secret", SecretId=step.physical_id, ForceDeleteWithoutRecovery=True)


class ResourcePolicy(Handler):
    """Its id is the secret's ARN.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-resourcepolicy.html
    """

    type = "AWS::SecretsManager::ResourcePolicy"
    missing = frozenset({"ResourceNotFoundException", "InvalidRequestException"})

    async def create(self, step: Step) -> str:
        """Put the policy on a secret that has none."""
        secret = step.properties["SecretId"]
        found = await step.call("secretsmanager", "get_resource_policy", SecretId=secret)
        if found.get("ResourcePolicy") not in (None, _policy(step.properties)):
            raise FailedError(f"A resource policy already exists on secret {secret}.", "AlreadyExists")
        await self._put(step)
        return str(found["ARN"])

    async def read(self, step: Step) -> Attributes:
        """Return `Id`, the secret's ARN."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Replace the policy."""
        await self._put(step)

    async def delete(self, step: Step) -> None:
        """Remove the policy."""
        await step.call("secretsmanager", "delete_resource_policy", SecretId=step.physical_id)

    async def _put(self, step: Step) -> None:
        request = {"ResourcePolicy": _policy(step.properties), **only(step.properties, "SecretId", "BlockPublicPolicy")}
        await step.send("secretsmanager", "put_resource_policy", request)


async def _value(step: Step) -> dict[str, Any]:
    """Return the members of a request that give a secret its value, if it is to have one."""
    token = {"ClientRequestToken": step.token}
    if "SecretString" in step.properties:
        return {**token, "SecretString": step.properties["SecretString"]}
    settings = step.properties.get("GenerateSecretString")
    if settings is None:
        return {}
    if (_TEMPLATE in settings) is not (_KEY in settings):
        raise FailedError(f"{_TEMPLATE} and {_KEY} must be specified together", "InvalidRequest")
    answer = await step.send("secretsmanager", "get_random_password", without(settings, _TEMPLATE, _KEY))
    password = str(answer["RandomPassword"])
    if _KEY not in settings:
        return {**token, "SecretString": password}
    try:
        document = from_json(settings[_TEMPLATE])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FailedError(f"{_TEMPLATE} is not a JSON object", "InvalidRequest")
    return {**token, "SecretString": json.dumps({**document, settings[_KEY]: password}, separators=(",", ":"))}


def _refuse(step: Step) -> None:
    for name in ("ReplicaRegions", "Type"):
        if step.properties.get(name):
            raise not_offered(f"cloudformation {Secret.type} {name}")
    if "SecretString" in step.properties and "GenerateSecretString" in step.properties:
        raise FailedError("You can't specify both SecretString and GenerateSecretString", "InvalidRequest")


def _policy(properties: Properties) -> str:
    document = properties["ResourcePolicy"]
    return document if isinstance(document, str) else json.dumps(document)


HANDLERS: tuple[Handler, ...] = (Secret(), ResourcePolicy())
