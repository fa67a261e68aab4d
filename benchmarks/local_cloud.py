"""The local cloud's start and what it costs while nothing happens, beside moto's server, an emulator in one process.

python -m benchmarks.local_cloud
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from tests.daemon import free_port

from benchmarks.report import show

_ROUNDS = 5
_IDLE = 20.0  # seconds
_MEGABYTE = 1_000_000
_PROGRAMS = Path(sys.executable).parent


def start_ours(folder: Path, port: int) -> tuple[float, int]:
    """Return the seconds from `tidegate local start` to the first answered call, and the daemon's process id."""
    environment = {**os.environ, "TIDEGATE_DATA_DIR": str(folder), "PATH": f"{_PROGRAMS}:{os.environ['PATH']}"}
    started = time.monotonic()
    subprocess.run(
        ["tidegate", "local", "start", "--detach", "--port", str(port)],
        env=environment,
        capture_output=True,
        check=True,
    )
    state = json.loads((folder / "daemon.json").read_text())
    call(port, state["access_key"], state["secret"])
    return time.monotonic() - started, state["pid"]


def start_peer(port: int) -> tuple[float, subprocess.Popen[bytes]]:
    """Return the same for moto's server."""
    started = time.monotonic()
    peer = subprocess.Popen(
        [_PROGRAMS / "moto_server", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while True:
        try:
            call(port, "a", "b")
            return time.monotonic() - started, peer
        except Exception:  # noqa: BLE001 - it does not listen yet
            time.sleep(0.01)


def call(port: int, key: str, secret: str) -> None:
    """Make one AWS call."""
    boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    ).get_caller_identity()


def memory(pid: int) -> float:
    """Return a process's resident memory in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def cpu(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    ours, peers = [], []
    idle_memory, idle_cpu, peer_memory = 0.0, 0.0, 0.0
    for number in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            seconds, pid = start_ours(Path(folder) / "cloud", free_port())
            ours.append(seconds)
            if number == 0:
                before = cpu(pid)
                time.sleep(_IDLE)
                idle_memory, idle_cpu = memory(pid), (cpu(pid) - before) / _IDLE
            os.environ["TIDEGATE_DATA_DIR"] = str(Path(folder) / "cloud")
            subprocess.run([_PROGRAMS / "tidegate", "local", "reset", "--yes"], capture_output=True, check=True)
        seconds, peer = start_peer(free_port())
        peers.append(seconds)
        peer_memory = memory(peer.pid)
        peer.terminate()
        peer.wait()
    start, peer_start = statistics.median(ours), statistics.median(peers)
    show(
        "local start to the first AWS call",
        f"{start:.2f} s, moto server {peer_start:.2f} s",
        start / peer_start,
        goal="at most 1.0 s",
        met=start <= 1.0,
    )
    show(
        "idle memory",
        f"{idle_memory:.0f} MB, moto server {peer_memory:.0f} MB",
        idle_memory / peer_memory,
        goal="under 150 MB",
        met=idle_memory < 150,
    )
    show("idle CPU", f"{idle_cpu:.2%} of a core", idle_cpu / 0.01, goal="under 1% of a core", met=idle_cpu < 0.01)


if __name__ == "__main__":
    main()
