"""IAM's operations, one file a noun."""

from tidegate.cloud.services.iam.api.instance_profiles import InstanceProfilesApi
from tidegate.cloud.services.iam.api.policies import PoliciesApi
from tidegate.cloud.services.iam.api.role_policies import RolePoliciesApi
from tidegate.cloud.services.iam.api.roles import RolesApi
from tidegate.cloud.services.iam.api.simulation import SimulationApi
from tidegate.cloud.services.iam.api.users import UsersApi

__all__ = ["InstanceProfilesApi", "PoliciesApi", "RolePoliciesApi", "RolesApi", "SimulationApi", "UsersApi"]
