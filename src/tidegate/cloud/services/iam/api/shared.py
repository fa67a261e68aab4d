"""What IAM's operations have in common: not found, conflicts, documents, paths and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.iam.model import IamModel, RoleRecord, UserRecord
from tidegate.cloud.services.iam.policy import MalformedPolicyError, parse

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t

T = TypeVar("T")

_PAGE = 100


def find_role(model: IamModel, name: str) -> RoleRecord:
    """Return a role or raise NoSuchEntity."""
    role = model.roles.get(name)
    if role is None:
        raise ServiceError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
    return role


def find_user(model: IamModel, name: str) -> UserRecord:
    """Return a user or raise NoSuchEntity."""
    user = model.users.get(name)
    if user is None:
        raise ServiceError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return user


def no_such_policy(arn: str) -> ServiceError:
    """Refuse a managed policy that does not exist; for AWS's own, say that it is not shipped."""
    if arn.startswith("arn:aws:iam::aws:policy/"):
        why = f"Policy {arn} does not exist, or is an AWS managed policy that tidegate local does not ship."
        return ServiceError("NoSuchEntity", why, 404)
    return ServiceError("NoSuchEntity", f"Policy {arn} was not found.", 404)


def already_exists(what: str) -> ServiceError:
    """Refuse a name that is taken."""
    return ServiceError("EntityAlreadyExists", f"{what} already exists.", 409)


def delete_conflict(why: str) -> ServiceError:
    """Refuse to delete what others still need."""
    return ServiceError("DeleteConflict", f"Cannot delete entity, must {why} first.", 409)


def checked_document(document: str, *, trust: bool = False) -> str:
    """Return a policy document that can be evaluated; raise MalformedPolicyDocument."""
    try:
        statements = parse(document)
    except MalformedPolicyError as error:
        raise ServiceError("MalformedPolicyDocument", str(error)) from None
    for statement in statements:
        if trust and statement.principals is None:
            raise ServiceError("MalformedPolicyDocument", "Missing required field Principal")
        if trust and statement.resources:
            raise ServiceError("MalformedPolicyDocument", "Has prohibited field Resource")
        if not trust and statement.principals is not None:
            raise ServiceError("MalformedPolicyDocument", "Policy document should not specify a principal.")
        if not trust and not statement.resources:
            raise ServiceError("MalformedPolicyDocument", "Policy statement must contain resources.")
    return document


def on_the_wire(document: str) -> str:
    """Return a document as IAM answers it: percent-encoded (RFC 3986)."""
    return quote(document, safe="")


def paged(
    request: Mapping[str, Any], items: Sequence[T], key: Callable[[T], str], name: str, *, descending: bool = False
) -> dict[str, Any]:
    """Return one page as IAM lists answer it: `name`, IsTruncated, Marker. `items` are ordered by `key`."""
    limit = request.get("MaxItems", _PAGE)
    chosen, token = page(items, request.get("Marker"), limit, key=key, invalid="ValidationError", descending=descending)
    return {name: chosen, "IsTruncated": token is not None, **({"Marker": token} if token else {})}


def attached_policies(request: Mapping[str, Any], arns: Iterable[str]) -> dict[str, Any]:
    """Return a page of the managed policies that somebody has, of those whose path starts with PathPrefix."""
    prefix = request.get("PathPrefix", "/")
    attached = [
        {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
        for arn in sorted(arns)
        if ("/" + arn.partition(":policy/")[2]).startswith(prefix)
    ]
    return paged(request, attached, lambda policy: policy["PolicyArn"], "AttachedPolicies")


def merged_tags(tags: Iterable[t.TagTypeDef], more: Iterable[t.TagTypeDef]) -> list[t.TagTypeDef]:
    """Return tags with others put over them."""
    values = {tag["Key"]: tag["Value"] for tag in [*tags, *more]}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def role_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a role is authorized on."""
    return _arn(api.model, "role", request, api.model.roles.get(request["RoleName"]), "role")


def user_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a user is authorized on."""
    name = request.get("UserName") or context.principal.arn.rpartition("/")[2]
    return _arn(api.model, "user", {**request, "UserName": name}, api.model.users.get(name), "user")


def policy_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a managed policy is authorized on."""
    return str(request["PolicyArn"])


def _arn(model: IamModel, kind: str, request: Mapping[str, Any], record: Any, member: str) -> str:
    if record is not None:
        return str(record[member]["Arn"])
    return model.arn(f"{kind}{request.get('Path', '/')}{request[kind.capitalize() + 'Name']}")
