"""The build specification, read purely: YAML in, phases and artifacts out, and AWS's words for what is wrong.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tidegate.cloud.documents import from_yaml

DEFAULT_NAME = "buildspec.yml"
PHASES = ("install", "pre_build", "build", "post_build")

_VERSIONS = ("0.1", "0.2")
_KEYS = frozenset({"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"})
_ENV_KEYS = frozenset(
    {"shell", "variables", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper"}
)
_PHASE_KEYS = frozenset({"run-as", "on-failure", "runtime-versions", "commands", "finally"})
_ARTIFACT_KEYS = frozenset(
    {
        "files",
        "name",
        "discard-paths",
        "base-directory",
        "exclude-paths",
        "enable-symlinks",
        "s3-prefix",
        "secondary-artifacts",
    }
)
_ELSEWHERE = {"PARAMETER_STORE": "parameter-store", "SECRETS_MANAGER": "secrets-manager"}
_SHELLS = {"bash": "bash", "/bin/bash": "bash", "sh": "sh", "/bin/sh": "sh"}


class BuildspecError(Exception):
    """A buildspec that cannot be used; the message is the phase context's, under YAML_FILE_ERROR."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase's commands. `abort`: a failure ends the build; None: what is usual for the phase."""

    commands: Sequence[str] = ()
    final: Sequence[str] = ()
    on_failure: str | None = None  # ABORT or CONTINUE
    runtimes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is taken out of a build. `name` may hold shell expressions."""

    files: Sequence[str]
    name: str | None = None
    base: str = "."
    excludes: Sequence[str] = ()
    discard_paths: bool = False
    keep_links: bool = False


@dataclass(frozen=True, slots=True)
class Buildspec:
    """A whole build specification."""

    version: str
    shell: str
    variables: Mapping[str, str]
    elsewhere: Mapping[str, Mapping[str, str]]  # by the kind of place: variables and where their values are
    exported: Sequence[str]
    git_credential_helper: bool
    phases: Mapping[str, Phase]
    artifacts: Artifact | None
    secondary_artifacts: Mapping[str, Artifact]
    reports: Sequence[str]


def parse(text: str, user: str) -> Buildspec:
    """Return a buildspec; raise `BuildspecError`. `user` is who commands run as."""
    try:
        root = from_yaml(text)
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise BuildspecError(f"{error.problem or error.context}{line}") from None
    except yaml.YAMLError as error:
        raise BuildspecError(str(error)) from None
    root = _mapping(root, "the buildspec", _KEYS)
    if "version" not in root:
        raise BuildspecError("the version of the buildspec is missing: it must be 0.1 or 0.2")
    version = str(root["version"])
    if version not in _VERSIONS:
        raise BuildspecError(f"invalid buildspec version: {version}, it must be 0.1 or 0.2")
    if "proxy" in root:
        raise BuildspecError("tidegate local does not offer proxy in a buildspec yet")
    _check_user(root, "run-as", user)
    env = _mapping(root.get("env"), "env", _ENV_KEYS)
    shell = str(env.get("shell", "sh"))
    if shell not in _SHELLS:
        raise BuildspecError(f"tidegate local does not offer env/shell {shell} yet: it offers bash and sh")
    phases = _mapping(root.get("phases"), "phases", frozenset(PHASES))
    main = root.get("artifacts")
    secondary = _mapping(main, "artifacts", _ARTIFACT_KEYS).get("secondary-artifacts") if main else None
    return Buildspec(
        version=version,
        shell=_SHELLS[shell],
        variables=_variables(env, "variables"),
        elsewhere={kind: _variables(env, name) for kind, name in _ELSEWHERE.items()},
        exported=_texts(env.get("exported-variables"), "env/exported-variables"),
        git_credential_helper=_flag(env.get("git-credential-helper")),
        phases={name: _phase(phases[name], name, user) for name in PHASES if phases.get(name) is not None},
        artifacts=_artifact(main, "artifacts") if main else None,
        secondary_artifacts={
            str(key): _artifact(node, f"artifacts/secondary-artifacts/{key}")
            for key, node in _mapping(secondary, "artifacts/secondary-artifacts").items()
        },
        reports=[str(key) for key in _mapping(root.get("reports"), "reports")],
    )


def _phase(node: Any, name: str, user: str) -> Phase:
    fields = _mapping(node, f"phases/{name}", _PHASE_KEYS)
    _check_user(fields, f"phases/{name}/run-as", user)
    on_failure = fields.get("on-failure")
    if on_failure not in (None, "ABORT", "CONTINUE"):
        raise BuildspecError(f"tidegate local does not offer phases/{name}/on-failure {on_failure} yet")
    runtimes = _mapping(fields.get("runtime-versions"), f"phases/{name}/runtime-versions")
    return Phase(
        commands=_commands(fields.get("commands"), "Commands"),
        final=_commands(fields.get("finally"), "Finally"),
        on_failure=on_failure,
        runtimes={str(key): str(value) for key, value in runtimes.items()} or None,
    )


def _commands(node: Any, what: str) -> Sequence[str]:
    """Return the commands of a list, or the one of a text; a mapping among them is a forgotten quotation mark."""
    if node is None:
        return ()
    if isinstance(node, str):
        return (node,)
    if not isinstance(node, list):
        raise BuildspecError(f"Expected {what} to be a list of strings: found {_kind(node)} instead")
    for number, command in enumerate(node):
        if isinstance(command, (dict, list)) or command is None:
            found = "subkeys" if isinstance(command, dict) else _kind(command)
            raise BuildspecError(f"Expected {what}[{number}] to be of string type: found {found} instead")
    return tuple(_scalar(command, what) for command in node)


def _artifact(node: Any, path: str) -> Artifact:
    fields = _mapping(node, path, _ARTIFACT_KEYS)
    if "s3-prefix" in fields:
        raise BuildspecError(f"tidegate local does not offer {path}/s3-prefix yet")
    return Artifact(
        files=_texts(fields.get("files"), f"{path}/files"),
        name=None if fields.get("name") is None else str(fields["name"]),
        base=str(fields.get("base-directory") or "."),
        excludes=_texts(fields.get("exclude-paths"), f"{path}/exclude-paths"),
        discard_paths=_flag(fields.get("discard-paths")),
        keep_links=_flag(fields.get("enable-symlinks")),
    )


def _check_user(fields: Mapping[str, Any], path: str, user: str) -> None:
    wanted = fields.get("run-as")
    if wanted is not None and wanted != user:
        raise BuildspecError(f"{path}: tidegate local runs commands as {user}, it cannot run them as {wanted}")


def _mapping(node: Any, path: str, keys: frozenset[str] | None = None) -> Mapping[str, Any]:
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise BuildspecError(f"Expected {path} to be a mapping: found {_kind(node)} instead")
    unknown = sorted(str(key) for key in node if keys is not None and key not in keys)
    if unknown:
        raise BuildspecError(f"unknown key {unknown[0]} in {path}, it must be one of {', '.join(sorted(keys or ()))}")
    return node


def _variables(env: Mapping[str, Any], name: str) -> Mapping[str, str]:
    given = _mapping(env.get(name), f"env/{name}")
    return {str(key): _scalar(value, f"env/{name}/{key}") for key, value in given.items()}


def _texts(node: Any, path: str) -> Sequence[str]:
    if node is None:
        return ()
    if isinstance(node, list):
        return tuple(_scalar(each, path) for each in node)
    return (_scalar(node, path),)


def _scalar(node: Any, path: str) -> str:
    if isinstance(node, (dict, list)) or node is None:
        raise BuildspecError(f"Expected {path} to be of string type: found {_kind(node)} instead")
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node)


def _flag(node: Any) -> bool:
    return node is True or str(node).lower() in ("yes", "true")


def _kind(node: Any) -> str:
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(node), "text")
