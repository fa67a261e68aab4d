"""What CloudFormation's operations have in common: a stack that exists, a template and what it is evaluated with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.cloud.call import CLOUDFORMATION, Caller, Calls, Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.cloudformation.model import GONE, CloudFormationModel, Source, StackRecord
from tidegate.cloud.services.cloudformation.plan import capabilities
from tidegate.cloud.services.cloudformation.references import UnresolvedError, value_of
from tidegate.cloud.services.cloudformation.scopes import StackScopes
from tidegate.cloud.services.cloudformation.template.check import check, check_rules
from tidegate.cloud.services.cloudformation.template.evaluate import Scope
from tidegate.cloud.services.cloudformation.template.parameters import given, is_ssm, of_ssm
from tidegate.cloud.services.cloudformation.template.parse import TemplateError, parse
from tidegate.cloud.services.cloudformation.template.references import PLAIN, found, read
from tidegate.cloud.services.cloudformation.template.references import check as check_references
from tidegate.cloud.store import Key

T = TypeVar("T")

_PAGE = 100
_LONGEST_BODY = 51_200  # bytes
_BUCKET_HOST = re.compile(r"(?P<bucket>[a-z0-9.-]+)\.s3[.-][a-z0-9.-]*")
_URL = re.compile(r"https?://(?P<host>[^/]+)/(?P<path>[^?]+)")
_REFUSED = (
    "RollbackConfiguration.RollbackTriggers",
    "StackPolicyBody",
    "StackPolicyURL",
    "ResourceTypes",
    "NotificationARNs",
    "RetainExceptOnCreate",
    "DeploymentConfig",
    "DisableValidation",
)
REFUSED = (*_REFUSED, "StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL")


def invalid(message: str) -> ServiceError:
    """Return the error for a request that cannot be carried out."""
    return ServiceError("ValidationError", message)


def stack_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a stack is authorized on."""
    name = str(request.get("StackName") or request.get("PhysicalResourceId") or "*")
    return name if name.startswith("arn:") else context.arn("cloudformation", f"stack/{name}/*")


def find_stack(model: CloudFormationModel, context: Context, name: str) -> tuple[Key, StackRecord]:
    """Return a stack by its name or ARN; raise ValidationError."""
    found = model.find(context.region, name)
    if found is None:
        raise invalid(f"Stack with id {name} does not exist")
    return found


def living_stack(model: CloudFormationModel, context: Context, name: str) -> tuple[Key, StackRecord]:
    """Return a stack that is not deleted; raise ValidationError."""
    key, record = find_stack(model, context, name)
    if record["stack"]["StackStatus"] == GONE:
        raise invalid(f"Stack [{key[1]}] does not exist")
    return key, record


def paged(
    request: Mapping[str, Any], items: Sequence[T], name: str, key: Callable[[T], str], limit: int = _PAGE
) -> dict[str, Any]:
    """Return one page as CloudFormation's lists answer it: `name`, NextToken."""
    chosen, token = page(items, request.get("NextToken"), limit, key=key, invalid="ValidationError")
    return {name: chosen, **({"NextToken": token} if token else {})}


class Sources:
    """Makes what a stack is made from out of a request: template, parameters, tags, zones; all of it checked."""

    def __init__(self, model: CloudFormationModel, scopes: StackScopes, calls: Calls, offered: frozenset[str]) -> None:
        """`offered` are the resource types that there are handlers for."""
        self._model = model
        self._scopes = scopes
        self._calls = calls
        self._offered = offered

    async def template(self, context: Context, request: Mapping[str, Any], previous: Source | None = None) -> str:
        """Return the text of the template that a request names or holds."""
        if request.get("UsePreviousTemplate"):
            if previous is None:
                raise invalid("UsePreviousTemplate is for stacks that exist")
            return previous["template"]
        if "TemplateBody" in request:
            if len(request["TemplateBody"].encode()) > _LONGEST_BODY:
                raise invalid(
                    f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must "
                    f"have length less than or equal to {_LONGEST_BODY}"
                )
            return str(request["TemplateBody"])
        if "TemplateURL" not in request:
            raise invalid("Either Template URL or Template Body must be specified.")
        return await self._download(context, request["TemplateURL"])

    def checked(self, text: str) -> Mapping[str, Any]:
        """Return a template; raise ValidationError where it is none."""
        try:
            template = parse(text)
            check(template, self._offered)
        except TemplateError as error:
            raise invalid(str(error)) from None
        return template

    async def of(
        self, context: Context, request: Mapping[str, Any], stack_id: str, previous: Source | None = None
    ) -> Source:
        """Return what a create, an update or a change set asks for; raise ValidationError."""
        text = await self.template(context, request, previous)
        template = self.checked(text)
        self._check_capabilities(template, request.get("Capabilities", []))
        role = request.get("RoleARN")
        if role is not None:
            self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": CLOUDFORMATION})
        caller = self._calls.as_principal(context.principal, context.region, via=CLOUDFORMATION)
        tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]} if "Tags" in request else None
        reserved = [tag for tag in tags or () if tag.lower().startswith("aws:")]
        if reserved and not context.for_cloudformation:
            raise invalid(f"aws: prefixed tag key names are not allowed for external use: {', '.join(reserved)}")
        try:
            before = None if previous is None else previous["parameters"]
            parameters = given(template, request.get("Parameters", []), before)
        except TemplateError as error:
            raise invalid(str(error)) from None
        source: Source = {
            "template": text,
            "parameters": parameters,
            "values": await self._values(caller, template, parameters),
            "tags": tags if tags is not None else {} if previous is None else previous["tags"],
            "zones": await self._zones(caller, text),
        }
        try:
            # what depends on no resource is evaluated at once: conditions and rules
            scope = self._scopes.scope(stack_id, source, {}, unknown=template["Resources"])
            check_rules(template, scope)
            for name in template.get("Conditions", {}):
                scope.condition(name)
            source["references"] = await self._references(caller, scope)
        except (TemplateError, UnresolvedError) as error:
            raise invalid(str(error)) from None
        return source

    @staticmethod
    async def _references(caller: Caller, scope: Scope) -> dict[str, str]:
        """Return what the plain dynamic references of resources stand for, as far as they depend on no resource."""
        literals: set[str] = set()
        for name, entry in scope.template["Resources"].items():
            try:
                properties = scope.properties(name) if scope.included(entry) else {}
            except TemplateError:
                continue  # it is told when the resource's turn has come
            check_references(entry["Type"], properties)
            literals |= {literal for _, literal in found(properties) if read(literal).kind == PLAIN}
        return {literal: await value_of(caller, literal) for literal in sorted(literals)}

    @staticmethod
    def _check_capabilities(template: Mapping[str, Any], acknowledged: Sequence[str]) -> None:
        needed = capabilities(template["Resources"].values())
        if needed is not None and needed not in acknowledged and "CAPABILITY_NAMED_IAM" not in acknowledged:
            raise ServiceError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")

    @staticmethod
    async def _values(caller: Caller, template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
        """Return the values that parameters are used with: what Systems Manager's hold, in the place of their names."""
        values = dict(parameters)
        for key, declared in template.get("Parameters", {}).items():
            if not is_ssm(declared):
                continue
            try:
                answer = await caller("ssm", "get_parameters", Names=[parameters[key]])
                if not answer["Parameters"]:
                    raise invalid(
                        f"Unable to fetch parameters [{parameters[key]}] from parameter store for this account."
                    )
                values[key] = of_ssm(declared, parameters[key], answer["Parameters"][0])
            except ServiceError as error:
                raise invalid(error.message) from None
            except TemplateError as error:
                raise invalid(str(error)) from None
        return values

    @staticmethod
    async def _zones(caller: Caller, text: str) -> dict[str, list[str]]:
        if "GetAZs" not in text:
            return {}
        answer = await caller("ec2", "describe_availability_zones")
        return {caller.region: sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])}

    async def _download(self, context: Context, url: str) -> str:
        """Read a template from S3, path-style or virtual-host style, as whoever asks."""
        match = _URL.fullmatch(url)
        if match is None:
            raise invalid(f"TemplateURL must be a supported URL: {url}")
        hosted, path = _BUCKET_HOST.match(match["host"]), match["path"]
        bucket, _, key = (hosted["bucket"], "/", path) if hosted else path.partition("/")
        caller = self._calls.as_principal(context.principal, context.region, via=CLOUDFORMATION)
        try:
            answer = await caller("s3", "get_object", Bucket=bucket, Key=key)
        except ServiceError as error:
            raise invalid(f"S3 error: {error.message} ({error.code}) for {url}") from None
        content = bytearray()
        async for chunk in answer["Body"]:
            content += chunk
            if len(content) > 1_000_000:
                raise invalid("Template may not exceed 1000000 bytes in size.")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise invalid(f"Template format error: {url} is not UTF-8") from None


def refuse_new_deployment_mode(operation: str, request: Mapping[str, Any]) -> None:
    """Refuse the modes of deletion and deployment that are not offered."""
    for name, usual in (("DeletionMode", "STANDARD"), ("DeploymentMode", None)):
        if request.get(name, usual) != usual:
            raise not_offered(f"cloudformation:{operation} {name} {request[name]}")
