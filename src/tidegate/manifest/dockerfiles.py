"""What a Dockerfile says: the port that it listens on, and the folder that it is built in.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# folders that hold other people's Dockerfiles, or none to deploy
_SKIPPED = {"node_modules", "vendor", "venv", "dist", "build", "target", "test", "tests", "example", "examples", "docs"}
# variants that are not for production
_NOT_DEPLOYED = {"dev", "development", "debug", "local", "test", "tests", "ci", "base", "builder"}
_DEEPEST = 3
_CONTINUED = re.compile(r"\\\s*\n")
_VARIABLE = re.compile(r"\$\{?(\w+)(?::-([^}]*))?\}?")
_PORT_OPTION = re.compile(r"(?:--port|--http-port|--bind|-b|-p|--addr|--listen)[ =](?:[\w.]*:)?(\d{2,5})\b")
_ADDRESS = re.compile(r"\b(?:0\.0\.0\.0|\[::\]):(\d{2,5})\b")
_KNOWN_IMAGES = {"nginx": 80, "httpd": 80, "caddy": 80, "nginx-unprivileged": 8080, "tomcat": 8080}


def dockerfiles(root: Path) -> list[PurePosixPath]:
    """Return the Dockerfiles of a repository that are there to be deployed, from its root, the nearest first."""
    found = [path for path in _files(root, root, _DEEPEST) if _is_deployed(path.name)]
    return sorted((PurePosixPath(path.relative_to(root)) for path in found), key=lambda path: (len(path.parts), path))


def variant(name: str) -> str | None:
    """Return what `Dockerfile.worker` or `worker.Dockerfile` is called besides Dockerfile; None where it is nothing."""
    lower = name.lower()
    for affix in (lower.removeprefix("dockerfile."), lower.removesuffix(".dockerfile")):
        if affix != lower:
            return affix
    return None


def port_of(text: str) -> int | None:
    """Return the port that a Dockerfile exposes, or that its command names; None where nothing says that it listens."""
    variables: dict[str, str] = {}
    exposed = command = image = None
    for instruction, arguments in _instructions(text):
        value = _resolved(arguments, variables)
        if instruction in ("ARG", "ENV"):
            variables |= _assigned(value, instruction)
        elif instruction == "EXPOSE":
            exposed = next(_tcp_ports(value), exposed)
        elif instruction in ("CMD", "ENTRYPOINT"):
            command = f"{command or ''} {' '.join(_words(value))}"
        elif instruction == "FROM":
            image = value.split()[0].rpartition("/")[2].partition(":")[0] if value.split() else None
    if exposed is not None:
        return exposed
    named = _PORT_OPTION.search(command or "") or _ADDRESS.search(command or "")
    if named is not None:
        return int(named[1])
    if variables.get("PORT", "").isdigit():
        return int(variables["PORT"])
    return _KNOWN_IMAGES.get(image or "")


def context_of(root: Path, dockerfile: PurePosixPath) -> str:
    """Return the folder to build a Dockerfile in: its own, unless what it copies is there only from the root."""
    folder = dockerfile.parent
    if str(folder) == ".":
        return "."
    text = (root / dockerfile).read_text(errors="replace")
    copied = [
        source
        for instruction, value in _instructions(text)
        if instruction in ("COPY", "ADD")
        for source in _sources(value)
    ]
    beside = all(_there(root / folder, source) for source in copied)
    return str(folder) if beside or not all(_there(root, source) for source in copied) else "."


def _files(folder: Path, root: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir() and not path.is_symlink() and _is_looked_into(path.name):
            yield from _files(path, root, depth - 1)


def _is_looked_into(name: str) -> bool:
    return name not in _SKIPPED and not name.startswith(".")


def _is_deployed(name: str) -> bool:
    return name == "Dockerfile" or variant(name) not in (None, *_NOT_DEPLOYED, "dockerignore")


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in _CONTINUED.sub(" ", text).splitlines():
        instruction, _, arguments = line.strip().partition(" ")
        if instruction and not instruction.startswith("#"):
            yield instruction.upper(), arguments.strip()


def _resolved(value: str, variables: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1]) or match[2] or match[0], value)


def _tcp_ports(value: str) -> Iterator[int]:
    for word in value.split():
        number, _, protocol = word.partition("/")
        first = number.partition("-")[0]
        if first.isdigit() and protocol.lower() in ("", "tcp"):
            yield int(first)


def _assigned(value: str, instruction: str) -> dict[str, str]:
    """Return what ARG or ENV sets: NAME=VALUE …, or of old NAME VALUE."""
    words = _words(value)
    if instruction == "ENV" and len(words) > 1 and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return dict(word.split("=", 1) for word in words if "=" in word)


def _words(value: str) -> list[str]:
    """Return the words of a command in either form."""
    if value.startswith("["):
        try:
            return [str(each) for each in json.loads(value)]
        except ValueError:
            return value.split()
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _sources(value: str) -> list[str]:
    words = [word for word in _words(value) if not word.startswith("--")]
    return [] if "--from=" in value else words[:-1]


def _there(folder: Path, source: str) -> bool:
    source = source.lstrip("/")
    if "://" in source or "$" in source:
        return True
    return any(folder.glob(source)) if "*" in source or "?" in source else (folder / source).exists()
