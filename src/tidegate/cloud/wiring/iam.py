"""IAM and STS: who is who, and who may do what."""

from __future__ import annotations

from tidegate.cloud.services.iam import coverage as iam_coverage
from tidegate.cloud.services.iam.accesses import AccessReport
from tidegate.cloud.services.iam.api import (
    InstanceProfilesApi,
    PoliciesApi,
    RolePoliciesApi,
    RolesApi,
    SimulationApi,
    UsersApi,
)
from tidegate.cloud.services.iam.authorize import IamAuthorizer
from tidegate.cloud.services.iam.model import IamModel
from tidegate.cloud.services.sts import coverage as sts_coverage
from tidegate.cloud.services.sts.api import StsApi
from tidegate.cloud.services.sts.model import StsModel
from tidegate.cloud.wiring.parts import Parts


def add_iam_and_sts(parts: Parts, iam: IamModel, sts: StsModel, authorizer: IamAuthorizer) -> None:
    """Add both services to the local cloud."""
    parts.dispatcher.register(
        "iam",
        RolesApi(iam, parts.clock),
        RolePoliciesApi(iam),
        PoliciesApi(iam, parts.clock),
        UsersApi(iam, parts.clock),
        InstanceProfilesApi(iam, parts.clock),
        SimulationApi(iam, authorizer),
        coverage=iam_coverage.COVERAGE,
    )
    parts.controls["GET", "accesses"] = AccessReport(iam).report
    parts.dispatcher.register("sts", StsApi(sts, parts.calls, parts.clock), coverage=sts_coverage.COVERAGE)
