"""Programs to measure against: the distribution's packages, unpacked beside the checkout and never installed.

Installing a server would start it, on a port that may be somebody's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1] / ".tools" / "peers"


class MissingError(Exception):
    """A peer cannot be had; the message says `what: why`."""


def ensure(*packages: str) -> None:
    """Have packages whose programs are named as they; raise `MissingError` where there is no apt to get them with."""
    if all(program(name) is not None for name in packages):
        return
    names = ", ".join(packages)
    if shutil.which("apt-get") is None:
        raise MissingError(f"{names}: not installed, and there is no apt-get; install them and try again")
    with tempfile.TemporaryDirectory() as folder:
        # as root apt fetches as a user of its own, who has to be able to write here
        Path(folder).chmod(0o755)
        options = ["-o", f"Dir::Cache::archives={folder}", "-o", "Debug::NoLocking=1"]
        command = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", "--download-only", *options]
        done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
        archives = sorted(Path(folder).glob("*.deb"))
        if done.returncode or not archives:
            raise MissingError(f"{names}: apt-get does not bring them: {done.stderr.strip()[-300:]}")
        ROOT.mkdir(parents=True, exist_ok=True)
        for each in archives:
            subprocess.run(["dpkg", "--extract", each, ROOT], check=True)


def program(name: str) -> Path | None:
    """Return a peer's program: the machine's own, or the unpacked one."""
    for folder in ("usr/sbin", "usr/bin"):
        if (ROOT / folder / name).exists():
            return ROOT / folder / name
    found = shutil.which(name)
    return None if found is None else Path(found)


def environment() -> dict[str, str]:
    """Return the environment in which the unpacked programs find their libraries."""
    folders = [str(each) for each in ROOT.glob("usr/lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}
