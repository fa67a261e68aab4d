"""IAM's records: users, roles, policies and access keys; and whose key a key is."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NotRequired, TypedDict

from tidegate.cloud.call import Credential, Principal
from tidegate.cloud.store import Collection, Store

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t

ADMINISTRATOR = "administrator"
ADMINISTRATOR_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"


class RoleRecord(TypedDict):
    """A role as AWS shows it, with its policies."""

    role: t.RoleTypeDef
    trust: str  # the trust policy, as JSON text
    inline: dict[str, str]  # policy name -> JSON text
    attached: list[str]  # managed policies' ARNs


class UserRecord(TypedDict):
    """A user as AWS shows it, with its policies."""

    user: t.UserTypeDef
    inline: dict[str, str]
    attached: list[str]


class PolicyRecord(TypedDict):
    """A customer managed policy with its versions: `v1` -> JSON text."""

    policy: t.PolicyTypeDef
    versions: dict[str, str]
    created: dict[str, datetime]
    newest: NotRequired[int]  # the highest number that a version has had


class AccessKeyRecord(TypedDict):
    """A user's long-lived access key."""

    metadata: t.AccessKeyMetadataTypeDef
    secret: str


class AccessRecord(TypedDict):
    """What a role did, or was not let do.

    `policy` is the name of an inline policy or the ARN of a managed one, `statement` the place of a statement in it,
    `granted` the one of its resources that `resource`, which was asked for last, fits. Of a denial all three are
    missing; `why` is its sentence.
    """

    role: str  # the ARN
    action: str
    resource: str
    last: datetime
    policy: NotRequired[str]
    statement: NotRequired[int]
    granted: NotRequired[str]
    why: NotRequired[str]


class IamModel:
    """IAM is global: keys are names, without a region."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.roles = Collection[RoleRecord](store, "iam.role")
        self.users = Collection[UserRecord](store, "iam.user")
        self.policies = Collection[PolicyRecord](store, "iam.policy")
        self.instance_profiles: Collection[t.InstanceProfileTypeDef] = Collection(store, "iam.instance-profile")
        self.accesses = Collection[AccessRecord](store, "iam.access")
        self.access_keys = Collection[AccessKeyRecord](store, "iam.access-key")
        self.git_credentials: Collection[t.ServiceSpecificCredentialTypeDef] = Collection(store, "iam.git-credential")
        self.administrator_key = ""

    def forget_accesses(self, role: str, policy: str | None = None) -> None:
        """Forget what a role (its ARN) did, or what one of its policies let it do: of another text it says nothing."""
        for key, _ in self.accesses.items(*([role] if policy is None else [role, policy])):
            self.accesses.delete(*key)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource of this account: `role/path/name`."""
        return f"arn:aws:iam::{self.account}:{resource}"

    def credential(self, access_key: str) -> Credential | None:
        """Return what proves an user's access key, or None."""
        key = self.access_keys.get(access_key)
        if key is None or key["metadata"]["Status"] != "Active":
            return None
        user = self.users.get(key["metadata"]["UserName"])
        if user is None:
            return None
        return Credential(key["secret"], Principal(user["user"]["Arn"], user["user"]["UserId"], self.account))

    def git_credential(self, username: str, password: str) -> Principal | None:
        """Return whose service-specific credential for CodeCommit this is, or None."""
        found = self.git_credentials.get(username)
        if found is None or found["Status"] != "Active" or found.get("ServicePassword") != password:
            return None
        user = self.users.get(found["UserName"])
        return None if user is None else Principal(user["user"]["Arn"], user["user"]["UserId"], self.account)

    def document(self, policy_arn: str) -> str | None:
        """Return the default version of a managed policy, AWS's or the account's own, as JSON text."""
        if policy_arn.startswith("arn:aws:iam::aws:policy/"):
            return aws_managed().get(policy_arn)
        record = self.policies.get(policy_arn)
        return None if record is None else record["versions"][record["policy"]["DefaultVersionId"]]

    def ensure_administrator(self, access_key: str, secret: str, now: datetime) -> None:
        """Make sure of the local administrator: a user with AdministratorAccess and the keys of this machine."""
        self.administrator_key = access_key
        if self.users.get(ADMINISTRATOR) is None:
            user: t.UserTypeDef = {
                "Path": "/",
                "UserName": ADMINISTRATOR,
                "UserId": "AIDATIDEGATEADMINISTR",
                "Arn": self.arn(f"user/{ADMINISTRATOR}"),
                "CreateDate": now,
            }
            self.users.put((ADMINISTRATOR,), {"user": user, "inline": {}, "attached": [ADMINISTRATOR_POLICY]})
        if self.access_keys.get(access_key) is None:
            metadata: t.AccessKeyMetadataTypeDef = {
                "UserName": ADMINISTRATOR,
                "AccessKeyId": access_key,
                "Status": "Active",
                "CreateDate": now,
            }
            self.access_keys.put((access_key,), {"metadata": metadata, "secret": secret})


@cache
def aws_managed() -> dict[str, str]:
    """Return the AWS managed policies that are shipped: ARN to JSON text.

    Their names and contents: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
    """
    policies = json.loads(files(__package__).joinpath("managed_policies.json").read_text())
    return {arn: json.dumps(document) for arn, document in policies.items()}


@cache
def service_policies() -> dict[str, str]:
    """Return what each AWS service may do by itself, as its service-linked role: service principal to JSON text.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
    """
    policies = json.loads(files(__package__).joinpath("service_policies.json").read_text())
    return {service: json.dumps(document) for service, document in policies.items()}
