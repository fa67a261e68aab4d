"""Repositories that ECR makes itself, by the template of their prefix.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecr.model import EcrModel, RepositoryRecord

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

Scenario = Literal["REPLICATION", "CREATE_ON_PUSH"]
ROOT = "ROOT"  # the prefix of the template for repositories that no other is for
_SERVICE = "ecr.amazonaws.com"


def fitting(
    templates: Iterable[t.RepositoryCreationTemplateTypeDef], name: str, scenario: Scenario
) -> t.RepositoryCreationTemplateTypeDef | None:
    """Return the template for a repository of this name: of the longest prefix, that of ROOT only where no other is."""
    found = [
        each
        for each in templates
        if scenario in each["appliedFor"] and (each["prefix"] == ROOT or name.startswith(f"{each['prefix']}/"))
    ]
    return max(found, key=lambda each: 0 if each["prefix"] == ROOT else len(each["prefix"]), default=None)


class Creation:
    """Makes repositories."""

    def __init__(self, model: EcrModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock

    def template(self, region: str, name: str, scenario: Scenario) -> t.RepositoryCreationTemplateTypeDef | None:
        """Return the template that a repository of this name is made by, or None."""
        templates = [record["template"] for record in self._model.templates.values(region)]
        return fitting(templates, name, scenario)

    async def create(self, region: str, name: str, template: t.RepositoryCreationTemplateTypeDef | None) -> None:
        """Make a repository, its policies with it, unless somebody did meanwhile; without a template by the defaults.

        A template's role must be allowed to make it, and to tag it. Raises its denial.
        """
        settings = template or {}
        role, tags = settings.get("customRoleArn"), list(settings.get("resourceTags", []))
        arn = self._model.arn(region, name)
        if role is not None:
            session = await self._calls.as_role(role, _SERVICE, "ecr-repository-creation", region)
            session.authorize("ecr:CreateRepository", arn)
            if tags:
                session.authorize("ecr:TagResource", arn)
        if self._model.repositories.get(region, name) is not None:
            return
        repository: t.RepositoryTypeDef = {
            "repositoryArn": arn,
            "registryId": self._model.account,
            "repositoryName": name,
            "createdAt": self._clock.now(),
            "imageScanningConfiguration": {"scanOnPush": False},
            "encryptionConfiguration": {"encryptionType": "AES256"},  # templates with another are refused
            "imageTagMutability": settings.get("imageTagMutability", "MUTABLE"),
        }
        if "imageTagMutabilityExclusionFilters" in settings:
            repository["imageTagMutabilityExclusionFilters"] = settings["imageTagMutabilityExclusionFilters"]
        policy, lifecycle = settings.get("repositoryPolicy"), settings.get("lifecyclePolicy")
        record: RepositoryRecord = {"repository": repository, "tags": tags, "policy": policy or None}
        with self._model.store.transaction():
            self._model.repositories.put((region, name), record)
            if lifecycle:
                self._model.lifecycle_policies.put((region, name), {"text": lifecycle})
