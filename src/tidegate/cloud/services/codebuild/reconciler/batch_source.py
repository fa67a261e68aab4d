"""The specification of a batch, read from the source that its builds will have."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tidegate.cloud.call import Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.shell.shell import Shell, remove
from tidegate.cloud.services.codebuild.buildspec import BatchSpec, BuildspecError, parse_batch
from tidegate.cloud.services.codebuild.reconciler.environment import keys_of
from tidegate.cloud.services.codebuild.reconciler.failure import PhaseError, describe_os
from tidegate.cloud.services.codebuild.reconciler.host import BuildHost
from tidegate.cloud.services.codebuild.reconciler.source import Origins, SourceError, Sources
from tidegate.cloud.services.codebuild.reconciler.specification import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_codebuild import type_defs as t

_CAPTURED = 1 << 20  # bytes of what git may print


class Found(NamedTuple):
    """A batch's specification, and the version of the source that it is of; empty where a source has none."""

    spec: BatchSpec
    version: str


class BatchSource:
    """Reads the specifications of batches, each in a folder that is gone afterwards."""

    def __init__(self, calls: Calls, host: BuildHost, origins: Origins, root: Path) -> None:
        """`root` is below the data folder."""
        self._calls = calls
        self._host = host
        self._origins = origins
        self.root = root

    async def read(self, batch: t.BuildBatchTypeDef, region: str) -> Found:
        """Return what a batch consists of; raise `PhaseError`."""
        uuid = batch["id"].rpartition(":")[2]
        folder, role = self.root / uuid, batch["serviceRole"]
        await asyncio.to_thread(remove, folder)  # what a daemon that was killed left of it
        try:
            session = await self._calls.as_role(role, "codebuild.amazonaws.com", f"AWSCodeBuild-{uuid}", region)
        except ServiceError as error:
            why = f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}"
            raise PhaseError("ACCESS_DENIED", why) from error
        variables = {
            **self._host.variables(folder, privileged=False),
            **keys_of(session.credentials),
            "AWS_ENDPOINT_URL": self._origins.endpoint,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }
        for name in ("home", "tmp"):
            (folder / name).mkdir(parents=True)
        shell = Shell(folder, lambda _: None)

        async def run(script: str, cwd: Path, more: Mapping[str, str]) -> tuple[int, str]:
            printed = bytearray()
            status = await shell.run(
                ["/bin/sh", "-c", script],
                cwd,
                {**variables, **more},
                output=lambda chunk: printed.extend(chunk[: _CAPTURED - len(printed)]),
            )
            return status, printed.decode("utf-8", "replace")

        try:
            sources = Sources(session, self._origins, run, folder / "tmp")
            version = await sources.fetch(batch["source"], batch.get("sourceVersion", ""), folder / "src", variables)
            text = await read(batch["source"].get("buildspec"), folder / "src", session, lambda _: None)
            return Found(parse_batch(text), version)
        except SourceError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        except BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from error
        except OSError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in DOWNLOAD_BATCHSPEC phase: {describe_os(error)}") from error
        finally:
            await shell.close()
            await asyncio.to_thread(remove, folder)
