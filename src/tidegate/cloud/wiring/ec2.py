"""EC2: the networking half."""

from __future__ import annotations

from tidegate.cloud.services.ec2.api import APIS as EC2_APIS
from tidegate.cloud.services.ec2.model import Ec2Model
from tidegate.cloud.wiring.parts import Parts


def add_ec2(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = Ec2Model(parts.store, parts.account)
    parts.dispatcher.register("ec2", *(api(model, parts.calls, parts.clock) for api in EC2_APIS))
