"""What builds keep for each other: one archive, in S3 as the build's role, or below the data folder.

An archive holds files of the sources (`src/…`) and of the home (`home/…`, for `/root/…` of the specification); of a
container also what lies elsewhere in it, as a tar archive that is unpacked nowhere but there.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-caching.html
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, FileSlice
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.buildspec import Cache
from tidegate.cloud.services.codebuild.files import Tree
from tidegate.cloud.services.codebuild.reconciler.archive import ArchiveError, pack, unpack
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe
from tidegate.cloud.services.codebuild.reconciler.commands import Commands
from tidegate.cloud.services.codebuild.reconciler.environment import Environment
from tidegate.cloud.services.codebuild.reconciler.failure import describe_os
from tidegate.cloud.services.codebuild.reconciler.source import save

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_KEPT = ("src", "home", "of-container")
_TAR = "of-container/files.tar"
_ROOT = "/root/"
_EVERYTHING = ("", "*", "**", "**/*")


class BuildCache:
    """The cache of one build. That it cannot be had or kept is written into the log, and fails no build."""

    def __init__(self, environment: Environment, commands: Commands, spec: Cache, place: S3Place | LocalPlace) -> None:
        self._environment = environment
        self._commands = commands
        self._spec = spec
        self._place = place
        self._key = ""

    async def restore(self) -> None:
        """Put what was kept where it was."""
        here, say = self._environment, self._environment.log.say
        self._key = await self._commands.evaluate(self._spec.key) if self._spec.key else ""
        if not self._spec.paths or not self._spec.restores:
            return
        fallbacks = [await self._commands.evaluate(each) for each in self._spec.fallbacks] if self._key else []
        archive = here.scratch / "cache.zip"
        try:
            found = await self._place.fetch(self._key, fallbacks, archive)
            if found is None:
                say("No cache was found")
                return
            await asyncio.to_thread(unpack, archive, here.folder, only=_KEPT)
            if here.container is not None and (here.folder / _TAR).exists():
                await here.run(["tar", "-xf", str(here.folder / _TAR), "-C", "/"], user="0")
            say(f"Restored the cache {found}")
        except (ArchiveError, ServiceError, OSError) as error:
            say(f"Unable to restore the cache: {_told(error)}")
        finally:
            archive.unlink(missing_ok=True)
            shutil.rmtree(here.folder / "of-container", ignore_errors=True)

    async def save(self) -> None:
        """Keep what the specification names."""
        here, say = self._environment, self._environment.log.say
        if not self._spec.paths or not self._spec.saves:
            return
        archive = here.scratch / "cache.zip"
        try:
            if self._key and await self._place.has(self._key):
                say(f"The cache {self._key} is there already, and stays as it is")
                return
            members = await asyncio.to_thread(self._members)
            members += await self._of_container()
            if not members:
                say("No file of the cache was found")
                return
            await asyncio.to_thread(pack, archive, members, keep_links=True)
            await self._place.put(self._key, archive)
            say(f"Saved the cache: {len(members)} file(s)")
        except (ServiceError, OSError) as error:
            say(f"Unable to save the cache: {_told(error)}")
        finally:
            archive.unlink(missing_ok=True)

    def _members(self) -> list[tuple[Path, str]]:
        here = self._environment
        home = here.folder / "home"
        tree = Tree(here.folder, here.log.say)
        found: dict[Path, None] = {}
        for pattern in self._spec.paths:
            if pattern.startswith(_ROOT) and here.container is None:
                found.update(dict.fromkeys(tree.files(home, [pattern.removeprefix(_ROOT)])))
            elif not self._is_elsewhere(pattern):
                found.update(dict.fromkeys(tree.files(here.source, [pattern])))
            elif here.container is None:
                here.log.say(f"Skipping {pattern}: it is neither below the sources nor below /root")
        return [(path, path.relative_to(here.folder).as_posix()) for path in found]

    def _is_elsewhere(self, pattern: str) -> bool:
        return pattern.startswith("/") and not Path(pattern).is_relative_to(self._environment.source)

    async def _of_container(self) -> list[tuple[Path, str]]:
        """Return the archive of what is named by its absolute path in a container."""
        here = self._environment
        wanted = [pattern for pattern in self._spec.paths if self._is_elsewhere(pattern)]
        folders = []
        for pattern in wanted if here.container is not None else []:
            folder, rest = _split(pattern)
            if rest not in _EVERYTHING:
                here.log.say(f"Skipping {pattern}: of a container's own folders, tidegate local keeps whole ones")
            elif await here.run(["test", "-e", folder]) == 0:
                folders.append(folder.lstrip("/"))
        if not folders:
            return []
        file = here.scratch / "container.tar"
        status = await here.run(["tar", "-cf", str(file), "-C", "/", *folders], user="0")
        return [(file, _TAR)] if status == 0 else []


def _split(pattern: str) -> tuple[str, str]:
    """Return the folders of a pattern that are named, and the rest of it."""
    parts = pattern.split("/")
    at = next((number for number, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return "/".join(parts[:at]) or "/", "/".join(parts[at:])


def _told(error: Exception) -> str:
    if isinstance(error, ServiceError):
        return describe(error)
    return describe_os(error) if isinstance(error, OSError) else str(error)


class S3Place:
    """A cache in a bucket. What has a key is never replaced."""

    def __init__(self, caller: Caller, location: str, namespace: str) -> None:
        """`location` is `bucket/prefix`."""
        self._caller = caller
        self._bucket, _, prefix = location.removeprefix("arn:aws:s3:::").strip("/").partition("/")
        self._prefix = "/".join(part for part in (prefix, namespace) if part)

    async def fetch(self, key: str, fallbacks: list[str], file: Path) -> str | None:
        """Write the archive of a key, or the newest that a fallback is the beginning of; return whose it is."""
        if await self._get(self._name(key), file):
            return key or self._prefix
        for fallback in fallbacks:
            listed: Any = await self._caller(
                "s3", "list_objects_v2", Bucket=self._bucket, Prefix=f"{self._prefix}/key/{fallback}"
            )
            found = sorted(listed.get("Contents", []), key=lambda each: each["LastModified"])
            if found and await self._get(found[-1]["Key"], file):
                return str(found[-1]["Key"]).removeprefix(f"{self._prefix}/key/")
        return None

    async def has(self, key: str) -> bool:
        """Return whether there is an archive of a key."""
        name = self._name(key)
        listed: Any = await self._caller("s3", "list_objects_v2", Bucket=self._bucket, Prefix=name, MaxKeys=1)
        return any(each["Key"] == name for each in listed.get("Contents", []))

    async def put(self, key: str, file: Path) -> None:
        """Keep an archive."""
        body = FileSlice(file, 0, await asyncio.to_thread(os.path.getsize, file))
        await self._caller("s3", "put_object", Bucket=self._bucket, Key=self._name(key), Body=body)

    async def _get(self, name: str, file: Path) -> bool:
        try:
            answer: Any = await self._caller("s3", "get_object", Bucket=self._bucket, Key=name)
        except ServiceError as error:
            if error.code in ("NoSuchKey", "404"):
                return False
            raise
        await save(answer["Body"], file)
        return True

    def _name(self, key: str) -> str:
        return f"{self._prefix}/key/{key}" if key else f"{self._prefix}/cache"


class LocalPlace:
    """A cache below the data folder; it has no keys, as on AWS."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cache.zip"

    async def fetch(self, key: str, fallbacks: list[str], file: Path) -> str | None:
        """Copy the archive, and return what it is called."""
        del key, fallbacks
        if not self._file.exists():
            return None
        await asyncio.to_thread(shutil.copyfile, self._file, file)
        return "of this machine"

    async def has(self, key: str) -> bool:
        """Return that it is to be written again."""
        del key
        return False

    async def put(self, key: str, file: Path) -> None:
        """Keep an archive, whole or not at all."""
        del key
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f"{file.parent.parent.name}.part")
        await asyncio.to_thread(shutil.copyfile, file, part)
        part.replace(self._file)


def place_of(
    cache: t.ProjectCacheOutputTypeDef | None, caller: Caller, root: Path, region: str, namespace: str
) -> S3Place | LocalPlace | None:
    """Return where a build's cache is, None where there is none. `root` is the folder of the local ones."""
    settings: Mapping[str, Any] = cache or {}
    kind = settings.get("type", "NO_CACHE")
    if kind == "S3":
        return S3Place(caller, settings["location"], settings.get("cacheNamespace") or namespace)
    if kind == "LOCAL" and "LOCAL_CUSTOM_CACHE" in settings.get("modes", []):
        return LocalPlace(root / region / (settings.get("cacheNamespace") or namespace))
    return None
