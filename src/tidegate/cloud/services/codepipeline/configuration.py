"""What an action's configuration must be, beyond its keys: checked when a pipeline is created or updated.

Values that hold a variable (`#{…}`) are known only when the action runs, and are not looked at before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.documents import from_json, is_number
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.codepipeline.action_types import ActionType, TypeName

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SHORTEST_DEPLOYMENT, _LONGEST_DEPLOYMENT = 1, 60  # minutes
_NEEDED_BY_MODE = {
    "CREATE_UPDATE": ("TemplatePath", "RoleArn"),
    "REPLACE_ON_FAILURE": ("TemplatePath", "RoleArn"),
    "CHANGE_SET_REPLACE": ("ChangeSetName", "TemplatePath", "RoleArn"),
    "CHANGE_SET_EXECUTE": ("ChangeSetName",),
    "DELETE_ONLY": ("RoleArn",),
}
_CONNECTION = re.compile(r"^arn:aws(-[\w]+)*:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+$")
_REPOSITORY = re.compile(r"^[\w.-]+(/[\w.-]+)+$")
_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)


def invalid_action(message: str) -> ServiceError:
    """Refuse an action's declaration."""
    return ServiceError("InvalidActionDeclarationException", message)


def check_configuration(action: t.ActionDeclarationOutputTypeDef, kind: ActionType) -> None:
    """Raise where an action's configuration lacks a key, has an unknown one, or a value that cannot be."""
    configuration, name = action["configuration"], action["name"]
    for key, needed in kind.keys.items():
        if needed and key not in configuration:
            raise invalid_action(f"Action configuration for action '{name}' is missing required configuration '{key}'")
    for key in configuration:
        if key not in kind.keys:
            raise invalid_action(f"Action configuration for action '{name}' contains unknown configuration '{key}'")
        if key in kind.refused:
            raise not_offered(f"codepipeline {kind.name.provider} configuration {key} (action {name})")
    check = _CHECKS.get(kind.name) if action["actionTypeId"]["owner"] == "AWS" else None
    if check is not None:
        check(action, {key: value for key, value in configuration.items() if "#{" not in value})


def environment_variables(text: str) -> list[dict[str, Any]]:
    """Return the variables of a CodeBuild action's EnvironmentVariables; raise ValueError."""
    variables = from_json(text)
    if not isinstance(variables, list):
        raise ValueError("it is not a list")  # noqa: TRY004 - one kind of error for all that is wrong with a text
    for each in variables:
        if not isinstance(each, dict) or not {"name", "value"} <= each.keys() <= {"name", "value", "type"}:
            raise ValueError('each variable is {"name": …, "value": …, "type": …}')
    return variables


def is_true(configuration: Mapping[str, str], key: str, default: bool = False) -> bool:
    """Return a configuration's flag."""
    return configuration.get(key, str(default)).lower() == "true"


def _wrong(action: t.ActionDeclarationOutputTypeDef, key: str, why: str) -> ServiceError:
    return _wrong_value(action["name"], key, action["configuration"].get(key), why)


def _wrong_value(name: str, key: str, value: str | None, why: str) -> ServiceError:
    return invalid_action(f"Action configuration for action '{name}': {key} cannot be '{value}': {why}")


def _check_flags(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str], *keys: str) -> None:
    for key in keys:
        if key in known and known[key].lower() not in ("true", "false"):
            raise _wrong(action, key, "it must be true or false")


def _check_codecommit(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    _check_flags(action, known, "PollForSourceChanges")
    _check_format(action, known)


def _check_connection(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    _check_flags(action, known, "DetectChanges")
    _check_format(action, known)
    for key in ("ConnectionArn", "FullRepositoryId", "BranchName"):
        if key not in known:
            raise _wrong(action, key, "a source action comes before every variable")
    if not _CONNECTION.match(known["ConnectionArn"]):
        raise _wrong(action, "ConnectionArn", "it must be the ARN of a connection")
    if not _REPOSITORY.match(known["FullRepositoryId"]):
        raise _wrong(action, "FullRepositoryId", "it must be the owner and the name of a repository: owner/name")


def _check_format(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    form = known.get("OutputArtifactFormat", "CODE_ZIP")
    if form == "CODEBUILD_CLONE_REF":
        provider = action["actionTypeId"]["provider"]
        raise not_offered(f"codepipeline {provider} OutputArtifactFormat {form} (action {action['name']})")
    if form != "CODE_ZIP":
        raise _wrong(action, "OutputArtifactFormat", "it must be CODE_ZIP or CODEBUILD_CLONE_REF")


def _check_s3_source(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    _check_flags(action, known, "PollForSourceChanges", "AllowOverrideForS3ObjectKey")


def _check_codebuild(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    inputs = [each["name"] for each in action["inputArtifacts"]]
    check_build_configuration(action["name"], action["configuration"], known, inputs)


def check_build_configuration(
    name: str, configuration: Mapping[str, str], known: Mapping[str, str], inputs: Sequence[str]
) -> None:
    """Raise where what a build is started with, by an action or a rule, is wrong; `known` is what has no variable."""
    for key in ("BatchEnabled", "CombineArtifacts"):
        if known.get(key, "false").lower() not in ("true", "false"):
            raise _wrong_value(name, key, known[key], "it must be true or false")
        if is_true(known, key):
            raise not_offered(f"codepipeline CodeBuild configuration {key} (action {name})")
    if len(inputs) > 1 and "PrimarySource" not in configuration:
        raise invalid_action(
            f"Action configuration for action '{name}' is missing required configuration 'PrimarySource': "
            "the action has more than one input artifact"
        )
    if known.get("PrimarySource", inputs[0]) not in inputs:
        raise _wrong_value(
            name, "PrimarySource", known["PrimarySource"], "it must be the name of one of the action's input artifacts"
        )
    if "EnvironmentVariables" in configuration:
        text = configuration["EnvironmentVariables"]
        try:
            environment_variables(text)
        except ValueError as error:
            raise _wrong_value(
                name, "EnvironmentVariables", text, f"it must be a JSON list of variables: {error}"
            ) from None


def _check_ecs(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    minutes = known.get("DeploymentTimeout", str(_LONGEST_DEPLOYMENT))
    if not is_number(minutes) or not _SHORTEST_DEPLOYMENT <= int(minutes) <= _LONGEST_DEPLOYMENT:
        raise _wrong(
            action, "DeploymentTimeout", f"it must be between {_SHORTEST_DEPLOYMENT} and {_LONGEST_DEPLOYMENT} minutes"
        )


def _check_s3_deploy(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    _check_flags(action, known, "Extract")
    if not is_true(known, "Extract", default=True) and "ObjectKey" not in action["configuration"]:
        raise invalid_action(
            f"Action configuration for action '{action['name']}' is missing required configuration 'ObjectKey': "
            "it is required when Extract is false"
        )
    if "CannedACL" in known and known["CannedACL"] not in _ACLS:
        raise _wrong(action, "CannedACL", f"it must be one of {', '.join(sorted(_ACLS))}")


def _check_cloudformation(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    mode = known.get("ActionMode")
    if mode is None:
        return
    if mode not in _NEEDED_BY_MODE:
        raise _wrong(action, "ActionMode", f"it must be one of {', '.join(_NEEDED_BY_MODE)}")
    for key in _NEEDED_BY_MODE[mode]:
        if key not in action["configuration"]:
            raise invalid_action(
                f"Action configuration for action '{action['name']}' is missing required configuration '{key}': "
                f"ActionMode {mode} requires it"
            )
    inputs = [each["name"] for each in action["inputArtifacts"]]
    for key in ("TemplatePath", "TemplateConfiguration"):
        artifact, separator, path = known.get(key, "").partition("::")
        if key in known and (not separator or not path or artifact not in inputs):
            raise _wrong(action, key, "it must be ARTIFACT::FILE, of one of the action's input artifacts")
    if ("OutputFileName" in action["configuration"]) is not bool(action["outputArtifacts"]):
        raise invalid_action(f"Action '{action['name']}': OutputFileName and an output artifact go together")


def _check_image_build(action: t.ActionDeclarationOutputTypeDef, known: Mapping[str, str]) -> None:
    kind = known.get("RegistryType", "private")
    if kind == "public":
        raise not_offered(f"codepipeline ECRBuildAndPublish RegistryType public (action {action['name']})")
    if kind != "private":
        raise _wrong(action, "RegistryType", "it must be private or public")
    if "ImageTags" in known and not all(each.strip() for each in known["ImageTags"].split(",")):
        raise _wrong(action, "ImageTags", "it must be tags with commas between them")


_Check = Callable[["t.ActionDeclarationOutputTypeDef", Mapping[str, str]], None]

_CHECKS: Mapping[TypeName, _Check] = {
    TypeName("Source", "CodeCommit"): _check_codecommit,
    TypeName("Source", "CodeStarSourceConnection"): _check_connection,
    TypeName("Source", "S3"): _check_s3_source,
    TypeName("Build", "CodeBuild"): _check_codebuild,
    TypeName("Test", "CodeBuild"): _check_codebuild,
    TypeName("Build", "ECRBuildAndPublish"): _check_image_build,
    TypeName("Deploy", "ECS"): _check_ecs,
    TypeName("Deploy", "S3"): _check_s3_deploy,
    TypeName("Deploy", "CloudFormation"): _check_cloudformation,
}
