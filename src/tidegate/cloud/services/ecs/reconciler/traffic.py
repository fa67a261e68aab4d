"""Requests moved between the target groups of a service, in its listener rules, as the role that it names for that.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AmazonECSInfrastructureRolePolicyForLoadBalancers.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import DeploymentRecord
from tidegate.cloud.services.ecs.traffic import (
    advanced,
    groups_of,
    is_rule,
    listener_of,
    problem,
    rules_in,
    share,
    shared_out,
)

_SERVICE = "ecs.amazonaws.com"
_SESSION = "ECSNetworkingWithELB"
_GONE = ("RuleNotFound", "ListenerNotFound")
_DENIED = ("AccessDenied", "AccessDeniedException")
_INVALID = "Service deployment rolled back because of invalid networking configuration"


class UnmovableError(Exception):
    """Requests cannot be moved; the message is why the deployment is taken back."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The actions of listener rules and listeners by ARN, and which of the rules are default ones."""

    actions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()

    def shares(self, deployment: DeploymentRecord, name: str) -> tuple[float, ...]:
        """Return the percentages of requests that go to a deployment's tasks, by each rule of this name."""
        return tuple(
            share(self.actions[arn], groups_of(each, alternate=deployment["alternate"])[0])
            for each in advanced(deployment["balancers"])
            if (arn := each["advancedConfiguration"].get(name)) in self.actions
        )


class Traffic:
    """Reads and changes the rules."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def rules(self, region: str, balancers: Iterable[Mapping[str, Any]]) -> Rules:
        """Return the rules that load balancers name, as far as they are there."""
        caller = self._calls.as_service(_SERVICE, region)
        actions: dict[str, Sequence[Mapping[str, Any]]] = {}
        defaults = set()
        for arn in rules_in(balancers):
            try:
                if is_rule(arn):
                    (rule,) = (await caller("elbv2", "describe_rules", RuleArns=[arn]))["Rules"]
                    actions[arn] = rule["Actions"]
                    if rule["IsDefault"]:
                        defaults.add(arn)
                else:
                    (listener,) = (await caller("elbv2", "describe_listeners", ListenerArns=[arn]))["Listeners"]
                    actions[arn] = listener["DefaultActions"]
            except ServiceError as error:
                if error.code not in _GONE:
                    raise
        return Rules(actions, frozenset(defaults))

    def check(self, deployment: DeploymentRecord, rules: Rules) -> None:
        """Raise `UnmovableError` where the rules are not as a deployment needs them."""
        why = problem(deployment["balancers"], rules.actions)
        if why is not None:
            raise UnmovableError(f"{_INVALID}{why}")

    async def move(
        self, region: str, deployment: DeploymentRecord, rules: Rules, name: str, percent: float, stage: str
    ) -> None:
        """Have the rules of a name send this percentage to a deployment's tasks; raise `UnmovableError`."""
        for each in advanced(deployment["balancers"]):
            settings = each["advancedConfiguration"]
            arn, role = settings.get(name), settings.get("roleArn")
            own, other = groups_of(each, alternate=deployment["alternate"])
            if arn not in rules.actions or share(rules.actions[arn], own) == percent:
                continue
            actions = shared_out(rules.actions[arn], own, other, percent)
            caller = await self._caller(role, region)
            try:
                if not is_rule(arn):
                    await caller("elbv2", "modify_listener", ListenerArn=arn, DefaultActions=actions)
                elif arn in rules.defaults:
                    await caller("elbv2", "modify_listener", ListenerArn=listener_of(arn), DefaultActions=actions)
                else:
                    await caller("elbv2", "modify_rule", RuleArn=arn, Actions=actions)
            except ServiceError as error:
                if error.status >= 500:
                    raise
                if error.code in _DENIED:
                    why = f"Service deployment rolled back because {stage} lifecycle hook(s) failed."
                else:
                    why = f"{_INVALID}."
                raise UnmovableError(f"{why} {error.message}") from error

    async def _caller(self, role: str | None, region: str) -> Caller:
        if role is None:
            return self._calls.as_service(_SERVICE, region)
        try:
            return await self._calls.as_role(role, _SERVICE, _SESSION, region)
        except ServiceError as error:
            raise UnmovableError(
                f"{_INVALID}. ECS was unable to manage the ELB resources due to missing permissions on ECS "
                f"Infrastructure Role '{role}'."
            ) from error
