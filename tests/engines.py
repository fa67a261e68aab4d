"""A container engine of a test's own, to be killed and started again; the machine's is left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fargate import until


def lacking() -> str | None:
    """Return why this machine cannot run a second engine, None where it can."""
    if not sys.platform.startswith("linux"):
        return "dockerd runs on Linux alone"
    if os.geteuid() != 0:
        return "a second dockerd needs root"
    return None if shutil.which("dockerd") else "there is no dockerd beside the engine's client"


@dataclass
class OwnEngine:
    """A dockerd with data, sockets and a containerd namespace of its own, which leaves the firewall as it is."""

    folder: Path
    live_restore: bool
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def _bridge(self) -> str:
        """The name of its default network's bridge, which the machine's engine makes for it."""
        return f"tgown{os.getpid() % 10**9}"

    @property
    def pid_file(self) -> Path:
        return self.folder / "docker.pid"

    def start(self) -> None:
        """Start it, anew or after a kill, and wait until it answers."""
        self.pid_file.unlink(missing_ok=True)
        settings = {
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.folder / "run"),
            "pidfile": str(self.pid_file),
            "hosts": [self.host],
            # with no bridge at all it would remove docker0, which is the machine's engine's
            "bridge": self._bridge,
            "iptables": False,
            "ip6tables": False,
            "ip-masq": False,
            "ip-forward": False,
            "userland-proxy": False,
            "live-restore": self.live_restore,
            "storage-driver": "overlay2",
            "containerd-namespace": f"tidegate-{os.getpid()}",
            "containerd-plugins-namespace": f"tidegate-plugins-{os.getpid()}",
        }
        self.folder.mkdir(exist_ok=True)
        if not Path(f"/sys/class/net/{self._bridge}").exists():
            named = f"com.docker.network.bridge.name={self._bridge}"
            subprocess.run(
                ["docker", "network", "create", "--opt", named, self._bridge], capture_output=True, check=True
            )
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        with (self.folder / "dockerd.log").open("ab") as log:
            command = ["dockerd", "--config-file", str(self.folder / "daemon.json")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, 60)

    def kill(self) -> None:
        """Kill it at once; its containers live on, as they do on any machine whose engine crashes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def docker(self, *arguments: str) -> str:
        """Type `docker …` at this engine."""
        command = ["docker", "--host", self.host, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def load(self, image: str) -> None:
        """Give it an image that the machine's engine has."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "--host", self.host, "load", "--quiet"], stdin=saved.stdout, capture_output=True, check=True
            )
        assert saved.returncode == 0

    def remove(self) -> None:
        """End it and its containerd, and leave nothing."""
        try:
            if containers := self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", *containers)
            named = self.docker("network", "ls", "--filter", "type=custom", "--format", "{{.ID}}").split()
            if named:
                self.docker("network", "rm", *named)
        finally:
            assert self.process is not None
            self.process.terminate()
            self.process.wait(30)
            for mounted in reversed(self._mounts()):
                subprocess.run(["umount", mounted], check=True)
            shutil.rmtree(self.folder)
            subprocess.run(["docker", "network", "rm", self._bridge], capture_output=True, check=True)

    def _mounts(self) -> list[str]:
        """Return what is mounted below its folder: one that was killed has left some."""
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return [place for place in places if place.startswith(f"{self.folder}/")]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
        command = ["docker", "--host", self.host, "version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def own_engine(folder: Path, *, live_restore: bool) -> Iterator[OwnEngine]:
    """Run an engine of one's own for a while."""
    engine, links = OwnEngine(folder, live_restore), _links()
    engine.start()
    try:
        yield engine
    finally:
        engine.remove()
        assert links <= _links(), "a link of the machine's own engine is gone"


def _links() -> set[str]:
    """Return the machine's own default bridge, where there is one."""
    return {each.name for each in Path("/sys/class/net").glob("docker0")}
