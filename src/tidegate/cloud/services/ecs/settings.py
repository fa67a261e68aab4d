"""Account settings: which there are, what they may be, and which value holds for whom. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html. The long ARNs and the
authorization of tags cannot be turned off any more, on AWS since April 2021 and March 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tidegate.cloud.errors import ServiceError, not_offered

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

CONTAINER_INSIGHTS: Final = "containerInsights"
LOG_DRIVER_MODE: Final = "defaultLogDriverMode"
_SWITCH = ("enabled", "disabled")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its value where nobody has put one, the values it may have, and those only AWS can make true."""

    default: str
    allowed: tuple[str, ...]
    not_here: tuple[str, ...] = ()
    managed: bool = False  # by AWS: it can be read only


SETTINGS: Mapping[str, Setting] = {
    "awsvpcTrunking": Setting("disabled", _SWITCH),  # of container instances, which there are none of
    CONTAINER_INSIGHTS: Setting("disabled", (*_SWITCH, "enhanced")),
    "containerInstanceLongArnFormat": Setting("enabled", ("enabled",)),
    LOG_DRIVER_MODE: Setting("non-blocking", ("blocking", "non-blocking")),
    "fargateEventWindows": Setting("disabled", _SWITCH, not_here=("enabled",)),
    "fargateFIPSMode": Setting("disabled", _SWITCH, not_here=("enabled",)),
    "fargateTaskRetirementWaitPeriod": Setting("7", ("0", "7", "14")),  # nothing here has to be patched
    "guardDutyActivate": Setting("off", ("on", "off"), managed=True),
    "serviceLongArnFormat": Setting("enabled", ("enabled",)),
    "tagResourceAuthorization": Setting("on", ("on",)),
    "taskLongArnFormat": Setting("enabled", ("enabled",)),
}


def check_value(name: str, value: str) -> None:
    """Raise InvalidParameterException where a setting cannot have a value; refuse what only AWS can make true."""
    setting = SETTINGS[name]
    if setting.managed:
        raise ServiceError("InvalidParameterException", f"The account setting {name} is managed by AWS.")
    if value not in setting.allowed:
        allowed = ", ".join(setting.allowed)
        raise ServiceError("InvalidParameterException", f"Invalid setting 'value': {name} can be {allowed}.")
    if value in setting.not_here:
        raise not_offered(f"the account setting {name} {value}")


def effective(name: str, principal: str, root: str, put: Mapping[tuple[str, str], str]) -> t.SettingTypeDef:
    """Return the setting that holds for a principal: its own, else the account's (`root`), else ECS's default.

    `put` has the values by principal and name.
    """
    for owner in (principal, root):
        value = put.get((owner, name))
        if value is not None:
            return shown(name, value, owner)
    return shown(name, SETTINGS[name].default, root)


def shown(name: str, value: str, principal: str) -> t.SettingTypeDef:
    """Return a setting in AWS's shape."""
    kind = "aws_managed" if SETTINGS[name].managed else "user"
    setting: t.SettingTypeDef = {"name": name, "value": value, "principalArn": principal, "type": kind}  # type: ignore[typeddict-item]
    return setting
