"""What a build hands out at its end: artifacts and reports, as its role."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.buildspec import Artifact, Buildspec, ReportFiles
from tidegate.cloud.services.codebuild.files import NothingFoundError, Tree
from tidegate.cloud.services.codebuild.model import BuildRecord, CodeBuildModel
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe, find, upload
from tidegate.cloud.services.codebuild.reconciler.commands import Commands
from tidegate.cloud.services.codebuild.reconciler.environment import Environment
from tidegate.cloud.services.codebuild.reconciler.failure import PhaseError, describe_os
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t


MakeReport = Callable[["t.BuildTypeDef", ReportFiles], Awaitable[str | None]]


class Uploads:
    """Uploads what the specification names, to where the project has it go."""

    def __init__(
        self, key: Key, model: CodeBuildModel, environment: Environment, commands: Commands, spec: Buildspec
    ) -> None:
        self._key = key
        self._model = model
        self._environment = environment
        self._commands = commands
        self._spec = spec

    async def all(self, record: BuildRecord, caller: Caller, make: MakeReport) -> None:
        """Upload the artifacts, then have the reports made, whatever came of the artifacts; raise `PhaseError`."""
        try:
            await self._artifacts(record, caller)
        finally:
            faults = [
                f"[{wanted.group}: [{fault}]]"
                for wanted in self._spec.reports
                if (fault := await make(record["build"], wanted)) is not None
            ]
            for fault in faults:
                self._environment.log.say(f"Error processing report: {fault}")
        if faults:
            raise PhaseError("CLIENT_ERROR", f"Error in UPLOAD_ARTIFACTS phase: {' '.join(faults)}")

    async def _artifacts(self, record: BuildRecord, caller: Caller) -> None:
        """Upload the artifacts and write into the build where they are; raise `PhaseError`."""
        shown: list[t.BuildArtifactsTypeDef] = []
        primary: t.BuildArtifactsTypeDef | None = None
        place, artifact = record["artifacts"], self._spec.artifacts
        if place["type"] != "NO_ARTIFACTS" and artifact is not None and artifact.files:
            primary = await self._upload(record, place, artifact, caller)
        elif place["type"] != "NO_ARTIFACTS" and not self._spec.secondary_artifacts:
            self._environment.log.say("No artifact files specified")
        for each in record["secondary_artifacts"]:
            one = self._spec.secondary_artifacts.get(each["artifactIdentifier"])
            if one is None:
                why = f"no definition for artifact with identifier {each['artifactIdentifier']} in the buildspec"
                raise PhaseError("CLIENT_ERROR", why)
            shown.append(await self._upload(record, each, one, caller))

        def keep(each: BuildRecord) -> None:
            if primary is not None:
                each["build"]["artifacts"] = primary
            if shown:
                each["build"]["secondaryArtifacts"] = shown

        self._model.builds.update(self._key, keep)

    async def _upload(
        self, record: BuildRecord, place: t.ProjectArtifactsTypeDef, artifact: Artifact, caller: Caller
    ) -> t.BuildArtifactsTypeDef:
        evaluate, here, said = self._commands.evaluate, self._environment, list[str]()
        expanded = replace(
            artifact,
            base=await evaluate(artifact.base),
            files=[await evaluate(each) for each in artifact.files],
            excludes=[await evaluate(each) for each in artifact.excludes],
        )
        tree = Tree(here.folder, said.append)
        try:
            try:
                members = await asyncio.to_thread(find, tree, here.source, expanded, said.append)
            finally:
                for each in said:
                    here.log.say(each)
            return await upload(caller, place, expanded, members, record["build"], here.scratch, evaluate)
        except NothingFoundError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        except ServiceError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in UPLOAD_ARTIFACTS phase: {describe(error)}") from error
        except OSError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in UPLOAD_ARTIFACTS phase: {describe_os(error)}") from error
