"""A template held against its format: what ValidateTemplate and every create and update refuse at once.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.cloud.errors import not_offered
from tidegate.cloud.services.cloudformation import schemas
from tidegate.cloud.services.cloudformation.template.evaluate import FUNCTIONS, Scope, variables
from tidegate.cloud.services.cloudformation.template.graph import check_acyclic, dependencies, references
from tidegate.cloud.services.cloudformation.template.parameters import check_declarations
from tidegate.cloud.services.cloudformation.template.parse import TemplateError

PSEUDO = frozenset(
    f"AWS::{name}"
    for name in ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")
)
_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata", "Outputs",
        "Parameters", "Resources", "Rules", "Transform",
    }
)  # fmt: skip
_ENTRY = frozenset(
    {
        "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdatePolicy",
        "UpdateReplacePolicy",
    }
)  # fmt: skip
_POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}
_NAME = re.compile(r"[A-Za-z0-9]{1,255}")
_MOST_RESOURCES = 500
_VERSION = "2010-09-09"


def check(template: Mapping[str, Any], offered: frozenset[str] | set[str]) -> None:
    """Raise `TemplateError`, or a `ServiceError` for what is not offered, by name."""
    unknown = sorted(set(template) - _SECTIONS)
    if unknown:
        raise TemplateError(f"Invalid template property or properties [{', '.join(unknown)}]")
    if str(template.get("AWSTemplateFormatVersion", _VERSION)) != _VERSION:
        raise TemplateError(f"Template format error: {template['AWSTemplateFormatVersion']} is not a supported value "
                            "for AWSTemplateFormatVersion")  # fmt: skip
    _check_offered(template)
    for section in ("Parameters", "Mappings", "Conditions", "Outputs", "Rules"):
        if not isinstance(template.get(section, {}), Mapping):
            raise TemplateError(f"Template format error: {section} must be an object.")
    check_declarations(template)
    resources = template.get("Resources")
    if not isinstance(resources, Mapping) or not resources:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    if len(resources) > _MOST_RESOURCES:
        raise TemplateError(f"Template format error: Number of resources, {len(resources)}, is greater than maximum "
                            f"allowed, {_MOST_RESOURCES}")  # fmt: skip
    for name, entry in resources.items():
        _check_resource(template, name, entry, offered)
    for name, entry in template.get("Outputs", {}).items():
        if not isinstance(entry, Mapping) or "Value" not in entry:
            raise TemplateError(f"Template format error: Output {name} is malformed; every output must have a Value")
    _check_references(template)
    check_acyclic(dependencies(template))


def _check_offered(template: Mapping[str, Any]) -> None:
    transforms = template.get("Transform", [])
    for each in transforms if isinstance(transforms, list) else [transforms]:
        if each != "AWS::LanguageExtensions":
            raise not_offered(f"cloudformation templates with the transform {each}")
    if "Hooks" in template:
        raise not_offered("cloudformation templates with Hooks")
    for node in _nodes(template.get("Resources", {})):
        if isinstance(node, Mapping):
            for key in node:
                if key.startswith("Fn::ForEach") or key == "Fn::Transform":
                    raise not_offered(f"cloudformation templates with {key}")


def _check_resource(template: Mapping[str, Any], name: str, entry: Any, offered: frozenset[str] | set[str]) -> None:
    if not _NAME.fullmatch(name):
        raise TemplateError(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("Type"), str):
        raise TemplateError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    extra = sorted(set(entry) - _ENTRY)
    if extra:
        raise TemplateError(f"Invalid template resource property '{extra[0]}' in {name}")
    kind = entry["Type"]
    if kind not in offered:
        if schemas.exists(kind):
            raise not_offered(f"cloudformation the resource type {kind} ({name})")
        raise TemplateError(f"Template format error: Unrecognized resource types: [{kind}]")
    for attribute in ("CreationPolicy", "UpdatePolicy"):
        if attribute in entry:
            raise not_offered(f"cloudformation {attribute} ({name})")
    for attribute, values in _POLICIES.items():
        if attribute in entry and entry[attribute] not in values:
            if entry[attribute] == "Snapshot":
                raise not_offered(f"cloudformation {attribute} Snapshot ({name})")
            raise TemplateError(
                f"Template format error: Unrecognized {attribute} {entry[attribute]} for resource {name}"
            )
    if not isinstance(entry.get("Properties", {}), Mapping):
        raise TemplateError(f"Template format error: [/Resources/{name}/Properties] must be an object")
    if "Condition" in entry and entry["Condition"] not in template.get("Conditions", {}):
        raise TemplateError(f"Template format error: Unresolved condition {entry['Condition']} in resource {name}")


def _check_references(template: Mapping[str, Any]) -> None:
    resources, parameters = template["Resources"], template.get("Parameters", {})
    for section in ("Resources", "Outputs", "Conditions"):
        known = PSEUDO | set(parameters) | (set(resources) if section != "Conditions" else set())
        for title, entry in template.get(section, {}).items():
            missing = {name for name in references(entry) if name not in known}
            depends = entry.get("DependsOn", []) if section == "Resources" else []
            missing |= set([depends] if isinstance(depends, str) else depends) - set(resources)
            if missing:
                raise TemplateError(
                    f"Template format error: Unresolved resource dependencies [{', '.join(sorted(missing))}] in the "
                    f"{section} block of the template ({title})"
                )
            for node in _nodes(entry):
                _check_node(template, node)


def _check_node(template: Mapping[str, Any], node: Any) -> None:
    if not isinstance(node, Mapping) or len(node) != 1:
        return
    ((name, argument),) = node.items()
    if name.startswith("Fn::") and name not in FUNCTIONS:
        raise TemplateError(f"Template error: {name} is not a function that can be used here")
    if name == "Fn::GetAtt":
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[1], str):
            _check_attribute(template, str(parts[0]), parts[1])
    elif name == "Fn::Sub":
        text, own = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        for variable in variables(str(text)):
            if "." in variable and variable not in own:
                _check_attribute(template, *variable.split(".", 1))


def _check_attribute(template: Mapping[str, Any], resource: str, attribute: str) -> None:
    if resource not in template["Resources"]:
        raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {resource}")
    kind = template["Resources"][resource]["Type"]
    if not schemas.schema(kind).has_attribute(attribute):
        raise TemplateError(
            f"Template error: resource {resource} does not support attribute type {attribute} in Fn::GetAtt"
        )


def check_rules(template: Mapping[str, Any], scope: Scope) -> None:
    """Raise `TemplateError` where an assertion of a rule does not hold."""
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not _holds(scope, rule["RuleCondition"]):
            continue
        for assertion in rule.get("Assertions", []):
            if not _holds(scope, assertion["Assert"]):
                why = assertion.get("AssertDescription", "an assertion does not hold")
                raise TemplateError(f"Template validation error: Template error: Rule {name}: {why}")


def _holds(scope: Scope, node: Any) -> bool:
    """Return the value of a rule's condition, with the functions that only rules have."""
    if isinstance(node, Mapping) and len(node) == 1:
        ((name, argument),) = node.items()
        if name == "Fn::Contains":
            items, wanted = (scope.value(each) for each in argument)
            return wanted in items
        if name == "Fn::EachMemberIn":
            mine, others = (scope.value(each) for each in argument)
            return all(each in others for each in mine)
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)(_holds(scope, each) for each in argument)
        if name == "Fn::Not":
            return not _holds(scope, argument[0])
        if name in ("Fn::EachMemberEquals", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"):
            raise not_offered(f"cloudformation rules with {name}")
    return bool(scope.value(node))


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for each in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _nodes(each)
