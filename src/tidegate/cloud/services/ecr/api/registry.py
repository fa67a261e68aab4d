"""The registry as a whole: logging in to it, and what is scanned."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import not_offered
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.tokens import USER, Tokens

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t


class RegistryApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html and its siblings."""

    def __init__(self, model: EcrModel, tokens: Tokens) -> None:
        self.model = model
        self._tokens = tokens

    @operation()
    async def get_authorization_token(
        self, context: Context, request: t.GetAuthorizationTokenRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what docker logs in with, for twelve hours, as the caller."""
        if any(registry != context.account for registry in request.get("registryIds", [])):
            raise not_offered("ecr:GetAuthorizationToken for the registry of another account")
        password, expires = self._tokens.for_login(context.principal)
        data: t.AuthorizationDataTypeDef = {
            "authorizationToken": base64.b64encode(f"{USER}:{password}".encode()).decode(),
            "expiresAt": expires,
            "proxyEndpoint": f"http://{self.model.registry}",
        }
        return {"authorizationData": [data]}

    @operation()
    async def get_registry_scanning_configuration(
        self, context: Context, request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return what AWS has until it is told otherwise: basic scanning, for repositories that ask for it."""
        return {"registryId": context.account, "scanningConfiguration": {"scanType": "BASIC", "rules": []}}

    @operation(
        resource=lambda api, context, request: [
            api.model.arn(context.region, name) for name in request["repositoryNames"]
        ]
    )
    async def batch_get_repository_scanning_configuration(
        self, context: Context, request: t.BatchGetRepositoryScanningConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return which repositories ask for their images to be scanned when pushed."""
        found: list[t.RepositoryScanningConfigurationTypeDef] = []
        failures: list[t.RepositoryScanningConfigurationFailureTypeDef] = []
        for name in request["repositoryNames"]:
            record = self.model.repositories.get(context.region, name)
            if record is None:
                failures.append(
                    {
                        "repositoryName": name,
                        "failureCode": "REPOSITORY_NOT_FOUND",
                        "failureReason": f"The repository with name '{name}' does not exist in the registry with id "
                        f"'{context.account}'",
                    }
                )
                continue
            on_push = record["repository"]["imageScanningConfiguration"]["scanOnPush"]
            found.append(
                {
                    "repositoryArn": record["repository"]["repositoryArn"],
                    "repositoryName": name,
                    "scanOnPush": on_push,
                    "scanFrequency": "SCAN_ON_PUSH" if on_push else "MANUAL",
                    "appliedScanFilters": [],
                }
            )
        return {"scanningConfigurations": found, "failures": failures}
