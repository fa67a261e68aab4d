"""CodeBuild: projects."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.errors import not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 150
# what a property that was taken away goes back to
_DEFAULTS: Properties = {
    "AutoRetryLimit": 0,
    "BadgeEnabled": False,
    "BuildBatchConfig": {},
    "Cache": {"Type": "NO_CACHE"},
    "ConcurrentBuildLimit": -1,  # which is none
    "Description": "",
    "FileSystemLocations": [],
    "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED"}, "S3Logs": {"Status": "DISABLED"}},
    "QueuedTimeoutInMinutes": 480,
    "SecondaryArtifacts": [],
    "SecondarySourceVersions": [],
    "SecondarySources": [],
    "SourceVersion": "",
    "Tags": [],
    "TimeoutInMinutes": 60,
}


class Project(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codebuild-project.html."""

    type = "AWS::CodeBuild::Project"
    missing = frozenset({"ResourceNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the project."""
        name = step.name("Name", _LONGEST_NAME)
        await step.send("codebuild", "create_project", {**self._request(step), "Name": name})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the project's name if it is there: a create that had been refused would not be tried again."""
        name = step.name("Name", _LONGEST_NAME)
        found = await self._describe(step, name)
        return name if found is not None and carries(step, found["tags"]) else None

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `Id`, which is the name."""
        found = await self._describe(step, step.physical_id)
        return {} if found is None else {"Arn": found["arn"], "Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Replace the project's settings."""
        key = f"arn:aws:kms:{step.region}:{step.account}:alias/aws/s3"
        defaults = {**_DEFAULTS, "EncryptionKey": key}
        gone = {name: defaults[name] for name in before if name not in step.properties and name in defaults}
        await step.send("codebuild", "update_project", {**gone, **self._request(step), "Name": step.physical_id})

    async def delete(self, step: Step) -> None:
        """Delete the project; its builds stay."""
        await step.call("codebuild", "delete_project", name=step.physical_id)

    def _request(self, step: Step) -> dict[str, Any]:
        """Return the properties as CodeBuild has them; raise for what other operations of it would have to do."""
        properties = step.properties
        if any(properties.get("Triggers", {}).values()):
            raise not_offered(f"cloudformation {self.type} Triggers")
        if properties.get("Visibility", "PRIVATE") != "PRIVATE":
            raise not_offered(f"cloudformation {self.type} Visibility {properties['Visibility']}")
        if properties.get("ResourceAccessRole"):
            raise not_offered(f"cloudformation {self.type} ResourceAccessRole")
        return without(properties, "Triggers", "Visibility", "ResourceAccessRole", "Name")

    async def _describe(self, step: Step, name: str) -> Any | None:
        answer = await step.call("codebuild", "batch_get_projects", names=[name])
        return next(iter(answer["projects"]), None)


HANDLERS: tuple[Handler, ...] = (Project(),)
