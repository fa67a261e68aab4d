"""A stack's resources made by handlers alone, in a local cloud without a daemon: the services are the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.manifests import MANIFESTS
from tests.template.golden import templates
from tidegate.cloud.call import CLOUDFORMATION
from tidegate.cloud.daemon import Cloud, Settings
from tidegate.cloud.services.cloudformation.resources.handler import Attributes, Handler, Step
from tidegate.cloud.services.cloudformation.schemas import schema
from tidegate.manifest import parse

STACK_ID = "arn:aws:cloudformation:us-east-1:000000000000:stack/demo/11111111-2222-3333-4444-555555555555"


def golden(name: str, logical_id: str, **values: Any) -> Any:
    """Return a resource's properties of a template (`manifest.stack`); `values` go over what refers to others."""
    manifest, _, stack = name.partition(".")
    template = dict(templates(parse(MANIFESTS[manifest])))[stack]
    properties = json.loads(template.to_json())["Resources"][logical_id]["Properties"]
    return {**properties, **values}


class Stack:
    """Keeps what the engine keeps: properties and physical ids by logical ids."""

    def __init__(self, data_dir: Path) -> None:
        self.cloud = Cloud(Settings(data_dir))
        credential = self.cloud.parts.credential(self.cloud.keys.access_key)
        assert credential is not None
        calls = self.cloud.parts.calls
        self.call = calls.as_principal(credential.principal, "us-east-1")
        self._caller = calls.as_principal(credential.principal, "us-east-1", via=CLOUDFORMATION)
        self.properties: dict[str, dict[str, Any]] = {}
        self.ids: dict[str, str] = {}

    def close(self) -> None:
        self.cloud.close()

    async def role(self, service: str) -> str:
        """Return the ARN of a new role that a service may have."""
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        answer = await self.call("iam", "create_role", RoleName=service, AssumeRolePolicyDocument=document)
        return str(answer["Role"]["Arn"])

    def step(self, logical_id: str, /, physical_id: str | None = None, **properties: Any) -> Step:
        return Step(
            self._caller,
            stack_id=STACK_ID,
            logical_id=logical_id,
            properties=properties or self.properties[logical_id],
            suffix="ABCDEFGHIJKLMNOP",
            token=f"token-{logical_id}".ljust(36, "-"),  # as long as the engine's are
            physical_id=physical_id,
        )

    async def create(self, handler: Handler, logical_id: str, /, **properties: Any) -> str:
        own = {"stack-name": "demo", "stack-id": STACK_ID, "logical-id": logical_id}
        system = {f"aws:cloudformation:{key}": value for key, value in own.items()}
        properties = schema(handler.type).tagged(properties, {}, system)
        physical_id = await handler.create(self.step(logical_id, **properties))
        self.properties[logical_id], self.ids[logical_id] = properties, physical_id
        return physical_id

    async def find(self, handler: Handler, logical_id: str, /, **properties: Any) -> str | None:
        if properties:
            own = [{"Key": "aws:cloudformation:logical-id", "Value": logical_id}]
            return await handler.find(self.step(logical_id, **{"Tags": own, **properties}))
        return await handler.find(self.step(logical_id))

    async def settled(self, handler: Handler, logical_id: str) -> bool:
        return await handler.settled(self.step(logical_id, physical_id=self.ids[logical_id]))

    async def read(self, handler: Handler, logical_id: str) -> Attributes:
        return await handler.read(self.step(logical_id, physical_id=self.ids[logical_id]))

    async def update(self, handler: Handler, logical_id: str, /, **changes: Any) -> None:
        """Update with other properties; None takes one away."""
        before = self.properties[logical_id]
        after = {name: value for name, value in {**before, **changes}.items() if value is not None}
        await handler.update(self.step(logical_id, physical_id=self.ids[logical_id], **after), before)
        self.properties[logical_id] = after

    async def delete(self, handler: Handler, logical_id: str) -> None:
        await handler.delete(self.step(logical_id, physical_id=self.ids[logical_id]))
