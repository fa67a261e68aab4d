"""Customer managed policies and their versions; AWS's own are read from data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import (
    checked_document,
    merged_tags,
    no_such_policy,
    on_the_wire,
    paged,
    policy_arn,
)
from tidegate.cloud.services.iam.model import IamModel, PolicyRecord, aws_managed

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t

_MOST_VERSIONS = 5
_USAGES = ("PermissionsPolicy", "PermissionsBoundary")


class PoliciesApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html and its siblings."""

    def __init__(self, model: IamModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(
        resource=lambda api, context, request: api.model.arn(f"policy{request.get('Path', '/')}{request['PolicyName']}")
    )
    async def create_policy(self, context: Context, request: t.CreatePolicyRequestTypeDef) -> Mapping[str, Any]:
        """Create a managed policy; its first version is its default."""
        name, path, now = request["PolicyName"], request.get("Path", "/"), self._clock.now()
        arn = self.model.arn(f"policy{path}{name}")
        if any(each["policy"]["PolicyName"].lower() == name.lower() for each in self.model.policies.values()):
            raise ServiceError(
                "EntityAlreadyExists",
                f"A policy called {name} already exists. Duplicate names are not allowed.",
                409,
            )
        policy: t.PolicyTypeDef = {
            "PolicyName": name,
            "PolicyId": f"ANPA{self._clock.token(17)}",
            "Arn": arn,
            "Path": path,
            "DefaultVersionId": "v1",
            "IsAttachable": True,
            "CreateDate": now,
            "UpdateDate": now,
            "Tags": merged_tags([], request.get("Tags", [])),
        }
        if "Description" in request:
            policy["Description"] = request["Description"]
        document = checked_document(request["PolicyDocument"])
        record: PolicyRecord = {"policy": policy, "versions": {"v1": document}, "created": {"v1": now}}
        self.model.policies.put((arn,), record)
        return {"Policy": self._answer(policy)}

    @operation(resource=policy_arn)
    async def get_policy(self, context: Context, request: t.GetPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Return a managed policy."""
        return {"Policy": self._answer(self._find(request["PolicyArn"])["policy"])}

    @operation(resource=policy_arn)
    async def get_policy_version(
        self, context: Context, request: t.GetPolicyVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return one version of a managed policy, with its document."""
        record = self._find(request["PolicyArn"])
        return {"PolicyVersion": self._version(record, request["VersionId"], with_document=True)}

    @operation(refuse=("PolicyUsageFilter",))
    async def list_policies(self, context: Context, request: t.ListPoliciesRequestTypeDef) -> Mapping[str, Any]:
        """List the account's managed policies, AWS's (those shipped), or both."""
        scope, prefix = request.get("Scope", "All"), request.get("PathPrefix", "/")
        records = [] if scope == "AWS" else self.model.policies.values()
        if scope in ("AWS", "All"):
            records += [self._find(arn) for arn in aws_managed()]
        policies = [self._answer(record["policy"]) for record in records]
        chosen = [
            policy
            for policy in policies
            if policy["Path"].startswith(prefix) and (not request.get("OnlyAttached") or policy["AttachmentCount"])
        ]
        chosen.sort(key=lambda policy: str(policy["Arn"]))
        return paged(request, chosen, lambda policy: str(policy["Arn"]), "Policies")

    @operation(resource=policy_arn)
    async def create_policy_version(
        self, context: Context, request: t.CreatePolicyVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Add a version, as the default if so asked."""
        arn, now = request["PolicyArn"], self._clock.now()
        record = self._find_own(arn)
        if len(record["versions"]) >= _MOST_VERSIONS:
            raise ServiceError(
                "LimitExceeded",
                f"A managed policy can have up to {_MOST_VERSIONS} versions. "
                "Before you create a new version, you must delete an existing version.",
                409,
            )
        record["newest"] = record.get("newest", max(map(_number, record["versions"]))) + 1  # none is given twice
        version = f"v{record['newest']}"
        record["versions"][version] = checked_document(request["PolicyDocument"])
        record["created"][version] = now
        if request.get("SetAsDefault"):
            record["policy"]["DefaultVersionId"] = version
        record["policy"]["UpdateDate"] = now
        self.model.policies.put((arn,), record)
        return {"PolicyVersion": self._version(record, version, with_document=False)}

    @operation(resource=policy_arn)
    async def list_policy_versions(
        self, context: Context, request: t.ListPolicyVersionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a managed policy's versions, without their documents, the newest first."""
        record = self._find(request["PolicyArn"])
        names = sorted(record["versions"], key=_number, reverse=True)
        versions = [self._version(record, name, with_document=False) for name in names]
        return paged(request, versions, lambda each: f"{_number(each['VersionId']):09}", "Versions", descending=True)

    @operation(resource=policy_arn)
    async def set_default_policy_version(
        self, context: Context, request: t.SetDefaultPolicyVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Choose the version that is in force."""
        record = self._find_own(request["PolicyArn"])
        self._version(record, request["VersionId"], with_document=False)
        record["policy"]["DefaultVersionId"] = request["VersionId"]
        self.model.policies.put((request["PolicyArn"],), record)
        return {}

    @operation(resource=policy_arn)
    async def delete_policy_version(
        self, context: Context, request: t.DeletePolicyVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a version that is not the default."""
        record = self._find_own(request["PolicyArn"])
        if record["policy"]["DefaultVersionId"] == request["VersionId"]:
            raise ServiceError("DeleteConflict", "Cannot delete the default version of a policy.", 409)
        self._version(record, request["VersionId"], with_document=False)
        del record["versions"][request["VersionId"]], record["created"][request["VersionId"]]
        self.model.policies.put((request["PolicyArn"],), record)
        return {}

    @operation(resource=policy_arn)
    async def delete_policy(self, context: Context, request: t.DeletePolicyRequestTypeDef) -> Mapping[str, Any]:
        """Delete a managed policy that nobody has or is bounded by."""
        record = self._find_own(request["PolicyArn"])
        if any(self._entities(request["PolicyArn"], usage) for usage in _USAGES):
            raise ServiceError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
        if len(record["versions"]) > 1:
            raise ServiceError(
                "DeleteConflict",
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy.",
                409,
            )
        self.model.policies.delete(request["PolicyArn"])
        return {}

    @operation(resource=policy_arn)
    async def list_entities_for_policy(
        self, context: Context, request: t.ListEntitiesForPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the roles and users that have a managed policy, or are bounded by it."""
        arn, prefix = request["PolicyArn"], request.get("PathPrefix", "/")
        self._find(arn)
        usages = [request["PolicyUsageFilter"]] if "PolicyUsageFilter" in request else _USAGES
        entities = {each["Arn"]: each for usage in usages for each in self._entities(arn, usage)}
        chosen = [
            entities[arn]
            for arn in sorted(entities)
            if entities[arn]["Path"].startswith(prefix)
            and request.get("EntityFilter") in (None, "Role" if "RoleName" in entities[arn] else "User")
        ]
        answer = paged(request, chosen, lambda each: str(each["Arn"]), "found")
        found = answer.pop("found")
        return {
            **answer,
            "PolicyRoles": [_only(each, "RoleName", "RoleId") for each in found if "RoleName" in each],
            "PolicyUsers": [_only(each, "UserName", "UserId") for each in found if "UserName" in each],
            "PolicyGroups": [],
        }

    def _entities(self, arn: str, usage: str) -> list[Mapping[str, Any]]:
        """Return the roles and users that a policy is used for in one of _USAGES."""
        of_roles = [(each["role"], each["attached"]) for each in self.model.roles.values()]
        of_users = [(each["user"], each["attached"]) for each in self.model.users.values()]
        holders: list[tuple[Mapping[str, Any], list[str]]] = [*of_roles, *of_users]
        if usage == "PermissionsPolicy":
            return [each for each, attached in holders if arn in attached]
        return [each for each, _ in holders if each.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == arn]

    def _answer(self, policy: t.PolicyTypeDef) -> dict[str, Any]:
        attached, bounded = (len(self._entities(policy["Arn"], usage)) for usage in _USAGES)
        return {**policy, "AttachmentCount": attached, "PermissionsBoundaryUsageCount": bounded}

    def _find(self, arn: str) -> PolicyRecord:
        if arn in aws_managed():
            path, _, name = ("/" + arn.partition(":policy/")[2]).rpartition("/")
            created = self._clock.now().replace(year=2015, month=2, day=6, hour=0, minute=0, second=0, microsecond=0)
            policy: t.PolicyTypeDef = {
                "PolicyName": name,
                "PolicyId": "ANPA" + name.upper()[:17],
                "Arn": arn,
                "Path": path + "/",
                "DefaultVersionId": "v1",
                "IsAttachable": True,
                "CreateDate": created,
                "UpdateDate": created,
            }
            return {"policy": policy, "versions": {"v1": aws_managed()[arn]}, "created": {"v1": created}}
        return self._find_own(arn)

    def _find_own(self, arn: str) -> PolicyRecord:
        record = self.model.policies.get(arn)
        if record is None:
            if arn in aws_managed():
                raise ServiceError("AccessDenied", f"{arn} is managed by AWS and cannot be changed", 403)
            raise no_such_policy(arn)
        return record

    def _version(self, record: PolicyRecord, name: str, *, with_document: bool) -> dict[str, Any]:
        if name not in record["versions"]:
            arn = record["policy"]["Arn"]
            raise ServiceError("NoSuchEntity", f"Policy {arn} version {name} does not exist or is not attachable.", 404)
        version: dict[str, Any] = {
            "VersionId": name,
            "IsDefaultVersion": record["policy"]["DefaultVersionId"] == name,
            "CreateDate": record["created"][name],
        }
        return {**version, "Document": on_the_wire(record["versions"][name])} if with_document else version


def _number(version: str) -> int:
    return int(version[1:])


def _only(entity: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: entity[name] for name in names}
