"""ECR: repositories."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 256
_MUTABILITY = ("ImageTagMutability", "ImageTagMutabilityExclusionFilters")
_PREFIX = "ImageTagMutabilityExclusion"


class Repository(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecr-repository.html."""

    type = "AWS::ECR::Repository"
    missing = frozenset({"RepositoryNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the repository, then set its policies."""
        name = step.name("RepositoryName", _LONGEST_NAME, lower=True)
        others = only(step.properties, "ImageScanningConfiguration", "EncryptionConfiguration", "Tags")
        request = {"RepositoryName": name, **_mutability(step.properties), **others}
        await step.send("ecr", "create_repository", request)
        step.made(name)
        await self._put_policies(step, name, {})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the repository of that name if it is this resource's; its policies may not be set yet."""
        name = step.name("RepositoryName", _LONGEST_NAME, lower=True)
        try:
            found = await self._describe(step, name)
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise
        there = await step.call("ecr", "list_tags_for_resource", resourceArn=found["repositoryArn"])
        if not carries(step, there["tags"]):
            return None
        await self._put_policies(step, name, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `RepositoryUri`."""
        found = await self._describe(step, step.physical_id)
        return {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Change mutability, scanning, policies and tags; `EmptyOnDelete` matters when it is deleted."""
        after, name = step.properties, step.physical_id
        if changed(before, after, *_MUTABILITY):
            request = {"ImageTagMutability": "MUTABLE", **_mutability(after), "RepositoryName": name}
            await step.send("ecr", "put_image_tag_mutability", request)
        if changed(before, after, "ImageScanningConfiguration"):
            setting = after.get("ImageScanningConfiguration", {"ScanOnPush": False})
            request = {"RepositoryName": name, "ImageScanningConfiguration": setting}
            await step.send("ecr", "put_image_scanning_configuration", request)
        await self._put_policies(step, name, before)
        put, taken = tag_changes(before, after)
        arn = f"arn:aws:ecr:{step.region}:{step.account}:repository/{name}"
        if put:
            await step.call("ecr", "tag_resource", resourceArn=arn, tags=put)
        if taken:
            await step.call("ecr", "untag_resource", resourceArn=arn, tagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the repository; with images in it only if it is to be emptied."""
        force = bool(step.properties.get("EmptyOnDelete"))
        await step.call("ecr", "delete_repository", repositoryName=step.physical_id, force=force)

    async def _put_policies(self, step: Step, name: str, before: Properties) -> None:
        after = step.properties
        if changed(before, after, "LifecyclePolicy"):
            policy = after.get("LifecyclePolicy", {})
            if "LifecyclePolicyText" in policy:
                await step.send("ecr", "put_lifecycle_policy", {"RepositoryName": name, **policy})
            else:
                await self._remove(step, "lifecycle_policy", name)
        if changed(before, after, "RepositoryPolicyText"):
            text = after.get("RepositoryPolicyText")
            if text:
                text = text if isinstance(text, str) else json.dumps(text)
                await step.call("ecr", "set_repository_policy", repositoryName=name, policyText=text)
            else:
                await self._remove(step, "repository_policy", name)

    async def _remove(self, step: Step, what: str, name: str) -> None:
        try:
            await step.call("ecr", f"delete_{what}", repositoryName=name)
        except ServiceError as error:
            if error.code not in ("LifecyclePolicyNotFoundException", "RepositoryPolicyNotFoundException"):
                raise

    async def _describe(self, step: Step, name: str) -> Any:
        answer = await step.call("ecr", "describe_repositories", repositoryNames=[name])
        return answer["repositories"][0]


def _mutability(properties: Properties) -> dict[str, Any]:
    """Return the tag mutability as ECR has it, whose filters have shorter names."""
    setting = only(properties, *_MUTABILITY)
    if _MUTABILITY[1] in setting:
        setting[_MUTABILITY[1]] = [
            {name.removeprefix(_PREFIX): value for name, value in each.items()} for each in setting[_MUTABILITY[1]]
        ]
        for each in setting[_MUTABILITY[1]]:
            each["Filter"] = each.pop("FilterValue")
    return setting


HANDLERS: tuple[Handler, ...] = (Repository(),)
