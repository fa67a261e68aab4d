"""Envoy's administration interface: what it runs, what it counts.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT = 5.0  # seconds


class Admin:
    """Asks over a Unix socket; every question raises OSError or TimeoutError where nobody answers."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def ready(self) -> bool:
        """Return whether Envoy has its first configuration and serves."""
        try:
            return (await self._get("/ready"))[0] == 200
        except (OSError, TimeoutError):
            return False

    async def stats(self, expression: str) -> dict[str, Any]:
        """Return the numbers and texts whose names an expression is found in."""
        _, text = await self._get("/stats", format="json", filter=expression)
        return {each["name"]: each["value"] for each in json.loads(text)["stats"] if "name" in each}

    async def histograms(self, expression: str) -> dict[str, dict[float, int]]:
        """Return, of each histogram whose name fits, how often about which value was measured since Envoy started.

        Envoy gathers them every 5 seconds: they come a little later than what `stats` counts.
        """
        _, text = await self._get("/stats", format="json", filter=expression, histogram_buckets="detailed")
        details = [each["histograms"]["details"] for each in json.loads(text)["stats"] if "histograms" in each]
        return {
            histogram["name"]: {
                bucket["lower_bound"] + bucket["width"] / 2: bucket["count"] for bucket in histogram["totals"]
            }
            for each in details
            for histogram in each
        }

    async def hosts(self, cluster: str) -> dict[tuple[str, int], dict[str, int]]:
        """Return the counters of each endpoint of a cluster."""
        _, text = await self._get("/clusters", format="json", filter=f"^{re.escape(cluster)}$")
        found = {}
        for status in json.loads(text).get("cluster_statuses", ()):
            if status["name"] == cluster:
                for host in status.get("host_statuses", ()):
                    address = host["address"]["socket_address"]
                    counts = {each["name"]: int(each.get("value", 0)) for each in host["stats"]}
                    found[address["address"], int(address["port_value"])] = counts
        return found

    async def listener_errors(self) -> dict[str, str]:
        """Return why listeners are not as they were configured, by their names."""
        _, text = await self._get("/config_dump", resource="dynamic_listeners")
        configs = json.loads(text).get("configs", ())
        states = [each["error_state"] for each in configs if "error_state" in each]
        return {state["failed_configuration"]["name"]: state["details"] for state in states}

    async def reopen_logs(self) -> None:
        """Have Envoy open its logs again: what was renamed is no more written to once the file is there anew."""
        await self._ask("POST", "/reopen_logs")

    async def close(self) -> None:
        """Let go of the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _get(self, path: str, **query: str) -> tuple[int, str]:
        return await self._ask("GET", path, **query)

    async def _ask(self, method: str, path: str, **query: str) -> tuple[int, str]:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self._socket)), timeout=aiohttp.ClientTimeout(_TIMEOUT)
            )
        try:
            async with self._session.request(method, f"http://envoy{path}", params=query) as response:
                return response.status, await response.text()
        except aiohttp.ClientError as error:
            raise OSError(str(error)) from error
