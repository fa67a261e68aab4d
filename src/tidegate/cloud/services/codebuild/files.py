"""Which files of a build a buildspec's patterns mean: found without following a link out of the build's folder.

`*` and `?` stand for what is within one name, `**` for any number of folders; alone at the end it means everything
below.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.artifacts.files
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

Say = Callable[[str], None]

_SHOWN = 1000  # characters of a path in the log
_SIGNS = re.compile(r"[*?\[]")


class NothingFoundError(Exception):
    """No file is where the buildspec says; the message is the phase context's, under CLIENT_ERROR."""


class Tree:
    """A build's folder. Nothing outside of it is ever found, by whatever name or link."""

    def __init__(self, root: Path, say: Say) -> None:
        """`root` is the build's own folder, which its sources are below of; `say` writes into the log."""
        self._root = root.resolve()
        self._say = say

    def bases(self, source: Path, pattern: str) -> list[Path]:
        """Return the folders that a base directory means, relative to a source; raise `NothingFoundError`."""
        self._say(f"Expanding base directory path: {pattern}")
        relative = _relative(pattern)
        if pattern.startswith("/"):
            found = [Path(pattern)]
        elif not _SIGNS.search(relative):
            found = [source / relative]
        else:
            found = [path for path in self._walk(source, relative) if path.is_dir()]
        chosen = [path for path in found if path.is_dir() and self._holds(path)]
        if not chosen:
            raise NothingFoundError(f"no matching base directory path found for {pattern}")
        return chosen

    def files(self, base: Path, patterns: Iterable[str], excludes: Sequence[str] = ()) -> Iterator[Path]:
        """Return the files below a base that patterns mean, and links; no file twice."""
        seen: set[Path] = set()
        shut = [_compiled(_relative(pattern)) for pattern in excludes]
        for pattern in patterns:
            self._say(f"Expanding {pattern}")
            found = 0
            for path in self._expand(base, pattern):
                relative = path.relative_to(base).as_posix()
                if not _is_file(path) or any(each.fullmatch(relative) for each in shut):
                    continue
                found += 1
                if path not in seen and self._is_inside(path):
                    seen.add(path)
                    yield path
            if not found:
                self._say(f"Skipping invalid file path {pattern}")

    def _expand(self, base: Path, pattern: str) -> Iterable[Path]:
        relative = pattern
        if pattern.startswith("/"):
            if not PurePosixPath(pattern).is_relative_to(base):
                return ()
            relative = PurePosixPath(pattern).relative_to(base).as_posix()
        relative = _relative(relative)
        if not relative:
            return ()
        return self._walk(base, relative) if _SIGNS.search(relative) else (base / relative,)

    def _walk(self, base: Path, pattern: str) -> Iterator[Path]:
        """Return what is below a base and matches; a link to a folder is not gone into, for it may lead back."""
        plain = []
        for part in PurePosixPath(pattern).parts[:-1]:
            if _SIGNS.search(part):
                break
            plain.append(part)
        start = base.joinpath(*plain)
        if not start.is_dir() or not self._holds(start):
            return
        wanted = _compiled(pattern)
        waiting = [(str(start), "".join(f"{part}/" for part in plain))]
        while waiting:
            folder, relative = waiting.pop()
            folders = []
            for entry in self._entries(folder):
                if wanted.fullmatch(relative + entry.name):
                    yield Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, f"{relative}{entry.name}/"))
            waiting += reversed(folders)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            return sorted(os.scandir(folder), key=lambda each: each.name)
        except OSError as error:
            self._say(f"Skipping {folder[:_SHOWN]}: {error.strerror}")
            return []

    def _holds(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root)

    def _is_inside(self, path: Path) -> bool:
        if self._holds(path):
            return True
        self._say(f"Skipping {path}: it is or is below a symbolic link that leads out of the build's folder")
        return False


def _is_file(path: Path) -> bool:
    """Return whether a path is a file or a link: a pipe or a device would be read for ever."""
    return path.is_file() or path.is_symlink()


def _relative(pattern: str) -> str:
    text = str(PurePosixPath(pattern))
    return "" if text == "." else text


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = PurePosixPath(pattern).parts
    text = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            text += "(?:.+)" if last else "(?:[^/]+/)*"
        else:
            text += _name(part) + ("" if last else "/")
    return re.compile(text, re.DOTALL)


def _name(part: str) -> str:
    text, at = "", 0
    while at < len(part):
        sign, at = part[at], at + 1
        if sign == "*":
            text += "[^/]*" if not text.endswith("[^/]*") else ""
        elif sign == "?":
            text += "[^/]"
        elif sign == "[" and (end := part.find("]", at + 1)) != -1:
            inside = part[at:end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inside[0] in "!^"
            text += f"[{'^/' if negated else ''}{inside[1:] if negated else inside}]"
            at = end + 1
        else:
            text += re.escape(sign)
    return text
