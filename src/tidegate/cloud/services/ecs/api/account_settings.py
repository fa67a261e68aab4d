"""Account settings: put, deleted and listed, each for a region and a principal.

Who acts in a role has the role's settings; what is put for the account (its root) holds for everybody without a value
of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.model import EcsModel
from tidegate.cloud.services.ecs.settings import SETTINGS, check_value, effective, shown

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST_LISTED = 10
_PRINCIPAL = r"arn:aws:iam::{account}:(root|(user|role)/.+)"


def _named(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    return {"ecs:account-setting": request["name"]} if "name" in request else {}


class AccountSettingsApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutAccountSetting.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls) -> None:
        self.model = model
        self._calls = calls

    @operation(conditions=_named)
    async def list_account_settings(
        self, context: Context, request: t.ListAccountSettingsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the settings that were put for a principal or, with `effectiveSettings`, those that hold for it."""
        if "value" in request and "name" not in request:
            raise _invalid("A value can only be specified together with the name of an account setting.")
        limit = request.get("maxResults", _MOST_LISTED)
        if not 1 <= limit <= _MOST_LISTED:
            raise _invalid(f"maxResults must be between 1 and {_MOST_LISTED}.")
        principal = self._principal(context, request)
        put = self.model.put_settings(context.region)
        names = sorted(SETTINGS) if "name" not in request else [request["name"]]
        if request.get("effectiveSettings"):
            found = [effective(name, principal, root_arn(context), put) for name in names]
        else:
            found = [shown(name, put[principal, name], principal) for name in names if (principal, name) in put]
        chosen, token = page(
            [each for each in found if request.get("value") in (None, each["value"])],
            request.get("nextToken"),
            limit,
            key=lambda setting: setting["name"],
        )
        return {"settings": chosen, "nextToken": token}

    @operation(conditions=_named)
    async def put_account_setting(
        self, context: Context, request: t.PutAccountSettingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put a setting for the caller, or for another principal."""
        return self._put(context, self._principal(context, request), request["name"], request["value"])

    @operation(conditions=_named)
    async def put_account_setting_default(
        self, context: Context, request: t.PutAccountSettingDefaultRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put a setting for all principals that have none of their own."""
        return self._put(context, root_arn(context), request["name"], request["value"])

    @operation(conditions=_named)
    async def delete_account_setting(
        self, context: Context, request: t.DeleteAccountSettingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take a principal's own setting back; the account's holds for it again, and is what is returned."""
        principal, name = self._principal(context, request), request["name"]
        self.model.settings.delete(context.region, principal, name)
        value = effective(name, principal, root_arn(context), self.model.put_settings(context.region))["value"]
        return {"setting": shown(name, value, principal)}

    def _put(self, context: Context, principal: str, name: str, value: str) -> Mapping[str, Any]:
        check_value(name, value)
        self.model.settings.put((context.region, principal, name), value)
        return {"setting": shown(name, value, principal)}

    def _principal(self, context: Context, request: Mapping[str, Any]) -> str:
        """Return whose settings a request is about; others' are for those who may put the account's."""
        own = owner_arn(context)
        principal = str(request.get("principalArn", own))
        if not re.fullmatch(_PRINCIPAL.format(account=context.account), principal):
            raise _invalid(f"Invalid 'principalArn': {principal} is neither a user nor a role nor the root user here.")
        if principal != own:
            self._calls.authorize(context, "ecs:PutAccountSettingDefault", "*", _named(self, context, request))
        return principal


def owner_arn(context: Context) -> str:
    """Return the ARN of the principal whose account settings a request goes by: a role's where it is assumed."""
    return context.principal.role_arn or context.principal.arn


def root_arn(context: Context) -> str:
    """Return the ARN that the account's settings are put under."""
    return f"arn:aws:iam::{context.account}:root"


def setting_of(model: EcsModel, context: Context, name: str) -> str:
    """Return the value of a setting that holds for who makes a request."""
    return effective(name, owner_arn(context), root_arn(context), model.put_settings(context.region))["value"]


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
