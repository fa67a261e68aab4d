"""Task definitions: families and their revisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.shared import authorize_tags, definition_arn, find_definition
from tidegate.cloud.services.ecs.definition import check, completed, is_for_fargate
from tidegate.cloud.services.ecs.model import ACTIVE, INACTIVE, EcsModel, TaskDefinitionRecord, is_live, resource_id

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_FAMILY = re.compile(r"^[a-zA-Z0-9_-]{1,255}$")
_COPIED = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "ephemeralStorage",
    "runtimePlatform",
)
_REFUSED = (
    "proxyConfiguration",
    "inferenceAccelerators",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
    "volumes.dockerVolumeConfiguration",
    "volumes.efsVolumeConfiguration",
    "volumes.s3filesVolumeConfiguration",
    "volumes.fsxWindowsFileServerVolumeConfiguration",
    "volumes.configuredAtLaunch",
    "containerDefinitions.repositoryCredentials",
    "containerDefinitions.volumesFrom",
    "containerDefinitions.disableNetworking",
    "containerDefinitions.firelensConfiguration",
    "containerDefinitions.credentialSpecs",
    "containerDefinitions.systemControls",
    "containerDefinitions.logConfiguration.secretOptions",
)
_WINDOWS = "WINDOWS_"


class TaskDefinitionsApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock, registry: str) -> None:
        """`registry` is the address of the local registry, as image names start with it."""
        self.model = model
        self._calls = calls
        self._clock = clock
        self._registry = registry

    @operation(
        resource=lambda api, context, request: context.arn("ecs", f"task-definition/{request['family']}:*"),
        refuse=_REFUSED,
    )
    async def register_task_definition(
        self, context: Context, request: t.RegisterTaskDefinitionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Register the next revision of a family."""
        family = request["family"]
        if not _FAMILY.match(family):
            raise ServiceError("ClientException", "Family should contain only letters, digits, - and _, up to 255.")
        if request.get("runtimePlatform", {}).get("operatingSystemFamily", "").startswith(_WINDOWS):
            raise ServiceError("ClientException", "Windows containers cannot run here: runtimePlatform must be LINUX.")
        check(request, self._registry)
        for role in (request.get("taskRoleArn"), request.get("executionRoleArn")):
            if role is not None:
                self._authorize_role(context, role)
        authorize_tags(self._calls, context, f"task-definition/{family}:*", request)
        revision = (self.model.revisions.get(context.region, family) or 0) + 1
        definition: t.TaskDefinitionTypeDef = {
            "taskDefinitionArn": context.arn("ecs", f"task-definition/{family}:{revision}"),
            "family": family,
            "revision": revision,
            "status": ACTIVE,
            "containerDefinitions": [completed(each) for each in request["containerDefinitions"]],
            "volumes": list(request.get("volumes", [])),  # type: ignore[arg-type]
            "placementConstraints": list(request.get("placementConstraints", [])),
            "compatibilities": ["EC2", "FARGATE"] if is_for_fargate(request) else ["EC2"],
            "registeredAt": self._clock.now(),
            "registeredBy": context.principal.arn,
        }
        definition.update({name: request[name] for name in _COPIED if name in request})  # type: ignore[typeddict-item, literal-required]
        record: TaskDefinitionRecord = {"definition": definition, "tags": list(request.get("tags", []))}
        with self.model.store.transaction():
            self.model.revisions.put((context.region, family), revision)
            self.model.put_definition(context.region, record)
        return {"taskDefinition": definition, "tags": record["tags"]}

    @operation(resource=definition_arn)
    async def describe_task_definition(
        self, context: Context, request: t.DescribeTaskDefinitionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a revision: the newest active one where only the family is named."""
        record = find_definition(self.model, context, request["taskDefinition"])
        tags = record["tags"] if "TAGS" in request.get("include", []) else None
        return {"taskDefinition": record["definition"], "tags": tags}

    @operation(resource=definition_arn)
    async def deregister_task_definition(
        self, context: Context, request: t.DeregisterTaskDefinitionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Make a revision inactive: nothing new is started from it."""
        if ":" not in resource_id(request["taskDefinition"]):
            raise ServiceError("ClientException", "Specified task definition must include a revision.")
        record = find_definition(self.model, context, request["taskDefinition"])
        record["definition"]["status"] = INACTIVE
        record["definition"]["deregisteredAt"] = self._clock.now()
        self.model.put_definition(context.region, record)
        return {"taskDefinition": record["definition"]}

    @operation()
    async def delete_task_definitions(
        self, context: Context, request: t.DeleteTaskDefinitionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete inactive revisions; one that tasks still use stays until they have ended."""
        deleted, failures = [], []
        for name in request["taskDefinitions"]:
            record = find_definition(self.model, context, name)
            definition = record["definition"]
            if definition["status"] == ACTIVE:
                failures.append(
                    {
                        "arn": definition["taskDefinitionArn"],
                        "reason": "The specified task definition is still in ACTIVE status. "
                        "Please deregister the target and try again.",
                    }
                )
                continue
            definition["status"] = "DELETE_IN_PROGRESS"
            definition["deleteRequestedAt"] = self._clock.now()
            deleted.append(definition)
            if self._is_used(context.region, definition["taskDefinitionArn"]):
                self.model.put_definition(context.region, record)
            else:
                self.model.definitions.delete(context.region, definition["family"], f"{definition['revision']:010d}")
        return {"taskDefinitions": deleted, "failures": failures}

    @operation()
    async def list_task_definitions(
        self, context: Context, request: t.ListTaskDefinitionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the ARNs of revisions, of a family or of all."""
        status, family = request.get("status", ACTIVE), request.get("familyPrefix")
        records = self.model.definitions.values(context.region, *([family] if family else []))
        found = [each["definition"] for each in records if each["definition"]["status"] == status]
        if request.get("sort") == "DESC":
            found.reverse()
        keys = {each["taskDefinitionArn"]: f"{number:08d}" for number, each in enumerate(found)}
        chosen, token = page(
            list(keys), request.get("nextToken"), request.get("maxResults", 100), key=lambda arn: keys[arn]
        )
        return {"taskDefinitionArns": chosen, "nextToken": token}

    @operation()
    async def list_task_definition_families(
        self, context: Context, request: t.ListTaskDefinitionFamiliesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List families: those with an active revision, those without, or all."""
        status, prefix = request.get("status", "ALL"), request.get("familyPrefix", "")
        families: dict[str, bool] = {}
        for record in self.model.definitions.values(context.region):
            definition = record["definition"]
            active = definition["status"] == ACTIVE
            families[definition["family"]] = families.get(definition["family"], False) or active
        names = [
            name
            for name, active in sorted(families.items())
            if name.startswith(prefix) and status in ("ALL", ACTIVE if active else INACTIVE)
        ]
        chosen, token = page(names, request.get("nextToken"), request.get("maxResults", 100), key=str)
        return {"families": chosen, "nextToken": token}

    def _authorize_role(self, context: Context, role: str) -> None:
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{context.account}:role/{role}"
        self._calls.authorize(context, "iam:PassRole", arn, {"iam:PassedToService": "ecs-tasks.amazonaws.com"})

    def _is_used(self, region: str, arn: str) -> bool:
        return any(each["definition"] == arn and is_live(each) for each in self.model.tasks.values(region))
