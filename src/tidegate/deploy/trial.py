"""Tries a service on this machine's container engine: built, started, asked, told to end. Nothing of it stays."""

from __future__ import annotations

import http.client
import json
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidegate.deploy.programs import Ended, TooLongError, run
from tidegate.judge.finding import Finding
from tidegate.judge.trial import Listener, Observed, findings, listeners
from tidegate.manifest import Service

_BUILD_TIMEOUT, _ANSWER_TIMEOUT = 900.0, 60.0
_STAYS = 3.0  # seconds after which a worker is taken to run
_SURE = 3.0  # seconds for which something has to be wrong in the same way
_LOOK = 0.5  # seconds between two looks at the container
_PAUSE = 0.05
_SHOWN = 20  # lines of a log
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class Engine:
    """The container engine, through its command."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def fault(self) -> str | None:
        """Return why it cannot be used, None where it can."""
        try:
            ended = self.docker("version", "--format", "{{.Server.Version}}", timeout=20)
        except FileNotFoundError:
            return "there is no docker command"
        except TooLongError as error:
            return str(error)
        return _last(ended) if ended.returncode else None

    def docker(self, *arguments: str, timeout: float | None = 60) -> Ended:
        """Run `docker …`."""
        return run(["docker", *arguments], self._environ, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial of one service of a repository."""

    engine: Engine
    root: Path
    name: str
    service: Service

    def findings(self) -> list[Finding]:
        """Build and run it, and return what was found."""
        machine = _MACHINES.get(platform.machine().lower())
        if self.service.arch != machine:
            return [
                Finding("note", self.name, f"not tried: it is for {self.service.arch}, and this machine is {machine}")
            ]
        tag = f"tidegate-doctor/{self.name}:{secrets.token_hex(6)}"
        try:
            ended = self._build(tag)
            if ended.returncode:
                what = f"the image cannot be built: {_last(ended)}"
                return [
                    Finding("fault", self.name, what, f"docker build -f {self.service.build.dockerfile} . shows it")
                ]
            return findings(self.name, self.service, self._observe(tag), hindered=self._hindered())
        except TooLongError as error:
            return [Finding("warning", self.name, f"not tried to the end: {error}")]
        finally:
            self.engine.docker("image", "rm", "--force", tag)

    def _build(self, tag: str) -> Ended:
        build = self.service.build
        options = [option for key, value in build.args.items() for option in ("--build-arg", f"{key}={value}")]
        if build.target is not None:
            options += ["--target", build.target]
        file, context = self.root / build.dockerfile, self.root / build.context
        return self.engine.docker(
            "build", "--tag", tag, *options, "--file", str(file), str(context), timeout=_BUILD_TIMEOUT
        )

    def _observe(self, tag: str) -> Observed:
        service = self.service
        # what it is given on Fargate, and nothing that is another there
        options = ["--cpus", f"{service.cpu / 1024:g}", "--memory", f"{service.memory}m"]
        for key, value in service.environment.items():
            options += ["--env", f"{key}={value}"]
        for key in service.secrets:
            options += ["--env", f"{key}=tidegate-doctor"]
        if service.port is not None:
            options += ["--publish", f"127.0.0.1::{service.port}"]
        began = time.monotonic()
        ended = self.engine.docker("run", "--detach", *options, tag)
        if ended.returncode:
            container = ended.stdout.strip()
            if container:
                self.engine.docker("rm", "--force", container)
            return Observed(exit_code=ended.returncode, lines=ended.stderr.strip().splitlines()[-_SHOWN:])
        container = ended.stdout.strip()
        try:
            observed = self._watch(container, began)
            if observed.exit_code is not None:
                return replace(observed, lines=self._log(container))
            return self._stop(container, observed)
        finally:
            self.engine.docker("rm", "--force", "--volumes", container)

    def _watch(self, container: str, began: float) -> Observed:
        """Ask until it answers as it should, ends, or is wrong in the same way for long enough."""
        port = self._published(container)
        limit = min(_ANSWER_TIMEOUT, self.service.health.grace + 2 * self.service.health.interval)
        observed, wrong_since, looked = Observed(), began, began - _LOOK
        while True:
            now = time.monotonic()
            if port is not None:
                status = _ask(port, self.service.health.path, self.service.health.timeout)
                if status is not None and self._counts(status):
                    return replace(observed, status=status, started=time.monotonic() - began)
                if status != observed.status:
                    observed, wrong_since = replace(observed, status=status), now
            if now - looked >= _LOOK:
                looked = now
                state = self._state(container)
                if not state["Running"]:
                    return replace(observed, exit_code=state["ExitCode"], out_of_memory=state["OOMKilled"])
                found = self._listeners(container, state["Pid"])
                if found != observed.listeners:
                    observed, wrong_since = replace(observed, listeners=found), now
                if port is not None and not self.service.routed and not self._over_http and _open(found, self.service):
                    return replace(observed, started=now - began)
            if port is None and now - began >= _STAYS:
                return observed
            # a wrong answer, or another port, does not come right by waiting; silence may
            telling = observed.status or observed.listeners
            if (telling and now - wrong_since >= _SURE) or now - began >= limit:
                return replace(observed, waited=now - began)
            time.sleep(_PAUSE)

    @property
    def _over_http(self) -> bool:
        return bool(self.service.health.model_fields_set & {"path", "codes"})

    def _counts(self, status: int) -> bool:
        for part in self.service.health.codes.split(","):
            first, _, last = part.partition("-")
            if int(first) <= status <= int(last or first):
                return True
        return False

    def _stop(self, container: str, observed: Observed) -> Observed:
        allowed = self.service.deployment.stop_timeout
        began = time.monotonic()
        self.engine.docker("stop", "--time", str(allowed), container, timeout=allowed + 60)
        took = time.monotonic() - began
        return replace(observed, stopped=took, killed=took >= allowed)

    def _published(self, container: str) -> int | None:
        if self.service.port is None:
            return None
        ended = self.engine.docker("port", container, str(self.service.port))
        text = ended.stdout.strip().splitlines()
        return int(text[0].rpartition(":")[2]) if text else None

    def _state(self, container: str) -> Any:
        return json.loads(self.engine.docker("inspect", "--format", "{{json .State}}", container).stdout)

    def _listeners(self, container: str, pid: int) -> list[Listener]:
        """Return where its programs listen: as this machine sees it, or as the container itself tells."""
        tables = []
        for name in ("tcp", "tcp6"):
            try:
                tables.append(Path(f"/proc/{pid}/net/{name}").read_text())
            except OSError:
                tables.append(self.engine.docker("exec", container, "cat", f"/proc/net/{name}").stdout)
        return listeners("\n".join(tables))

    def _log(self, container: str) -> list[str]:
        ended = self.engine.docker("logs", "--tail", str(_SHOWN), container)
        return (ended.stdout + ended.stderr).splitlines()

    def _hindered(self) -> str:
        missing = [
            word for word, there in (("secrets", self.service.secrets), ("sidecars", self.service.sidecars)) if there
        ]
        return f"tried without its {' and '.join(missing)}" if missing else ""


def shell_findings(engine: Engine, name: str, service: Service) -> list[Finding]:
    """Return the sidecars whose health command needs a shell that their image does not have."""
    found = []
    for title, sidecar in service.sidecars.items():
        if not sidecar.health or sidecar.health[0] != "CMD-SHELL":
            continue
        if engine.docker("image", "inspect", sidecar.image).returncode:
            continue  # it is not here, and pulling it may take minutes
        ended = engine.docker(
            "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", sidecar.image, "-c", "true"
        )
        if ended.returncode:
            what = f"its health command is for a shell (CMD-SHELL), and {sidecar.image} has none: never healthy"
            topic = f"{name}, sidecar {title}"
            found.append(
                Finding("fault", topic, what, "health: [CMD, /program, argument], with a program that is there")
            )
    return found


def _open(found: list[Listener], service: Service) -> bool:
    return any(each.port == service.port and not each.loopback for each in found)


def _ask(port: int, path: str, timeout: float) -> int | None:
    """Return the status code of a path, None where nothing answers (in time)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _last(ended: Ended) -> str:
    lines = [line.strip() for line in (ended.stdout + "\n" + ended.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {ended.returncode}"
