"""Zip archives: unpacked with modes and links and never outside their folder, packed the same way."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


class ArchiveError(Exception):
    """An archive that cannot be unpacked; the message says why."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip below a folder; raise `ArchiveError`. Blocks."""
    links: list[tuple[Path, str]] = []
    try:
        with zipfile.ZipFile(archive) as source:
            for each in source.infolist():
                place = folder / _inside(each.filename)
                mode = each.external_attr >> 16
                if each.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                elif stat.S_ISLNK(mode):
                    links.append((place, source.read(each).decode("utf-8", "surrogateescape")))
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with source.open(each) as content, place.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    place.chmod(stat.S_IMODE(mode) & 0o777 | 0o600 if mode else 0o644)
        for place, target in links:  # last, so that no file is written through one
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ArchiveError(f"zip: {error}") from None


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveError(f"zip: {name} leads outside of the archive")
    return path


def pack(archive: Path, members: Iterable[tuple[Path, str]], *, keep_links: bool) -> None:
    """Write files into a zip under the names given, with their modes. Blocks."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6, strict_timestamps=False) as target:
        for path, name in members:
            if keep_links and path.is_symlink():
                entry = zipfile.ZipInfo(name)
                entry.create_system = 3  # Unix: external_attr is a mode
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                target.writestr(entry, os.readlink(path))  # noqa: PTH115 - the text itself, not a path
            else:
                target.write(path, name)
