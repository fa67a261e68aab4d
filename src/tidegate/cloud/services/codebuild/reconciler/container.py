"""The build environment of any image but CodeBuild's own: a container of it, on this machine's engine.

The build's folder is in it under the same path, and it shares the machine's network, so that everything has the
address it has outside.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.shell import containers

_PULL = "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"
_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<rest>.+)$")
_SOCKET = "/var/run/docker.sock"
_WAIT = "trap exit TERM INT; while :; do sleep 3600 & wait; done"
_OWN = frozenset({"PATH", "HOME", "SHELL", "USER", "LOGNAME", "DOCKER_CONFIG", "DOCKER_HOST"})  # the image knows better
_CLIENTS = ("DOCKER_", "LD_")  # what the client itself would heed

Run = Callable[[Sequence[str], Mapping[str, str]], Awaitable[tuple[int, str]]]


class ContainerError(Exception):
    """A container that cannot be had: the phase context's code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BuildContainer:
    """One build's container."""

    def __init__(self, folder: Path, image: str, label: str, engine: str | None, variables: Mapping[str, str]) -> None:
        """`label` is the data folder, `engine` the engine's address, `variables` the build's."""
        self._folder = folder
        self._image = image
        self._label = label
        self._name = f"tidegate-build-{folder.name}"
        self._docker = shutil.which("docker") or "docker"
        self._usual = dict(variables)
        # the client's own: never the build's settings, whatever DOCKER_HOST it is given
        own = {"PATH": variables["PATH"], "HOME": variables["HOME"], "DOCKER_CONFIG": str(folder / "engine")}
        self._client = {**own, **({"DOCKER_HOST": engine} if engine else {})}

    async def start(self, run: Run, caller: Caller, registry: str, home: str, *, privileged: bool) -> None:
        """Pull the image as the build's role and start the container; raise `ContainerError`.

        `registry` is where the local registry is, `home` the region whose repositories are at its root.
        """
        image = self._image
        match = _ECR.match(image)
        if match is not None:
            place = match["rest"] if match["region"] == home else f"aws--{match['region']}/{match['rest']}"
            image = f"{registry}/{place}"
        (self._folder / "engine").mkdir()
        local = image.startswith(f"{registry}/")
        if local:
            await self._log_in(caller, registry)
        known, _ = (1, "") if local else await run([self._docker, "image", "inspect", image], self._client)
        if known != 0:
            status, printed = await run([self._docker, "pull", "--quiet", image], self._client)
            if status != 0:
                why = f"Unable to pull customer's container image. CannotPullContainerError: {_last(printed)}"
                raise ContainerError(_PULL, why)
        containers.note(self._folder, self._name, self._client)
        mounts = ["--volume", f"{self._folder}:{self._folder}"]
        if privileged:
            mounts += ["--privileged", "--volume", f"{_SOCKET}:{_SOCKET}"]
        command = [self._docker, "run", "--detach", "--network", "host", "--name", self._name, *mounts]
        command += ["--label", f"{containers.LABEL}={self._label}", "--entrypoint", "/bin/sh", image, "-c", _WAIT]
        status, printed = await run(command, self._client)
        if status != 0:
            raise ContainerError("CLIENT_ERROR", f"Unable to start the build container: {_last(printed)}")

    def command(
        self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str], user: str | None = None
    ) -> tuple[list[str], dict[str, str]]:
        """Return a command as run in the container, and the variables of the client that has it run."""
        chosen = [] if user is None else ["--user", user]
        given: dict[str, str] = {}
        passed: list[str] = []
        for name, value in variables.items():
            if name not in _OWN and not name.startswith(_CLIENTS):
                given[name] = value  # by the client's environment: no other process sees it
                passed += ["--env", name]
            elif name not in _OWN or value != self._usual.get(name):
                passed += ["--env", f"{name}={value}"]
        command = [self._docker, "exec", *chosen, "--workdir", str(cwd), *passed, self._name, *arguments]
        return command, {**given, **self._client}

    async def _log_in(self, caller: Caller, registry: str) -> None:
        try:
            answer: Any = await caller("ecr", "get_authorization_token")
        except ServiceError as error:
            why = f"Unable to pull customer's container image. CannotPullContainerError: {error.message}"
            raise ContainerError(_PULL, why) from error
        token = answer["authorizationData"][0]["authorizationToken"]
        _write(self._folder / "engine" / "config.json", {"auths": {registry: {"auth": token}}})


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document))
    path.chmod(0o600)


def _last(printed: str) -> str:
    return (printed.strip().splitlines() or ["no reason was given"])[-1]
