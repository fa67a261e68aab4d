"""Parameters: what a stack is given, held against what its template declares.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.cloud.services.cloudformation.template.evaluate import as_text
from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.services.cloudformation.template.references import check_default

_SSM = "AWS::SSM::Parameter::Value<"
_TYPES = frozenset({"String", "Number", "List<Number>", "CommaDelimitedList", "AWS::SSM::Parameter::Name"})
_AWS_TYPES = re.compile(r"(List<)?AWS::(EC2|Route53)::[A-Za-z]+::[A-Za-z]+(?(1)>)")
_HIDDEN = "****"
_TELLING = 4  # characters of a secret that is looked for within other texts


def is_ssm(declared: Mapping[str, Any]) -> bool:
    """Return whether a parameter's value is the name of a Systems Manager parameter."""
    return str(declared.get("Type", "")).startswith(_SSM)


def of_ssm(declared: Mapping[str, Any], name: str, parameter: Mapping[str, Any]) -> str:
    """Return the value that a Systems Manager parameter gives; raise `TemplateError` where its type does not fit.

    The items of a list are without the spaces around them.
    """
    kind, is_list = parameter["Type"], _is_list(declared["Type"])
    if kind == "SecureString":
        raise TemplateError(f"Parameters [{name}] referenced by template have types not supported by CloudFormation.")
    if (kind == "StringList") is not is_list:
        raise TemplateError(f"Types for SSM parameters [{name}] defined in CFN template and SSM are incompatible")
    value = str(parameter["Value"])
    return ",".join(each.strip() for each in value.split(",")) if is_list else value


def _is_list(kind: str) -> bool:
    return "List<" in kind or "CommaDelimitedList" in kind


def check_declarations(template: Mapping[str, Any]) -> None:
    """Raise `TemplateError` for a parameter of a type that there is not."""
    for name, declared in template.get("Parameters", {}).items():
        if not isinstance(declared, Mapping) or "Type" not in declared:
            raise TemplateError(f"Template format error: Every Parameters object must contain a Type member. ({name})")
        kind = declared["Type"]
        inner = kind[len(_SSM) : -1] if is_ssm(declared) else kind
        if inner not in _TYPES and not _AWS_TYPES.fullmatch(inner) and inner != "List<String>":
            raise TemplateError(f"Template format error: Unrecognized parameter type: {kind}")
        check_default(name, declared.get("Default"))


def given(
    template: Mapping[str, Any], parameters: Sequence[Mapping[str, Any]], previous: Mapping[str, str] | None
) -> dict[str, str]:
    """Return each declared parameter's text: as given, as before, or the default; raise `TemplateError`.

    `previous` are the stack's parameters before an update, None for a new stack.
    """
    declared = template.get("Parameters", {})
    named: dict[str, str] = {}
    for each in parameters:
        if "ParameterKey" not in each:
            raise TemplateError("Parameters: each has a ParameterKey")
        key = each["ParameterKey"]
        if each.get("UsePreviousValue"):
            if previous is None or key not in previous:
                raise TemplateError(f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true "
                                    "for a parameter key not in the previous template")  # fmt: skip
            named[key] = previous[key]
        elif "ParameterValue" in each:
            named[key] = each["ParameterValue"]
    unknown = sorted(set(named) - set(declared))
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {}
    missing = []
    for key, entry in declared.items():
        if key in named:
            values[key] = named[key]
        elif "Default" in entry:
            default = entry["Default"]
            values[key] = ",".join(map(as_text, default)) if isinstance(default, list) else as_text(default)
        else:
            missing.append(key)
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    for key, text in values.items():
        _check(key, text, declared[key])
    return values


def typed(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return the values as `Ref` gives them: text, or a list of text for the types that are lists."""
    result: dict[str, Any] = {}
    for key, text in values.items():
        kind = template["Parameters"][key]["Type"]
        is_list = _is_list(kind)
        result[key] = [each.strip() for each in text.split(",")] if is_list and text else ([] if is_list else text)
    return result


def shown(
    template: Mapping[str, Any], values: Mapping[str, str], used: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Return parameters as DescribeStacks shows them: those with `NoEcho` hidden.

    `used` are the values that the stack is made with, where those of Systems Manager's parameters are.
    """
    declared, used = template.get("Parameters", {}), values if used is None else used
    result = []
    for key, text in values.items():
        hidden = _hidden(declared.get(key, {}))
        parameter = {"ParameterKey": key, "ParameterValue": _HIDDEN if hidden else text}
        if used.get(key, text) != text:
            parameter["ResolvedValue"] = _HIDDEN if hidden else used[key]
        result.append(parameter)
    return result


def without_hidden(template: Mapping[str, Any], used: Mapping[str, str], value: Any) -> Any:
    """Return properties, or a sentence about them, as events show them: without the values of `NoEcho` parameters."""
    secrets = [used[key] for key, each in template.get("Parameters", {}).items() if _hidden(each) and used.get(key)]
    return _covered(value, sorted(secrets, key=len, reverse=True)) if secrets else value


def _covered(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        if value in secrets:
            return _HIDDEN
        for secret in secrets:
            if len(secret) >= _TELLING:
                value = value.replace(secret, _HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {name: _covered(each, secrets) for name, each in value.items()}
    return [_covered(each, secrets) for each in value] if isinstance(value, list) else value


def _hidden(declared: Mapping[str, Any]) -> bool:
    return as_text(declared.get("NoEcho", False)).lower() == "true"


def _check(key: str, text: str, declared: Mapping[str, Any]) -> None:
    """Hold one value against its declaration, list by list."""
    kind = declared["Type"]
    is_list = kind in ("CommaDelimitedList", "List<Number>") or kind.startswith("List<")
    own = declared.get("ConstraintDescription")
    why = f"failed to satisfy constraint: {own}" if own else None
    for each in [part.strip() for part in text.split(",")] if is_list else [text]:
        if "Number" in kind and not _is_number(each):
            raise TemplateError(f"Parameter '{key}' must be a number")
        allowed = [as_text(value) for value in declared.get("AllowedValues", [])]
        if allowed and each not in allowed:
            raise TemplateError(
                f"Parameter '{key}' " + (why or f"must be one of AllowedValues: [{', '.join(allowed)}]")
            )
        pattern = declared.get("AllowedPattern")
        if pattern is not None and not re.fullmatch(pattern, each):
            raise TemplateError(f"Parameter '{key}' " + (why or f"must match pattern {pattern}"))
        for member, limit in _limits(declared):
            size = len(each) if "Length" in member else float(each)
            if size < limit if member.startswith("Min") else size > limit:
                raise TemplateError(f"Parameter '{key}' " + (why or f"violates {member} {declared[member]}"))


def _limits(declared: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for member in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
        if member in declared:
            yield member, float(declared[member])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
