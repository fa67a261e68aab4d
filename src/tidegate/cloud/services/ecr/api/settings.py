"""The settings of a region's registry: its policy, account settings, whose pulls are not recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.api.shared import invalid, paged
from tidegate.cloud.services.ecr.model import BLOB_MOUNTING, EcrModel

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

# by name: the values that may be put, the first of which holds until another is put
_SETTINGS = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE",),
    "REGISTRY_POLICY_SCOPE": ("V2",),
    BLOB_MOUNTING: ("DISABLED", "ENABLED"),
}
_MOST_EXCLUSIONS = 100


class SettingsApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutAccountSetting.html and its siblings."""

    def __init__(self, model: EcrModel, clock: Clock, understood: Callable[[str], bool]) -> None:
        """`understood` says whether IAM can evaluate a resource policy."""
        self.model = model
        self._clock = clock
        self._understood = understood

    @operation()
    async def put_registry_policy(
        self, context: Context, request: t.PutRegistryPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set the policy that is evaluated for every action on the repositories of the registry."""
        if not self._understood(request["policyText"]):
            raise invalid("PolicyText", "Invalid registry policy provided")
        record = self.model.settings_of(context.region)
        record["policy"] = request["policyText"]
        self.model.registries.put((context.region,), record)
        return {"registryId": context.account, "policyText": request["policyText"]}

    @operation()
    async def get_registry_policy(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the policy."""
        return {"registryId": context.account, "policyText": self._policy(context)}

    @operation()
    async def delete_registry_policy(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Remove the policy."""
        text = self._policy(context)
        record = self.model.settings_of(context.region)
        record["policy"] = None
        self.model.registries.put((context.region,), record)
        return {"registryId": context.account, "policyText": text}

    @operation()
    async def get_account_setting(
        self, context: Context, request: t.GetAccountSettingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what holds in this region."""
        default = _values(request["name"])[0]
        value = self.model.settings_of(context.region)["settings"].get(request["name"], default)
        return {"name": request["name"], "value": value}

    @operation()
    async def put_account_setting(
        self, context: Context, request: t.PutAccountSettingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set what holds in this region from now on."""
        name, value = request["name"], request["value"]
        allowed = _values(name)
        if value not in allowed:
            raise invalid("value", f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        record = self.model.settings_of(context.region)
        record["settings"][name] = value
        self.model.registries.put((context.region,), record)
        return {"name": name, "value": value}

    @operation()
    async def register_pull_time_update_exclusion(
        self, context: Context, request: t.RegisterPullTimeUpdateExclusionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Leave the pull times of images as they are when this role or user pulls them."""
        arn, now = request["principalArn"], self._clock.now()
        if self.model.exclusions.get(context.region, arn) is not None:
            raise ServiceError(
                "ExclusionAlreadyExistsException",
                f"The pull time update exclusion for '{arn}' already exists in the registry with id "
                f"'{context.account}'",
            )
        if len(self.model.exclusions.items(context.region)) >= _MOST_EXCLUSIONS:
            raise ServiceError(
                "LimitExceededException", f"A registry can have at most {_MOST_EXCLUSIONS} pull time update exclusions."
            )
        self.model.exclusions.put((context.region, arn), {"at": now})
        return {"principalArn": arn, "createdAt": now}

    @operation()
    async def deregister_pull_time_update_exclusion(
        self, context: Context, request: t.DeregisterPullTimeUpdateExclusionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Record this principal's pulls again."""
        arn = request["principalArn"]
        if self.model.exclusions.get(context.region, arn) is None:
            raise ServiceError(
                "ExclusionNotFoundException",
                f"The pull time update exclusion for '{arn}' does not exist in the registry with id "
                f"'{context.account}'",
            )
        self.model.exclusions.delete(context.region, arn)
        return {"principalArn": arn}

    @operation()
    async def list_pull_time_update_exclusions(
        self, context: Context, request: t.ListPullTimeUpdateExclusionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the ARNs of the principals whose pulls are not recorded."""
        arns = [key[1] for key, _ in self.model.exclusions.items(context.region)]
        return paged(request, arns, str, "pullTimeUpdateExclusions")

    def _policy(self, context: Context) -> str:
        policy = self.model.settings_of(context.region)["policy"]
        if policy is None:
            raise ServiceError(
                "RegistryPolicyNotFoundException",
                f"Registry policy does not exist in the registry with id '{context.account}'",
            )
        return policy


def _values(name: str) -> tuple[str, ...]:
    if name not in _SETTINGS:
        raise invalid("name", f"Member must satisfy enum value set: [{', '.join(_SETTINGS)}]")
    return _SETTINGS[name]
