"""What the operations have in common: finding by ARN and by name, tags, pages, ARNs to authorize on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.elbv2.model import (
    BalancerRecord,
    ElbModel,
    GroupRecord,
    ListenerRecord,
    RuleRecord,
    TrustStoreRecord,
    groups_in,
    tags_from,
)
from tidegate.cloud.services.elbv2.protocols import check_actions, check_group

_PAGE = 400
_MOST_TAGS = 50


class ElbApi:
    """What every file of operations is given."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self.calls = calls
        self.clock = clock


def find_balancer(model: ElbModel, region: str, arn: str) -> BalancerRecord:
    """Return a load balancer; raise ValidationError or LoadBalancerNotFound."""
    _check_arn(arn, "loadbalancer", "load balancer")
    found = model.balancers.get(region, arn)
    if found is None:
        raise ServiceError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
    return found


def find_group(model: ElbModel, region: str, arn: str) -> GroupRecord:
    """Return a target group; raise ValidationError or TargetGroupNotFound."""
    _check_arn(arn, "targetgroup", "target group")
    found = model.groups.get(region, arn)
    if found is None:
        raise ServiceError("TargetGroupNotFound", f"Target groups '{arn}' not found")
    return found


def find_listener(model: ElbModel, region: str, arn: str) -> ListenerRecord:
    """Return a listener; raise ValidationError or ListenerNotFound."""
    _check_arn(arn, "listener", "listener")
    found = model.listeners.get(region, arn)
    if found is None:
        raise ServiceError("ListenerNotFound", f"Listener '{arn}' not found")
    return found


def find_rule(model: ElbModel, region: str, arn: str) -> RuleRecord:
    """Return a rule that was made; raise RuleNotFound, and OperationNotPermitted for a default one."""
    _check_arn(arn, "listener-rule", "listener rule")
    found = model.rules.get(region, arn)
    if found is not None:
        return found
    if any(each["default_rule"] == arn for each in model.listeners.values(region)):
        raise ServiceError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")
    raise ServiceError("RuleNotFound", f"Rule '{arn}' not found")


def find_trust_store(model: ElbModel, region: str, arn: str) -> TrustStoreRecord:
    """Return a trust store; raise ValidationError or TrustStoreNotFound."""
    _check_arn(arn, "truststore", "trust store")
    found = model.trust_stores.get(region, arn)
    if found is None:
        raise ServiceError("TrustStoreNotFound", f"Trust store '{arn}' not found")
    return found


def check_forwards(
    model: ElbModel, region: str, balancer: BalancerRecord, protocol: str, actions: Sequence[Mapping[str, Any]]
) -> None:
    """Raise what is wrong with the actions of a listener of a protocol, and with the groups that they forward to."""
    check_actions(balancer["balancer"]["Type"], actions)
    arn = balancer["balancer"]["LoadBalancerArn"]
    for group_arn in sorted(groups_in(actions)):
        group = find_group(model, region, group_arn)["group"]
        check_group(protocol, group)
        if group["VpcId"] != balancer["balancer"]["VpcId"]:
            raise ServiceError(
                "InvalidConfigurationRequest",
                f"The following target group is in another VPC than load balancer '{arn}': {group_arn}",
            )
        if model.balancer_of(region, group_arn) not in (None, arn):
            raise ServiceError(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {group_arn}",
            )


def new_tags(
    api: ElbApi, context: Context, request: Mapping[str, Any], arn: str, operation_name: str
) -> dict[str, str]:
    """Return the tags that a request gives to what it creates (`arn`, with `*` for its id).

    The caller must be allowed to add tags. Raises DuplicateTagKeys or TooManyTags.
    """
    tags = given_tags(request)
    if tags:
        conditions = {
            "elasticloadbalancing:CreateAction": operation_name,
            **request_tags(api, context, request),
        }
        api.calls.authorize(context, "elasticloadbalancing:AddTags", arn, conditions)
    return tags


def given_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags in a request; raise DuplicateTagKeys or TooManyTags."""
    given: Sequence[Mapping[str, str]] = request.get("Tags", ())
    tags = tags_from(given)
    if len(tags) < len(given):
        raise ServiceError("DuplicateTagKeys", "A tag key was specified more than once")
    check_tag_count(tags)
    return tags


def check_tag_count(tags: Mapping[str, str]) -> None:
    """Raise TooManyTags for more tags than a resource may have."""
    if sum(not key.startswith("aws:") for key in tags) > _MOST_TAGS:
        raise ServiceError("TooManyTags", f"The maximum number of tags per resource is {_MOST_TAGS}")


def paged(request: Mapping[str, Any], records: Iterable[Any], key: Callable[[Any], str], name: str) -> dict[str, Any]:
    """Return one page: `name`, and NextMarker while there is more."""
    chosen, token = page(
        sorted(records, key=key),
        request.get("Marker"),
        request.get("PageSize", _PAGE),
        key=key,
        invalid="ValidationError",
    )
    return {name: chosen, **({"NextMarker": token} if token else {})}


def check_name(what: str, name: str) -> None:
    """Raise ValidationError for what cannot be the name of a load balancer or a target group."""
    why = None
    if not 1 <= len(name) <= 32:
        why = f"cannot be longer than '32' characters: '{name}'"
    elif not all(each.isascii() and (each.isalnum() or each == "-") for each in name):
        why = f"can only contain characters that are alphanumeric characters or hyphens(-): '{name}'"
    elif name.startswith("-") or name.endswith("-"):
        why = f"cannot begin or end with a hyphen(-): '{name}'"
    elif what == "load balancer" and name.startswith("internal-"):
        why = f"cannot begin with 'internal-': '{name}'"
    if why is not None:
        raise ServiceError("ValidationError", f"The {what} name {why}")


def arn_in(member: str) -> Callable[[Any, Context, Any], str]:
    """Return what gives the ARN that an operation is authorized on, from a member of its request."""

    def arn(api: Any, context: Context, request: Any) -> str:
        return str(request[member])

    return arn


def request_tags(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
    """Return the condition keys of the tags in a request."""
    tags = tags_from(request.get("Tags", ()))
    keys: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {**keys, "aws:TagKeys": list(tags)} if tags else {}


def _check_arn(arn: str, kind: str, title: str) -> None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[:3] != ["arn", "aws", "elasticloadbalancing"] or parts[5].partition("/")[0] != kind:
        raise ServiceError("ValidationError", f"'{arn}' is not a valid {title} ARN")
