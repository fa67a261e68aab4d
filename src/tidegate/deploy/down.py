"""Takes everything away again, in the reverse order, emptying what must be empty first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.executions import Executions
from tidegate.deploy.project import Project
from tidegate.deploy.source import REMOTE
from tidegate.deploy.stacks import Stacks
from tidegate.deploy.stages import other_stages
from tidegate.template import names, places
from tidegate.template.pipeline import pipeline_template

_BATCH = 1000  # keys that S3 deletes at once


class Teardown:
    """One `tidegate down`. It can be run again after a failure, and goes on."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._here = Stacks(project.session, project.progress, project.pace)
        self._home = Stacks(project.home, project.progress, project.pace)

    def existing(self) -> list[str]:
        """Return the stacks that would be deleted, in the order in which they are."""
        return [name for stacks, name in self._order() if stacks.describe(name) is not None]

    def run(self) -> list[str]:
        """Delete the stacks and what they leave behind; return what is kept, and why."""
        project = self._project
        last = not self._other_environments()
        if not last:
            self._leave_pipeline()
        for stacks, name in self._order():
            if name in (names.image_stack(project.app), names.artifacts_stack(project.app)):
                self._empty_buckets(stacks, name)
            stacks.delete(name)
        self._deregister_task_definitions()
        if last:
            project.repository.forget_remote(REMOTE)
        return [*self._others_kept(), *self._kept()]

    def _leave_pipeline(self) -> None:
        """Take the environment out of the pipeline, which needs its roles; without any other the pipeline goes."""
        project, stack = self._project, names.pipeline_stack(self._project.app)
        if self._home.standing(stack) is None or project.cluster not in Executions(project).clusters():
            return
        left = [stage for stage, is_up in other_stages(project, self._here) if is_up]
        if left:
            self._home.apply(self._home.plan(stack, pipeline_template(project.manifest, left)))
        else:
            self._home.delete(stack)

    def _order(self) -> Iterator[tuple[Stacks, str]]:
        """Yield the stacks in the order of deletion; what environments share goes with the last of them."""
        project, app = self._project, self._project.app
        last = not self._other_environments()
        if last:
            yield self._home, names.pipeline_stack(app)
        for service in reversed(list(project.manifest.services)):
            yield self._here, names.service_stack(app, project.environment, service)
        yield self._here, names.environment_stack(app, project.environment)
        if last:
            for region in places.other_regions(project.manifest, project.stages):
                yield replace(self._home, session=project.home.at(region)), names.artifacts_stack(app)
            yield self._home, names.image_stack(app)

    def _other_environments(self) -> list[str]:
        """Return the stacks of the app's other environments, as far as these credentials can see them."""
        project = self._project
        found = []
        for name in project.manifest.environment_names:
            place = project.manifest.place_of(name)
            if name == project.environment or place.account != project.manifest.place_of(project.environment).account:
                continue
            stack = names.environment_stack(project.app, name)
            if replace(self._here, session=project.session.at(place.region)).describe(stack) is not None:
                found.append(stack)
        return found

    def _others_kept(self) -> list[str]:
        others = self._other_environments()
        kept = [f"stack {name}: another environment of this app" for name in others]
        if others:
            app = self._project.app
            kept += [
                f"stack {name}: {', '.join(others)} {'needs' if len(others) == 1 else 'need'} it"
                for name in (names.image_stack(app), names.pipeline_stack(app))
                if self._home.describe(name) is not None
            ]
        return kept

    def _kept(self) -> list[str]:
        """Return what was not made here, and so is not removed here."""
        project = self._project
        environment, source = project.manifest.environment(project.environment), project.manifest.source
        kept = []
        if environment.network.vpc is not None:
            kept.append(f"network {environment.network.vpc}: it was there before")
        if environment.load_balancer is not None:
            kept.append(f"listener {environment.load_balancer.listener}: it was there before")
        if source.connection is not None:
            kept.append(f"connection {source.connection}: it was there before")
        if source.bucket is not None:
            kept.append(f"bucket {source.bucket}: it was there before")
        references = {
            *(each for service in project.manifest.services.values() for each in service.secrets.values()),
            *(
                each
                for service in project.manifest.services.values()
                for sidecar in service.sidecars.values()
                for each in sidecar.secrets.values()
            ),
        }
        return kept + [f"secret {each}: only `tidegate secrets rm` removes one" for each in sorted(references)]

    def _empty_buckets(self, stacks: Stacks, stack: str) -> None:
        """Delete every version of every object: a bucket goes only when it is empty."""
        outputs = stacks.outputs(stack)
        for bucket in filter(None, (outputs.get("ArtifactBucket"), outputs.get("SourceBucket"))):
            _empty(stacks.session.client("s3"), bucket)

    def _deregister_task_definitions(self) -> None:
        """Deregister the revisions that the pipeline made: they belong to no stack."""
        project, ecs = self._project, self._project.session.client("ecs")
        for service in project.manifest.services:
            family = names.service_stack(project.app, project.environment, service)
            pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family)
            arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
            for arn in arns:
                ecs.deregister_task_definition(taskDefinition=arn)


def _empty(s3: Any, bucket: str) -> None:
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


def _versions(s3: Any, bucket: str) -> Iterator[Any]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        yield from page.get("Versions", [])
        yield from page.get("DeleteMarkers", [])
