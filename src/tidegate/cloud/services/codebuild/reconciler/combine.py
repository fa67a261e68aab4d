"""The artifacts of a batch's builds, put together in the place that the project has for artifacts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.shell.shell import remove
from tidegate.cloud.services.codebuild.batch_plan import artifact_key
from tidegate.cloud.services.codebuild.model import BatchRecord
from tidegate.cloud.services.codebuild.reconciler.archive import ArchiveError, inside, unpack
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe, put_files
from tidegate.cloud.services.codebuild.reconciler.failure import PhaseError, describe_os
from tidegate.cloud.services.codebuild.reconciler.source import save

_S3 = "arn:aws:s3:::"


class Combination:
    """Downloads what the builds left, and uploads it as one; where two left the same file, the later build's is it."""

    def __init__(self, calls: Calls, root: Path) -> None:
        """`root` is below the data folder."""
        self._calls = calls
        self._root = root

    async def make(self, record: BatchRecord, region: str) -> str:
        """Return the ARN of where everything is; raise `PhaseError`. Done again, it does the same."""
        batch, place = record["batch"], record["artifacts"]
        uuid = batch["id"].rpartition(":")[2]
        folder = self._root / uuid
        await asyncio.to_thread(remove, folder)
        whole = folder / "all"
        whole.mkdir(parents=True)
        try:
            caller = await self._calls.as_role(
                batch["serviceRole"], "codebuild.amazonaws.com", f"AWSCodeBuild-{uuid}", region
            )
            for group in batch["buildGroups"]:
                location = group.get("currentBuildSummary", {}).get("primaryArtifact", {}).get("location")
                if location is not None and group["currentBuildSummary"]["buildStatus"] == "SUCCEEDED":
                    await _take(caller, location, whole, folder / "one.zip", packed=place.get("packaging") == "ZIP")
            members = [
                (each, each.relative_to(whole).as_posix()) for each in sorted(whole.rglob("*")) if _is_file(each)
            ]
            key = artifact_key(place, batch["projectName"], uuid)
            described: Any = {"arn": batch["arn"], "encryptionKey": batch["encryptionKey"]}
            await put_files(caller, place, key, members, described, folder, keep_links=True)
        except ServiceError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in COMBINE_ARTIFACTS phase: {describe(error)}") from error
        except ArchiveError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in COMBINE_ARTIFACTS phase: {error}") from error
        except OSError as error:
            raise PhaseError("CLIENT_ERROR", f"Error in COMBINE_ARTIFACTS phase: {describe_os(error)}") from error
        finally:
            await asyncio.to_thread(remove, folder)
        return f"{_S3}{place['location']}/{key}"


async def _take(caller: Caller, location: str, folder: Path, scratch: Path, *, packed: bool) -> None:
    bucket, _, key = location.removeprefix(_S3).partition("/")
    if packed:
        answer = await caller("s3", "get_object", Bucket=bucket, Key=key)
        await save(answer["Body"], scratch)
        await asyncio.to_thread(unpack, scratch, folder)
        return
    prefix, token = f"{key}/", dict[str, str]()
    while True:
        answer = await caller("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
        for each in answer.get("Contents", []):
            path = folder / inside(each["Key"].removeprefix(prefix))
            path.parent.mkdir(parents=True, exist_ok=True)
            found = await caller("s3", "get_object", Bucket=bucket, Key=each["Key"])
            await save(found["Body"], path)
        if not answer.get("NextContinuationToken"):
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()
