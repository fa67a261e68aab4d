"""What a build leaves: found by the buildspec's patterns, put into S3 as the build's role."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, FileSlice
from tidegate.cloud.services.codebuild.buildspec import Artifact
from tidegate.cloud.services.codebuild.reconciler.archive import pack

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t


_DEFAULT_KEY = "alias/aws/s3"


class NothingFoundError(Exception):
    """No file is where the buildspec says; the message is the phase context's, under CLIENT_ERROR."""


def find(source: Path, artifact: Artifact, say: Callable[[str], None]) -> list[tuple[Path, str]]:
    """Return the files of an artifact and their names in it; raise `NothingFoundError`. Blocks."""
    say(f"Expanding base directory path: {artifact.base}")
    bases = [source] if artifact.base in (".", "./") else sorted(source.glob(_relative(artifact.base)))
    bases = [each for each in bases if each.is_dir()]
    if not bases:
        raise NothingFoundError(f"no matching base directory path found for {artifact.base}")
    say(f"Expanding file paths for base directory {artifact.base}")
    found: dict[str, Path] = {}
    for base in bases:
        excluded = {path for pattern in artifact.excludes for path in _expand(base, pattern)}
        for pattern in artifact.files:
            say(f"Expanding {pattern}")
            for path in _expand(base, pattern):
                if path in excluded or not (path.is_file() or path.is_symlink()):
                    continue
                found[path.name if artifact.discard_paths else path.relative_to(base).as_posix()] = path
    if not found:
        raise NothingFoundError("no matching artifact paths found")
    say(f"Found {len(found)} file(s)")
    return [(path, name) for name, path in sorted(found.items())]


def _expand(base: Path, pattern: str) -> Sequence[Path]:
    if pattern.startswith("/"):
        path = Path(pattern)
        return [path] if path.is_relative_to(base) else []
    relative = _relative(pattern)
    if not relative:
        return []
    if not any(sign in relative for sign in "*?["):
        return [base / relative]
    # "**" alone is, to the buildspec, everything below
    return sorted(base.glob(f"{relative}/*" if relative.endswith("**") else relative))


def _relative(pattern: str) -> str:
    return str(PurePosixPath(pattern)).removeprefix("./") if pattern not in (".", "./") else ""


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
        parts.append(build["id"].rpartition(":")[2])
    parts.append("" if name == "/" else name.strip("/"))
    key = "/".join(part for part in parts if part)
    bucket, sealed = place["location"], _sealed(place, build["encryptionKey"])
    shown: t.BuildArtifactsTypeDef = {"location": f"arn:aws:s3:::{bucket}/{key}"}
    if "artifactIdentifier" in place:
        shown["artifactIdentifier"] = place["artifactIdentifier"]
    if place.get("packaging") == "ZIP" or place["type"] == "CODEPIPELINE":
        archive = scratch / f"artifact-{place.get('artifactIdentifier', 'primary')}.zip"
        await asyncio.to_thread(pack, archive, members, keep_links=artifact.keep_links)
        sha256, md5 = await asyncio.to_thread(_digests, archive)
        await _put(caller, bucket, key, archive, md5, sealed)
        shown["sha256sum"], shown["md5sum"] = sha256, md5
        archive.unlink()
    else:
        for path, member in members:
            _, md5 = await asyncio.to_thread(_digests, path)
            await _put(caller, bucket, f"{key}/{member}" if key else member, path, md5, sealed)
    return shown


def _sealed(place: t.ProjectArtifactsTypeDef, key: str) -> dict[str, str]:
    """Return how an artifact is encrypted: by the bucket's default, unless the build has a key of its own."""
    if place.get("encryptionDisabled") or key.endswith(_DEFAULT_KEY):
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}


async def _put(caller: Caller, bucket: str, key: str, path: Path, md5: str, sealed: dict[str, str]) -> None:
    body = _whole(path)
    checked = base64.b64encode(bytes.fromhex(md5)).decode()
    await caller("s3", "put_object", Bucket=bucket, Key=key, Body=body, ContentMD5=checked, **sealed)


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
