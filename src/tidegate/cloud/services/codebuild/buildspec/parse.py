"""Reads a whole build specification.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.services.codebuild.buildspec.fields import BuildspecError, flag, kind, load, mapping, scalar, texts
from tidegate.cloud.services.codebuild.buildspec.model import Artifact, Buildspec, Cache, Phase, ReportFiles, Retry
from tidegate.cloud.services.codebuild.reports import FORMATS

DEFAULT_NAME = "buildspec.yml"
PHASES = ("install", "pre_build", "build", "post_build")

_VERSIONS = ("0.1", "0.2")
_KEYS = frozenset({"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"})
_OLD_KEYS = _KEYS | {"environment_variables"}  # what env was in version 0.1
_ENV_KEYS = frozenset(
    {"shell", "variables", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper"}
)
_PHASE_KEYS = frozenset({"run-as", "on-failure", "commands", "finally"})
_INSTALL_KEYS = _PHASE_KEYS | {"runtime-versions"}
_SECONDARY_KEYS = frozenset(
    {
        "files",
        "name",
        "discard-paths",
        "base-directory",
        "exclude-paths",
        "enable-symlinks",
        "s3-prefix",
    }
)
_ARTIFACT_KEYS = _SECONDARY_KEYS | {"secondary-artifacts"}
_REPORT_KEYS = frozenset({"files", "base-directory", "discard-paths", "file-format"})
_CACHE_KEYS = frozenset({"key", "fallback-keys", "action", "paths"})
_ELSEWHERE = {"PARAMETER_STORE": "parameter-store", "SECRETS_MANAGER": "secrets-manager"}
_SHELLS = {"bash": "bash", "/bin/bash": "bash", "sh": "sh", "/bin/sh": "sh"}
_MOST_REPORTS = 5
_MOST_FALLBACKS = 5
_RETRY = re.compile(r"^RETRY(?:-(?P<count>\d+))?(?:-(?P<pattern>.+))?$", re.DOTALL)
_USUAL_RETRIES, _MOST_RETRIES = 3, 100


def parse(text: str, user: str | None) -> Buildspec:
    """Return a buildspec; raise `BuildspecError`. `user` is who all commands run as, None where that can be chosen."""
    nodes = load(text)
    root = mapping(nodes, "the buildspec")
    if "version" not in root:
        raise BuildspecError("the version of the buildspec is missing: it must be 0.1 or 0.2")
    version = scalar(root["version"], "version")
    if version not in _VERSIONS:
        raise BuildspecError(f"invalid buildspec version: {version}, it must be 0.1 or 0.2")
    old = version == "0.1"
    root = mapping(nodes, "the buildspec", _OLD_KEYS if old else _KEYS)
    _refuse_proxy(root.get("proxy"))
    env = mapping(root.get("env"), "env", _ENV_KEYS)
    shell = scalar(env.get("shell") or "sh", "env/shell")
    if shell not in _SHELLS:
        raise BuildspecError(f"tidegate local does not offer env/shell {shell} yet: it offers bash and sh")
    phases = mapping(root.get("phases"), "phases", frozenset(PHASES))
    main, secondary = _artifacts(root.get("artifacts"), old=old)
    return Buildspec(
        version=version,
        shell=_SHELLS[shell],
        run_as=_user(root, "run-as", user),
        variables={**_old_variables(root.get("environment_variables")), **_variables(env, "variables")},
        elsewhere={where: _variables(env, name) for where, name in _ELSEWHERE.items()},
        exported=texts(env.get("exported-variables"), "env/exported-variables"),
        git_credential_helper=flag(env.get("git-credential-helper"), "env/git-credential-helper"),
        phases={name: _phase(phases[name], name, user) for name in PHASES if phases.get(name) is not None},
        artifacts=main,
        secondary_artifacts=secondary,
        reports=_reports(root.get("reports")),
        cache=_cache(root.get("cache")),
    )


def _phase(node: Any, name: str, user: str | None) -> Phase:
    fields = mapping(node, f"phases/{name}", _INSTALL_KEYS if name == "install" else _PHASE_KEYS)
    on_failure = fields.get("on-failure")
    retry = None if on_failure in (None, "ABORT", "CONTINUE") else _retry(on_failure, f"phases/{name}/on-failure")
    runtimes = mapping(fields.get("runtime-versions"), f"phases/{name}/runtime-versions")
    return Phase(
        commands=_commands(fields.get("commands"), "Commands"),
        final=_commands(fields.get("finally"), "Finally"),
        on_failure=None if retry is not None else on_failure,
        retry=retry,
        run_as=_user(fields, f"phases/{name}/run-as", user),
        runtimes={key: scalar(value, f"phases/{name}/runtime-versions/{key}") for key, value in runtimes.items()}
        or None,
    )


def _retry(node: Any, path: str) -> Retry:
    match = _RETRY.match(scalar(node, path))
    if match is None:
        raise BuildspecError(f"invalid {path}: {node}, it must be ABORT, CONTINUE or RETRY, RETRY-count-regex")
    count = _USUAL_RETRIES if match["count"] is None else int(match["count"])
    if count > _MOST_RETRIES:
        raise BuildspecError(f"invalid {path}: {node}, the count must be from 0 to {_MOST_RETRIES}")
    return Retry(count, match["pattern"] or ".*")


def _commands(node: Any, what: str) -> Sequence[str]:
    """Return the commands of a list, or the one of a text; a mapping among them is a forgotten quotation mark."""
    if node is None:
        return ()
    if isinstance(node, str):
        return (node,)
    if not isinstance(node, list):
        raise BuildspecError(f"Expected {what} to be a list of strings: found {kind(node)} instead")
    for number, command in enumerate(node):
        if isinstance(command, (dict, list)) or command is None:
            found = "subkeys" if isinstance(command, dict) else kind(command)
            raise BuildspecError(f"Expected {what}[{number}] to be of string type: found {found} instead")
    return tuple(scalar(command, what) for command in node)


def _artifacts(node: Any, *, old: bool) -> tuple[Artifact | None, Mapping[str, Artifact]]:
    if node is None:
        return None, {}
    fields = mapping(node, "artifacts", _ARTIFACT_KEYS | {"type"} if old else _ARTIFACT_KEYS)
    if "type" in fields and str(fields["type"]).lower() != "zip":
        raise BuildspecError(f"invalid artifacts/type: {fields['type']}, it must be zip")
    secondary = mapping(fields.get("secondary-artifacts"), "artifacts/secondary-artifacts")
    return _artifact(fields, "artifacts"), {
        key: _artifact(
            mapping(each, f"artifacts/secondary-artifacts/{key}", _SECONDARY_KEYS),
            f"artifacts/secondary-artifacts/{key}",
        )
        for key, each in secondary.items()
    }


def _artifact(fields: Mapping[str, Any], path: str) -> Artifact:
    return Artifact(
        files=texts(fields.get("files"), f"{path}/files"),
        name=_optional(fields.get("name"), f"{path}/name"),
        base=_optional(fields.get("base-directory"), f"{path}/base-directory") or ".",
        excludes=texts(fields.get("exclude-paths"), f"{path}/exclude-paths"),
        discard_paths=flag(fields.get("discard-paths"), f"{path}/discard-paths"),
        keep_links=flag(fields.get("enable-symlinks"), f"{path}/enable-symlinks"),
        prefix=_optional(fields.get("s3-prefix"), f"{path}/s3-prefix"),
    )


def _reports(node: Any) -> Sequence[ReportFiles]:
    groups = mapping(node, "reports")
    if len(groups) > _MOST_REPORTS:
        raise BuildspecError(f"reports: {len(groups)} report groups are more than the {_MOST_REPORTS} of a build")
    return tuple(_report(group, fields) for group, fields in groups.items())


def _report(group: str, node: Any) -> ReportFiles:
    path = f"reports/{group}"
    fields = mapping(node, path, _REPORT_KEYS)
    files = texts(fields.get("files"), f"{path}/files")
    if not files:
        raise BuildspecError(f"{path}/files is missing: it says where the report's files are")
    name = (_optional(fields.get("file-format"), f"{path}/file-format") or "JUNITXML").upper()
    if name not in FORMATS:
        raise BuildspecError(f"invalid {path}/file-format: {name}, it must be one of {', '.join(sorted(FORMATS))}")
    return ReportFiles(
        group=group,
        files=files,
        format=name,
        base=_optional(fields.get("base-directory"), f"{path}/base-directory") or ".",
        discard_paths=flag(fields.get("discard-paths"), f"{path}/discard-paths"),
    )


def _cache(node: Any) -> Cache:
    fields = mapping(node, "cache", _CACHE_KEYS)
    action = fields.get("action")
    if action not in (None, "restore", "save"):
        raise BuildspecError(f"invalid cache/action: {action}, it must be restore or save")
    fallbacks = texts(fields.get("fallback-keys"), "cache/fallback-keys")
    if len(fallbacks) > _MOST_FALLBACKS:
        raise BuildspecError(f"cache/fallback-keys: {len(fallbacks)} are more than the {_MOST_FALLBACKS} of a cache")
    return Cache(
        paths=texts(fields.get("paths"), "cache/paths"),
        key=_optional(fields.get("key"), "cache/key"),
        fallbacks=fallbacks,
        restores=action != "save",
        saves=action != "restore",
    )


def _refuse_proxy(node: Any) -> None:
    for key, value in mapping(node, "proxy", frozenset({"upload-artifacts", "logs"})).items():
        if flag(value, f"proxy/{key}"):
            raise BuildspecError(
                f"tidegate local does not offer proxy/{key}: it takes artifacts and logs out of a build without a proxy"
            )


def _user(fields: Mapping[str, Any], path: str, user: str | None) -> str | None:
    wanted = _optional(fields.get("run-as"), path)
    if wanted is not None and user is not None and wanted != user:
        raise BuildspecError(
            f"{path}: tidegate local runs the commands of an aws/codebuild image as {user}, it cannot run them as "
            f"{wanted}; another image is a container, and has users of its own"
        )
    return wanted


def _optional(node: Any, path: str) -> str | None:
    return None if node is None else scalar(node, path)


def _old_variables(node: Any) -> Mapping[str, str]:
    fields = mapping(node, "environment_variables", frozenset({"plaintext"}))
    return _variables(fields, "plaintext", "environment_variables")


def _variables(env: Mapping[str, Any], name: str, path: str = "env") -> Mapping[str, str]:
    given = mapping(env.get(name), f"{path}/{name}")
    return {key: "" if value is None else scalar(value, f"{path}/{name}/{key}") for key, value in given.items()}
