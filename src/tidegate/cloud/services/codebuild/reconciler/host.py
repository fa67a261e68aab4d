"""The build environment on this machine that `aws/codebuild/…` images stand for.

Its environment is made from nothing: the user's own docker, git and AWS settings are neither seen nor changed.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tidegate.cloud.planes.shell.warm import WarmProgram
from tidegate.cloud.services.codebuild import hash_files
from tidegate.cloud.services.codebuild.reconciler.container import BuildContainer

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/homebrew/bin")
_AWS_MODULES = (
    "awscli.handlers",
    "awscli.botocore.httpsession",
)  # the greatest part of what it imports after its start
_ABSENT = "/nonexistent/docker.sock"
_SHIM = """#!/bin/sh
# The build's project is not privileged: there is no engine for it, and the client says so as it does on AWS.
export DOCKER_HOST=unix://{absent}
{{ words=$({{ {docker} "$@"; }} 2>&1 >&3 3>&-); status=$?; }} 3>&1
test -z "$words" || printf '%s\\n' "$words" | sed 's|{absent}|/var/run/docker.sock|g' >&2
exit $status
"""


class BuildHost:
    """Makes the folders and the variables that a build has of its own."""

    def __init__(self, root: Path, engine: str | None) -> None:
        """`root` is below the data folder, the caches beside it; `engine` is the container engine's address."""
        self.root = root
        self.caches = root.with_name("build-caches")
        self._engine = engine
        self.user = pwd.getpwuid(os.getuid()).pw_name
        aws = Path(sys.prefix) / "bin" / "aws"
        self._aws = WarmProgram(aws, "awscli.clidriver:main", _AWS_MODULES) if aws.exists() else None

    def folder(self, build: str) -> Path:
        """Return the folder of a build, by the part of its id that is a UUID."""
        return self.root / build

    def prepare(self, build: str, *, privileged: bool) -> Path:
        """Make a build's empty folder, its tools in it, and return it. Blocks, for a moment."""
        folder = self.folder(build)
        for name in ("home", "tmp", "state", "bin"):
            (folder / name).mkdir(parents=True)
        if self._aws is not None:
            aws = folder / "bin" / "aws"
            aws.write_text(self._aws.start())
            aws.chmod(0o755)
        hashing = folder / "bin" / "codebuild-hash-files"
        hashing.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {hash_files.__name__} "$@"\n')
        hashing.chmod(0o755)
        docker = shutil.which("docker")
        if docker is not None and privileged:
            (folder / "bin" / "docker").symlink_to(docker)
        elif docker is not None:
            shim = folder / "bin" / "docker"
            shim.write_text(_SHIM.format(docker=shlex.quote(docker), absent=_ABSENT))
            shim.chmod(0o755)
        return folder

    def container(self, folder: Path, image: str, variables: Mapping[str, str]) -> BuildContainer:
        """Return the container of a build whose image is not CodeBuild's own, still to be started."""
        return BuildContainer(folder, image, str(self.root.parent), self._engine, variables)

    def variables(self, folder: Path, *, privileged: bool) -> dict[str, str]:
        """Return the environment that everything in a build starts from."""
        home = folder / "home"
        variables = {
            "PATH": ":".join([str(folder / "bin"), *_PATH]),
            "HOME": str(home),
            "USER": self.user,
            "LOGNAME": self.user,
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"),
            "DOCKER_CONFIG": str(home / ".docker"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
        if not privileged:
            variables["DOCKER_HOST"] = f"unix://{_ABSENT}"
        elif self._engine is not None:
            variables["DOCKER_HOST"] = self._engine
        return variables


def script(shell: str, command: str, state: Path, *, keeps: bool, shared: bool = False) -> str:
    """Return the script that runs one command where the one before it left off.

    Every variable that a command sets is there for the next, exported or not, and so is its working directory; with
    `keeps` false (version 0.1) each begins anew. `shared`: the commands have several users, who may replace each
    other's files, but not write into them.
    """
    if not keeps:
        return f"{command}\n"
    cleared = f"rm -f {_quoted(state)}/variables {_quoted(state)}/functions {_quoted(state)}/folder\n" if shared else ""
    functions = f"declare -f >{_quoted(state / 'functions')} &&\n" if shell == "bash" else ""
    source = (
        f"test ! -f {_quoted(state / 'functions')} || . {_quoted(state / 'functions')}\n" if shell == "bash" else ""
    )
    return (
        f"test ! -f {_quoted(state / 'variables')} || . {_quoted(state / 'variables')}\n{source}"
        f"test ! -f {_quoted(state / 'folder')} || {{ IFS= read -r CODEBUILD_FOLDER <{_quoted(state / 'folder')}"
        f'; cd "$CODEBUILD_FOLDER"; unset CODEBUILD_FOLDER; }}\n'
        f"set -a\n{command}\nCODEBUILD_LAST_EXIT=$?\n"
        f"{cleared}export -p >{_quoted(state / 'variables')} &&\n{functions}pwd >{_quoted(state / 'folder')} ||\n"
        "test $CODEBUILD_LAST_EXIT -ne 0 || CODEBUILD_LAST_EXIT=1\n"  # the disk is full
        "exit $CODEBUILD_LAST_EXIT\n"
    )


def reader(names: Mapping[str, str] | list[str], state: Path) -> str:
    """Return the script that prints the values of variables as the last command left them, each ended by NUL."""
    prints = "".join(f"printf '%s\\0' \"${{{name}-}}\"\n" for name in names)
    return f"test ! -f {_quoted(state / 'variables')} || . {_quoted(state / 'variables')}\n{prints}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
