"""The container that a folder's commands may run in: noted before it is made, so that no kill leaves it behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

LABEL = "dev.tidegate.data-dir"

_RECORD = "container"
_PATIENCE = 60  # seconds for the engine to remove a container


def note(folder: Path, name: str, variables: Mapping[str, str]) -> None:
    """Note the name that a folder's container will have, and what the docker client needs to reach it."""
    (folder / _RECORD).write_text(json.dumps({"name": name, "variables": dict(variables)}))


def remove(folder: Path) -> None:
    """Remove a folder's container if it has one, and give back what it wrote. Blocks."""
    docker = shutil.which("docker")
    try:
        noted = json.loads((folder / _RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return
    if docker is None:
        return
    if os.getuid() != 0:
        owner = f"{os.getuid()}:{os.getgid()}"
        command = [docker, "exec", "--user", "0", noted["name"], "chown", "-R", owner, str(folder)]
        subprocess.run(command, env=noted["variables"], capture_output=True, timeout=_PATIENCE, check=False)
    command = [docker, "rm", "--force", "--volumes", noted["name"]]
    subprocess.run(command, env=noted["variables"], capture_output=True, timeout=_PATIENCE, check=False)
    (folder / _RECORD).unlink(missing_ok=True)
