"""Replication: where images are copied to, and how far that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecr.api.images import refused
from tidegate.cloud.services.ecr.api.shared import invalid, repository_arn, repository_tags
from tidegate.cloud.services.ecr.images import Failure, Images
from tidegate.cloud.services.ecr.model import EcrModel

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_MOST_DESTINATIONS = 25


class ReplicationApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutReplicationConfiguration.html, siblings."""

    def __init__(self, model: EcrModel, images: Images) -> None:
        self.model = model
        self._images = images

    @operation()
    async def put_replication_configuration(
        self, context: Context, request: t.PutReplicationConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say where images are copied to that are pushed from now on: to other regions."""
        rules = request["replicationConfiguration"]["rules"]
        self._check(context, rules)
        record = self.model.settings_of(context.region)
        record["rules"] = [dict(rule) for rule in rules]
        self.model.registries.put((context.region,), record)
        return {"replicationConfiguration": {"rules": rules}}

    @operation()
    async def describe_registry(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return where images are copied to."""
        rules = self.model.settings_of(context.region)["rules"]
        return {"registryId": context.account, "replicationConfiguration": {"rules": rules}}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def describe_image_replication_status(
        self, context: Context, request: t.DescribeImageReplicationStatusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return how far the copies of an image are."""
        region, name = context.region, request["repositoryName"]
        self.model.repository(region, name, request.get("registryId"))
        try:
            digest = self._images.find(region, name, request["imageId"])
        except Failure as failure:
            raise refused(context.account, name, request["imageId"], failure) from failure
        statuses = [
            {
                "region": key[3],
                "registryId": context.account,
                "status": record["status"],
                **({} if record["failure"] is None else {"failureCode": record["failure"]}),
            }
            for key, record in self.model.replications.items(region, name, digest)
        ]
        return {"repositoryName": name, "imageId": request["imageId"], "replicationStatuses": statuses}

    def _check(self, context: Context, rules: Sequence[Mapping[str, Any]]) -> None:
        """Refuse what is no destination, or none here.

        https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication.html
        """
        destinations = {(each["registryId"], each["region"]) for rule in rules for each in rule["destinations"]}
        if len(destinations) > _MOST_DESTINATIONS:
            why = f"A replication configuration can have at most {_MOST_DESTINATIONS} unique destinations"
            raise invalid("replicationConfiguration", why)
        for account, region in sorted(destinations):
            if account != context.account:
                raise not_offered("ecr:PutReplicationConfiguration to the registry of another account")
            if region == context.region:
                raise ServiceError(
                    "InvalidParameterException",
                    "Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: "
                    "'Replication destination cannot be the same as the source registry'",
                )
            if self.model.located(self.model.address(region, "x")) != (region, "x"):
                raise invalid("replicationConfiguration", f"Invalid destination region: {region}")
