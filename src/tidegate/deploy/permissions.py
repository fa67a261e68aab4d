"""What a role may not do, by IAM's own simulator: the error that a program prints does not always name it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import ClientError

from tidegate.deploy.session import Session


def lacking(session: Session, role: str, actions: Sequence[str], resource: str) -> list[str]:
    """Return those of the actions that a role (its ARN) may not do on a resource; none where nobody may ask that."""
    iam = session.client("iam")
    request = {"PolicySourceArn": role, "ActionNames": list(actions), "ResourceArns": [resource]}
    try:
        results = iam.simulate_principal_policy(**request)["EvaluationResults"]
    except ClientError:  # the reason for the failure stands without it
        return []
    return [each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed"]
