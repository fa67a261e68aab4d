"""Removes the container networks of VPCs that are gone. They are made when the first task needs one."""

from __future__ import annotations

from tidegate.cloud.planes.docker.networks import Networks
from tidegate.cloud.services.ec2.model import Ec2Model
from tidegate.cloud.store import Key


class NetworkSweep:
    """A controller with one key: looks which networks the engine has, and which VPCs there are."""

    def __init__(self, model: Ec2Model, networks: Networks) -> None:
        self._model = model
        self._networks = networks

    async def reconcile(self, key: Key) -> float | None:
        """Remove every network whose VPC was deleted; a container still on one fails this, to be tried again."""
        wanted = {vpc["VpcId"] for vpc in self._model.vpcs.values()}
        for name in await self._networks.names() - wanted:
            await self._networks.remove(name)
        return None
