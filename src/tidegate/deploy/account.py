"""Whether an account can take what is planned: who one is, what one may do, how much room there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.secrets import missing_secrets
from tidegate.deploy.stacks import Stacks
from tidegate.judge.finding import Finding
from tidegate.template import names

_TOPIC = "account"
# https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html: service code, quota code
_VCPUS, _SPOT_VCPUS = ("fargate", "L-3032A538"), ("fargate", "L-36FBB829")
_VPCS, _ADDRESSES = ("vpc", "L-F678F1CE"), ("ec2", "L-0263D0A3")
_REQUEST = "ask for more: https://console.aws.amazon.com/servicequotas"

# what whoever runs `tidegate up` does himself; the rest is done by CloudFormation, with the same rights
_ACTIONS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:ExecuteChangeSet",
    "codebuild:CreateProject",
    "codebuild:StartBuild",
    "codepipeline:CreatePipeline",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateVpc",
    "ecr:CreateRepository",
    "ecs:CreateCluster",
    "ecs:CreateService",
    "ecs:RegisterTaskDefinition",
    "elasticloadbalancing:CreateLoadBalancer",
    "elasticloadbalancing:CreateTargetGroup",
    "events:PutRule",
    "iam:CreateRole",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "logs:CreateLogGroup",
    "s3:CreateBucket",
)


def who(project: Project) -> Iterator[Finding]:
    """Say who one is, and where."""
    identity = project.session.client("sts").get_caller_identity()
    what = f"{identity['Arn']} in account {identity['Account']}, region {project.session.region}"
    yield Finding("fine", _TOPIC, what)
    wanted = project.manifest.place_of(project.environment).account
    if wanted is not None and wanted != identity["Account"]:
        what = f"{project.environment} is in account {wanted}, and these credentials are for {identity['Account']}"
        yield Finding("fault", _TOPIC, what, "--profile, with credentials of that account")


def rights(project: Project) -> Iterator[Finding]:
    """Ask IAM whether one may do what `up` does.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    arn = project.session.client("sts").get_caller_identity()["Arn"]
    if arn.endswith(":root"):
        yield Finding(
            "warning", "rights", "these are the account's root credentials", "make a user or a role of your own"
        )
        return
    principal = _principal(arn)
    client = project.session.client("iam")
    try:
        pages = client.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=principal, ActionNames=list(_ACTIONS)
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
    except (ClientError, BotoCoreError) as error:
        yield Finding("note", "rights", f"IAM does not tell: {_why(error)}")
        return
    denied = sorted(each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed")
    if denied:
        what = f"{principal} may not {', '.join(denied)}"
        yield Finding("fault", "rights", what, "have somebody allow it, or take another --profile")
    else:
        yield Finding("fine", "rights", f"{principal} may make everything that is planned")


def quotas(project: Project) -> Iterator[Finding]:
    """Hold what is planned against the account's quotas, as far as they are told."""
    for check in (_fargate, _networks):
        try:
            yield from check(project)
        except (ClientError, BotoCoreError) as error:
            yield Finding("note", "quotas", f"not looked at: {_why(error)}")
            return


def _fargate(project: Project) -> Iterator[Finding]:
    """A deployment runs the old and the new tasks at the same time, as far as `maximum` lets it."""
    needs = {_VCPUS: 0.0, _SPOT_VCPUS: 0.0}
    for service in project.manifest.services.values():
        vcpus = service.count.max * service.cpu / 1024 * max(service.deployment.maximum, 100) / 100
        needs[_SPOT_VCPUS] += vcpus * service.spot / 100
        needs[_VCPUS] += vcpus * (100 - service.spot) / 100
    for quota, need in needs.items():
        if not need:
            continue
        kind = "Fargate Spot" if quota == _SPOT_VCPUS else "Fargate"
        allowed = _quota(project, quota)
        what = f"{kind}: {need:g} vCPUs at the most in a deployment, of {allowed:g} that the account may have"
        yield Finding("fault" if need > allowed else "fine", "quotas", what, _REQUEST if need > allowed else "")


def _networks(project: Project) -> Iterator[Finding]:
    network = project.manifest.environment(project.environment).network
    stacks = Stacks(project.session, project.progress, project.pace)
    if network.mode == "imported" or stacks.describe(names.environment_stack(project.app, project.environment)):
        return
    ec2 = project.session.client("ec2")
    yield _room("VPCs", len(ec2.describe_vpcs()["Vpcs"]), _quota(project, _VPCS))
    if network.mode == "nat":
        yield _room("Elastic IP addresses", len(ec2.describe_addresses()["Addresses"]), _quota(project, _ADDRESSES))


def _room(noun: str, used: int, allowed: float) -> Finding:
    what = f"{noun}: {used} of {allowed:g} are there, and one more is needed"
    return Finding("fault" if used + 1 > allowed else "fine", "quotas", what, _REQUEST if used + 1 > allowed else "")


def _quota(project: Project, quota: tuple[str, str]) -> float:
    service, code = quota
    client = project.session.client("service-quotas")
    return float(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def secrets(project: Project) -> Iterator[Finding]:
    """Look for the secrets that the manifest names."""
    found = False
    for path, why, command in missing_secrets(project):
        found = True
        yield Finding("fault", path, why, command)
    named = any(
        each.secrets or any(sidecar.secrets for sidecar in each.sidecars.values())
        for each in project.manifest.services.values()
    )
    if named and not found:
        yield Finding("fine", "secrets", "all that tidegate.yml names are there")


def source(project: Project) -> Iterator[Finding]:
    """Say when a connection waits for somebody to confirm it."""
    if not project.manifest.source.connected:
        return
    arn = project.manifest.source.connection
    if arn is None:
        stacks = Stacks(project.home, project.progress, project.pace)
        arn = stacks.outputs(names.image_stack(project.app)).get("ConnectionArn")
    if arn is None:
        return
    client: Any = project.home.client("codeconnections")
    status = client.get_connection(ConnectionArn=arn)["Connection"]["ConnectionStatus"]
    if status != "AVAILABLE":
        page = f"https://{project.home.region}.console.aws.amazon.com/codesuite/settings/connections"
        yield Finding("fault", "source", f"the connection to {project.manifest.source.provider} is {status}", page)


CHECKS: tuple[tuple[str, Callable[[Project], Iterator[Finding]]], ...] = (
    (_TOPIC, who),
    ("rights", rights),
    ("quotas", quotas),
    ("secrets", secrets),
    ("source", source),
)


def checked(check: Callable[[Project], Iterator[Finding]], title: str, project: Project) -> list[Finding]:
    """Return what a check finds; one that cannot be made says so, and spoils nothing else."""
    try:
        return list(check(project))
    except UserError as error:
        return [Finding("fault", title, f"{error.what}: {error.why}", error.next_step)]
    except (ClientError, BotoCoreError) as error:
        return [Finding("note", title, f"not looked at: {_why(error)}")]


def _principal(arn: str) -> str:
    """Return the role of a role's session, or the user as he is.

    arn:aws:sts::123456789012:assumed-role/ROLE/SESSION -> arn:aws:iam::123456789012:role/ROLE
    """
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"


def _why(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"]["Message"]) if isinstance(response, dict) and "Error" in response else str(error)
