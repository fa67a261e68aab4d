"""How a service is deployed: its deployment configuration checked, and completed with ECS's defaults.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecs.hooks import PAUSE
from tidegate.cloud.services.ecs.plan.pauses import ROLLING_STAGES, STAGES
from tidegate.cloud.services.ecs.traffic import ROLLING, SETTINGS

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

DEFAULTS: t.DeploymentConfigurationOutputTypeDef = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": ROLLING,
    "bakeTimeInMinutes": 0,
}
_MOST_HOOKS = 10
_PATIENCE = {"timeoutInMinutes": 1440, "action": "ROLLBACK"}
_LONGEST_BAKE = 1440  # minutes
_LEAST = {"stepPercent": 3.0, "canaryPercent": 0.1}


def merged_configuration(
    current: Mapping[str, Any], given: Mapping[str, Any]
) -> t.DeploymentConfigurationOutputTypeDef:
    """Return a deployment configuration with what is given put over what it is; raise InvalidParameterException."""
    merged: Any = {**current, **given}
    strategy = merged["strategy"]
    _check_minutes("bakeTimeInMinutes", merged["bakeTimeInMinutes"])
    for name, (member, defaults) in SETTINGS.items():
        if name == strategy:
            merged[member] = _checked({**defaults, **merged.get(member, {})})
            continue
        if member in given:
            raise _invalid(f"{member} can only be specified with the deployment strategy {name}.")
        merged.pop(member, None)
    hooks = _checked_hooks(merged.pop("lifecycleHooks", []), strategy)
    if hooks:
        merged["lifecycleHooks"] = hooks
    threshold = merged["deploymentCircuitBreaker"].get("thresholdConfiguration")
    if threshold is not None and threshold["value"] < 1:
        raise _invalid("The value of a deployment circuit breaker's thresholdConfiguration must be greater than 0.")
    result: t.DeploymentConfigurationOutputTypeDef = merged
    return result


def _checked_hooks(hooks: Sequence[Mapping[str, Any]], strategy: str) -> list[dict[str, Any]]:
    """Return lifecycle hooks written out. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html"""
    if len(hooks) > _MOST_HOOKS:
        raise _invalid(f"A service can have at most {_MOST_HOOKS} PAUSE lifecycle hooks.")
    checked = []
    for hook in hooks:
        if hook.get("targetType", "AWS_LAMBDA") != PAUSE:
            raise not_offered(
                "deploymentConfiguration.lifecycleHooks of targetType AWS_LAMBDA", "no Lambda runs here; use PAUSE"
            )
        for name in ("hookTargetArn", "roleArn", "hookDetails"):
            if name in hook:
                raise _invalid(f"{name} cannot be specified for a lifecycle hook of targetType PAUSE.")
        stages = list(hook.get("lifecycleStages", []))
        if not stages:
            raise _invalid("A lifecycle hook must have at least one of lifecycleStages.")
        for stage in stages:
            if stage not in STAGES:
                raise _invalid(f"A lifecycle hook of targetType PAUSE cannot be configured at the stage {stage}.")
            if strategy == ROLLING and stage not in ROLLING_STAGES:
                raise _invalid(f"The deployment strategy ROLLING has no lifecycle stage {stage}.")
        timeout = {**_PATIENCE, **hook.get("timeoutConfiguration", {})}
        checked.append({"targetType": PAUSE, "lifecycleStages": stages, "timeoutConfiguration": timeout})
    return checked


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    for name, value in settings.items():
        if name not in _LEAST:
            _check_minutes(name, value)
        elif not _LEAST[name] <= value <= 100 or round(value * 10) != round(value * 10, 6):
            raise _invalid(f"{name} must be a multiple of 0.1 from {_LEAST[name]} to 100.0.")
        else:
            settings[name] = float(value)
    return settings


def _check_minutes(name: str, value: int) -> None:
    if not 0 <= value <= _LONGEST_BAKE:
        raise _invalid(f"{name} must be between 0 and {_LONGEST_BAKE} minutes.")


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
