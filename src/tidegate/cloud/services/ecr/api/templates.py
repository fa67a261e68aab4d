"""Repository creation templates: what repositories are like that ECR makes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecr.api.repositories import merged, mutability
from tidegate.cloud.services.ecr.api.shared import invalid, no_pages, paged
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.plan import read_policy

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_MOST_TEMPLATES = 50
_MEMBERS = (
    "description",
    "encryptionConfiguration",
    "resourceTags",
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters",
    "repositoryPolicy",
    "lifecyclePolicy",
    "appliedFor",
    "customRoleArn",
)


class TemplatesApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepositoryCreationTemplate.html, siblings."""

    def __init__(self, model: EcrModel, calls: Calls, clock: Clock, understood: Callable[[str], bool]) -> None:
        """`understood` says whether IAM can evaluate a resource policy."""
        self.model = model
        self._calls = calls
        self._clock = clock
        self._understood = understood

    @operation()
    async def create_repository_creation_template(
        self, context: Context, request: t.CreateRepositoryCreationTemplateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a template. One for PULL_THROUGH_CACHE is recorded: there are no such caches here."""
        prefix, now = _prefix(request), self._clock.now()
        if self.model.templates.get(context.region, prefix) is not None:
            raise ServiceError(
                "TemplateAlreadyExistsException",
                f"The repository creation template with prefix '{prefix}' already exists in the registry with id "
                f"'{context.account}'",
            )
        if len(self.model.templates.items(context.region)) >= _MOST_TEMPLATES:
            raise ServiceError(
                "LimitExceededException",
                f"A registry can have at most {_MOST_TEMPLATES} repository creation templates.",
            )
        template: Any = {
            "prefix": prefix,
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "imageTagMutability": "MUTABLE",
            **{name: request[name] for name in _MEMBERS if name in request},  # type: ignore[literal-required]
            "createdAt": now,
            "updatedAt": now,
        }
        return self._put(context, template)

    @operation()
    async def update_repository_creation_template(
        self, context: Context, request: t.UpdateRepositoryCreationTemplateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change what is given; repositories that were made by the template stay as they are."""
        template: Any = dict(self._expected(context, _prefix(request)))
        if "imageTagMutability" in request:
            template.pop("imageTagMutabilityExclusionFilters", None)
        template.update({name: request[name] for name in _MEMBERS if name in request})  # type: ignore[literal-required]
        template["updatedAt"] = self._clock.now()
        return self._put(context, template)

    @operation()
    async def describe_repository_creation_templates(
        self, context: Context, request: t.DescribeRepositoryCreationTemplatesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the templates of a region, or some by prefix; those that are not there are left out."""
        templates = [record["template"] for record in self.model.templates.values(context.region)]
        if "prefixes" in request:
            no_pages(request, "prefixes")
            wanted = {prefix.removesuffix("/") for prefix in request["prefixes"]}
            found: dict[str, Any] = {
                "repositoryCreationTemplates": [each for each in templates if each["prefix"] in wanted]
            }
        else:
            found = paged(request, templates, lambda each: each["prefix"], "repositoryCreationTemplates")
        return {"registryId": context.account, **found}

    @operation()
    async def delete_repository_creation_template(
        self, context: Context, request: t.DeleteRepositoryCreationTemplateRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a template."""
        template = self._expected(context, _prefix(request))
        self.model.templates.delete(context.region, template["prefix"])
        return {"registryId": context.account, "repositoryCreationTemplate": template}

    def _put(self, context: Context, template: t.RepositoryCreationTemplateTypeDef) -> Mapping[str, Any]:
        self._check(context, template)
        self.model.templates.put((context.region, template["prefix"]), {"template": template})
        return {"registryId": context.account, "repositoryCreationTemplate": template}

    def _check(self, context: Context, template: t.RepositoryCreationTemplateTypeDef) -> None:
        encryption, role = template["encryptionConfiguration"], template.get("customRoleArn")
        if encryption["encryptionType"] != "AES256":
            what = f"encryptionType {encryption['encryptionType']}"
            raise not_offered(f"an ECR repository creation template with {what}")
        if encryption.get("kmsKey"):
            raise invalid("encryptionConfiguration", "kmsKey can only be used with encryption type KMS")
        if not template["appliedFor"]:
            raise invalid("appliedFor", "at least one repository creation scenario is required")
        mutability(template)
        merged(context, [], template.get("resourceTags", []))
        if template.get("resourceTags") and not role:
            raise invalid("customRoleArn", "a custom role is required with resourceTags")
        if template.get("repositoryPolicy") and not self._understood(template["repositoryPolicy"]):
            raise invalid("repositoryPolicy", "Invalid repository policy provided")
        if template.get("lifecyclePolicy"):
            read_policy(template["lifecyclePolicy"])
        if role:
            self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": "ecr.amazonaws.com"})

    def _expected(self, context: Context, prefix: str) -> t.RepositoryCreationTemplateTypeDef:
        record = self.model.templates.get(context.region, prefix)
        if record is None:
            raise ServiceError(
                "TemplateNotFoundException",
                f"The repository creation template with prefix '{prefix}' does not exist in the registry with id "
                f"'{context.account}'",
            )
        return record["template"]


def _prefix(request: Mapping[str, Any]) -> str:
    """Return the prefix of a request, without the slash that is assumed at its end."""
    return str(request["prefix"]).removesuffix("/")
