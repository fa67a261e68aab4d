"""What a build runs in: its folder, its variables and sources, its processes, and the container it may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tidegate.cloud.planes.shell.shell import Output, Shell
from tidegate.cloud.services.codebuild.reconciler.container import BuildContainer
from tidegate.cloud.services.codebuild.reconciler.log import BuildLog

_CAPTURED = 1 << 20  # bytes of what a command of CodeBuild's own may print


class Environment:
    """One build's environment, from its provisioning on."""

    def __init__(self, folder: Path, shell: Shell, log: BuildLog, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.shell = shell
        self.log = log
        self.variables = dict(variables)
        self.sources: dict[str, str] = {}  # by identifier, "" for the primary one
        self.container: BuildContainer | None = None

    @property
    def source(self) -> Path:
        """The primary source's folder."""
        return Path(self.sources[""])

    @property
    def scratch(self) -> Path:
        """A folder of the build for what lies between two of its steps."""
        return self.folder / "tmp"

    @property
    def state(self) -> Path:
        """The folder of what one command leaves for the next."""
        return self.folder / "state"

    async def run(self, arguments: Sequence[str], output: Output | None = None, user: str | None = None) -> int:
        """Run a command of the build's where it belongs: on this machine, or in the build's container."""
        words, variables = list(arguments), self.variables
        if self.container is not None:
            words, variables = self.container.command(words, self.source, variables, user)
        return await self.shell.run(words, self.source, variables, output=output)

    async def run_script(self, text: str, cwd: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run a script of CodeBuild's own on this machine and return its status and what it printed."""
        return await self._captured(["/bin/sh", "-c", text], cwd, {**self.variables, **variables})

    async def run_client(self, arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
        """Run a program of CodeBuild's own with nothing of the build's and return its status and what it printed."""
        return await self._captured(arguments, self.folder, variables)

    async def _captured(self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        printed = bytearray()
        keep: Output = lambda chunk: printed.extend(chunk[: _CAPTURED - len(printed)])  # noqa: E731
        status = await self.shell.run(arguments, cwd, variables, output=keep)
        return status, printed.decode("utf-8", "replace")


def keys_of(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the keys of a role's session are read from."""
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
