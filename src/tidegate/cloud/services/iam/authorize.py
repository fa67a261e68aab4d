"""Authorization of every call: gathers the policies that apply, asks `policy`, words the denial as AWS does.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.cloud.call import Context, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.accesses import Accesses, Grant
from tidegate.cloud.services.iam.model import IamModel, service_policies
from tidegate.cloud.services.iam.policy import Statement, Verdict, decide, evaluate, parse

ResourcePolicy = Callable[[str], str | None]
ResourceTags = Callable[[str], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict; for a denial, which kind of policy it comes from; for what a role's own policies allow, by what."""

    verdict: Verdict
    reason: str = ""
    grant: Grant | None = None

    @property
    def allowed(self) -> bool:
        """Return whether the action may be done."""
        return self.verdict is Verdict.ALLOW


class IamAuthorizer:
    """Decides on every call of every service (`call.Authorizer`)."""

    def __init__(
        self,
        model: IamModel,
        clock: Clock,
        resource_policies: Mapping[str, ResourcePolicy],
        resource_tags: Mapping[str, ResourceTags],
    ) -> None:
        """`resource_policies` finds a resource's own policy, by the service in its ARN (`s3`, `ecr`).

        `resource_tags` finds its tags; None is of what is to be created with the tags in the request.
        """
        self._resource_tags = resource_tags
        self._model = model
        self._clock = clock
        self._resource_policies = resource_policies
        self._accesses = Accesses(model, clock)

    def __call__(self, context: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> None:
        """Return when allowed, raise AccessDenied with AWS's sentence when not."""
        decision = self.decide(context, action, resource, conditions)
        role = context.principal.role_arn
        if decision.allowed:
            if role is not None and decision.grant is not None:
                self._accesses.allowed(role, action, resource, decision.grant)
            return
        why = (
            f"User: {context.principal.arn} is not authorized to perform: {action} on resource: {resource} "
            f"{decision.reason}"
        )
        if role is not None:
            self._accesses.denied(role, action, resource, why)
        raise ServiceError("AccessDenied", why, 403)

    def decide(self, context: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> Decision:
        """Return the decision for a principal's action on a resource."""
        principal = context.principal
        keys = self._keys(context, {**self._tags(resource, conditions), **conditions})
        own, groups = self._resource_verdict(principal, action, resource, keys)
        if own is Verdict.EXPLICIT_DENY:
            return Decision(own, "with an explicit deny in a resource-based policy")
        trusting = action == "sts:AssumeRole"
        if (trusting or _is_key(resource)) and own is not Verdict.ALLOW and not groups:
            return Decision(Verdict.IMPLICIT_DENY, f"because no resource-based policy allows the {action} action")
        if trusting and principal.service is not None:
            return Decision(own, "")  # a service is trusted by the role's trust policy alone
        identity, grant = self._identity_verdict(principal, action, resource, keys)
        if identity is Verdict.EXPLICIT_DENY:
            return Decision(identity, "with an explicit deny in an identity-based policy")
        narrowed = self._narrowed(principal, action, resource, keys)
        if narrowed is not None:
            return narrowed
        if own is Verdict.ALLOW or identity is Verdict.ALLOW:
            return Decision(Verdict.ALLOW, grant=grant)
        return Decision(identity, f"because no identity-based policy allows the {action} action")

    def _tags(self, resource: str, conditions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the condition keys of a resource's tags, of services that do not give them themselves."""
        parts = resource.split(":", 5)
        find = self._resource_tags.get(parts[2]) if len(parts) == 6 else None
        if find is None:
            return {}
        tags, given = find(resource), "aws:RequestTag/"
        if tags is None:
            tags = {key.removeprefix(given): each for key, each in conditions.items() if key.startswith(given)}
        return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}

    def _narrowed(self, principal: Principal, action: str, resource: str, keys: Mapping[str, Any]) -> Decision | None:
        """Return the denial of a permissions boundary or a session policy, or None where neither denies."""
        limits = [("permissions boundary", document) for document in self._boundary(principal)]
        if principal.policies:
            verdicts = [evaluate(parse(document), action, resource, keys) for document in principal.policies]
            if Verdict.EXPLICIT_DENY in verdicts:
                return Decision(Verdict.EXPLICIT_DENY, "with an explicit deny in a session policy")
            if Verdict.ALLOW not in verdicts:
                return Decision(Verdict.IMPLICIT_DENY, f"because no session policy allows the {action} action")
        for kind, document in limits:
            verdict = evaluate(parse(document), action, resource, keys)
            if verdict is Verdict.EXPLICIT_DENY:
                return Decision(verdict, f"with an explicit deny in a {kind}")
            if verdict is Verdict.IMPLICIT_DENY:
                return Decision(verdict, f"because no {kind} allows the {action} action")
        return None

    def _resource_verdict(
        self, principal: Principal, action: str, resource: str, keys: Mapping[str, Any]
    ) -> tuple[Verdict, bool]:
        """Return what the resource's own policy says to this very principal, and whether it trusts the account.

        Trusting the account (`arn:aws:iam::ACCOUNT:root`) delegates the decision to the identity's policies.
        """
        document = self._resource_policy(resource)
        if document is None:
            return Verdict.IMPLICIT_DENY, False
        statements = parse(document)
        named = [each for each in statements if _names(each, principal, self._model.account)]
        verdict = evaluate(named, action, resource, keys)
        delegated = [each for each in statements if each.allow and _trusts_account(each, self._model.account)]
        return verdict, evaluate(delegated, action, resource, keys) is Verdict.ALLOW

    def _resource_policy(self, resource: str) -> str | None:
        parts = resource.split(":", 5)
        if len(parts) < 6:
            return None
        if parts[2] == "iam" and parts[5].startswith("role/"):
            role = self._model.roles.get(parts[5].rpartition("/")[2])
            return None if role is None else role["trust"]
        find = self._resource_policies.get(parts[2])
        return None if find is None else find(resource)

    def _identity_verdict(
        self, principal: Principal, action: str, resource: str, keys: Mapping[str, Any]
    ) -> tuple[Verdict, Grant | None]:
        """Return what the principal's own policies say, and the statement by which they allow it."""
        grant = None
        for name, document in self._identity_documents(principal):
            statements = parse(document)
            verdict, number = decide(statements, action, resource, keys)
            if verdict is Verdict.EXPLICIT_DENY:
                return verdict, None
            if grant is None and number is not None:
                grant = Grant(name, number, statements[number].resource_of(resource, keys) or "")
        return (Verdict.IMPLICIT_DENY if grant is None else Verdict.ALLOW), grant

    def _identity_documents(self, principal: Principal) -> Iterable[tuple[str, str]]:
        """Yield the name (of a managed policy: the ARN) and the text of each policy of a principal's own."""
        attached: list[str] = []
        if principal.service is not None:
            document = service_policies().get(principal.service)
            if document is not None:
                yield principal.service, document
        elif principal.role_arn is not None:
            role = self._model.roles.get(principal.role_arn.rpartition("/")[2])
            if role is not None:
                yield from role["inline"].items()
                attached = role["attached"]
        else:
            user = self._model.users.get(principal.arn.rpartition("/")[2])
            if user is not None:
                yield from user["inline"].items()
                attached = user["attached"]
        for arn in attached:
            document = self._model.document(arn)
            if document is not None:
                yield arn, document

    def _boundary(self, principal: Principal) -> Iterable[str]:
        boundary = None
        if principal.role_arn is not None:
            role = self._model.roles.get(principal.role_arn.rpartition("/")[2])
            boundary = None if role is None else role["role"].get("PermissionsBoundary")
        elif principal.service is None:
            user = self._model.users.get(principal.arn.rpartition("/")[2])
            boundary = None if user is None else user["user"].get("PermissionsBoundary")
        if boundary is not None:
            document = self._model.document(boundary["PermissionsBoundaryArn"])
            yield (
                document
                if document is not None
                else '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
            )

    def _keys(self, context: Context, conditions: Mapping[str, Any]) -> dict[str, Any]:
        """Return the condition keys of a request, in lower case.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        principal = context.principal
        now = self._clock.now()
        keys: dict[str, Any] = {
            "aws:principalarn": principal.role_arn or principal.arn,
            "aws:principalaccount": principal.account,
            "aws:principaltype": "AssumedRole" if principal.role_arn else "User",
            "aws:userid": principal.id,
            "aws:requestedregion": context.region,
            "aws:currenttime": now.isoformat(),
            "aws:epochtime": str(int(now.timestamp())),
            # nothing leaves this machine: the loopback interface is as secure as a transport can be
            "aws:securetransport": "true",
            **context.conditions,
            **{key.lower(): value for key, value in conditions.items()},
        }
        if principal.service is not None:
            keys["aws:principalservicename"] = principal.service
            keys["aws:principalisawsservice"] = "true"
        elif principal.role_arn is None:
            keys["aws:username"] = principal.arn.rpartition("/")[2]
        return keys


def _is_key(resource: str) -> bool:
    """Return whether an ARN is that of a KMS key: its own policy decides whether any other policy counts.

    https://docs.aws.amazon.com/kms/latest/developerguide/determining-access-iam-policies.html
    """
    parts = resource.split(":", 5)
    return len(parts) == 6 and parts[2] == "kms" and parts[5].startswith("key/")


def _names(statement: Statement, principal: Principal, account: str) -> bool:
    """Return whether a statement of a resource policy is addressed to this principal, by name or by `*`."""
    if statement.principals is None:
        return False
    fits = False
    for kind, names in statement.principals.items():
        if kind == "Service":
            fits = fits or (principal.service is not None and principal.service in names)
        elif kind == "AWS" and principal.service is None:
            fits = fits or any(_is(name, principal) for name in names)
            if not statement.allow or statement.not_principals:
                fits = fits or any(name in (account, f"arn:aws:iam::{account}:root") for name in names)
    return fits is not statement.not_principals


def _is(name: str, principal: Principal) -> bool:
    return name in ("*", principal.arn, principal.id) or name == principal.role_arn


def _trusts_account(statement: Statement, account: str) -> bool:
    names = (statement.principals or {}).get("AWS", ())
    return not statement.not_principals and any(name in (account, f"arn:aws:iam::{account}:root") for name in names)
