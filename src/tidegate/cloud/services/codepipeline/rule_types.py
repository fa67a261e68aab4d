"""The rule types that stage conditions are made of: what each takes and is configured with.

https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tidegate.cloud.services.codepipeline.action_types import OFFERED, ActionType, Bounds, TypeName

RULE: Final = "Rule"  # the one category of rules

_NONE = Bounds(0, 0)
_HOUR, _DAY = 60, 24 * 60  # minutes

_CODEBUILD = OFFERED[TypeName("Build", "CodeBuild")]

_RULES = (
    ActionType(
        TypeName(RULE, "CloudWatchAlarm"),
        inputs=_NONE,
        outputs=_NONE,
        keys={"AlarmName": True, "AlarmStates": False, "WaitTime": False},
        timeout=_DAY,
    ),
    ActionType(TypeName(RULE, "CodeBuild"), Bounds(1, 5), _NONE, _CODEBUILD.keys, _CODEBUILD.timeout),
    ActionType(TypeName(RULE, "Commands"), Bounds(0, 10), _NONE, {}, _HOUR, managed=True),
    ActionType(
        TypeName(RULE, "DeploymentWindow"),
        inputs=_NONE,
        outputs=_NONE,
        keys={"Cron": True, "TimeZone": False},
        timeout=7 * _DAY,
    ),
    ActionType(
        TypeName(RULE, "VariableCheck"),
        inputs=_NONE,
        outputs=_NONE,
        keys={"Operator": True, "Variable": True, "Value": True},
        timeout=_HOUR,
    ),
)

RULES: Mapping[str, ActionType] = {each.name.provider: each for each in _RULES}

# what AWS has besides, and why it is refused
KNOWN_RULES: Mapping[str, str] = {"LambdaInvoke": "there are no functions here"}
