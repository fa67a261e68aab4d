"""Finds the local cloud of this machine by the file that its daemon writes into its data folder."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tidegate.deploy.errors import UserError

_STATE_FILE = "daemon.json"
_LOCK_FILE = "lock"
_ENDPOINTS_FILE = "endpoints"


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A running local cloud: where it answers and the administrator's keys."""

    endpoint: str
    console: str | None
    registry: str
    pid: int
    data_dir: str
    account: str
    region: str
    token: str
    access_key: str
    secret: str
    ca: str  # the file with the certificate of the authority that signs for its load balancers

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS client at it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": self.region,
        }

    def answers(self) -> bool:
        """Return whether the daemon answers on its port."""
        try:
            self._control("GET", "status")
        except OSError:
            return False
        return True

    def engine_fault(self) -> str:
        """Return what keeps the container engine from being used (`what: why; what to do`), nothing if it answers."""
        return str(json.loads(self._control("GET", "engine"))["why"])

    def accesses(self) -> list[dict[str, Any]]:
        """Return what roles did, by which statement, and what they were denied."""
        found: list[dict[str, Any]] = json.loads(self._control("GET", "accesses"))["accesses"]
        return found

    def stop(self) -> None:
        """Have the daemon stop, with everything it runs."""
        self._control("POST", "stop")

    def _control(self, method: str, action: str) -> bytes:
        import urllib.request  # slow to import, and needed by few commands

        request = urllib.request.Request(  # noqa: S310 - the scheme is the daemon's own
            f"{self.endpoint}/_tidegate/{action}", method=method, headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return bytes(response.read())


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the local cloud: TIDEGATE_DATA_DIR, or the user's data folder (XDG base directories)."""
    if chosen := environ.get("TIDEGATE_DATA_DIR"):
        return Path(chosen).absolute()
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".local" / "share"
    return Path(base).absolute() / "tidegate"


def runs_on(data_dir: Path) -> bool:
    """Return whether a daemon holds this folder's lock: true from its start to the end of its process."""
    try:
        with (data_dir / _LOCK_FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def last_port(data_dir: Path) -> int | None:
    """Return the port of the local cloud that ran on this folder last: git remotes and image names have it in them."""
    try:
        endpoints = (data_dir / _ENDPOINTS_FILE).read_text().split()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return int(endpoints[-1].rpartition(":")[2]) if endpoints else None


def find(data_dir: Path) -> LocalCloud | None:
    """Return the local cloud that runs on this folder, or None."""
    if not runs_on(data_dir):
        return None
    try:
        told = json.loads((data_dir / _STATE_FILE).read_text())
        cloud = LocalCloud(**{each.name: told[each.name] for each in fields(LocalCloud)})  # it may tell more
    except FileNotFoundError:
        return None  # it is starting
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            str(data_dir / _STATE_FILE), f"cannot be read ({error})", "tidegate local stop, then tidegate local start"
        ) from error
    return cloud


def require(data_dir: Path) -> LocalCloud:
    """Return the local cloud that runs on this folder; raise `UserError` where none does."""
    cloud = find(data_dir)
    if cloud is None:
        raise UserError("local cloud", f"none runs on {data_dir}", "tidegate local start --detach")
    return cloud
