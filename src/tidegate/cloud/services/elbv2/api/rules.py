"""Rules: create, describe, change, delete, put in another order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.shared import (
    ElbApi,
    arn_in,
    check_forwards,
    find_balancer,
    find_listener,
    find_rule,
    new_tags,
    paged,
    request_tags,
)
from tidegate.cloud.services.elbv2.model import ListenerRecord, RuleRecord
from tidegate.cloud.services.elbv2.rules import checked_actions, checked_conditions, checked_transforms

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t


class RulesApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html and siblings."""

    @operation(resource=arn_in("ListenerArn"), conditions=request_tags)
    async def create_rule(self, context: Context, request: t.CreateRuleInputTypeDef) -> Mapping[str, Any]:
        """Create a rule under a priority that no other of the listener has."""
        region = context.region
        listener = find_listener(self.model, region, request["ListenerArn"])
        if ":listener/net/" in request["ListenerArn"]:
            raise ServiceError("InvalidConfigurationRequest", "Rules are not for listeners of network load balancers")
        base = request["ListenerArn"].replace(":listener/", ":listener-rule/")
        tags = new_tags(self, context, request, f"{base}/*", "CreateRule")
        given: Any = request
        conditions, actions = checked_conditions(given["Conditions"]), checked_actions(given["Actions"])
        transforms = checked_transforms(given.get("Transforms", ()))
        self._check_forwards(region, listener, actions)
        priority = request["Priority"]
        if priority in self._priorities(region, request["ListenerArn"]):
            raise _in_use(priority)
        rule: Any = {
            "RuleArn": f"{base}/{self.clock.hex(16)}",
            "Priority": str(priority),
            "Conditions": conditions,
            "Actions": actions,
            "IsDefault": False,
            **({"Transforms": transforms} if transforms else {}),
        }
        new: RuleRecord = {"rule": rule, "listener": request["ListenerArn"], "tags": tags}
        self.model.rules.put((region, rule["RuleArn"]), new)
        return {"Rules": [rule]}

    @operation()
    async def describe_rules(self, context: Context, request: t.DescribeRulesInputTypeDef) -> Mapping[str, Any]:
        """List a listener's rules, the default one last, or those asked for."""
        region, wanted = context.region, request.get("RuleArns", ())
        if bool(wanted) is ("ListenerArn" in request):
            raise ServiceError(
                "ValidationError", "You must specify either listener rule ARNs or a listener ARN, but not both"
            )
        if "ListenerArn" in request:
            listener = find_listener(self.model, region, request["ListenerArn"])
            made = [each["rule"] for each in self.model.rules_of(region, request["ListenerArn"])]
            rules: list[Any] = [*made, _default(listener)]
        else:
            every: dict[str, Any] = {each["rule"]["RuleArn"]: each["rule"] for each in self.model.rules.values(region)}
            every |= {each["default_rule"]: _default(each) for each in self.model.listeners.values(region)}
            if any(arn not in every for arn in wanted):
                raise ServiceError("RuleNotFound", "One or more rules not found")
            rules = [every[arn] for arn in wanted]
        return paged(request, rules, _order, "Rules")

    @operation(resource=arn_in("RuleArn"))
    async def modify_rule(self, context: Context, request: t.ModifyRuleInputTypeDef) -> Mapping[str, Any]:
        """Change a rule's conditions, actions or transforms."""
        region = context.region
        record = find_rule(self.model, region, request["RuleArn"])
        given: Any = request
        rule: Any = record["rule"]
        if "Conditions" in given:
            rule["Conditions"] = checked_conditions(given["Conditions"])
        if "Actions" in given:
            actions = checked_actions(given["Actions"])
            self._check_forwards(region, find_listener(self.model, region, record["listener"]), actions)
            rule["Actions"] = actions
        if given.get("ResetTransforms") and given.get("Transforms"):
            raise ServiceError("ValidationError", "You cannot specify both 'Transforms' and 'ResetTransforms'")
        if given.get("ResetTransforms"):
            rule.pop("Transforms", None)
        elif "Transforms" in given:
            rule["Transforms"] = checked_transforms(given["Transforms"])
        self.model.rules.put((region, request["RuleArn"]), record)
        return {"Rules": [rule]}

    @operation(
        resource=lambda api, context, request: (
            [each["RuleArn"] for each in request["RulePriorities"] if "RuleArn" in each] or "*"
        )
    )
    async def set_rule_priorities(
        self, context: Context, request: t.SetRulePrioritiesInputTypeDef
    ) -> Mapping[str, Any]:
        """Give rules other priorities, all at once."""
        region = context.region
        wanted: dict[str, int] = {}
        for pair in request["RulePriorities"]:
            if "RuleArn" not in pair or "Priority" not in pair:
                raise ServiceError("ValidationError", "A rule ARN and a priority must be specified")
            wanted[pair["RuleArn"]] = pair["Priority"]
        records = [find_rule(self.model, region, arn) for arn in wanted]
        if len({record["listener"] for record in records}) > 1:
            raise ServiceError("ValidationError", "The rules must belong to the same listener")
        others = {
            int(each["rule"]["Priority"])
            for record in records[:1]
            for each in self.model.rules_of(region, record["listener"])
            if each["rule"]["RuleArn"] not in wanted
        }
        for priority in wanted.values():
            if priority in others:
                raise _in_use(priority)
            others.add(priority)
        with self.model.store.transaction():
            for record in records:
                record["rule"]["Priority"] = str(wanted[record["rule"]["RuleArn"]])
                self.model.rules.put((region, record["rule"]["RuleArn"]), record)
        return {"Rules": [record["rule"] for record in records]}

    @operation(resource=arn_in("RuleArn"))
    async def delete_rule(self, context: Context, request: t.DeleteRuleInputTypeDef) -> Mapping[str, Any]:
        """Delete a rule."""
        find_rule(self.model, context.region, request["RuleArn"])
        self.model.rules.delete(context.region, request["RuleArn"])
        return {}

    def _priorities(self, region: str, listener_arn: str) -> set[int]:
        return {int(each["rule"]["Priority"]) for each in self.model.rules_of(region, listener_arn)}

    def _check_forwards(self, region: str, listener: ListenerRecord, actions: list[dict[str, Any]]) -> None:
        balancer = find_balancer(self.model, region, listener["listener"]["LoadBalancerArn"])
        check_forwards(self.model, region, balancer, listener["listener"]["Protocol"], actions)


def _default(listener: ListenerRecord) -> dict[str, Any]:
    return {
        "RuleArn": listener["default_rule"],
        "Priority": "default",
        "Conditions": [],
        "Actions": listener["listener"]["DefaultActions"],
        "IsDefault": True,
    }


def _order(rule: Mapping[str, Any]) -> str:
    priority, arn = str(rule["Priority"]), str(rule["RuleArn"])
    return f"{int(priority):05} {arn}" if priority.isdecimal() else f"~ {arn}"


def _in_use(priority: int) -> ServiceError:
    return ServiceError("PriorityInUse", f"Priority '{priority}' is currently in use")
