"""Aliases: names of keys. https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.kms.api.shared import alive, find, paged
from tidegate.cloud.services.kms.model import KmsModel

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_PAGE = 50
_NAME = re.compile(r"^alias/[a-zA-Z0-9/_-]+$")
_RESERVED = "alias/aws/"


def _both(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    """Return what an alias' operation is authorized on: the alias, and each key that it has or gets."""
    arns = [api.model.arn(context.region, request["AliasName"])]
    alias = api.model.aliases.get(context.region, request["AliasName"])
    if alias is not None:
        arns.append(api.model.arn(context.region, alias["key"]))
    if "TargetKeyId" in request:
        arns.append(api.model.arn(context.region, find(api.model, context, request["TargetKeyId"], alias=False)["id"]))
    return list(dict.fromkeys(arns))


class AliasesApi:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html and its siblings."""

    def __init__(self, model: KmsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=_both)
    async def create_alias(self, context: Context, request: t.CreateAliasRequestTypeDef) -> Mapping[str, Any]:
        """Give a key a name."""
        name = request["AliasName"]
        if not _NAME.match(name) or name.startswith(_RESERVED):
            raise ServiceError("InvalidAliasNameException", f"{name} is not a valid alias name")
        if self.model.aliases.get(context.region, name) is not None:
            arn = self.model.arn(context.region, name)
            raise ServiceError("AlreadyExistsException", f"An alias with the name {arn} already exists")
        record = alive(self.model, context, find(self.model, context, request["TargetKeyId"], alias=False))
        now = self._clock.now()
        self.model.aliases.put((context.region, name), {"key": record["id"], "created": now, "updated": now})
        return {}

    @operation(resource=_both)
    async def update_alias(self, context: Context, request: t.UpdateAliasRequestTypeDef) -> Mapping[str, Any]:
        """Give a name to another key."""
        name = request["AliasName"]
        alias = self.model.aliases.get(context.region, name)
        if alias is None or name.startswith(_RESERVED):
            raise self._missing(context, name)
        record = alive(self.model, context, find(self.model, context, request["TargetKeyId"], alias=False))
        alias["key"], alias["updated"] = record["id"], self._clock.now()
        self.model.aliases.put((context.region, name), alias)
        return {}

    @operation(resource=_both)
    async def delete_alias(self, context: Context, request: t.DeleteAliasRequestTypeDef) -> Mapping[str, Any]:
        """Take a name away."""
        name = request["AliasName"]
        if self.model.aliases.get(context.region, name) is None or name.startswith(_RESERVED):
            raise self._missing(context, name)
        self.model.aliases.delete(context.region, name)
        return {}

    @operation()
    async def list_aliases(self, context: Context, request: t.ListAliasesRequestTypeDef) -> Mapping[str, Any]:
        """List the aliases of a region, or of one key."""
        wanted = None if "KeyId" not in request else find(self.model, context, request["KeyId"], alias=False)["id"]
        found = [
            (key[1], alias) for key, alias in self.model.aliases.items(context.region) if wanted in (None, alias["key"])
        ]
        chosen, token = page(
            found,
            request.get("Marker"),
            request.get("Limit", _PAGE),
            key=lambda each: each[0],
            invalid="InvalidMarkerException",
        )
        aliases = [
            {
                "AliasName": name,
                "AliasArn": self.model.arn(context.region, name),
                "TargetKeyId": alias["key"],
                "CreationDate": alias["created"],
                "LastUpdatedDate": alias["updated"],
            }
            for name, alias in chosen
        ]
        return paged(aliases, "Aliases", token)

    def _missing(self, context: Context, name: str) -> ServiceError:
        return ServiceError("NotFoundException", f"Alias {self.model.arn(context.region, name)} is not found.")
