"""What doctor asks an account: its answers, and that what is not answered spoils nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.account import checked, quotas, rights, who
from tidegate.deploy.progress import Pace
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Repository
from tidegate.manifest import parse

MANIFEST = """
app: shop
services: {web: {port: 8080, cpu: 1024, memory: 2048, count: 4}}
environments: {staging: {network: {mode: nat}}}
"""


class Account:
    """A session whose account has four VPCs of five, and as many vCPUs as it is told."""

    region = "eu-west-1"

    def __init__(
        self, arn: str = "arn:aws:iam::111122223333:user/ann", vcpus: float | None = 100, denied: str = ""
    ) -> None:
        self.arn, self.vcpus, self.denied = arn, vcpus, denied
        self.simulated = ""

    def client(self, service: str) -> Any:
        return self

    def get_caller_identity(self) -> Any:
        return {"Arn": self.arn, "Account": "111122223333"}

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803
        if self.vcpus is None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, "GetServiceQuota")
        return {"Quota": {"Value": self.vcpus if ServiceCode == "fargate" else 5}}

    def describe_vpcs(self) -> Any:
        return {"Vpcs": [{}] * 4}

    def describe_addresses(self) -> Any:
        return {"Addresses": [{}] * 5}

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        error: Any = {"Error": {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}}
        raise ClientError(error, "DescribeStacks")

    def get_paginator(self, operation: str) -> Any:
        assert operation == "simulate_principal_policy"
        return self

    def paginate(self, PolicySourceArn: str, ActionNames: list[str]) -> Any:  # noqa: N803
        self.simulated = PolicySourceArn
        yield {
            "EvaluationResults": [
                {"EvalActionName": each, "EvalDecision": "implicitDeny" if each == self.denied else "allowed"}
                for each in ActionNames
            ]
        }


def project(account: Account, environment: str = "staging") -> Project:
    session: Any = account
    progress: Any = None
    return Project(
        parse(MANIFEST, environment), environment, Repository(Path(), {}), session, session, progress, Pace()
    )


def test_quotas() -> None:
    found = {each.what: each.level for each in quotas(project(Account()))}
    assert found == {
        "Fargate: 8 vCPUs at the most in a deployment, of 100 that the account may have": "fine",
        "VPCs: 4 of 5 are there, and one more is needed": "fine",
        "Elastic IP addresses: 5 of 5 are there, and one more is needed": "fault",
    }
    small = next(iter(quotas(project(Account(vcpus=6)))))
    assert (small.level, "servicequotas" in small.fix) == ("fault", True)


def test_quotas_that_nobody_tells_spoil_nothing() -> None:
    (found,) = quotas(project(Account(vcpus=None)))
    assert (found.level, found.what) == ("note", "not looked at: not for you")


def test_rights_are_those_of_the_role_behind_a_session() -> None:
    account = Account("arn:aws:sts::111122223333:assumed-role/deployer/ann")
    assert [each.level for each in rights(project(account))] == ["fine"]
    assert account.simulated == "arn:aws:iam::111122223333:role/deployer"


def test_rights_that_are_missing_are_named() -> None:
    (found,) = rights(project(Account(denied="iam:CreateRole")))
    assert (found.level, "may not iam:CreateRole" in found.what) == ("fault", True)
    (root,) = rights(project(Account("arn:aws:iam::111122223333:root")))
    assert root.level == "warning"


def test_who_one_is_and_an_error_is_a_note() -> None:
    (found,) = checked(who, "account", project(Account()))
    assert found.what == "arn:aws:iam::111122223333:user/ann in account 111122223333, region eu-west-1"

    def fails(_: Project) -> Any:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "Anything")

    assert [(each.level, each.what) for each in checked(fails, "x", project(Account()))] == [
        ("note", "not looked at: slow down")
    ]
