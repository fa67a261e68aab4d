"""A pipeline's declaration: completed with what AWS adds, and held against what AWS asks of it.

https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.codepipeline.action_types import KNOWN, OFFERED, ActionType, Bounds, TypeName
from tidegate.cloud.services.codepipeline.conditions import check_conditions
from tidegate.cloud.services.codepipeline.configuration import check_configuration, invalid_action
from tidegate.cloud.services.codepipeline.custom import is_custom
from tidegate.cloud.services.codepipeline.triggers import check_triggers
from tidegate.cloud.services.codepipeline.variables import DECLARED, RESERVED, references

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

FindCustom = Callable[[Mapping[str, Any]], ActionType | None]  # a custom action type by its id

_MOST_STAGES, _MOST_ACTIONS = 50, 100
_COMPUTE_ONLY = ("commands", "environmentVariables", "outputVariables")


def completed(given: Mapping[str, Any]) -> t.PipelineDeclarationOutputTypeDef:
    """Return a declaration as GetPipeline shows it: with everything that has a default."""
    needs_v2 = bool(given.get("variables") or given.get("triggers")) or given.get("executionMode") in (
        "QUEUED",
        "PARALLEL",
    )
    declaration: Any = {
        **given,
        "stages": [_stage(each) for each in given["stages"]],
        "executionMode": given.get("executionMode", "SUPERSEDED"),
        "pipelineType": given.get("pipelineType", "V2" if needs_v2 else "V1"),
        "version": 1,
    }
    pipeline: t.PipelineDeclarationOutputTypeDef = declaration
    return pipeline


def _stage(given: Mapping[str, Any]) -> dict[str, Any]:
    stage = {**given, "actions": [_action(each) for each in given["actions"]]}
    for member in ("beforeEntry", "onSuccess", "onFailure"):
        if "conditions" in given.get(member, {}):
            held = [
                {**each, "rules": [_rule(one) for one in each.get("rules", [])]} for each in given[member]["conditions"]
            ]
            stage[member] = {**given[member], "conditions": held}
    return stage


def _rule(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **given,
        "ruleTypeId": {"owner": "AWS", "version": "1", **given["ruleTypeId"]},
        "configuration": dict(given.get("configuration", {})),
        "inputArtifacts": list(given.get("inputArtifacts", [])),
    }


def _action(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **given,
        "runOrder": given.get("runOrder", 1),
        "configuration": dict(given.get("configuration", {})),
        "inputArtifacts": list(given.get("inputArtifacts", [])),
        "outputArtifacts": list(given.get("outputArtifacts", [])),
    }


def check(pipeline: t.PipelineDeclarationOutputTypeDef, region: str, custom: FindCustom) -> None:
    """Raise for the first thing about a completed declaration that AWS would not accept, or that is not offered."""
    _check_store(pipeline, region)
    _check_type(pipeline)
    _check_stages(pipeline)
    for stage in pipeline["stages"]:
        _check_stage(stage, pipeline)
        for action in stage["actions"]:
            _check_action(action, pipeline, region, custom)
    _check_artifacts(pipeline)
    _check_namespaces(pipeline)
    check_conditions(pipeline, region)
    check_triggers(pipeline)


def action_type(action: t.ActionDeclarationOutputTypeDef) -> ActionType:
    """Return the type of an action that was checked."""
    return OFFERED[TypeName(action["actionTypeId"]["category"], action["actionTypeId"]["provider"])]


def artifact_store(pipeline: t.PipelineDeclarationOutputTypeDef, region: str) -> t.ArtifactStoreTypeDef:
    """Return where a pipeline keeps its artifacts in a region."""
    return pipeline["artifactStores"][region] if "artifactStores" in pipeline else pipeline["artifactStore"]


def _wrong(message: str) -> ServiceError:
    return ServiceError("InvalidStructureException", message)


def _check_store(pipeline: t.PipelineDeclarationOutputTypeDef, region: str) -> None:
    if ("artifactStore" in pipeline) is ("artifactStores" in pipeline):
        raise ServiceError("ValidationException", "Pipeline must have exactly one of artifactStore and artifactStores")
    stores = pipeline["artifactStores"] if "artifactStores" in pipeline else {region: pipeline["artifactStore"]}
    if region not in stores:
        raise _wrong(f"artifactStores has no artifact store for the pipeline's region {region}")


def _check_type(pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    if pipeline["pipelineType"] != "V1":
        return
    if pipeline.get("variables"):
        raise _wrong("Pipeline variables require the pipeline type V2")
    if pipeline["executionMode"] != "SUPERSEDED":
        raise _wrong(f"Execution mode {pipeline['executionMode']} requires the pipeline type V2")


def _check_stages(pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    stages = pipeline["stages"]
    if len(stages) < 2:
        raise _wrong(f"Pipeline has only {len(stages)} stage(s). There should be a minimum of 2 stages in a pipeline")
    if len(stages) > _MOST_STAGES:
        raise ServiceError("LimitExceededException", f"Pipeline has more than {_MOST_STAGES} stages")
    for name in _repeated(stage["name"] for stage in stages):
        raise _wrong(f"Stage name must be unique within a pipeline. {name} has been used more than once.")
    first, *others = stages
    if not first["actions"] or any(_category(each) != "Source" for each in first["actions"]):
        raise _wrong("Pipeline should start with a stage that only contains source actions")
    for stage in others:
        for action in stage["actions"]:
            if _category(action) == "Source":
                raise _wrong(
                    f"Source action {action['name']} is in stage {stage['name']}: "
                    "only the first stage of a pipeline may contain source actions"
                )
    for name in _repeated(each["name"] for each in pipeline.get("variables", [])):
        raise _wrong(f"Variable name must be unique within a pipeline. {name} has been used more than once.")


def _check_stage(stage: t.StageDeclarationOutputTypeDef, pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    name = stage["name"]
    if not stage["actions"]:
        raise ServiceError("InvalidStageDeclarationException", f"Stage {name} must have at least one action")
    if len(stage["actions"]) > _MOST_ACTIONS:
        raise ServiceError("LimitExceededException", f"Stage {name} has more than {_MOST_ACTIONS} actions")
    for repeated in _repeated(each["name"] for each in stage["actions"]):
        raise ServiceError(
            "InvalidStageDeclarationException",
            f"Action name must be unique within a stage. {repeated} has been used more than once in stage {name}.",
        )
    if stage.get("blockers"):
        raise not_offered(f"codepipeline blockers (stage {name})")
    failure = stage.get("onFailure")
    if failure is None:
        return
    if pipeline["pipelineType"] == "V1":
        raise _wrong(f"onFailure of stage {name} requires the pipeline type V2")
    result = failure.get("result")
    if result is None and failure.get("conditions") and "retryConfiguration" not in failure:
        return
    if result not in ("ROLLBACK", "RETRY"):
        raise _wrong(f"onFailure of stage {name} must have the result ROLLBACK or RETRY")
    if "retryConfiguration" in failure and result != "RETRY":
        raise _wrong(f"onFailure of stage {name} has a retryConfiguration, which goes with the result RETRY")
    if result == "ROLLBACK" and pipeline["executionMode"] == "PARALLEL":
        raise _wrong(f"onFailure ROLLBACK of stage {name} cannot be used in a pipeline of execution mode PARALLEL")
    if result == "ROLLBACK" and stage is pipeline["stages"][0]:
        raise _wrong(f"onFailure ROLLBACK cannot be used in the source stage {name}")


def _check_managed(action: t.ActionDeclarationOutputTypeDef, pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    name, provider = action["name"], action["actionTypeId"]["provider"]
    if pipeline["pipelineType"] == "V1":
        raise invalid_action(f"Action {name}: the provider {provider} requires the pipeline type V2")
    if "roleArn" in action:
        raise not_offered(f"a roleArn for codepipeline {provider} actions (action {name})")
    if action["actionTypeId"]["category"] == "Compute":
        if not action.get("commands"):
            raise invalid_action(f"Action {name} must have commands")
        if any(not each.get("files") for each in action["outputArtifacts"]):
            raise invalid_action(f"The output artifact of action {name} must have files")


def _check_action(
    action: t.ActionDeclarationOutputTypeDef,
    pipeline: t.PipelineDeclarationOutputTypeDef,
    region: str,
    custom: FindCustom,
) -> None:
    name, declared = action["name"], action["actionTypeId"]
    category, owner, provider = declared["category"], declared["owner"], declared["provider"]
    kind = custom(declared) if is_custom(declared) else OFFERED.get(TypeName(category, provider))
    if (
        kind is None
        and TypeName(category, provider) in KNOWN
        and (owner == "AWS" or provider in ("GitHub", "AlexaSkillsKit", "Snyk"))
    ):
        why = KNOWN[TypeName(category, provider)]
        raise not_offered(f"the codepipeline {category} provider {provider} (action {name})", why)
    if kind is None or not (is_custom(declared) or (owner == "AWS" and declared["version"] == "1")):
        raise invalid_action(
            f"ActionType (Category: '{category}', Provider: '{provider}', Owner: '{owner}', "
            f"Version: '{declared['version']}') in action '{name}' is not available in region "
            f"'{region.upper().replace('-', '_')}'"
        )
    if kind.managed:
        _check_managed(action, pipeline)
    for member in _COMPUTE_ONLY:
        if action.get(member) and category != "Compute":
            raise invalid_action(
                f"The following action cannot contain a {member} field: {name}. "
                f"To use the {member} field, use a compute action."
            )
    if category != "Compute" and any(each.get("files") for each in action["outputArtifacts"]):
        raise invalid_action(
            f"The following action cannot contain files in its output artifacts: {name}. "
            "To use them, use a compute action."
        )
    if action.get("region", region) != region:
        raise not_offered(f"codepipeline actions in another region than the pipeline's (action {name})")
    if "timeoutInMinutes" in action and category != "Approval":
        raise invalid_action(f"Action {name} has a timeoutInMinutes, which is for manual approval actions alone")
    _check_count(name, "input", len(action["inputArtifacts"]), kind.inputs)
    _check_count(name, "output", len(action["outputArtifacts"]), kind.outputs)
    check_configuration(action, kind)


def _check_count(action: str, what: str, count: int, bounds: Bounds) -> None:
    if count < bounds.least:
        raise invalid_action(
            f"Action {action} declares {count} {what} artifacts which is less than the minimum count ({bounds.least})"
        )
    if count > bounds.most:
        raise invalid_action(
            f"Action {action} declares {count} {what} artifacts which is more than the maximum count ({bounds.most})"
        )


def _in_order(pipeline: t.PipelineDeclarationOutputTypeDef) -> Iterator[list[t.ActionDeclarationOutputTypeDef]]:
    """Yield the actions that run at the same time, one such set after the other."""
    for stage in pipeline["stages"]:
        for order in sorted({each["runOrder"] for each in stage["actions"]}):
            yield [each for each in stage["actions"] if each["runOrder"] == order]


def _check_artifacts(pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    declared: set[str] = set()
    for together in _in_order(pipeline):
        for action in together:
            for artifact in action["inputArtifacts"]:
                if artifact["name"] not in declared:
                    raise invalid_action(
                        f"Input Artifact Bundle {artifact['name']} in action {action['name']} is not declared as "
                        "Output Artifact Bundle in any of the preceding actions"
                    )
        for action in together:
            for output in action["outputArtifacts"]:
                if output["name"] in declared:
                    raise invalid_action(
                        "Output Artifact Bundle name must be unique within the pipeline. "
                        f"{output['name']} has been used more than once."
                    )
                declared.add(output["name"])


def _check_namespaces(pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    known = set(RESERVED)
    variables = {each["name"] for each in pipeline.get("variables", [])}
    for together in _in_order(pipeline):
        for action, stage in ((each, _stage_of(pipeline, each)) for each in together):
            for key, text in (*action["configuration"].items(), *compute_texts(action)):
                for reference in references(text):
                    missing = reference.namespace == DECLARED and reference.key not in variables
                    if not reference.key or reference.namespace not in known or missing:
                        raise invalid_action(
                            "Valid format for a pipeline execution variable reference is a namespace and a key "
                            "separated by a period (.). The following pipeline execution variables are referencing a "
                            f"namespace that does not exist. StageName=[{stage}], ActionName=[{action['name']}], "
                            f"ActionConfigurationKey=[{key}], VariableReferenceText=[{reference.text}]"
                        )
        for action in together:
            namespace = action.get("namespace")
            if namespace is None:
                continue
            if namespace in RESERVED:
                raise invalid_action(f"The namespace {namespace} of action {action['name']} is reserved")
            if namespace in known:
                raise invalid_action(
                    f"Namespace must be unique within the pipeline. {namespace} has been used more than once."
                )
            known.add(namespace)


def _stage_of(pipeline: t.PipelineDeclarationOutputTypeDef, action: t.ActionDeclarationOutputTypeDef) -> str:
    return next(stage["name"] for stage in pipeline["stages"] if any(each is action for each in stage["actions"]))


def compute_texts(declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts of an action's or a rule's commands and environment, which may hold variables too."""
    yield from (("commands", each) for each in declared.get("commands", []))
    yield from (
        (f"environmentVariables.{each['name']}", each["value"]) for each in declared.get("environmentVariables", [])
    )


def _category(action: t.ActionDeclarationOutputTypeDef) -> str:
    return action["actionTypeId"]["category"]


def _repeated(names: Iterable[str]) -> Iterator[str]:
    return (name for name, count in Counter(names).items() if count > 1)
