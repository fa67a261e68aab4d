"""A Dockerfile, read as far as one has to in order to say what will run: its stages and their instructions.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

INSTRUCTIONS = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
]
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
_ESCAPE = re.compile(r"^#\s*escape\s*=\s*(\S)\s*$", re.IGNORECASE)


class DockerfileError(ValueError):
    """A Dockerfile that cannot be read: the line, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction with its arguments as they are written, and the line in which it begins."""

    name: str
    text: str
    line: int

    @property
    def words(self) -> list[str] | None:
        """Return the words of the exec form, None where it is the shell form."""
        if not self.text.startswith("["):
            return None
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what it builds upon (its variables filled in), its name, its instructions."""

    base: str
    name: str | None
    line: int
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> Instruction | None:
        """Return the last instruction of a kind: of most kinds only that one counts."""
        return next((each for each in reversed(self.instructions) if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages, in order."""

    stages: list[Stage]

    def stage(self, target: str | None = None) -> Stage:
        """Return the stage that becomes the image: the one that is named, or the last."""
        return next((each for each in self.stages if target is not None and each.name == target), self.stages[-1])

    def chain(self, target: str | None = None) -> list[Stage]:
        """Return the stage that becomes the image and those that it builds upon, itself first."""
        found = [self.stage(target)]
        while True:
            below = next((each for each in self.stages if each.name == found[-1].base.lower()), None)
            if below is None or below in found:
                return found
            found.append(below)

    def last(self, name: str, target: str | None = None) -> Instruction | None:
        """Return the instruction of a kind that counts for the image, be it from a stage below."""
        return next((found for stage in self.chain(target) if (found := stage.last(name))), None)


def parse(text: str, args: Mapping[str, str] | None = None) -> Dockerfile:
    """Return what a Dockerfile says with these build arguments; raise `DockerfileError`."""
    stages: list[Stage] = []
    known: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "ARG" and not stages:
            name, _, default = instruction.text.partition("=")
            known[name.strip()] = (args or {}).get(name.strip(), default.strip().strip("\"'"))
        elif instruction.name == "FROM":
            stages.append(_stage(instruction, known))
        elif not stages:
            raise DockerfileError(instruction.line, f"{instruction.name} comes before any FROM")
        else:
            stages[-1].instructions.append(instruction)
    if not stages:
        raise DockerfileError(1, "it has no FROM")
    return Dockerfile(stages)


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables filled in; what is not known stays as it is."""

    def value(match: re.Match[str]) -> str:
        name, sign, default = match[1] or match[2], match[3], match[4]
        found = variables.get(name)
        if sign == "+":
            return default if found else ""
        if not found and sign == "-":
            return default
        return match[0] if found is None else found

    return _VARIABLE.sub(value, text)


def _stage(instruction: Instruction, known: Mapping[str, str]) -> Stage:
    words = [word for word in instruction.text.split() if not word.startswith("--")]
    if not words or (len(words) > 1 and (len(words) != 3 or words[1].lower() != "as")):
        raise DockerfileError(instruction.line, "FROM reads: FROM image, or FROM image AS name")
    return Stage(filled(words[0], known), words[2].lower() if len(words) == 3 else None, instruction.line)


def _instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions: continued lines joined, comments and the text of here-documents left out."""
    lines = text.splitlines()
    escape = next((match[1] for line in lines[:5] if (match := _ESCAPE.match(line))), "\\")
    number = 0
    while number < len(lines):
        begin, parts = number, list[str]()
        while number < len(lines):
            line = lines[number].strip()
            number += 1
            if not line or line.startswith("#"):
                if not parts:
                    break
                continue
            parts.append(line.removesuffix(escape).rstrip())
            if not line.endswith(escape):
                break
        if not parts:
            continue
        name, _, rest = " ".join(parts).partition(" ")
        if name.upper() not in INSTRUCTIONS:
            raise DockerfileError(begin + 1, f"there is no instruction {name}")
        for end in _HEREDOC.findall(rest) if name.upper() in ("RUN", "COPY", "ADD") else ():
            while number < len(lines) and lines[number].strip() != end:
                number += 1
            number += 1
        yield Instruction(name.upper(), rest.strip(), begin + 1)
