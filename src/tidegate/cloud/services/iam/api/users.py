"""Users: their keys, their Git credentials and their policies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import (
    already_exists,
    attached_policies,
    checked_document,
    delete_conflict,
    find_user,
    merged_tags,
    no_such_policy,
    on_the_wire,
    paged,
    user_arn,
)
from tidegate.cloud.services.iam.model import ADMINISTRATOR, IamModel

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t

_MOST_KEYS = 2
_MOST_GIT_CREDENTIALS = 2
_GIT = "codecommit.amazonaws.com"


class UsersApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html and its siblings."""

    def __init__(self, model: IamModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=user_arn)
    async def create_user(self, context: Context, request: t.CreateUserRequestTypeDef) -> Mapping[str, Any]:
        """Create a user."""
        name, path = request["UserName"], request.get("Path", "/")
        if any(key[0].lower() == name.lower() for key, _ in self.model.users.items()):
            raise already_exists(f"User with name {name}")
        user: t.UserTypeDef = {
            "Path": path,
            "UserName": name,
            "UserId": f"AIDA{self._clock.token(17)}",
            "Arn": self.model.arn(f"user{path}{name}"),
            "CreateDate": self._clock.now(),
            "Tags": merged_tags([], request.get("Tags", [])),
        }
        if "PermissionsBoundary" in request:
            arn = request["PermissionsBoundary"]
            if self.model.document(arn) is None:
                raise no_such_policy(arn)
            user["PermissionsBoundary"] = {
                "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
                "PermissionsBoundaryArn": arn,
            }
        self.model.users.put((name,), {"user": user, "inline": {}, "attached": []})
        return {"User": user}

    @operation(resource=user_arn)
    async def get_user(self, context: Context, request: t.GetUserRequestTypeDef) -> Mapping[str, Any]:
        """Return a user; without a name, the caller's own."""
        return {"User": find_user(self.model, self._name(context, request))["user"]}

    @operation()
    async def list_users(self, context: Context, request: t.ListUsersRequestTypeDef) -> Mapping[str, Any]:
        """List the users under a path prefix."""
        prefix = request.get("PathPrefix", "/")
        users = [each["user"] for each in self.model.users.values() if each["user"]["Path"].startswith(prefix)]
        return paged(request, users, lambda user: user["UserName"], "Users")

    @operation(resource=user_arn)
    async def delete_user(self, context: Context, request: t.DeleteUserRequestTypeDef) -> Mapping[str, Any]:
        """Delete a user that has neither policies nor keys."""
        _refuse_administrator(request["UserName"])
        name = request["UserName"]
        record = find_user(self.model, name)
        if record["attached"]:
            raise delete_conflict("detach all policies")
        if record["inline"]:
            raise delete_conflict("delete policies")
        if any(key["metadata"]["UserName"] == name for key in self.model.access_keys.values()):
            raise delete_conflict("delete access keys")
        if any(each["UserName"] == name for each in self.model.git_credentials.values()):
            raise delete_conflict("remove service specific credentials")
        self.model.users.delete(name)
        return {}

    @operation(resource=user_arn)
    async def create_access_key(self, context: Context, request: t.CreateAccessKeyRequestTypeDef) -> Mapping[str, Any]:
        """Create an access key; its secret is shown this once."""
        name = self._name(context, request)
        find_user(self.model, name)
        if len(self._keys(name)) >= _MOST_KEYS:
            raise ServiceError("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {_MOST_KEYS}", 409)
        metadata: t.AccessKeyMetadataTypeDef = {
            "UserName": name,
            "AccessKeyId": f"AKIA{self._clock.token(16)}",
            "Status": "Active",
            "CreateDate": self._clock.now(),
        }
        secret = self._clock.secret()
        self.model.access_keys.put((metadata["AccessKeyId"],), {"metadata": metadata, "secret": secret})
        return {"AccessKey": {**metadata, "SecretAccessKey": secret}}

    @operation(resource=user_arn)
    async def list_access_keys(self, context: Context, request: t.ListAccessKeysRequestTypeDef) -> Mapping[str, Any]:
        """List a user's access keys, without their secrets."""
        name = self._name(context, request)
        find_user(self.model, name)
        return paged(request, self._keys(name), lambda key: key["AccessKeyId"], "AccessKeyMetadata")

    @operation(resource=user_arn)
    async def update_access_key(self, context: Context, request: t.UpdateAccessKeyRequestTypeDef) -> Mapping[str, Any]:
        """Switch an access key on or off."""
        if request["AccessKeyId"] == self.model.administrator_key:
            raise _machines_own()
        key = self.model.access_keys.get(request["AccessKeyId"])
        if key is None or key["metadata"]["UserName"] != self._name(context, request):
            raise _no_key(request["AccessKeyId"])
        key["metadata"]["Status"] = request["Status"]
        self.model.access_keys.put((request["AccessKeyId"],), key)
        return {}

    @operation(resource=user_arn)
    async def delete_access_key(self, context: Context, request: t.DeleteAccessKeyRequestTypeDef) -> Mapping[str, Any]:
        """Delete an access key."""
        if request["AccessKeyId"] == self.model.administrator_key:
            raise _machines_own()
        key = self.model.access_keys.get(request["AccessKeyId"])
        if key is None or key["metadata"]["UserName"] != self._name(context, request):
            raise _no_key(request["AccessKeyId"])
        self.model.access_keys.delete(request["AccessKeyId"])
        return {}

    @operation(resource=user_arn, refuse=("CredentialAgeDays",))
    async def create_service_specific_credential(
        self, context: Context, request: t.CreateServiceSpecificCredentialRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a user name and password for Git over HTTPS (CodeCommit)."""
        name = request["UserName"]
        find_user(self.model, name)
        if request["ServiceName"] != _GIT:
            raise ServiceError("NotSupportedService", f"The service {request['ServiceName']} is not supported.", 404)
        taken = {each["ServiceUserName"] for each in self._git_credentials(name)}
        if len(taken) >= _MOST_GIT_CREDENTIALS:
            what = f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {_MOST_GIT_CREDENTIALS}"
            raise ServiceError("LimitExceeded", what, 409)
        usernames = (f"{name}+{number}-at-{self.model.account}" for number in count(1))
        credential: t.ServiceSpecificCredentialTypeDef = {
            "CreateDate": self._clock.now(),
            "ServiceName": _GIT,
            "ServiceUserName": next(each for each in usernames if each not in taken),
            "ServicePassword": self._clock.secret(),
            "ServiceSpecificCredentialId": f"ACCA{self._clock.token(16)}",
            "UserName": name,
            "Status": "Active",
        }
        self.model.git_credentials.put((credential["ServiceUserName"],), credential)
        return {"ServiceSpecificCredential": credential}

    @operation(resource=user_arn, refuse=("AllUsers",))
    async def list_service_specific_credentials(
        self, context: Context, request: t.ListServiceSpecificCredentialsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a user's Git credentials, without their passwords."""
        name = self._name(context, request)
        find_user(self.model, name)
        found = [
            {key: value for key, value in each.items() if key != "ServicePassword"}
            for each in self._git_credentials(name)
            if request.get("ServiceName", _GIT) == each["ServiceName"]
        ]
        return {"ServiceSpecificCredentials": found}

    @operation(resource=user_arn)
    async def delete_service_specific_credential(
        self, context: Context, request: t.DeleteServiceSpecificCredentialRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a Git credential."""
        wanted = request["ServiceSpecificCredentialId"]
        for each in self._git_credentials(self._name(context, request)):
            if each["ServiceSpecificCredentialId"] == wanted:
                self.model.git_credentials.delete(each["ServiceUserName"])
                return {}
        raise ServiceError("NoSuchEntity", f"The service specific credential {wanted} cannot be found.", 404)

    @operation(resource=user_arn)
    async def put_user_policy(self, context: Context, request: t.PutUserPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Add or replace an inline policy."""
        _refuse_administrator(request["UserName"])
        record = find_user(self.model, request["UserName"])
        record["inline"][request["PolicyName"]] = checked_document(request["PolicyDocument"])
        self.model.users.put((request["UserName"],), record)
        return {}

    @operation(resource=user_arn)
    async def get_user_policy(self, context: Context, request: t.GetUserPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Return an inline policy."""
        document = find_user(self.model, request["UserName"])["inline"].get(request["PolicyName"])
        if document is None:
            raise _no_inline(request["PolicyName"])
        return {**request, "PolicyDocument": on_the_wire(document)}

    @operation(resource=user_arn)
    async def list_user_policies(
        self, context: Context, request: t.ListUserPoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the names of a user's inline policies."""
        names = sorted(find_user(self.model, request["UserName"])["inline"])
        return paged(request, names, str, "PolicyNames")

    @operation(resource=user_arn)
    async def delete_user_policy(
        self, context: Context, request: t.DeleteUserPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete an inline policy."""
        _refuse_administrator(request["UserName"])
        record = find_user(self.model, request["UserName"])
        if record["inline"].pop(request["PolicyName"], None) is None:
            raise _no_inline(request["PolicyName"])
        self.model.users.put((request["UserName"],), record)
        return {}

    @operation(resource=user_arn)
    async def attach_user_policy(
        self, context: Context, request: t.AttachUserPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Attach a managed policy."""
        _refuse_administrator(request["UserName"])
        record = find_user(self.model, request["UserName"])
        if self.model.document(request["PolicyArn"]) is None:
            raise no_such_policy(request["PolicyArn"])
        if request["PolicyArn"] not in record["attached"]:
            record["attached"].append(request["PolicyArn"])
        self.model.users.put((request["UserName"],), record)
        return {}

    @operation(resource=user_arn)
    async def detach_user_policy(
        self, context: Context, request: t.DetachUserPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Detach a managed policy."""
        _refuse_administrator(request["UserName"])
        record = find_user(self.model, request["UserName"])
        if request["PolicyArn"] not in record["attached"]:
            raise ServiceError("NoSuchEntity", f"Policy {request['PolicyArn']} was not found.", 404)
        record["attached"].remove(request["PolicyArn"])
        self.model.users.put((request["UserName"],), record)
        return {}

    @operation(resource=user_arn)
    async def list_attached_user_policies(
        self, context: Context, request: t.ListAttachedUserPoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the managed policies attached to a user."""
        return attached_policies(request, find_user(self.model, request["UserName"])["attached"])

    def _name(self, context: Context, request: Mapping[str, Any]) -> str:
        if "UserName" in request:
            return str(request["UserName"])
        if context.principal.role_arn is not None:
            raise ServiceError("ValidationError", "Must specify userName when calling with non-User credentials")
        return context.principal.arn.rpartition("/")[2]

    def _keys(self, name: str) -> list[t.AccessKeyMetadataTypeDef]:
        return [key["metadata"] for key in self.model.access_keys.values() if key["metadata"]["UserName"] == name]

    def _git_credentials(self, name: str) -> list[t.ServiceSpecificCredentialTypeDef]:
        return [each for each in self.model.git_credentials.values() if each["UserName"] == name]


def _machines_own() -> ServiceError:
    why = "the administrator and its key are this machine's: without them nobody could use the local cloud"
    return ServiceError("UnmodifiableEntity", f"{why}; make a user of your own", 400)


def _refuse_administrator(name: str) -> None:
    if name == ADMINISTRATOR:
        raise _machines_own()


def _no_key(key: str) -> ServiceError:
    return ServiceError("NoSuchEntity", f"The Access Key with id {key} cannot be found.", 404)


def _no_inline(name: str) -> ServiceError:
    return ServiceError("NoSuchEntity", f"The user policy with name {name} cannot be found.", 404)
