"""The copy of a build's log in S3: one object, gzip, put there as the build's role.

https://docs.aws.amazon.com/codebuild/latest/userguide/change-project.html (logsConfig/s3Logs)
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.call import Caller, FileSlice
from tidegate.cloud.services.codebuild.reconciler.artifacts import sealing

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_LEVEL = 3
_S3 = "arn:aws:s3:::"


class LogCopy:
    """Collects the log in a file."""

    def __init__(self, file: Path, bucket: str, key: str, sealed: Mapping[str, str]) -> None:
        """`sealed` are the parameters of PutObject that have it encrypted."""
        self._path = file
        self._bucket = bucket
        self._key = key
        self._sealed = sealed
        self._file = gzip.open(  # noqa: SIM115 - it stays open
            file, "wt", _LEVEL, encoding="utf-8", errors="replace", newline=""
        )
        self._fault: OSError | None = None

    def write(self, line: str) -> None:
        """Add to the copy; what cannot be written fails the upload."""
        try:
            if self._fault is None and not self._file.closed:
                self._file.write(line)
        except OSError as error:
            self._fault = error

    async def begin(self, caller: Caller) -> None:
        """Put an empty copy into S3; raise `ServiceError` where the role may not."""
        await self._put(caller, gzip.compress(b""))

    async def finish(self, caller: Caller) -> None:
        """Put what was written into S3; raise `OSError` where it is not whole, `ServiceError`."""
        try:
            self._file.close()
        except OSError as error:
            self._fault = self._fault or error
        if self._fault is not None:
            raise self._fault
        await self._put(caller, FileSlice(self._path, 0, self._path.stat().st_size))

    async def _put(self, caller: Caller, body: bytes | FileSlice) -> None:
        await caller("s3", "put_object", Bucket=self._bucket, Key=self._key, Body=body, **self._sealed)


def log_copy(folder: Path, shown: t.LogsLocationTypeDef, key: str) -> LogCopy | None:
    """Return the copy that a build's log has by what the build shows of it. `key` is the build's encryption key."""
    arn = shown.get("s3LogsArn")
    if arn is None:
        return None
    bucket, _, name = arn.removeprefix(_S3).partition("/")
    return LogCopy(folder / "log.gz", bucket, name, sealing(shown.get("s3Logs", {}), key))
