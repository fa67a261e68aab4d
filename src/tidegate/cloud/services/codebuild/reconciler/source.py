"""Where a build's files come from: S3 (also a pipeline's artifact), CodeCommit, a mirror, or nowhere."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.reconciler.archive import ArchiveError, check_space, inside, unpack
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe
from tidegate.cloud.services.codebuild.reconciler.failure import describe_os
from tidegate.cloud.services.codebuild.reconciler.mirrored import PROVIDERS, MirroredSources, UnreadableError

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

Run = Callable[[str, Path, Mapping[str, str]], Awaitable[tuple[int, str]]]

_REPOSITORY = re.compile(r"/v1/repos/(?:aws--(?P<region>[^/]+)/)?(?P<name>[\w.-]+?)(?:\.git)?/?$")
_AWS_HOST = re.compile(r"^https://git-codecommit\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
_CHECKED = 16 << 20  # bytes written between two looks at the disk
_FULL_ID = re.compile(r"^[0-9a-f]{40}$")
# git asks this for the user name and the password, so that neither is written anywhere
_HELPER = '!f() { test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "$GIT_USER" "$GIT_PASSWORD"; }; f'
_CLONE = f"""
git -c credential.helper={shlex.quote(_HELPER)} clone --quiet --no-checkout $GIT_DEPTH "$GIT_URL" "$GIT_TARGET" || exit
cd "$GIT_TARGET" || exit
test -z "$GIT_ORIGIN" || git remote set-url origin "$GIT_ORIGIN" || exit
if test -n "$GIT_VERSION"; then
    test -z "$GIT_DEPTH" ||
        git -c credential.helper={shlex.quote(_HELPER)} fetch --quiet $GIT_DEPTH origin "$GIT_VERSION"
    commit=$(git rev-parse --verify --quiet "refs/remotes/origin/$GIT_VERSION^{{commit}}" ||
        git rev-parse --verify --quiet "$GIT_VERSION^{{commit}}" || git rev-parse --verify --quiet FETCH_HEAD) ||
        {{ echo "reference not found"; exit 3; }}
    git checkout --quiet --detach "$commit" || exit
elif git rev-parse --verify --quiet HEAD >/dev/null; then
    git checkout --quiet || exit
fi
echo "tidegate-head: $(git rev-parse --verify --quiet HEAD)"
"""


class SourceError(Exception):
    """A source that cannot be had; the message is the phase context's, under CLIENT_ERROR."""


class Origins(NamedTuple):
    """What is the same for all builds: the APIs' address, the daemon's own region, the mirrors."""

    endpoint: str
    home: str
    mirrored: MirroredSources


class Sources:
    """Puts the sources of a build where it looks for them, as the build's role."""

    def __init__(self, caller: Caller, origins: Origins, run: Run, scratch: Path) -> None:
        """`run(script, cwd, variables)` runs a shell script and returns its status and what it printed."""
        self._caller = caller
        self._endpoint, self._default_region, self._mirrored = origins
        self._run = run
        self._scratch = scratch

    async def fetch(
        self, source: t.ProjectSourceTypeDef, version: str, folder: Path, credentials: Mapping[str, str]
    ) -> str:
        """Fill a folder and return the version that it is at; raise `SourceError`."""
        name = source.get("sourceIdentifier") or "primary source"
        try:
            if source["type"] == "CODECOMMIT":
                user = f"{credentials['AWS_ACCESS_KEY_ID']}%{credentials['AWS_SESSION_TOKEN']}"
                signing_in = {"GIT_USER": user, "GIT_PASSWORD": credentials["AWS_SECRET_ACCESS_KEY"]}
                url = {"GIT_URL": self._url(source["location"]), "GIT_ORIGIN": ""}
                return await self._clone(source, version, folder, {**url, **signing_in})
            if source["type"] in PROVIDERS:
                url = {"GIT_URL": await self._mirrored.url(source, self._caller), "GIT_ORIGIN": source["location"]}
                return await self._clone(source, version, folder, url)
            if source["type"] in ("S3", "CODEPIPELINE"):
                return await self._download(source, version, folder)
        except (SourceError, UnreadableError, OSError) as error:
            shown = version if source["type"] in ("CODECOMMIT", *PROVIDERS) else f"arn:aws:s3:::{source['location']}"
            why = describe_os(error) if isinstance(error, OSError) else str(error)
            raise SourceError(f"{why} for {name} and source version {shown}".rstrip()) from error
        _make(folder)
        return ""

    async def _clone(self, source: t.ProjectSourceTypeDef, version: str, folder: Path, place: Mapping[str, str]) -> str:
        depth = source.get("gitCloneDepth", 0)
        variables = {
            **place,
            "GIT_TARGET": str(folder),
            "GIT_VERSION": version.removeprefix("refs/heads/"),
            "GIT_DEPTH": f"--depth={depth} --no-single-branch" if depth and not _FULL_ID.match(version) else "",
        }
        status, printed = await self._run(_CLONE, folder.parent, variables)
        lines = [line.removeprefix("fatal: ") for line in printed.strip().splitlines()]
        if status != 0:
            raise SourceError("\n".join(lines) or f"git clone failed: exit status {status}")
        return next((line.partition(": ")[2] for line in lines if line.startswith("tidegate-head: ")), "")

    def _url(self, location: str) -> str:
        """Return where a repository is here, whether its URL is this one's or AWS's."""
        match = _REPOSITORY.search(location)
        if match is None:
            raise SourceError(f"{location} is not the clone URL of a CodeCommit repository")
        host = _AWS_HOST.match(location)
        region = match["region"] or (host["region"] if host else self._default_region)
        place = match["name"] if region == self._default_region else f"aws--{region}/{match['name']}"
        return f"{self._endpoint}/v1/repos/{place}"

    async def _download(self, source: t.ProjectSourceTypeDef, version: str, folder: Path) -> str:
        bucket, _, key = source["location"].removeprefix("arn:aws:s3:::").partition("/")
        _make(folder)
        given = {"VersionId": version} if version and source["type"] == "S3" else {}
        try:
            if key.endswith("/") or not key:
                await self._download_folder(bucket, key, folder)
                return ""
            archive = self._scratch / f"{folder.name}.zip"
            answer = await self._caller("s3", "get_object", Bucket=bucket, Key=key, **given)
            await save(answer["Body"], archive)
        except ServiceError as error:
            raise SourceError(describe(error)) from error
        except ArchiveError as error:
            raise SourceError(str(error)) from error
        try:
            await asyncio.to_thread(unpack, archive, folder)
        except ArchiveError as error:
            raise SourceError(str(error)) from error
        archive.unlink()
        return version if source["type"] == "CODEPIPELINE" else str(answer.get("VersionId") or "")

    async def _download_folder(self, bucket: str, prefix: str, folder: Path) -> None:
        token: dict[str, str] = {}
        while True:
            answer = await self._caller("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
            for each in answer.get("Contents", []):
                name = each["Key"].removeprefix(prefix)
                if not name or name.endswith("/"):
                    continue
                place = _place(folder, name)
                _make(place.parent)
                found = await self._caller("s3", "get_object", Bucket=bucket, Key=each["Key"])
                await save(found["Body"], place)
            if not answer.get("NextContinuationToken"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _place(folder: Path, name: str) -> Path:
    try:
        return folder / inside(name)
    except ArchiveError as error:
        raise SourceError(str(error)) from None


async def save(body: object, path: Path) -> None:
    """Write a payload into a file, as long as some of the disk is left; raise `ArchiveError`."""
    with path.open("wb") as file:
        if isinstance(body, bytes):
            file.write(body)
        else:
            written = _CHECKED
            async for chunk in body:  # type: ignore[attr-defined]
                written += len(chunk)
                if written >= _CHECKED:
                    check_space(path.parent)
                    written = 0
                file.write(chunk)
