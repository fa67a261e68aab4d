"""Finding and ending processes that were started for a folder, also those that an earlier daemon started.

Each command is started as the leader of a session of its own and carries the folder in its environment. What it
starts inherits both, unless it takes care to lose both, and nothing is ended that is not known to belong to the
folder: a process id alone, which the system may have given to another program since, is never enough.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

MARK = "TIDEGATE_JOB_FOLDER"

_PROC = Path("/proc")
_RECORD = "processes"
_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_STEP = 0.02


def record(folder: Path, pid: int) -> None:
    """Note a process that was just started for a folder, with what tells it from a later one of the same id.

    It may have ended meanwhile: its session lives on with what it left in the background.
    """
    with (folder / _RECORD).open("a") as file:
        file.write(f"{pid} {_born(pid) or ''}\n")


def end_all(folder: Path, *, grace: float = _GRACE) -> bool:
    """End every process of a folder, politely and then not; return whether there was any. Blocks for the grace."""
    found = _living(folder)
    if not found:
        return False
    _signal(found, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (left := _living(folder)) and time.monotonic() < deadline:
        time.sleep(_STEP)
    while left:
        _signal(left, signal.SIGKILL)
        time.sleep(_STEP)
        left = _living(folder)
    return True


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _living(folder: Path) -> set[int]:
    if _PROC.joinpath("self/environ").exists():
        return _found(folder)
    return _recorded(folder)


def _found(folder: Path) -> set[int]:
    """Return the processes of a folder (Linux).

    They carry it in their environment; those that cleared that are still of a session that was recorded.
    """
    mark, sessions = f"{MARK}={folder}\0".encode(), _sessions(folder)
    found = set()
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            place = _PROC / entry.name
            state, _, _, session, *_ = (place / "stat").read_text().rpartition(")")[2].split()
            if state == "Z":
                continue
            if session in sessions or mark in (place / "environ").read_bytes():
                found.add(int(entry.name))
    return found


def _sessions(folder: Path) -> set[str]:
    """Return the sessions that were recorded and whose ids nothing else has now."""
    return {str(pid) for pid, born in _records(folder).items() if _born(pid) in (born, None)}


def _recorded(folder: Path) -> set[int]:
    """Return the processes of the sessions that were recorded and whose leaders still are who they were."""
    leaders = {pid for pid, born in _records(folder).items() if _born(pid) == born}
    if not leaders:
        return set()
    listing = subprocess.run(["ps", "-Ao", "pid=,pgid="], capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {int(pid) for pid, group in rows if int(group) in leaders}


def _records(folder: Path) -> dict[int, str]:
    """Return when the processes that were recorded were born, by their ids."""
    try:
        lines = (folder / _RECORD).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {int(pid): born for pid, _, born in (line.partition(" ") for line in lines) if pid.isdigit()}


def _born(pid: int) -> str | None:
    """Return when a process started, in the system's own words, or None where there is none."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        if (_PROC / "self").exists():
            return None
    words = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return words.strip() or None
