"""Zip archives: unpacked with modes and links and never outside their folder, packed the same way."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

LEFT_FREE = 256 << 20  # bytes of the disk that an archive may not fill

_LONGEST_LINK = 4096  # bytes of a link's text
_DIRECTORY_LIMIT = 64 << 20  # bytes of the archive's own directory, which is read whole: some 500,000 members
_CHUNK = 1 << 20
_END = b"PK\x05\x06"  # APPNOTE.TXT 4.3.16, with at most 64 KB of comment behind it
_END_SIZE, _END_REACH = 22, 22 + 0xFFFF
_END_64, _LOCATOR, _LOCATOR_SIZE = b"PK\x06\x06", b"PK\x06\x07", 20  # 4.3.14, 4.3.15


class ArchiveError(Exception):
    """An archive that cannot be unpacked; the message says why."""


def unpack(archive: Path, folder: Path, *, only: Sequence[str] = (), left_free: int = LEFT_FREE) -> None:
    """Unpack a zip below a folder, as long as some of the disk is left; raise `ArchiveError`. Blocks.

    `only` are the folders at its top that are unpacked, where not all are. What is in the folder already is replaced,
    and no link in it is followed out of it.
    """
    known: set[Path] = set()
    links: list[tuple[Path, str]] = []
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as source:
            for each in source.infolist():
                path = inside(each.filename)
                if only and path.parts[0] not in only:
                    continue
                place = folder / path
                mode = each.external_attr >> 16
                if each.is_dir():
                    _make_folder(place, folder, known)
                elif stat.S_ISLNK(mode):
                    links.append((place, _link(source, each)))
                else:
                    _make_folder(place.parent, folder, known)
                    if place.is_symlink():
                        place.unlink()
                    with source.open(each) as content, place.open("wb") as file:
                        _copy(content, file, folder, left_free)
                    place.chmod(stat.S_IMODE(mode) & 0o777 | 0o600 if mode else 0o644)
        for place, target in links:  # last, so that no file is written through one
            _make_folder(place.parent, folder, set())
            place.unlink(missing_ok=True)
            place.symlink_to(target)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ArchiveError(f"zip: {error}") from None


def inside(name: str) -> PurePosixPath:
    """Return a member's path; raise `ArchiveError` where it leads outside of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveError(f"{name} leads outside of the archive")
    return path


def check_space(folder: Path, left_free: int = LEFT_FREE) -> None:
    """Raise `ArchiveError` where hardly anything is left of the disk that a folder is on."""
    if shutil.disk_usage(folder).free < left_free:
        raise ArchiveError(f"no space left on the disk: less than {left_free >> 20} MB would be free")


def _copy(content: IO[bytes], file: IO[bytes], folder: Path, left_free: int) -> None:
    """Copy as much as the content has, whatever the archive says that it would be."""
    check_space(folder, left_free)
    while chunk := content.read(_CHUNK):
        file.write(chunk)
        if len(chunk) == _CHUNK:
            check_space(folder, left_free)


def _link(source: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with source.open(member) as content:
        text = content.read(_LONGEST_LINK + 1)
    if not 0 < len(text) <= _LONGEST_LINK or b"\0" in text:
        raise ArchiveError(f"zip: the symbolic link {member.filename} leads nowhere")
    return text.decode("utf-8", "surrogateescape")


def _make_folder(place: Path, folder: Path, known: set[Path]) -> None:
    """Make a folder that is below another by whatever links are on the way; `known` are those that are."""
    if place in known:
        return
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(f"{place.relative_to(folder)} leads outside of the archive")
    place.mkdir(parents=True, exist_ok=True)
    known.add(place)


def _check_directory(archive: Path) -> None:
    """Raise `ArchiveError` for an archive of so many members that their names alone would fill the memory."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, size - _END_REACH - _LOCATOR_SIZE))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_SIZE:
            return  # no zip, as the library will say
        length = int.from_bytes(tail[at + 12 : at + 16], "little")
        locator = tail[max(0, at - _LOCATOR_SIZE) : at]
        if locator.startswith(_LOCATOR):
            file.seek(int.from_bytes(locator[8:16], "little"))
            record = file.read(48)
            if record.startswith(_END_64):
                length = int.from_bytes(record[40:48], "little")
    if length > _DIRECTORY_LIMIT:
        raise ArchiveError(f"zip: its directory of {length >> 20} MB is over the limit of {_DIRECTORY_LIMIT >> 20} MB")


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
