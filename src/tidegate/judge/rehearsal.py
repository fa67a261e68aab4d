"""A manifest as it is rehearsed on one machine: what its roles may do stays, what takes time or is elsewhere goes.

Networks, domains, alarms, counts and waiting times appear in no role. The local cloud has one account, and pipelines
that stay in their region: what stages elsewhere need is named, not rehearsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.manifest import Manifest
from tidegate.template.stacks import all_stacks

_SHIFTS = ("blue-green", "linear", "canary")
_STEPPED = ("linear", "canary")
_STOP = 2  # seconds
_CHECKS = {"interval": 5, "timeout": 2, "healthy": 2, "unhealthy": 2}


def rehearsed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a manifest (tidegate.yml as YAML reads it) for a rehearsal."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    copy["services"] = {name: _service(each or {}) for name, each in copy["services"].items()}
    pipeline = copy.get("pipeline") or {}
    stages = [each if isinstance(each, str) else each["environment"] for each in pipeline.get("stages") or []]
    given = {name: each or {} for name, each in (copy.get("environments") or {}).items()}
    elsewhere = _elsewhere(given, stages, pipeline)
    pipeline.pop("account", None)
    pipeline.pop("image", None)
    environments = {name: _environment(each) for name, each in given.items() if name not in elsewhere}
    if environments or "environments" in copy:
        copy["environments"] = environments
    if "stages" in pipeline:
        pipeline["stages"] = [each for each in stages if each not in elsewhere]
    if pipeline:
        copy["pipeline"] = pipeline
    return copy


def _elsewhere(
    environments: Mapping[str, Mapping[str, Any]], stages: Sequence[str], pipeline: Mapping[str, Any]
) -> set[str]:
    """Return the stages that are in another region or account than their pipeline."""
    if not stages:
        return set()
    home = pipeline.get("region") or environments.get(stages[0], {}).get("region")
    account = pipeline.get("account")
    found = [(name, environments.get(name, {})) for name in stages]
    return {name for name, each in found if each.get("region", home) != home or each.get("account", account) != account}


def actions(manifest: Manifest, environment: str) -> set[tuple[str, str]]:
    """Return what the roles of a manifest may do, as logical ids with actions."""
    stacks = all_stacks(manifest, manifest.stages_of(environment))
    return {each for stack in stacks for each in _actions(stack.template.to_dict())}


def _actions(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for title, resource in template["Resources"].items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                for action in statement["Action"]:
                    yield title, action


def _service(service: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in service.items() if name not in ("arch", "spot", "scaling", "count")}
    if service.get("count") == 0:
        kept["count"] = 0
    kept["deployment"] = {**_deployment(service), "stop_timeout": _STOP}
    if "port" in service:
        kept["health"] = {**(service.get("health") or {}), **_CHECKS}
    return kept


def _environment(environment: dict[str, Any]) -> dict[str, Any]:
    gone = ("network", "load_balancer", "domain", "account")
    kept = {name: value for name, value in environment.items() if name not in gone}
    if "services" in kept:
        kept["services"] = {name: _override(each or {}) for name, each in (kept["services"] or {}).items()}
    return kept


def _override(service: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in service.items() if name not in ("arch", "spot", "scaling", "count")}
    deployment = _deployment(service)
    if deployment.get("strategy") == "rolling":  # over another strategy
        deployment |= {"bake_time": None, "step_bake_time": None, "step_percent": None}
    if deployment:
        kept["deployment"] = deployment
    return kept


def _deployment(service: Mapping[str, Any]) -> dict[str, Any]:
    deployment = {name: value for name, value in (service.get("deployment") or {}).items() if name != "alarms"}
    if deployment.get("strategy") in _SHIFTS:
        deployment["bake_time"] = 0
    if deployment.get("strategy") in _STEPPED:
        deployment["step_bake_time"] = 0
    return deployment
