"""AWS's own parameters, `/aws/service/…`: those of which the local cloud knows the value.

It has no AMI, no agent and no image of AWS's, so that their parameters are not found. What a region is, it knows.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-global-infrastructure.html
"""

from __future__ import annotations

from collections.abc import Mapping

_REGIONS = "/aws/service/global-infrastructure/regions"


def public_parameters(region: str) -> Mapping[str, str]:
    """Return the values of AWS's own parameters in a region, by name."""
    own = f"{_REGIONS}/{region}"
    return {own: region, f"{own}/domain": "amazonaws.com", f"{own}/partition": "aws"}
