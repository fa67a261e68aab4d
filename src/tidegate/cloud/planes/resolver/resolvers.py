"""The resolver processes of a data folder: told which names there are, started when a network needs one, found again.

A network whose view was never published has none, and its containers ask whom they would ask anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.cloud.planes.detached import command_of, when_ended
from tidegate.cloud.planes.resolver.upstream import PORT, RESOLV_CONF, nameservers
from tidegate.cloud.planes.resolver.view import View, written

_START_PATIENCE, _END_PATIENCE = 10.0, 5.0  # seconds
_PAUSE = 0.005
_PROGRAM = "tidegate.cloud.planes.resolver.server"
_BEHIND_STUB = Path("/run/systemd/resolve/resolv.conf")  # whom systemd's resolver on loopback asks itself

Range = ipaddress.IPv4Network

log = logging.getLogger(__name__)


def end_resolvers(data_dir: Path) -> None:
    """End the resolvers of a data folder on which no daemon runs, if a killed one left any."""
    Resolvers(data_dir).reset()


class Resolvers:
    """By the names of networks. Everything can be asked twice."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "resolver"
        self._lock = asyncio.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._watched: dict[str, Callable[[], None]] = {}
        self._refused: set[str] = set()
        self._lost: Callable[[str], None] = lambda network: None

    def listen(self, lost: Callable[[str], None]) -> None:
        """Have `lost(network)` called when a resolver has ended without having been told to."""
        self._lost = lost

    def knows(self, network: str) -> bool:
        """Return whether a network has names of its own, and a resolver that can be asked for them."""
        return self._file(network).exists() and network not in self._refused

    def networks(self) -> list[str]:
        """Return the networks that a view was published for."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def publish(self, network: str, view: View) -> None:
        """Say which names a network has. The next question is answered by that; without a zone there is no resolver."""
        if not view.zones:
            self._end(network)
            self._file(network).unlink(missing_ok=True)
            return
        text = json.dumps(written(view), sort_keys=True)
        file = self._file(network)
        if file.exists() and file.read_text() == text:
            return
        self._directory.mkdir(exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(file)

    async def ensure(self, network: str, gateway: str, asked: Range, made: Range) -> tuple[str, ...]:
        """Have a network's resolver run, and return whom its containers ask: the resolver, then others in its place.

        Nothing where the network has no names of its own, or where the resolver cannot be: then they ask as ever.
        """
        if not self.knows(network):
            return ()
        async with self._lock:
            command = [sys.executable, "-P", "-m", _PROGRAM, gateway, str(self._file(network))]
            command += [str(asked), str(made)]
            pid = self._pid(network)
            if pid is not None and command_of(pid).split() != command:
                self._end(network)
                pid = None
            if pid is None and not await self._start(network, gateway, command):
                return ()
            self._watch(network)
        return (gateway, *_others(gateway))

    async def keep(self, network: str) -> None:
        """Watch the resolver of a network, and start it again, as it was, where it has ended."""
        try:
            command = json.loads(self._command_file(network).read_text())
        except OSError:
            return  # it never was needed
        if self.knows(network):
            async with self._lock:
                if self._pid(network) is not None or await self._start(network, command[4], command):
                    self._watch(network)

    def reset(self) -> None:
        """End every resolver, and forget the names."""
        for network in {*self.networks(), *(path.stem for path in self._directory.glob("*.pid"))}:
            self._end(network)
            self._file(network).unlink(missing_ok=True)
        self._refused.clear()

    async def close(self) -> None:
        """End every resolver: the whole local cloud stops. What they knew is kept."""
        for network in self.networks():
            await asyncio.to_thread(self._end, network)

    async def _start(self, network: str, gateway: str, command: list[str]) -> bool:
        """Start a resolver and wait until it can be asked; return False where it cannot be."""
        child = self._spawn(network, command)
        try:
            async with asyncio.timeout(_START_PATIENCE):
                while not await _answers(gateway):
                    if child.poll() is not None:
                        break
                    await asyncio.sleep(_PAUSE)
                else:
                    return True
        except TimeoutError:
            self._end(network)
        why = self._log_file(network).read_text(errors="replace").strip().rpartition("\n")[2] or "it does not answer"
        log.warning(
            "network %s: the names of its private zones do not resolve in containers: %s; allow it with "
            "`sysctl net.ipv4.ip_unprivileged_port_start=53` and start again",
            network,
            why,
        )
        self._refused.add(network)
        return False

    def _spawn(self, network: str, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log_file(network).open("wb") as output:
            child = subprocess.Popen(
                command,
                cwd="/",
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a signal to the daemon's group, or its end, is nothing to it
            )
        self._children[network] = child
        self._put(self._pid_file(network), str(child.pid))
        self._put(self._command_file(network), json.dumps(command))
        return child

    def _watch(self, network: str) -> None:
        """Hear of it when the resolver ends."""
        pid = self._pid(network)
        if pid is None or network in self._watched:
            return

        def ended() -> None:
            self._unwatch(network)
            self._lost(network)

        self._watched[network] = when_ended(pid, ended)

    def _unwatch(self, network: str) -> None:
        stop = self._watched.pop(network, None)
        if stop is not None:
            stop()

    def _end(self, network: str) -> None:
        self._unwatch(network)
        deadline = time.monotonic() + _END_PATIENCE
        number = signal.SIGTERM
        while (pid := self._pid(network)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            while self._pid(network) is not None and time.monotonic() < deadline:
                time.sleep(_PAUSE)
            number = signal.SIGKILL
        for path in (self._pid_file(network), self._command_file(network)):
            path.unlink(missing_ok=True)

    def _pid(self, network: str) -> int | None:
        child = self._children.get(network)
        if child is not None:
            if child.poll() is None:
                return child.pid
            del self._children[network]
        try:
            pid = int(self._pid_file(network).read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self._file(network)) in command_of(pid) else None

    def _put(self, path: Path, text: str) -> None:
        temporary = path.with_suffix(f"{path.suffix}.new")
        temporary.write_text(text)
        temporary.replace(path)

    def _file(self, network: str) -> Path:
        return self._directory / f"{network}.json"

    def _log_file(self, network: str) -> Path:
        return self._directory / f"{network}.log"

    def _pid_file(self, network: str) -> Path:
        return self._directory / f"{network}.pid"

    def _command_file(self, network: str) -> Path:
        return self._directory / f"{network}.command"


async def _answers(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, PORT)
    except OSError:
        return False
    writer.close()
    return True


def _others(gateway: str) -> list[str]:
    """Return whom containers can ask in the resolver's place while it is not there: never an address of loopback."""
    for path in (RESOLV_CONF, _BEHIND_STUB):
        if path.exists():
            found = [each for each in nameservers(path.read_text(errors="replace")) if _is_reachable(each)]
            if found:
                return [each for each in found if each != gateway]
    return []


def _is_reachable(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
