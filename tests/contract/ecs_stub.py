"""A local cloud whose ECS is as little as scaling asks of it: `python -m tests.contract.ecs_stub`.

Its services and their desired counts are in `services.json` of the data folder; they run what they are told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.cloud import daemon
from tidegate.cloud.call import Context, operation
from tidegate.cloud.planes.docker import Docker


def read(folder: Path) -> dict[str, int]:
    """Return the desired counts by service."""
    path = folder / "services.json"
    return dict(json.loads(path.read_text())) if path.exists() else {"web": 2}


def write(folder: Path, counts: Mapping[str, int]) -> None:
    """Set the desired counts."""
    new = folder / "services.new"
    new.write_text(json.dumps(counts))
    new.replace(folder / "services.json")


class EcsStub:
    """The two operations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @operation()
    async def describe_services(self, context: Context, request: Any) -> Mapping[str, Any]:
        """Describe the services that there are."""
        found = [
            {"serviceName": name, "status": "ACTIVE", "desiredCount": count, "runningCount": count}
            for name, count in read(self._folder).items()
            if name in request["services"]
        ]
        return {"services": found, "failures": []}

    @operation()
    async def update_service(self, context: Context, request: Any) -> Mapping[str, Any]:
        """Set a desired count."""
        write(self._folder, {**read(self._folder), request["service"]: request["desiredCount"]})
        return {"service": {"serviceName": request["service"]}}


class StubbedCloud(daemon.Cloud):
    """The house with the stub in place of ECS."""

    def __init__(self, settings: daemon.Settings, docker: Docker | None = None) -> None:
        super().__init__(settings, docker)
        self.dispatcher.register("ecs", EcsStub(settings.data_dir))


if __name__ == "__main__":
    daemon.Cloud = StubbedCloud  # type: ignore[misc]
    sys.exit(daemon.main())
