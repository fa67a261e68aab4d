"""What a build leaves: found by the buildspec's patterns, put into S3 as the build's role."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, FileSlice
from tidegate.cloud.services.codebuild.buildspec import Artifact
from tidegate.cloud.services.codebuild.files import NothingFoundError, Say, Tree
from tidegate.cloud.services.codebuild.reconciler.archive import pack

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t


_DEFAULT_KEY = "alias/aws/s3"


def find(tree: Tree, source: Path, artifact: Artifact, say: Say) -> list[tuple[Path, str]]:
    """Return the files of an artifact and their names in it; raise `NothingFoundError`. Blocks."""
    found: dict[str, Path] = {}
    for base in tree.bases(source, artifact.base):
        say(f"Expanding file paths for base directory {artifact.base}")
        for path in tree.files(base, artifact.files, artifact.excludes):
            if path.is_dir() and not artifact.keep_links:
                say(f"Skipping {path}: it is a symbolic link to a directory, which enable-symlinks would keep")
            elif path.exists() or artifact.keep_links:
                found[path.name if artifact.discard_paths else path.relative_to(base).as_posix()] = path
    if not found:
        raise NothingFoundError("no matching artifact paths found")
    say(f"Found {len(found)} file(s)")
    return [(path, name) for name, path in sorted(found.items())]


async def upload(
    caller: Caller,
    place: t.ProjectArtifactsTypeDef,
    artifact: Artifact,
    members: list[tuple[Path, str]],
    build: t.BuildTypeDef,
    scratch: Path,
    evaluate: Callable[[str], Awaitable[str]],
) -> t.BuildArtifactsTypeDef:
    """Put an artifact where the project has it go, and return what the build shows of it; raises `ServiceError`."""
    name = place.get("name") or build["projectName"]
    if place.get("overrideArtifactName") and artifact.name:
        name = await evaluate(artifact.name)
    parts = [place.get("path", "").strip("/")]
    if place.get("namespaceType") == "BUILD_ID":
        prefix = await evaluate(artifact.prefix) if artifact.prefix else ""
        parts += [prefix.strip("/"), build["id"].rpartition(":")[2]]
    parts.append("" if name == "/" else name.strip("/"))
    key = "/".join(part for part in parts if part)
    shown: t.BuildArtifactsTypeDef = {"location": f"arn:aws:s3:::{place['location']}/{key}"}
    if "artifactIdentifier" in place:
        shown["artifactIdentifier"] = place["artifactIdentifier"]
    archived = place.get("packaging") == "ZIP" or place["type"] == "CODEPIPELINE"
    where = {**place, "packaging": "ZIP" if archived else "NONE"}
    digests = await put_files(caller, where, key, members, build, scratch, keep_links=artifact.keep_links)
    if digests is not None:
        shown["sha256sum"], shown["md5sum"] = digests
    return shown


async def put_files(
    caller: Caller,
    place: Mapping[str, Any],
    key: str,
    members: list[tuple[Path, str]],
    build: t.BuildTypeDef,
    scratch: Path,
    *,
    keep_links: bool = False,
) -> tuple[str, str] | None:
    """Put files into a bucket, as one archive of that key or each below it; return the archive's SHA-256 and MD5.

    `place` has the `location` (a bucket), `packaging` and how it is encrypted.
    """
    bucket, sealed = place["location"], sealing(place, place.get("encryptionKey") or build["encryptionKey"])
    if place.get("packaging") != "ZIP":
        for path, member in members:
            digests = await asyncio.to_thread(_digests, path)
            await _put(caller, bucket, f"{key}/{member}" if key else member, path, digests, build["arn"], sealed)
        return None
    archive = scratch / f"artifact-{place.get('artifactIdentifier', 'primary')}.zip"
    await asyncio.to_thread(pack, archive, members, keep_links=keep_links)
    digests = await asyncio.to_thread(_digests, archive)
    await _put(caller, bucket, key, archive, digests, build["arn"], sealed)
    archive.unlink()
    return digests


def sealing(place: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return how an object is encrypted: by the bucket's default, unless the build has a key of its own."""
    if place.get("encryptionDisabled") or key.endswith(_DEFAULT_KEY):
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}


async def _put(
    caller: Caller, bucket: str, key: str, path: Path, digests: tuple[str, str], arn: str, sealed: dict[str, str]
) -> None:
    sha256, md5 = digests
    checked = base64.b64encode(bytes.fromhex(md5)).decode()
    described = {"codebuild-buildarn": arn, "codebuild-content-sha256": sha256, "codebuild-content-md5": md5}
    body = _whole(path)
    await caller(
        "s3", "put_object", Bucket=bucket, Key=key, Body=body, ContentMD5=checked, Metadata=described, **sealed
    )


def _whole(path: Path) -> FileSlice:
    return FileSlice(path, 0, path.stat().st_size)


def _digests(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return sha256, hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def describe(error: Any) -> str:
    """Return a failed call as CodeBuild writes it into a phase's context."""
    return f"{error.code}: {error.message} status code: {error.status}"
