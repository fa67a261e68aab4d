"""Requests between two target groups: which steps a strategy takes, and the weights of listener rules. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from tidegate.cloud.services.ecs.plan import Step

ROLLING: Final = "ROLLING"
_LINEAR = {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
_CANARY = {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
# strategy -> the member that says how it goes, and what it is without
SETTINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "LINEAR": ("linearConfiguration", _LINEAR),
    "CANARY": ("canaryConfiguration", _CANARY),
}


def shifts(configuration: Mapping[str, Any]) -> bool:
    """Return whether deployments by this configuration shift requests."""
    return bool(configuration.get("strategy", ROLLING) != ROLLING)


def steps(configuration: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the steps in which requests are shifted; the last one is all of them."""
    strategy = configuration["strategy"]
    if strategy == "CANARY":
        canary = configuration["canaryConfiguration"]
        first = Step(canary["canaryPercent"], timedelta(minutes=canary["canaryBakeTimeInMinutes"]))
        return (first, Step(100.0)) if first.percent < 100 else (Step(100.0),)
    if strategy == "LINEAR":
        linear = configuration["linearConfiguration"]
        bake = timedelta(minutes=linear["stepBakeTimeInMinutes"])
        tenths = round(linear["stepPercent"] * 10)
        return (*(Step(percent / 10, bake) for percent in range(tenths, 1000, tenths)), Step(100.0))
    return (Step(100.0),)


def weights(percent: float) -> tuple[int, int]:
    """Return the weights of a target group that gets this percentage, to a tenth, and of the one that gets the rest."""
    tenths = round(percent * 10)
    whole, rest = divmod(tenths, 10)
    return (tenths, 1000 - tenths) if rest else (whole, 100 - whole)


def share(actions: Iterable[Mapping[str, Any]], group: str) -> float:
    """Return which percentage of the requests that actions forward goes to a target group, to a tenth."""
    found = {each["TargetGroupArn"]: each.get("Weight", 1) for each in forwarded(actions)}
    whole = sum(found.values())
    return round(100 * found.get(group, 0) / whole, 1) if whole else 0.0


def shared_out(actions: Sequence[Mapping[str, Any]], group: str, other: str, percent: float) -> list[dict[str, Any]]:
    """Return actions that forward this percentage to a group and the rest to another; stickiness stays as it is."""
    own, rest = weights(percent)
    forward = {
        **next((each.get("ForwardConfig", {}) for each in actions if each["Type"] == "forward"), {}),
        "TargetGroups": [
            {"TargetGroupArn": group, "Weight": own},
            {"TargetGroupArn": other, "Weight": rest},
        ],
    }
    return [{"Type": "forward", "ForwardConfig": forward}]


def forwarded(actions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the target groups, with weights, that actions forward to."""
    return [
        group
        for action in actions
        if action["Type"] == "forward"
        for group in action.get("ForwardConfig", {}).get(
            "TargetGroups", [{"TargetGroupArn": action.get("TargetGroupArn")}]
        )
    ]


def is_rule(arn: str) -> bool:
    """Return whether an ARN is a rule's, of an Application Load Balancer; else it is a listener's."""
    return ":listener-rule/" in arn


def listener_of(rule: str) -> str:
    """Return the ARN of the listener that a rule belongs to."""
    return rule.replace(":listener-rule/", ":listener/").rpartition("/")[0]


def groups_of(balancer: Mapping[str, Any], *, alternate: bool) -> tuple[str, str]:
    """Return the target group of a revision's tasks, and the other one."""
    first, second = balancer["targetGroupArn"], balancer["advancedConfiguration"]["alternateTargetGroupArn"]
    return (second, first) if alternate else (first, second)


def advanced(balancers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the load balancers between whose target groups requests are shifted."""
    return [each for each in balancers if "advancedConfiguration" in each]


def rules_in(balancers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ARNs of the rules and listeners that load balancers name."""
    found = [
        each["advancedConfiguration"].get(name)
        for each in advanced(balancers)
        for name in ("productionListenerRule", "testListenerRule")
    ]
    return list(dict.fromkeys(arn for arn in found if arn))


def problem(balancers: Iterable[Mapping[str, Any]], rules: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """Return why requests cannot be shifted, in AWS's words; None where they can. `rules` are actions by ARN.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html
    """
    for each in advanced(balancers):
        settings = each["advancedConfiguration"]
        pair = (each["targetGroupArn"], settings["alternateTargetGroupArn"])
        production, test = settings.get("productionListenerRule"), settings.get("testListenerRule")
        if any(arn is not None and arn not in rules for arn in (production, test)):
            return ". One or more rules not found"
        if production is None:
            continue
        actions = rules[production]
        if any(action["Type"] != "forward" for action in actions):
            return f". productionListenerRule {production} must only have forward actions"
        known = {group["TargetGroupArn"] for arn in (production, test) if arn for group in forwarded(rules[arn])}
        for arn in pair:
            if arn not in known:
                return f": Target group {arn} is not associated with either productionListenerRule or testListenerRule."
        serving = [group["TargetGroupArn"] for group in forwarded(actions) if group.get("Weight", 1)]
        for arn in serving:
            if arn not in pair:
                return (
                    f". Production listener rule is forwarding traffic to unexpected target group {arn}. Expected "
                    f"traffic to be forwarded to either targetGroupArn: {pair[0]} or alternateTargetGroupArn: {pair[1]}"
                )
        if len(serving) != 1:
            return (
                f". productionListenerRule {production} should have exactly one target group serving traffic but found "
                f"{len(serving)} target groups which are serving traffic"
            )
    return None
