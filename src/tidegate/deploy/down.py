"""Takes everything away again, in the reverse order, emptying what must be empty first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.project import Project
from tidegate.deploy.stacks import Stacks
from tidegate.deploy.up import REMOTE
from tidegate.template import names

_BATCH = 1000  # keys that S3 deletes at once


class Teardown:
    """One `tidegate down`. It can be run again after a failure, and goes on."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stacks = Stacks(project.session, project.progress, project.pace)

    def existing(self) -> list[str]:
        """Return the stacks that would be deleted, in the order in which they are."""
        return [name for name in self._order() if self._stacks.describe(name) is not None]

    def run(self) -> list[str]:
        """Delete the stacks and what they leave behind; return what is kept, and why."""
        project = self._project
        for name in self._order():
            if name == names.image_stack(project.app):
                self._empty_bucket(name)
            self._stacks.delete(name)
        self._deregister_task_definitions()
        project.repository.forget_remote(REMOTE)
        others = self._other_environments()
        return [f"stack {name}: another environment of this app" for name in others]

    def _order(self) -> Iterator[str]:
        """Yield the stacks in the order of deletion; what environments share goes with the last of them."""
        project, app = self._project, self._project.app
        last = not self._other_environments()
        if last:
            yield names.pipeline_stack(app)
        for service in reversed(list(project.manifest.services)):
            yield names.service_stack(app, project.environment, service)
        yield names.environment_stack(app, project.environment)
        if last:
            yield names.image_stack(app)

    def _other_environments(self) -> list[str]:
        project = self._project
        others = [name for name in project.manifest.environment_names if name != project.environment]
        stacks = [names.environment_stack(project.app, name) for name in others]
        return [name for name in stacks if self._stacks.describe(name) is not None]

    def _empty_bucket(self, stack: str) -> None:
        """Delete every version of every object: a bucket goes only when it is empty."""
        bucket = self._stacks.outputs(stack).get("ArtifactBucket")
        if bucket is None:
            return
        s3 = self._project.session.client("s3")
        batch: list[dict[str, str]] = []
        try:
            for version in _versions(s3, bucket):
                batch.append({"Key": version["Key"], "VersionId": version["VersionId"]})
                if len(batch) == _BATCH:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
                    batch = []
            if batch:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise

    def _deregister_task_definitions(self) -> None:
        """Deregister the revisions that the pipeline made: they belong to no stack."""
        project, ecs = self._project, self._project.session.client("ecs")
        for service in project.manifest.services:
            family = names.service_stack(project.app, project.environment, service)
            pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family)
            arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
            for arn in arns:
                ecs.deregister_task_definition(taskDefinition=arn)


def _versions(s3: Any, bucket: str) -> Iterator[Any]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])
