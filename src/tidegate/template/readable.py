"""Templates as people read them: YAML in the usual order, in short forms, with comments where one would ask why."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml
from troposphere import Template

_ORDER = ("AWSTemplateFormatVersion", "Description", "Parameters", "Conditions", "Resources", "Outputs")
_RESOURCE_ORDER = ("Type", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Properties")
_WIDTH = 110
# what PyYAML puts in quotes only because it is tagged
_QUOTED = re.compile(r"(![A-Za-z]+) '(\w[\w.:/@${}*-]*[\w/}*]|\w)'$", re.MULTILINE)
_MARK = "\N{REPLACEMENT CHARACTER}"  # stands where a comment will be

# by type and property, or by the name of a parameter
_WHY: Mapping[tuple[str, str], str] = {
    (
        "Parameters",
        "Image",
    ): "Pass what runs at the moment (by digest): an update must not take back what the pipeline deployed.",
    (
        "Parameters",
        "DesiredCount",
    ): "Pass how many run at the moment: an update must not reset what autoscaling decided.",
    (
        "Parameters",
        "LiveTargets",
    ): "Pass which target group has the weight at the moment (the actions of Rule1 say so), or "
    "requests go to where no task is.",
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "TargetTrackingScalingPolicyConfiguration",
    ): "Adds tasks fast and takes them away slowly.",
    ("AWS::CertificateManager::Certificate", "DomainValidationOptions"): "The record that proves the name is yours is "
    "written into this zone by CloudFormation.",
    ("AWS::CloudWatch::Alarm", "TreatMissingData"): "No request, no error.",
    (
        "AWS::CodeBuild::Project",
        "Cache",
    ): "Layers stay on the build machine for a while; the image `latest` brings them where they did not.",
    (
        "AWS::CodeConnections::Connection",
        "ProviderType",
    ): "It is pending until somebody has confirmed it in the console (output HandshakeUrl).",
    ("AWS::CodePipeline::Pipeline", "ExecutionMode"): "A newer push overtakes one that waits.",
    (
        "AWS::EC2::NatGateway",
        "SubnetId",
    ): "One for all zones: a second one would double the cost, and only help when a zone fails.",
    ("AWS::EC2::SecurityGroup", "GroupDescription"): "",
    ("AWS::ECR::Repository", "EmptyOnDelete"): "Without it the stack could not be deleted while there is an image.",
    (
        "AWS::ECR::Repository",
        "ImageTagMutability",
    ): "A commit's tag never changes. `latest` moves: it is only where the next build finds its layers.",
    ("AWS::ECS::Cluster", "CapacityProviders"): "Both, whether used or not, so that a service can change between them.",
    (
        "AWS::ECS::Service",
        "CapacityProviderStrategy",
    ): "Shares of tasks; the base is never on Spot, which can be taken away.",
    ("AWS::ECS::Service", "DependsOn"): "A target group must be behind a load balancer before a service can use it.",
    ("AWS::ECS::Service", "DesiredCount"): "Left out where it is not given: as many as run.",
    ("AWS::ECS::Service", "HealthCheckGracePeriodSeconds"): "How long a task may fail its checks after its start.",
    ("AWS::ECS::TaskDefinition", "Family"): "The pipeline adds revisions to it, each like the last but for its image.",
    (
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Priority",
    ): "Made of the route and a hash of the service's name: a new service moves nobody's rule.",
    ("AWS::ElasticLoadBalancingV2::Listener", "SslPolicy"): "TLS 1.2 and 1.3.",
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "HealthCheckIntervalSeconds",
    ): "Faster than AWS's own (30 s, 5 times), which cost minutes in every deployment.",
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "TargetGroupAttributes",
    ): "How long an old task's open requests get; AWS's own is five minutes.",
    ("AWS::Events::Rule", "ScheduleExpression"): "In UTC.",
    ("AWS::KMS::Key", "KeyPolicy"): "S3's own key cannot be shared with another account; this one can.",
    ("AWS::S3::Bucket", "VersioningConfiguration"): "A version is a revision of the pipeline.",
}


def to_yaml(template: Template) -> str:
    """Return a template as YAML: the same document, as `aws cloudformation deploy` takes it."""
    document = template.to_dict()
    ordered = {key: document[key] for key in (*_ORDER, *document) if key in document}
    comments: list[str] = []
    for name, parameter in ordered.get("Parameters", {}).items():
        ordered["Parameters"][name] = _explained(parameter, "Parameters", comments, first=name)
    for title, resource in ordered["Resources"].items():
        ordered["Resources"][title] = _resource(resource, comments)
    text = yaml.dump(_short(ordered), Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return _spaced(_commented(_QUOTED.sub(r"\1 \2", text), comments))


def _resource(resource: Mapping[str, Any], comments: list[str]) -> dict[str, Any]:
    kind = resource["Type"]
    ordered = {key: resource[key] for key in (*_RESOURCE_ORDER, *resource) if key in resource}
    if "Properties" in ordered:
        ordered["Properties"] = _explained(ordered["Properties"], kind, comments)
    return _explained(ordered, kind, comments)


def _explained(mapping: Mapping[str, Any], kind: str, comments: list[str], first: str | None = None) -> dict[str, Any]:
    """Return a mapping with marks before the keys of which there is something to say."""
    explained: dict[str, Any] = {}
    for key, value in mapping.items():
        why = _WHY.get((kind, first or key))
        if why and not (first and explained):
            explained[f"{_MARK}{len(comments)}"] = None
            comments.append(why)
        explained[key] = value
    return explained


def _commented(text: str, comments: list[str]) -> str:
    """Return the text with comments in the places of their marks."""
    lines = []
    for line in text.splitlines():
        mark = line.strip()
        if mark.startswith(_MARK):
            indent = line[: len(line) - len(line.lstrip())]
            why = comments[int(mark[1:].partition(":")[0])]
            lines += textwrap.wrap(why, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _spaced(text: str) -> str:
    """Return the text with an empty line before each section and each resource."""
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        begins = bool(line) and not line.startswith((" ", "#", "-"))
        if begins:
            section = line.partition(":")[0]
        of_resources = section == "Resources" and line.startswith("  ") and not line.startswith("   ")
        if lines and (begins or (of_resources and not lines[-1].startswith("Resources"))):
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


class _Tagged:
    """A function in its short form: its tag, and what it is applied to."""

    def __init__(self, tag: str, value: Any) -> None:
        self.tag = tag
        self.value = value


def _short(node: Any) -> Any:
    """Return a document with functions in their short forms."""
    if isinstance(node, list):
        return [_short(each) for each in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        name, value = next(iter(node.items()))
        if name in ("Ref", "Condition") and isinstance(value, str):
            return _Tagged(f"!{name}", value)
        if name.startswith("Fn::"):
            return _Tagged(f"!{name.removeprefix('Fn::')}", _argument(name, value))
    return {key: _short(value) for key, value in node.items()}


def _argument(name: str, value: Any) -> Any:
    if name == "Fn::GetAtt" and all(isinstance(each, str) for each in value):
        return ".".join(value)
    return _short(value)


class _Dumper(yaml.SafeDumper):
    """Writes lists below their key with an indent, and the same thing twice rather than by name."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists, too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Never refer to an earlier part."""
        return True


def _represent_tagged(dumper: _Dumper, tagged: _Tagged) -> yaml.Node:
    if isinstance(tagged.value, list):
        return dumper.represent_sequence(tagged.tag, tagged.value, flow_style=_is_flat(tagged.value))
    if isinstance(tagged.value, dict):
        return dumper.represent_mapping(tagged.tag, tagged.value)
    # a short form of a short form is no YAML
    if isinstance(tagged.value, _Tagged):
        name = tagged.tag.removeprefix("!")
        return dumper.represent_mapping("tag:yaml.org,2002:map", {f"Fn::{name}": tagged.value})
    return dumper.represent_scalar(tagged.tag, str(tagged.value))


def _is_flat(values: list[Any]) -> bool:
    return all(isinstance(each, (str, int, float)) for each in values)


_Dumper.add_representer(_Tagged, _represent_tagged)
