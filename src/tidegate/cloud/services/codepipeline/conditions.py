"""A stage's conditions as they are declared: what they are held against when a pipeline is created or updated.

https://docs.aws.amazon.com/codepipeline/latest/userguide/stage-conditions.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from tidegate.cloud import schedule
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.codepipeline.configuration import check_build_configuration
from tidegate.cloud.services.codepipeline.model import BEFORE_ENTRY, ON_FAILURE, ON_SUCCESS
from tidegate.cloud.services.codepipeline.rule_types import KNOWN_RULES, RULES
from tidegate.cloud.services.codepipeline.variables import DECLARED, RESERVED, references

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

OPERATORS: Final = ("EQ", "NE", "CONTAINS", "MATCHES")
ALARM_STATES: Final = ("ALARM", "OK", "INSUFFICIENT_DATA")
DEFAULT_RESULT: Final = "FAIL"

_RESULTS = {
    BEFORE_ENTRY: ("FAIL", "SKIP"),
    ON_SUCCESS: ("FAIL", "ROLLBACK"),
    ON_FAILURE: ("FAIL", "RETRY", "ROLLBACK"),
}
_MEMBERS = {BEFORE_ENTRY: "beforeEntry", ON_SUCCESS: "onSuccess", ON_FAILURE: "onFailure"}


class Declared(NamedTuple):
    """A condition of a stage."""

    kind: str  # BEFORE_ENTRY, ON_SUCCESS, ON_FAILURE
    member: str  # what it is called in the stage's declaration
    result: str
    rules: list[t.RuleDeclarationOutputTypeDef]


def conditions(stage: t.StageDeclarationOutputTypeDef) -> Iterator[Declared]:
    """Yield a stage's conditions; there is one of each kind at most."""
    for kind, member in _MEMBERS.items():
        for each in stage.get(member, {}).get("conditions", []):  # type: ignore[attr-defined]
            yield Declared(kind, member, each.get("result", DEFAULT_RESULT), each.get("rules", []))


def condition(stage: t.StageDeclarationOutputTypeDef, kind: str) -> Declared | None:
    """Return a stage's condition of a kind."""
    return next((each for each in conditions(stage) if each.kind == kind), None)


def check_conditions(pipeline: t.PipelineDeclarationOutputTypeDef, region: str) -> None:
    """Raise for a condition that AWS would not accept, or that is not offered."""
    for stage in pipeline["stages"]:
        for each in conditions(stage):
            _check_condition(each, stage, pipeline)
            for rule in each.rules:
                _check_rule(rule, each, stage, region)
                _check_references(rule, pipeline)


def window(configuration: Mapping[str, str]) -> tuple[schedule.Schedule, str | None]:
    """Return when a DeploymentWindow is open, by the minute, and its time zone; raise InvalidScheduleError.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference-DeploymentWindow.html
    """
    text, timezone = configuration["Cron"], configuration.get("TimeZone")
    schedule.zone(timezone)
    fields = text.split()
    if len(fields) not in (6, 7):
        raise schedule.InvalidScheduleError(
            f"{text} does not have six or seven fields: seconds minutes hours day-of-month month day-of-week year"
        )
    if fields[0] != "*":
        raise schedule.InvalidScheduleError(f"the seconds of {text} must be *: a window opens and closes by the minute")
    years = fields[6] if len(fields) == 7 else "*"
    return schedule.parse(f"cron({' '.join([*fields[1:6], years])})"), timezone


def opens(configuration: Mapping[str, str], now: datetime) -> datetime | None:
    """Return when a window is open the next time: `now` where it is; None where it never will be."""
    times, timezone = window(configuration)
    minute = now.replace(second=0, microsecond=0)
    found = schedule.next_after(times, minute - timedelta(microseconds=1), timezone)
    return now if found == minute else found


def _wrong(message: str) -> ServiceError:
    return ServiceError("InvalidStructureException", message)


def _check_condition(
    declared: Declared, stage: t.StageDeclarationOutputTypeDef, pipeline: t.PipelineDeclarationOutputTypeDef
) -> None:
    where = f"the {declared.member} condition of stage {stage['name']}"
    if pipeline["pipelineType"] == "V1":
        raise _wrong(f"Conditions require the pipeline type V2 ({where})")
    if stage is pipeline["stages"][0] and (declared.kind == BEFORE_ENTRY or declared.result == "ROLLBACK"):
        raise _wrong(f"The source stage {stage['name']} has neither entry conditions nor anything to roll back to")
    if declared.result not in _RESULTS[declared.kind]:
        allowed = " or ".join(_RESULTS[declared.kind])
        raise _wrong(f"The result of {where} cannot be {declared.result}: it must be {allowed}")
    if declared.result == "ROLLBACK" and pipeline["executionMode"] == "PARALLEL":
        raise _wrong(f"The result ROLLBACK of {where} cannot be used in a pipeline of execution mode PARALLEL")
    if not declared.rules:
        raise _wrong(f"{where[0].upper()}{where[1:]} must have at least one rule")
    for name, count in Counter(each["name"] for each in declared.rules).items():
        if count > 1:
            raise _wrong(f"Rule name must be unique within a condition. {name} is used more than once in {where}")


def _check_rule(
    rule: t.RuleDeclarationOutputTypeDef, declared: Declared, stage: t.StageDeclarationOutputTypeDef, region: str
) -> None:
    name, kind = rule["name"], rule["ruleTypeId"]
    provider, where = kind["provider"], f"rule {name} of stage {stage['name']}"
    if provider in KNOWN_RULES:
        raise not_offered(f"the codepipeline rule {provider} ({where})", KNOWN_RULES[provider])
    if provider not in RULES or kind.get("version", "1") != "1":
        raise _wrong(
            f"RuleType (Category: 'Rule', Provider: '{provider}', Owner: 'AWS', Version: '{kind.get('version', '1')}') "
            f"in {where} is not available in region '{region}'"
        )
    if rule.get("region", region) != region:
        raise not_offered(f"codepipeline rules in another region than the pipeline's ({where})")
    if provider == "Commands" and not rule.get("commands"):
        raise _wrong(f"The {where} must have commands")
    if provider == "Commands" and "roleArn" in rule:
        raise not_offered(f"a roleArn for codepipeline rules of the provider Commands ({where})")
    if provider != "Commands" and rule.get("commands"):
        raise _wrong(f"The {where} cannot have commands: they are for rules of the provider Commands")
    configuration, offered = rule.get("configuration", {}), RULES[provider]
    for key, needed in offered.keys.items():
        if needed and key not in configuration:
            raise _wrong(f"The configuration of {where} is missing required configuration '{key}'")
    for key in configuration:
        if key not in offered.keys:
            raise _wrong(f"The configuration of {where} contains unknown configuration '{key}'")
    count, bounds = len(rule.get("inputArtifacts", [])), offered.inputs
    if not bounds.least <= count <= bounds.most:
        raise _wrong(f"The {where} declares {count} input artifacts: it must be {bounds.least} to {bounds.most}")
    check = _CHECKS.get(provider)
    if check is not None:
        try:
            check(rule, {key: value for key, value in configuration.items() if "#{" not in value})
        except ValueError as error:
            raise _wrong(f"The configuration of {where} cannot be used: {error}") from None


def _check_alarm(rule: t.RuleDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    for each in alarm_states(known):
        if each not in ALARM_STATES:
            raise ValueError(f"AlarmStates has {each}, which is none of {', '.join(ALARM_STATES)}")
    if not is_number(known.get("WaitTime", "0")):
        raise ValueError("WaitTime must be a number of minutes")


def alarm_states(configuration: Mapping[str, str]) -> list[str]:
    """Return the states of its alarm that a CloudWatchAlarm rule is not met in."""
    return [each.strip() for each in configuration.get("AlarmStates", "ALARM").split(",") if each.strip()]


def _check_window(rule: t.RuleDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    if "Cron" in known:
        try:
            window(known)
        except schedule.InvalidScheduleError as error:
            raise ValueError(str(error)) from None


def _check_variable(rule: t.RuleDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    if known.get("Operator", "EQ") not in OPERATORS:
        raise ValueError(f"the Operator {known['Operator']} is none of {', '.join(OPERATORS)}")
    if known.get("Operator") == "MATCHES" and "Value" in known:
        try:
            re.compile(known["Value"])
        except re.error as error:
            raise ValueError(f"{known['Value']} is not a regular expression: {error}") from None


def _check_build(rule: t.RuleDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    inputs = [each["name"] for each in rule.get("inputArtifacts", [])]
    check_build_configuration(rule["name"], rule.get("configuration", {}), known, inputs)


_CHECKS: Mapping[str, Callable[[t.RuleDeclarationOutputTypeDef, Mapping[str, str]], None]] = {
    "CloudWatchAlarm": _check_alarm,
    "CodeBuild": _check_build,
    "DeploymentWindow": _check_window,
    "VariableCheck": _check_variable,
}


def _check_references(rule: t.RuleDeclarationOutputTypeDef, pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    actions = [action for stage in pipeline["stages"] for action in stage["actions"]]
    known = {*RESERVED, *(each["namespace"] for each in actions if "namespace" in each)}
    variables = {each["name"] for each in pipeline.get("variables", [])}
    for text in (*rule.get("configuration", {}).values(), *rule.get("commands", [])):
        for reference in references(text):
            missing = reference.namespace == DECLARED and reference.key not in variables
            if not reference.key or reference.namespace not in known or missing:
                raise _wrong(f"Rule {rule['name']} refers to #{{{reference.text}}}, a variable that there is not")
    made = {output["name"] for each in actions for output in each["outputArtifacts"]}
    for artifact in rule.get("inputArtifacts", []):
        if artifact["name"] not in made:
            raise _wrong(f"Rule {rule['name']} takes the artifact {artifact['name']}, which no action makes")
