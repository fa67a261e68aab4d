"""How soon the commands answer, beside a Python that imports boto3 and does nothing.

python -m benchmarks.command_line
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.app import App

from benchmarks.report import show

_ROUNDS = 15


def seconds(command: list[str], where: Path, environment: dict[str, str]) -> float:
    """Return the duration of a command."""
    started = time.monotonic()
    subprocess.run(command, cwd=where, env=environment, capture_output=True, check=True)
    return time.monotonic() - started


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        app.start_cloud()
        try:
            app.run("up", "--yes")
            commands = {
                "--help": ["tidegate", "--help"],
                "status": ["tidegate", "status"],
                "peer": [sys.executable, "-c", "import boto3"],
            }
            times: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(_ROUNDS):
                for name, command in commands.items():
                    times[name].append(seconds(command, app.work, app.environment))
        finally:
            app.remove_cloud()
    peer = statistics.median(times["peer"])
    for name, goal in (("--help", 0.150), ("status", 0.500)):
        median = statistics.median(times[name])
        show(
            f"tidegate {name}",
            f"{median * 1000:.0f} ms, import boto3 {peer * 1000:.0f} ms",
            median / peer,
            goal=f"at most {goal * 1000:.0f} ms",
            met=median <= goal,
        )


if __name__ == "__main__":
    main()
