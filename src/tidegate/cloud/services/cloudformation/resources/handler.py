"""What a handler of one resource type is, and what it sees of the resource that it is to make real.

A handler knows how its type's properties become calls of a service. It does not know templates, dependencies, change
sets or rollbacks, and it decides nothing twice: which properties exist, what replaces a resource, which property holds
tags and whether CloudFormation adds its own stands in the type's schema and is applied before.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError

Properties = Mapping[str, Any]
Attributes = Mapping[str, Any]

_SUFFIX = 12  # characters


class FailedError(Exception):
    """What was asked of a resource has failed for good; the message is the user's (`ResourceStatusReason`)."""

    def __init__(self, message: str, code: str = "GeneralServiceException") -> None:
        """`code` is the `HandlerErrorCode`: NotStabilized, AlreadyExists, InvalidRequest, …"""
        super().__init__(message)
        self.message = message
        self.code = code


class Step:
    """One resource of one stack at the moment when something is to be done with it."""

    def __init__(
        self,
        caller: Caller,
        *,
        stack_id: str,
        logical_id: str,
        properties: Properties,
        suffix: str,
        token: str,
        physical_id: str | None = None,
        attributes: Attributes | None = None,
        made: Callable[[str], None] = lambda physical_id: None,
    ) -> None:
        """`properties` are resolved, typed by the schema, and hold the stack's tags.

        `suffix` and `token` are the same ones however often this step is tried, and other ones for another step.
        """
        self.region = caller.region
        self.account = caller.principal.account
        self.stack_id = stack_id
        self.stack_name = stack_id.split("/")[1]
        self.logical_id = logical_id
        self.properties = properties
        self.token = token
        self.attributes = attributes or {}
        self._caller = caller
        self._suffix = suffix
        self._physical_id = physical_id
        self._made = made

    @property
    def physical_id(self) -> str:
        """What `Ref` gives: the physical resource id. Only once it is made."""
        assert self._physical_id is not None, "nothing is made yet"
        return self._physical_id

    def made(self, physical_id: str) -> None:
        """Note what was made, at once: from here on a failure has it deleted, and a kill is survived.

        `create` may call this before its last call; what `create` returns is noted anyway.
        """
        self._physical_id = physical_id
        self._made(physical_id)

    async def call(self, service: str, operation: str, /, **request: Any) -> Any:
        """Call an operation (in snake case) with a request in its own shape; raises `ServiceError`."""
        return await self._caller(service, operation, **request)

    async def send(self, service: str, operation: str, request: Properties, *, region: str | None = None) -> Any:
        """Call an operation, in the stack's region or another, with names in any case and numbers as text."""
        caller = self._caller if region is None else self._caller.at(region)
        return await caller.coerced(service, operation, request)

    def name(self, given: str, longest: int, *, lower: bool = False) -> str:
        """Return the name in property `given`, or one made of the stack's, the resource's and chance, as AWS does.

        `longest` is the most characters that the service allows.
        """
        if self.properties.get(given):
            return str(self.properties[given])
        room = longest - _SUFFIX - 2
        logical = self.logical_id[: max(room // 2, room - len(self.stack_name))]
        name = f"{self.stack_name[: room - len(logical)]}-{logical}-{self._suffix[:_SUFFIX]}"
        return name.lower() if lower else name

    @property
    def owned(self) -> list[dict[str, Any]]:
        """Filters, as EC2's Describe operations take them, for what this very resource has made."""
        tags = {"aws:cloudformation:stack-id": self.stack_id, "aws:cloudformation:logical-id": self.logical_id}
        return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


class Handler(ABC):
    """Makes resources of one type real. One object serves all resources; it keeps nothing."""

    type: ClassVar[str]
    missing: ClassVar[frozenset[str]] = frozenset()  # the error codes that say: there is no such resource (any more)

    @abstractmethod
    async def create(self, step: Step) -> str:
        """Make the resource and return its physical id (what `Ref` gives)."""

    async def find(self, step: Step) -> str | None:
        """Return the physical id of what a `create` made that was killed on its way, having finished what is missing.

        None: nothing was made, or `create` can be called again on what was. Needed where `create` would make a second
        one, or would fail because of the first.
        """
        return None

    async def settled(self, step: Step) -> bool:
        """Return whether what was created or updated is ready; asked again until it is. May raise `FailedError`."""
        return True

    async def read(self, step: Step) -> Attributes:
        """Return the attributes that `Fn::GetAtt` gives, by their names (`Arn`, `Endpoint.Address`)."""
        return {}

    async def update(self, step: Step, before: Properties) -> None:
        """Give the resource `step.properties`, where it had `before`. May change `step.made` if `Ref` does.

        Called only for changes that the schema does not want replaced.
        """
        raise FailedError(f"{self.type} cannot be updated", "NotUpdatable")

    @abstractmethod
    async def delete(self, step: Step) -> None:
        """Delete the resource. A `ServiceError` of a code in `missing` means that it is gone already."""

    async def gone(self, step: Step) -> bool:
        """Return whether what was deleted is gone; asked again until it is."""
        return True

    def is_missing(self, error: ServiceError) -> bool:
        """Return whether an error says that there is no such resource."""
        return error.code in self.missing


def changed(before: Properties, after: Properties, *names: str) -> bool:
    """Return whether any of these properties differs."""
    return any(before.get(name) != after.get(name) for name in names)


def without(properties: Properties, *names: str) -> dict[str, Any]:
    """Return the properties that are not among these."""
    return {name: value for name, value in properties.items() if name not in names}


def only(properties: Properties, *names: str) -> dict[str, Any]:
    """Return those of these properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def tag_changes(before: Properties, after: Properties, name: str = "Tags") -> tuple[list[dict[str, str]], list[str]]:
    """Return the tags to put (`[{Key, Value}]`) and the keys to take away, for tags as a list or as a map."""
    old, new = _as_map(before.get(name)), _as_map(after.get(name))
    put = [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value]
    return put, [key for key in old if key not in new]


def _as_map(tags: Any) -> dict[str, str]:
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags or ()}
