"""A change set as people read it: what of each resource changes, from what to what, and what it means meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Action = Literal["Add", "Modify", "Replace", "Remove"]

_LONGEST = 60  # characters of a value
# what is made anew in the course of things: the old one goes when the new one is in use
_REVISION = "AWS::ECS::TaskDefinition"
# the property that is a name of its own, which cannot be given twice
_NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::CodeCommit::Repository": "RepositoryName",
    "AWS::CodePipeline::Pipeline": "Name",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::ECS::Service": "ServiceName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
}
_GONE = {
    "AWS::CodeCommit::Repository": "its commits are gone",
    "AWS::CodePipeline::Pipeline": "its history is gone",
    "AWS::EC2::NatGateway": "tasks reach nothing outside until there is another",
    "AWS::EC2::VPC": "everything in it has to go first",
    "AWS::ECR::Repository": "its images are gone, and with them every rollback",
    "AWS::ECS::Cluster": "no service can run in it any more",
    "AWS::ECS::Service": "it stops answering",
    "AWS::ElasticLoadBalancingV2::Listener": "requests to its port are refused",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "its requests go to another service, or are answered with 404",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "its address stops answering",
    "AWS::Events::Rule": "what it started is not started any more",
    "AWS::Logs::LogGroup": "its log is gone",
    "AWS::S3::Bucket": "what is in it is gone",
}
_REPLACED = {
    "AWS::CodeCommit::Repository": "its commits are gone: push again",
    "AWS::EC2::NatGateway": "connections to the outside break, and come from another address",
    "AWS::EC2::SecurityGroup": "no interruption: tasks get the new one in a rolling deployment",
    "AWS::EC2::Subnet": "what is in it moves: a load balancer keeps its address, tasks are replaced",
    "AWS::EC2::VPC": "everything in it is made anew: the address changes, and nothing answers meanwhile",
    "AWS::ECR::Repository": "its images are gone: no rollback to a version from before, and the next build starts cold",
    "AWS::ECS::Cluster": "its services are made anew and do not answer meanwhile",
    "AWS::ECS::Service": "it does not answer from when it is removed until the new one's tasks are healthy",
    "AWS::ElasticLoadBalancingV2::Listener": "requests to its port are refused for some seconds",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "its requests may be answered with 404 for some seconds",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "its address changes: names that point to it must follow, and open "
    "connections break",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "the service moves to the new one; requests may fail for some seconds",
    "AWS::IAM::Role": "no interruption: what uses it gets the new one first",
    "AWS::Logs::LogGroup": "its log is gone",
    "AWS::S3::Bucket": "what is in it is gone",
}
_ROLLING = "a new revision; its tasks take the place of the old ones without an interruption"


@dataclass(frozen=True, slots=True)
class Detail:
    """A property's path, its value before and after as people read it, and whether it forces a replacement."""

    path: str
    before: str | None
    after: str | None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A change of one resource as it is shown. `loud`: it interrupts or loses something."""

    action: Action
    resource: str
    type: str
    details: tuple[Detail, ...] = ()
    why: str = ""
    means: str = ""
    loud: bool = False

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self)


def shown(
    action: Action,
    resource: str,
    kind: str,
    *,
    named: Iterable[str] = (),
    forcing: Iterable[str] = (),
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    parameters: Mapping[str, tuple[str, str]] | None = None,
    anew: Iterable[str] = (),
) -> Shown:
    """Return a change of a change set with what the templates on both sides tell about it.

    `named` are the properties that the change set names, `forcing` those of them that force a replacement;
    `before` and `after` are the resource's properties; `parameters` are the stack's that change: (before, after);
    `anew` are the resources of the stack that are replaced or added.
    """
    forcing = set() if kind == _REVISION else set(forcing)
    sources = _Sources(parameters or {}, set(anew))
    details = tuple(_details(set(named), forcing, before or {}, after or {}, sources))
    if action == "Replace":
        return _replaced(resource, kind, details, forcing, after or {})
    if action == "Remove":
        means = _GONE.get(kind, "")
        return Shown(action, resource, kind, (), "", means, bool(means))
    if action == "Modify" and kind == "AWS::ECS::Service" and any(d.path.startswith("TaskDefinition") for d in details):
        return Shown(action, resource, kind, details, "", "its tasks are replaced in a rolling deployment")
    return Shown(action, resource, kind, details if action == "Modify" else ())


def _replaced(
    resource: str, kind: str, details: tuple[Detail, ...], forcing: set[str], after: Mapping[str, Any]
) -> Shown:
    if kind == _REVISION:
        return Shown("Replace", resource, kind, details, "", _ROLLING)
    because = ", ".join(sorted(forcing)) or ", ".join(detail.path for detail in details)
    why = f"{because} cannot be changed in what exists" if because else "it cannot be changed in what exists"
    means = _REPLACED.get(kind, "a new one is made, then the old one is removed")
    name = _NAMES.get(kind)
    if name is not None and name in after and name not in forcing:
        means += (
            f". Its name ({after[name]}) stays taken until it is gone, so that CloudFormation refuses this: "
            "change it back, or tidegate down, then tidegate up"
        )
    return Shown("Replace", resource, kind, details, why, means, loud=not means.startswith("no interruption"))


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where a value comes from that the template alone does not show."""

    parameters: Mapping[str, tuple[str, str]]
    anew: set[str]

    def detail(self, name: str, value: Any, *, replaces: bool) -> Detail:
        """Return a property that differs by a parameter, or by another resource that is made anew."""
        references = list(_references(value))
        for each in references:
            if each in self.parameters:
                before, after = self.parameters[each]
                return Detail(name, told(before), told(after), replaces)
        other = next((each for each in references if each in self.anew), None)
        return Detail(name, None, None if other is None else f"that of the new {other}", replaces)


def _details(
    named: set[str], forcing: set[str], before: Mapping[str, Any], after: Mapping[str, Any], sources: _Sources
) -> Iterator[Detail]:
    seen = set()
    for path, old, new in differences(before, after):
        top = path.partition(".")[0].partition("[")[0]
        seen.add(top)
        yield Detail(path, old, new, top in forcing)
    for name in sorted(named - seen):
        yield sources.detail(name, after.get(name), replaces=name in forcing)


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str | None, str | None]]:
    """Yield path, old and new value of every leaf in which two documents differ; None where there is none."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and not (_is_function(before) or _is_function(after)):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_differences(before, after, path)
    else:
        yield path, told(before), told(after)


def _list_differences(before: list[Any], after: list[Any], path: str) -> Iterator[tuple[str, str | None, str | None]]:
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        for number in range(max(len(before), len(after))):
            first, second = (each[number] if number < len(each) else None for each in (before, after))
            yield from differences(first, second, f"{path}[{number}]")
        return
    for name in [*old, *(name for name in new if name not in old)]:
        yield from differences(old.get(name), new.get(name), f"{path}[{name}]")


def _by_name(values: list[Any]) -> dict[str, Any] | None:
    """Return a list's parts by their names, where each has one of its own."""
    found: dict[str, Any] = {}
    for value in values:
        name = value.get("Name") or value.get("Key") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = dict(value)
    return found


def told(value: Any) -> str | None:
    """Return a value as one reads it in a line: functions in their short forms, long ones cut."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else _text(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and _is_function(value):
        name, argument = next(iter(value.items()))
        inner = ".".join(argument) if name == "Fn::GetAtt" and isinstance(argument, list) else told(argument)
        return f"!{name.removeprefix('Fn::')} {inner}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)


def _references(value: Any) -> Iterator[str]:
    """Yield the names that a value refers to."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "Ref" and isinstance(each, str):
                yield each
            elif key == "Fn::GetAtt" and isinstance(each, list):
                yield str(each[0])
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
