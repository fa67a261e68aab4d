"""STS's operations. https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tidegate.cloud.call import Calls, Context, Principal, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.sts.model import StsModel

if TYPE_CHECKING:
    from types_boto3_sts import type_defs as t

_CHAINED_LIMIT = 3600  # seconds that a role assumed by a role may last


class StsApi:
    """Issues sessions and says who one is."""

    def __init__(self, model: StsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(
        resource=lambda api, context, request: request["RoleArn"],
        conditions=lambda api, context, request: {
            "sts:RoleSessionName": request["RoleSessionName"],
            **({"sts:ExternalId": request["ExternalId"]} if "ExternalId" in request else {}),
        },
        refuse=(
            "SerialNumber",
            "TokenCode",
            "ProvidedContexts",
            "TransitiveTagKeys",
            "Tags",
            "SourceIdentity",
            "MinimumSessionTokenSize",
        ),
    )
    async def assume_role(self, context: Context, request: t.AssumeRoleRequestTypeDef) -> Mapping[str, Any]:
        """Issue the temporary keys of a role whose trust policy lets the caller in."""
        caller = self._calls.as_service("sts.amazonaws.com", context.region)
        role = (await caller("iam", "get_role", RoleName=request["RoleArn"].rpartition("/")[2]))["Role"]
        longest = role["MaxSessionDuration"]
        if context.principal.role_arn is not None:
            longest = min(longest, _CHAINED_LIMIT)
        seconds = request.get("DurationSeconds", min(3600, longest))
        if seconds > longest:
            raise ServiceError(
                "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )
        policies = [request["Policy"]] if "Policy" in request else []
        policies += [await self._document(caller, each["arn"]) for each in request.get("PolicyArns", [])]
        name = request["RoleSessionName"]
        session_id = f"{role['RoleId']}:{name}"
        arn = f"arn:aws:sts::{self.model.account}:assumed-role/{role['RoleName']}/{name}"
        principal = Principal(arn, session_id, self.model.account, role["Arn"], tuple(policies))
        return {
            "Credentials": self._issue(principal, seconds),
            "AssumedRoleUser": {"AssumedRoleId": session_id, "Arn": arn},
        }

    @operation(open_to_all=True, refuse=("MinimumSessionTokenSize",))
    async def get_session_token(self, context: Context, request: t.GetSessionTokenRequestTypeDef) -> Mapping[str, Any]:
        """Issue temporary keys of the caller itself, who came with lasting ones."""
        if context.principal.temporary:
            raise ServiceError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        for name in ("SerialNumber", "TokenCode"):
            if name in request:
                raise ServiceError("AccessDenied", "MultiFactorAuthentication failed: no device is registered.", 403)
        return {"Credentials": self._issue(context.principal, request.get("DurationSeconds", 43_200))}

    @operation(open_to_all=True)
    async def get_caller_identity(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Say who the caller is."""
        principal = context.principal
        return {"UserId": principal.id, "Account": principal.account, "Arn": principal.arn}

    @operation()
    async def get_access_key_info(
        self, context: Context, request: t.GetAccessKeyInfoRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which account an access key belongs to."""
        return {"Account": self.model.account}

    async def _document(self, caller: Any, arn: str) -> str:
        policy = (await caller("iam", "get_policy", PolicyArn=arn))["Policy"]
        version = await caller("iam", "get_policy_version", PolicyArn=arn, VersionId=policy["DefaultVersionId"])
        return unquote(version["PolicyVersion"]["Document"])

    def _issue(self, principal: Principal, seconds: int) -> dict[str, Any]:
        now = self._clock.now()
        self.model.purge(now)
        expires = (now + timedelta(seconds=seconds)).replace(microsecond=0)
        key = f"ASIA{self._clock.token(16)}"
        secret, token = self._clock.secret(30), self._clock.secret(120)
        self.model.sessions.put(
            (key,),
            {
                "secret": secret,
                "token": token,
                "expires": expires,
                "arn": principal.arn,
                "id": principal.id,
                "role_arn": principal.role_arn,
                "policies": list(principal.policies),
            },
        )
        return {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token, "Expiration": expires}
