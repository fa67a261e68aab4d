"""Who asks, what they ask, and the one door that every request goes through.

A request from the wire and a call from one service to another meet in `Dispatcher.dispatch`: find the
operation, refuse what is not offered, validate, authorize, run the handler. Services never import each other;
they hold a `Caller`, which is a principal's hand on all services:

    await caller("elbv2", "register_targets", TargetGroupArn=arn, Targets=[{"Id": "10.0.0.4", "Port": 8080}])
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tidegate.cloud.clock import Clock
from tidegate.cloud.coverage import NOTHING_SAID, Coverage
from tidegate.cloud.errors import not_offered

CLOUDFORMATION = "cloudformation.amazonaws.com"

Request = Mapping[str, Any]
Response = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request is made by.

    `arn` reads as `sts:GetCallerIdentity` shows it, `id` is the unique id beside it (`AROA…:session`). A
    session of a role names the role in `role_arn` and the policies that narrow it, as JSON text, in `policies`;
    a service that acts by itself (`ecs-tasks.amazonaws.com` assuming a role) is named in `service`. Where a service
    has assumed the role, `source` is the ARN of what it did so for: a pipeline, a rule. `temporary` says whether it
    came with keys of STS.
    """

    arn: str
    id: str
    account: str
    role_arn: str | None = None
    policies: tuple[str, ...] = ()
    service: str | None = None
    source: str | None = None
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key: whose it is, and what proves it. Temporary ones have a token and an end."""

    secret: str
    principal: Principal
    token: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One request's circumstances: the principal, where the request goes, and what it came with.

    `conditions` are the global condition keys of the request (`aws:SourceIp`, …), in lower case.
    """

    principal: Principal
    region: str
    request_id: str
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The twelve digits of the account that the request is made in."""
        return self.principal.account

    @property
    def for_cloudformation(self) -> bool:
        """Whether CloudFormation makes this request, for a user or as a stack's role: its own tags are let through."""
        source = self.principal.source or ""
        return self.conditions.get("aws:calledvia") == CLOUDFORMATION or source.startswith("arn:aws:cloudformation:")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this request's region and account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class Body(Protocol):
    """A payload that is streamed, in either direction: `async for chunk in body`.

    `length` is its size in bytes, None where that is not known before its end.
    """

    @property
    def length(self) -> int | None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


READ_SIZE = 1 << 18


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A stretch of a file as a payload: `length` bytes from `offset`, read when they are sent."""

    path: Path
    offset: int
    length: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces; fewer than `length` where the file ends before."""
        if not self.length:
            return
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.length
            while left and (chunk := file.read(min(READ_SIZE, left))):
                left -= len(chunk)
                yield chunk


class Authorizer(Protocol):
    """Decides whether a principal may do an action on a resource."""

    def __call__(self, context: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> None:
        """Return when allowed, raise `ServiceError("AccessDenied", …)` when not."""


class Validator(Protocol):
    """Holds a request against the operation's input shape in the service model."""

    def __call__(self, service: str, operation: str, request: Request, *, coerce: bool) -> Request:
        """Return the request; raise a `ServiceError` that names each member at fault.

        With `coerce`, values written as text ("256", "true") become what the shape wants, as CloudFormation does.
        """


ActionOf = Callable[[Any, Context, Any], str]
ResourceOf = Callable[[Any, Context, Any], str | Iterable[str]]
ConditionsOf = Callable[[Any, Context, Any], Mapping[str, Any]]

_ATTRIBUTE = "__operation__"


@dataclass(frozen=True, slots=True)
class _Declaration:
    action: str | ActionOf | None
    resource: ResourceOf | None
    conditions: ConditionsOf | None
    refuse: tuple[str, ...]
    open_to_all: bool


H = TypeVar("H", bound=Callable[..., Awaitable[Any]])


def operation(
    *,
    action: str | ActionOf | None = None,
    resource: ResourceOf | None = None,
    conditions: ConditionsOf | None = None,
    refuse: tuple[str, ...] = (),
    open_to_all: bool = False,
) -> Callable[[H], H]:
    """Declare a method as the handler of the AWS operation of its name (`create_cluster`: CreateCluster).

    `action` is the IAM action where it is not `service:Operation`, or `action(api, context, request)` where it depends
    on the request. `resource(api, context, request)` gives the
    ARN, or the ARNs, that it is authorized on (`*` when not given), `conditions(api, context, request)` the
    operation's own condition keys; `api` is the object whose method this is. `refuse` names the parameters
    (dotted paths) that are known but not offered. An operation that is `open_to_all` is authorized by nothing but
    a valid signature (`sts:GetCallerIdentity`).
    """

    def declare(handler: H) -> H:
        setattr(handler, _ATTRIBUTE, _Declaration(action, resource, conditions, refuse, open_to_all))
        return handler

    return declare


@dataclass(frozen=True, slots=True)
class _Operation:
    api: object
    handler: Callable[[Context, Any], Awaitable[Response | None]]
    declaration: _Declaration
    action: str | ActionOf


class Dispatcher:
    """Every operation that is built, and the way to it."""

    def __init__(self, clock: Clock, authorize: Authorizer, validate: Validator) -> None:
        self._clock = clock
        self._authorize = authorize
        self._validate = validate
        self._operations: dict[tuple[str, str], _Operation] = {}
        self.coverage: dict[str, Coverage] = {}

    def register(
        self, service: str, *apis: object, coverage: Coverage = NOTHING_SAID, prefix: str | None = None
    ) -> None:
        """Register the handlers of a service (its botocore name). `prefix` is its IAM prefix, if another."""
        self.coverage[service] = coverage
        for api in apis:
            for name, handler in inspect.getmembers(api, inspect.iscoroutinefunction):
                declaration = getattr(handler, _ATTRIBUTE, None)
                if declaration is not None:
                    action = declaration.action or f"{prefix or service}:{_camel(name)}"
                    self._operations[service, name] = _Operation(api, handler, declaration, action)

    def operations(self) -> dict[str, list[str]]:
        """Return what is built: service to operation names in snake case."""
        built: dict[str, list[str]] = {}
        for service, name in sorted(self._operations):
            built.setdefault(service, []).append(name)
        return built

    async def dispatch(
        self, context: Context, service: str, name: str, request: Request, *, coerce: bool = False
    ) -> Response:
        """Run one operation as the context's principal and return its answer in AWS's shape."""
        found = self._operations.get((service, name))
        if found is None:
            raise not_offered(f"{service}:{_camel(name)}", self._why_left_out(service, name))
        if coerce:  # first, for `refuse` has the names as the model writes them
            request = self._validate(service, name, request, coerce=True)
        for path in found.declaration.refuse:
            if _present(request, path.split(".")):
                raise not_offered(f"{service}:{_camel(name)} {path}")
        if not coerce:
            request = self._validate(service, name, request, coerce=False)
        if not found.declaration.open_to_all:
            self._check(context, found, request)
        return await found.handler(context, request) or {}

    def _why_left_out(self, service: str, name: str) -> str | None:
        return self.coverage[service].why(name) if service in self.coverage else None

    def authorize(
        self, context: Context, action: str, resource: str, conditions: Mapping[str, Any] | None = None
    ) -> None:
        """Authorize what an operation does beside itself (`iam:PassRole`), or a request that is no operation."""
        self._authorize(context, action, resource, conditions or {})

    def context(self, principal: Principal, region: str, **conditions: str) -> Context:
        """Begin a request of `principal`."""
        return Context(principal, region, self._clock.new_id(), conditions)

    def _check(self, context: Context, found: _Operation, request: Request) -> None:
        declaration = found.declaration
        resources = "*" if declaration.resource is None else declaration.resource(found.api, context, request)
        conditions = {} if declaration.conditions is None else declaration.conditions(found.api, context, request)
        action = found.action if isinstance(found.action, str) else found.action(found.api, context, request)
        for resource in [resources] if isinstance(resources, str) else resources:
            self._authorize(context, action, resource, conditions)


class Caller:
    """A principal's hand on all services: the same operations, the same authorization, no wire."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        principal: Principal,
        region: str,
        conditions: Mapping[str, str] | None = None,
    ) -> None:
        """`conditions` are condition keys, in lower case, that every call carries."""
        self._dispatcher = dispatcher
        self._conditions = conditions or {}
        self.principal = principal
        self.region = region

    def at(self, region: str) -> Caller:
        """Return the same principal's hand in another region."""
        return Caller(self._dispatcher, self.principal, region, self._conditions)

    async def __call__(self, service: str, operation: str, /, **request: Any) -> Any:
        """Call an operation (in snake case) and return its answer; raises `ServiceError`."""
        return await self._dispatcher.dispatch(self._context(), service, operation, request)

    async def coerced(self, service: str, operation: str, request: Request) -> Any:
        """Call an operation with values that may be written as text, as CloudFormation properties are."""
        return await self._dispatcher.dispatch(self._context(), service, operation, request, coerce=True)

    def _context(self) -> Context:
        return self._dispatcher.context(self.principal, self.region, **self._conditions)


class RoleSession(Caller):
    """The hand of an assumed role. `credentials` are its temporary keys, as `sts:AssumeRole` answers them."""

    def __init__(
        self, dispatcher: Dispatcher, principal: Principal, region: str, credentials: Mapping[str, Any]
    ) -> None:
        super().__init__(dispatcher, principal, region)
        self.credentials = credentials

    def authorize(self, action: str, resource: str) -> None:
        """Return where the session may do what no operation here stands for; raise `ServiceError` where it may not."""
        self._dispatcher.authorize(self._context(), action, resource)


class Calls:
    """Makes callers. The one thing that a service needs of all the others."""

    def __init__(self, dispatcher: Dispatcher, account: str) -> None:
        self._dispatcher = dispatcher
        self._account = account

    def as_principal(self, principal: Principal, region: str, *, via: str | None = None) -> Caller:
        """Call on behalf of somebody whose identity is known: the caller of an operation, or a stored one.

        `via` is the service that does so; policies know it as `aws:CalledVia`.
        """
        conditions = {} if via is None else {"aws:viaawsservice": "true", "aws:calledvia": via}
        return Caller(self._dispatcher, principal, region, conditions)

    def as_service(self, service: str, region: str, *, source: str | None = None) -> Caller:
        """Call as an AWS service itself (`ecs.amazonaws.com`): with its service-linked permissions.

        `source` is the ARN of what the service does so for; policies of resources know it as `aws:SourceArn`.
        """
        principal = Principal(arn=service, id=service, account=self._account, service=service)
        conditions = {} if source is None else {"aws:sourceaccount": self._account, "aws:sourcearn": source}
        return Caller(self._dispatcher, principal, region, conditions)

    async def as_role(
        self,
        role_arn: str,
        service: str,
        session: str,
        region: str,
        *,
        source: str | None = None,
        policy: str | None = None,
    ) -> RoleSession:
        """Have `service` assume a role, as far as the role's trust policy lets it, and call as that session.

        `source` is the ARN of what the service does so for; trust policies know it as `aws:SourceArn`. `policy`
        narrows the session.
        """
        conditions = {"aws:sourceaccount": self._account, **({} if source is None else {"aws:sourcearn": source})}
        principal = Principal(arn=service, id=service, account=self._account, service=service)
        caller = Caller(self._dispatcher, principal, region, conditions)
        return await self._assume(caller, role_arn, session, source, policy)

    async def chained(self, session: RoleSession, role_arn: str) -> RoleSession:
        """Have a session of a role assume another role, under the same session name."""
        name = session.principal.arn.rpartition("/")[2]
        return await self._assume(session, role_arn, name, session.principal.source)

    async def _assume(
        self, caller: Caller, role_arn: str, session: str, source: str | None, policy: str | None = None
    ) -> RoleSession:
        narrowed = {} if policy is None else {"Policy": policy}
        answer = await caller("sts", "assume_role", RoleArn=role_arn, RoleSessionName=session, **narrowed)
        user = answer["AssumedRoleUser"]
        principal = Principal(
            user["Arn"],
            user["AssumedRoleId"],
            self._account,
            role_arn=role_arn,
            policies=() if policy is None else (policy,),
            source=source,
        )
        return RoleSession(self._dispatcher, principal, caller.region, answer["Credentials"])

    def authorize(
        self, context: Context, action: str, resource: str, conditions: Mapping[str, Any] | None = None
    ) -> None:
        """Authorize what an operation does beside itself, such as `iam:PassRole`."""
        self._dispatcher.authorize(context, action, resource, conditions)


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _present(value: Any, path: list[str]) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_present(each, path) for each in value)
    if not path:
        return value not in (None, False, "", [], {})
    return isinstance(value, Mapping) and path[0] in value and _present(value[path[0]], path[1:])
