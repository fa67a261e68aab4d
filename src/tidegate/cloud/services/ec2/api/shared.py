"""What EC2's operations have in common: the declaration, dry runs, finding, tagging, describing."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ec2.filters import Filters
from tidegate.cloud.services.ec2.model import GROUP, Ec2Model, Noun, not_found, noun_of
from tidegate.cloud.services.ec2.network import Network

Handler = Callable[[Any, Context, Any], Awaitable[Mapping[str, Any]]]

_PAGE = 1000
_MOST_TAGS = 50
_PARAMETER = re.compile(r"\{(\w+)\}")


class Ec2Api:
    """What every file of operations is given."""

    def __init__(self, model: Ec2Model, calls: Calls, clock: Clock) -> None:
        self.model = model
        self.network = Network(model, clock)
        self.calls = calls
        self.clock = clock


def ec2_operation(
    *resources: str, refuse: tuple[str, ...] = (), action: str | None = None
) -> Callable[[Handler], Handler]:
    """Declare a handler of EC2. `resources` are what it is authorized on: `vpc/{VpcId}`, `subnet/*`.

    A dry run ends once the caller is found to be allowed; the region has its default network before anything
    is done in it. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
    """

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def run(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
            if request.get("DryRun"):
                raise ServiceError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            api.network.ensure_default(context.region)
            return await handler(api, context, request)

        def arns(api: Any, context: Context, request: Any) -> list[str]:
            return [context.arn("ec2", name) for template in resources for name in _names(template, request)] or ["*"]

        def conditions(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
            return {"ec2:Region": context.region, **_request_tags(request)}

        return operation(action=action, resource=arns, conditions=conditions, refuse=refuse)(run)

    return declare


def new_tags(
    api: Ec2Api, context: Context, request: Mapping[str, Any], noun: Noun, operation_name: str
) -> list[dict[str, str]]:
    """Return the tags that a request gives to what it creates; the caller must be allowed to create tags."""
    tags: dict[str, str] = {}
    for specification in request.get("TagSpecifications", ()):
        kind = specification.get("ResourceType")
        if kind != noun.resource:
            raise ServiceError(
                "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation."
            )
        for tag in specification.get("Tags", ()):
            if tag.get("Key") in tags:
                raise ServiceError("InvalidParameterValue", f"Duplicate tag key '{tag.get('Key')}' specified.")
            tags |= checked_tags(context, [tag])
    if tags:
        conditions = {"ec2:CreateAction": operation_name, "ec2:Region": context.region, **_request_tags(request)}
        api.calls.authorize(context, "ec2:CreateTags", context.arn("ec2", f"{noun.resource}/*"), conditions)
    check_tag_count(tags)
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def checked_tags(context: Context, tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by key; raise InvalidParameterValue for those that EC2 does not take from this caller."""
    own = "aws:cloudformation:" if context.for_cloudformation else None
    checked = {}
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not key or len(key) > 128:
            raise ServiceError("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
        if len(value) > 256:
            raise ServiceError("InvalidParameterValue", "Tag values must be at most 256 characters in length.")
        if key.startswith("aws:") and not (own and key.startswith(own)):
            raise ServiceError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        checked[key] = value
    return checked


def check_tag_count(tags: Mapping[str, str]) -> None:
    """Raise TagLimitExceeded for more tags than a resource may have."""
    if sum(not key.startswith("aws:") for key in tags) > _MOST_TAGS:
        raise ServiceError("TagLimitExceeded", f"More than {_MOST_TAGS} tags specified")


def describe(
    noun: Noun, records: Sequence[Any], request: Mapping[str, Any], filters: Filters, *, ids: str, answer: str
) -> dict[str, Any]:
    """Return one page of the records that a Describe request asks for: by ids, by filters, or all."""
    chosen = list(records)
    wanted = request.get(ids)
    if wanted:
        missing = [each for each in wanted if each not in {record[noun.member] for record in chosen}]
        if missing:
            raise not_found(noun, missing)
        chosen = [record for record in chosen if record[noun.member] in wanted]
    chosen = filters(chosen, request.get("Filters") or request.get("Filter") or ())
    return paged(request, chosen, lambda record: str(record[noun.member]), answer)


def paged(request: Mapping[str, Any], records: Iterable[Any], key: Callable[[Any], str], answer: str) -> dict[str, Any]:
    """Return one page: `answer`, and NextToken while there is more."""
    limit = request.get("MaxResults") or _PAGE
    chosen, token = page(
        sorted(records, key=key), request.get("NextToken"), limit, key=key, invalid="InvalidPaginationToken"
    )
    return {answer: chosen, **({"NextToken": token} if token else {})}


def made_before(records: Iterable[Any], request: Mapping[str, Any]) -> Any:
    """Return what an earlier request with the same ClientToken made, or None."""
    token = request.get("ClientToken")
    return next((each for each in records if token and each.get("ClientToken") == token), None)


def client_token(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's ClientToken, for the record of what it makes and for the answer."""
    return {"ClientToken": request["ClientToken"]} if request.get("ClientToken") else {}


def find_group(model: Ec2Model, context: Context, request: Mapping[str, Any]) -> Any:
    """Return the security group that a request names by id, or by name in the default VPC."""
    if request.get("GroupId"):
        return checked_group(model, context.region, request["GroupId"])
    if not request.get("GroupName"):
        raise ServiceError("MissingParameter", "The request must contain the parameter groupName or groupId")
    vpc, name = model.default_vpc(context.region), request["GroupName"]
    found = [] if vpc is None else model.in_vpc(GROUP, context.region, vpc["VpcId"])
    for group in found:
        if group["GroupName"] == name:
            return group
    raise ServiceError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in default VPC")


def checked_group(model: Ec2Model, region: str, group_id: str) -> Any:
    """Return a security group by its id; raise InvalidGroupId.Malformed or InvalidGroup.NotFound."""
    if not group_id.startswith("sg-"):
        raise ServiceError("InvalidGroupId.Malformed", f'Invalid id: "{group_id}" (expecting "sg-...")')
    return model.find(GROUP, region, group_id)


def groups_in(model: Ec2Model, region: str, vpc_id: str, group_ids: Sequence[str]) -> list[dict[str, str]]:
    """Return security groups as a resource of a VPC names them; the VPC's default one where none is given."""
    if not group_ids:
        groups = [each for each in model.in_vpc(GROUP, region, vpc_id) if each["GroupName"] == "default"]
    else:
        groups = [checked_group(model, region, each) for each in dict.fromkeys(group_ids)]
    if any(group["VpcId"] != vpc_id for group in groups):
        raise ServiceError(
            "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."
        )
    return [{"GroupId": group["GroupId"], "GroupName": group["GroupName"]} for group in groups]


def in_use(noun_title: str, resource_id: str) -> ServiceError:
    """Refuse to delete what something else needs."""
    return ServiceError(
        "DependencyViolation", f"The {noun_title} '{resource_id}' has dependencies and cannot be deleted."
    )


def default_vpc_id(model: Ec2Model, region: str) -> str:
    """Return the id of the default VPC; raise VPCIdNotSpecified where it was deleted."""
    vpc = model.default_vpc(region)
    if vpc is None:
        raise ServiceError("VPCIdNotSpecified", "No default VPC for this user")
    return vpc["VpcId"]


def _names(template: str, request: Mapping[str, Any]) -> list[str]:
    parameter = _PARAMETER.search(template)
    if parameter is None:
        return [template]
    value = request.get(parameter[1])
    values = value if isinstance(value, (list, tuple)) else [value or "*"]
    names = [template.replace(parameter[0], str(each)) for each in values]
    return [_with_kind(name) for name in names] if template.startswith("*/") else names


def _with_kind(name: str) -> str:
    """Return the resource that `*/vpc-012…` is, by the prefix of its id: `vpc/vpc-012…`."""
    resource_id = name.removeprefix("*/")
    noun = noun_of(resource_id)
    return name if noun is None else f"{noun.resource}/{resource_id}"


def _request_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    tags = [tag for each in request.get("TagSpecifications", ()) for tag in each.get("Tags", ())]
    tags += request.get("Tags", ())
    keys: dict[str, Any] = {f"aws:RequestTag/{tag.get('Key')}": tag.get("Value", "") for tag in tags}
    return {**keys, "aws:TagKeys": [tag.get("Key") for tag in tags]} if tags else {}
