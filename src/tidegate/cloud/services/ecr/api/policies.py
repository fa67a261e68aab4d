"""Policies of repositories: who may use one, and which of its images expire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.api.images import tag_status_fits
from tidegate.cloud.services.ecr.api.shared import (
    invalid,
    no_pages,
    paged,
    repository_arn,
    repository_tags,
)
from tidegate.cloud.services.ecr.model import EcrModel, RepositoryRecord
from tidegate.cloud.services.ecr.plan import read_policy

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t


class PoliciesApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_SetRepositoryPolicy.html and its siblings."""

    def __init__(self, model: EcrModel, calls: Calls, understood: Callable[[str], bool]) -> None:
        """`understood` says whether IAM can evaluate a resource policy."""
        self.model = model
        self._calls = calls
        self._understood = understood

    @operation(resource=repository_arn, conditions=repository_tags)
    async def set_repository_policy(
        self, context: Context, request: t.SetRepositoryPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set the policy; unless forced, not one that would not let the caller set it again."""
        region, name = context.region, request["repositoryName"]
        record = self.model.repository(region, name, request.get("registryId"))
        if not self._understood(request["policyText"]):
            raise invalid("PolicyText", "Invalid repository policy provided")
        record["policy"] = request["policyText"]
        with self.model.store.transaction():
            self.model.repositories.put((region, name), record)
            if not request.get("force"):
                self._expect_way_back(context, name)
        return self._policy(context, name, request["policyText"])

    @operation(resource=repository_arn, conditions=repository_tags)
    async def get_repository_policy(
        self, context: Context, request: t.GetRepositoryPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the policy."""
        record = self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        return self._policy(context, request["repositoryName"], self._expected(request["repositoryName"], record))

    @operation(resource=repository_arn, conditions=repository_tags)
    async def delete_repository_policy(
        self, context: Context, request: t.DeleteRepositoryPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the policy."""
        record = self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        text = self._expected(request["repositoryName"], record)
        record["policy"] = None
        self.model.repositories.put((context.region, request["repositoryName"]), record)
        return self._policy(context, request["repositoryName"], text)

    @operation(resource=repository_arn, conditions=repository_tags)
    async def put_lifecycle_policy(
        self, context: Context, request: t.PutLifecyclePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set the lifecycle policy; it is applied from now on."""
        name = request["repositoryName"]
        self.model.repository(context.region, name, request.get("registryId"))
        read_policy(request["lifecyclePolicyText"])
        self.model.lifecycle_policies.put((context.region, name), {"text": request["lifecyclePolicyText"]})
        return self._lifecycle(context, name, request["lifecyclePolicyText"])

    @operation(resource=repository_arn, conditions=repository_tags)
    async def get_lifecycle_policy(
        self, context: Context, request: t.GetLifecyclePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the lifecycle policy."""
        name = request["repositoryName"]
        self.model.repository(context.region, name, request.get("registryId"))
        return {**self._lifecycle(context, name, self._text(context, name)), **self._evaluated(context, name)}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def delete_lifecycle_policy(
        self, context: Context, request: t.DeleteLifecyclePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the lifecycle policy."""
        name = request["repositoryName"]
        self.model.repository(context.region, name, request.get("registryId"))
        answer = {**self._lifecycle(context, name, self._text(context, name)), **self._evaluated(context, name)}
        with self.model.store.transaction():
            self.model.lifecycle_policies.delete(context.region, name)
            self.model.evaluations.delete(context.region, name)
        return answer

    @operation(resource=repository_arn, conditions=repository_tags)
    async def start_lifecycle_policy_preview(
        self, context: Context, request: t.StartLifecyclePolicyPreviewRequestTypeDef
    ) -> Mapping[str, Any]:
        """Begin a dry run of a lifecycle policy, or of the repository's own."""
        name = request["repositoryName"]
        self.model.repository(context.region, name, request.get("registryId"))
        running = self.model.previews.get(context.region, name)
        if running is not None and running["status"] == "IN_PROGRESS":
            raise ServiceError(
                "LifecyclePolicyPreviewInProgressException",
                f"The lifecycle policy preview of the repository with name '{name}' has not completed",
            )
        text = request.get("lifecyclePolicyText") or self._text(context, name)
        read_policy(text)
        self.model.previews.put((context.region, name), {"text": text, "status": "IN_PROGRESS", "results": []})
        return {**self._lifecycle(context, name, text), "status": "IN_PROGRESS"}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def get_lifecycle_policy_preview(
        self, context: Context, request: t.GetLifecyclePolicyPreviewRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what the last dry run would have expired."""
        name = request["repositoryName"]
        self.model.repository(context.region, name, request.get("registryId"))
        preview = self.model.previews.get(context.region, name)
        if preview is None:
            raise ServiceError(
                "LifecyclePolicyPreviewNotFoundException",
                f"There is no lifecycle policy preview for the repository with name '{name}' in the registry with id "
                f"'{context.account}'",
            )
        status = request.get("filter", {}).get("tagStatus")
        results = [each for each in preview["results"] if tag_status_fits(status, each["imageTags"])]
        answer = {
            **self._lifecycle(context, name, preview["text"]),
            "status": preview["status"],
            "summary": {"expiringImageTotalCount": len(preview["results"])},
        }
        if "imageIds" in request:
            no_pages(request, "imageIds")
            wanted = request["imageIds"]
            return {**answer, "previewResults": [each for each in results if any(_names(one, each) for one in wanted)]}
        return {**answer, **paged(request, results, lambda each: str(each["imageDigest"]), "previewResults")}

    def _expect_way_back(self, context: Context, name: str) -> None:
        try:
            self._calls.authorize(context, "ecr:SetRepositoryPolicy", self.model.arn(context.region, name))
        except ServiceError as denial:
            why = "The policy would not allow you to set it again; use force to set it nevertheless"
            raise invalid("PolicyText", why) from denial

    def _policy(self, context: Context, name: str, text: str) -> dict[str, str]:
        return {"registryId": context.account, "repositoryName": name, "policyText": text}

    def _expected(self, name: str, record: RepositoryRecord) -> str:
        if record["policy"] is None:
            raise ServiceError("RepositoryPolicyNotFoundException", self._missing("Repository policy", name))
        return record["policy"]

    def _lifecycle(self, context: Context, name: str, text: str) -> dict[str, Any]:
        return {"registryId": context.account, "repositoryName": name, "lifecyclePolicyText": text}

    def _text(self, context: Context, name: str) -> str:
        policy = self.model.lifecycle_policies.get(context.region, name)
        if policy is None:
            raise ServiceError("LifecyclePolicyNotFoundException", self._missing("Lifecycle policy", name))
        return policy["text"]

    def _evaluated(self, context: Context, name: str) -> dict[str, Any]:
        evaluation = self.model.evaluations.get(context.region, name)
        return {} if evaluation is None else {"lastEvaluatedAt": evaluation["at"]}

    def _missing(self, what: str, name: str) -> str:
        return (
            f"{what} does not exist for the repository with name '{name}' in the registry with id "
            f"'{self.model.account}'"
        )


def _names(image_id: t.ImageIdentifierTypeDef, result: t.LifecyclePolicyPreviewResultTypeDef) -> bool:
    """Return whether an image id is that of a result."""
    return image_id.get("imageDigest", result["imageDigest"]) == result["imageDigest"] and image_id.get("imageTag") in (
        None,
        *result["imageTags"],
    )
