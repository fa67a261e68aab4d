"""What is wrong with a buildspec for a pipeline that deploys what it builds.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
https://docs.aws.amazon.com/codepipeline/latest/userguide/file-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from tidegate.judge.finding import Finding

_TOPIC = "buildspec.yml"
_DEFINITIONS = "imagedefinitions.json"
_NAME = re.compile(r"\\?\"name\\?\"\s*:\s*\\?\"([^\"\\]+)\\?\"")
_PHASES = ("install", "pre_build", "build", "post_build")


def faults(text: str, services: Sequence[str]) -> list[Finding]:
    """Return what is wrong with the buildspec of these services: it is one for all of them."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}, "
        why = getattr(error, "problem", None) or str(error)
        return [Finding("fault", _TOPIC, f"{place}not YAML: {why}", "mend it and commit it")]
    if not isinstance(document, dict) or not isinstance(document.get("phases"), dict):
        return [Finding("fault", _TOPIC, "it has no phases, so that a build would do nothing", "see tidegate init")]
    return [
        *_phases(document),
        *_pushes(document),
        *_container(document, services),
        *_artifacts(document),
        *_old(document),
    ]


def _phases(document: Mapping[str, Any]) -> Iterator[Finding]:
    if str(document.get("version", "")) not in ("0.1", "0.2"):
        yield Finding("fault", _TOPIC, f"version is {document.get('version')!r}", "version: 0.2")
    for name in document["phases"]:
        if name not in _PHASES:
            yield Finding("fault", _TOPIC, f"there is no phase {name}", f"use {', '.join(_PHASES)}")


def _commands(document: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for phase in document["phases"].values():
        if isinstance(phase, dict):
            for key in ("commands", "finally"):
                commands = phase.get(key) or []
                found += [str(each) for each in (commands if isinstance(commands, list) else [commands])]
    return found


def _pushes(document: Mapping[str, Any]) -> Iterator[Finding]:
    commands = _commands(document)
    whole = "\n".join(commands)
    own_script = re.search(r"\b(make|\./|bash|sh|python3?|npm|just|task)\b", whole)
    if not re.search(
        r"docker\s+push|buildx\s+build.*--push|docker\s+image\s+push|kaniko|crane\s+push|buildah\s+push", whole
    ):
        level = "warning" if own_script else "fault"
        what = "no command pushes an image" + (", unless a script of yours does" if own_script else "")
        yield Finding(level, _TOPIC, what, "docker push $REPOSITORY_URI:…")  # type: ignore[arg-type]
    elif "docker push" in whole and "REPOSITORY_URI" not in whole and not own_script:
        what = "it pushes, but not to $REPOSITORY_URI, where the services' images are looked for"
        yield Finding("warning", _TOPIC, what, "tag and push $REPOSITORY_URI:…")


def _container(document: Mapping[str, Any], services: Sequence[str]) -> Iterator[Finding]:
    """Hold the name in imagedefinitions.json against the containers': they are called like the services."""
    writing = [each for each in _commands(document) if _DEFINITIONS in each]
    names = [name for each in writing for name in _NAME.findall(each)]
    for name in names:
        plain = name.strip("'")
        if "$" in plain or "%s" in plain:
            continue
        if plain not in services:
            what = f"{_DEFINITIONS} names the container {plain}, but it is called {' or '.join(services)}"
            yield Finding("fault", _TOPIC, what, "write $CONTAINER_NAME, which every build project sets")
        elif len(services) > 1:
            what = f"{_DEFINITIONS} always names the container {plain}, and there are {', '.join(services)}"
            yield Finding("fault", _TOPIC, what, "write $CONTAINER_NAME, which every build project sets")


def _artifacts(document: Mapping[str, Any]) -> Iterator[Finding]:
    artifacts = document.get("artifacts")
    files = artifacts.get("files") if isinstance(artifacts, dict) else None
    listed = [files] if isinstance(files, str) else [str(each) for each in files or []]
    if not any(each.endswith(_DEFINITIONS) or "*" in each for each in listed):
        what = f"{_DEFINITIONS} is not among the artifacts: the deploy action does not find it"
        yield Finding("fault", _TOPIC, what, f"artifacts: {{files: [{_DEFINITIONS}]}}")
    if not any(_DEFINITIONS in each for each in _commands(document)):
        what = f"no command writes {_DEFINITIONS}"
        yield Finding(
            "warning", _TOPIC, what, "unless a script of yours does: see the last lines that tidegate init writes"
        )


def _old(document: Mapping[str, Any]) -> Iterator[Finding]:
    if any(re.search(r"aws\s+ecr\s+get-login(\s|$)", each) for each in _commands(document)):
        what = "`aws ecr get-login` is gone from the AWS CLI 2, which CodeBuild's images have"
        yield Finding(
            "warning",
            _TOPIC,
            what,
            "aws ecr get-login-password | docker login --username AWS --password-stdin ${REPOSITORY_URI%%/*}",
        )
