"""A rule's targets: put, remove, list, and which rules have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.events.api.shared import check_bus, find_rule, paged, rule_arn
from tidegate.cloud.services.events.model import EventsModel
from tidegate.cloud.services.events.target_input import InvalidPathError, steps

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t

_MOST_TARGETS = 5  # of one rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
_INPUTS = ("Input", "InputPath", "InputTransformer")


class TargetsApi:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html and its siblings."""

    def __init__(self, model: EventsModel, calls: Calls) -> None:
        self.model = model
        self._calls = calls

    @operation(
        resource=rule_arn,
        conditions=lambda api, context, request: {"events:TargetArn": [each["Arn"] for each in request["Targets"]]},
        refuse=tuple(
            f"Targets.{name}"
            for name in (
                "KinesisParameters",
                "RunCommandParameters",
                "BatchParameters",
                "SqsParameters",
                "HttpParameters",
                "RedshiftDataParameters",
                "SageMakerPipelineParameters",
                "DeadLetterConfig",
                "AppSyncParameters",
                "EcsParameters.PlacementConstraints",
                "EcsParameters.PlacementStrategy",
            )
        ),
    )
    async def put_targets(self, context: Context, request: t.PutTargetsRequestTypeDef) -> Mapping[str, Any]:
        """Add targets to a rule, or put others in the place of those with the same ids."""
        check_bus(self.model, context, request.get("EventBusName"))
        record = find_rule(self.model, context, request["Rule"])
        targets: Mapping[str, t.TargetTypeDef] = {each["Id"]: each for each in request["Targets"]}  # type: ignore[misc]
        for target in targets.values():
            self._check(context, target)
        record["targets"] |= targets
        if len(record["targets"]) > _MOST_TARGETS:
            raise ServiceError(
                "LimitExceededException", f"The requested resource exceeds the maximum number allowed: {_MOST_TARGETS}"
            )
        self.model.rules.put((context.region, request["Rule"]), record)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    @operation(resource=rule_arn, refuse=("Force",))
    async def remove_targets(self, context: Context, request: t.RemoveTargetsRequestTypeDef) -> Mapping[str, Any]:
        """Remove targets from a rule by their ids."""
        check_bus(self.model, context, request.get("EventBusName"))
        record = find_rule(self.model, context, request["Rule"])
        missing = [each for each in request["Ids"] if each not in record["targets"]]
        record["targets"] = {key: each for key, each in record["targets"].items() if key not in request["Ids"]}
        self.model.rules.put((context.region, request["Rule"]), record)
        why = f"Rule {request['Rule']} does not have this target."
        failed = [{"TargetId": each, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": why} for each in missing]
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    @operation(resource=rule_arn)
    async def list_targets_by_rule(
        self, context: Context, request: t.ListTargetsByRuleRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a rule's targets."""
        check_bus(self.model, context, request.get("EventBusName"))
        targets = find_rule(self.model, context, request["Rule"])["targets"]
        ordered = [targets[key] for key in sorted(targets)]
        return paged(request, ordered, lambda target: target["Id"], "Targets")

    @operation()
    async def list_rule_names_by_target(
        self, context: Context, request: t.ListRuleNamesByTargetRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the names of the rules that have a target."""
        check_bus(self.model, context, request.get("EventBusName"))
        wanted = request["TargetArn"]
        names = [
            record["rule"]["Name"]
            for record in self.model.rules.values(context.region)
            if any(target["Arn"] == wanted for target in record["targets"].values())
        ]
        return paged(request, names, str, "RuleNames")

    def _check(self, context: Context, target: t.TargetTypeDef) -> None:
        arn = target["Arn"]
        parts = arn.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn":
            raise ServiceError("ValidationException", f"Provided Arn is not in correct format: {arn}")
        project = parts[2] == "codebuild" and parts[5].startswith("project/")
        cluster = parts[2] == "ecs" and parts[5].startswith("cluster/")
        if not project and not cluster and parts[2] != "codepipeline":
            raise not_offered(f"events:PutTargets target {arn}")
        if cluster is not ("EcsParameters" in target):
            why = "is required" if cluster else "is not supported"
            raise ServiceError("ValidationException", f"Parameter EcsParameters {why} for target {arn}.")
        if parts[3:5] != [context.region, self.model.account]:
            raise not_offered(f"events:PutTargets target in another region or account ({arn})")
        if "RoleArn" not in target:
            raise ServiceError("ValidationException", f"RoleArn is required for target {arn}.")
        if sum(name in target for name in _INPUTS) > 1:
            why = f"Only one of Input, InputPath, or InputTransformer must be provided for target {arn}."
            raise ServiceError("ValidationException", why)
        paths = [target["InputPath"]] if "InputPath" in target else []
        if "InputTransformer" in target:
            paths += target["InputTransformer"].get("InputPathsMap", {}).values()
        for path in paths:
            try:
                steps(path)
            except InvalidPathError:
                raise ServiceError("ValidationException", f"Invalid InputPath for target {arn}: {path}") from None
        passed = {"iam:PassedToService": "events.amazonaws.com"}
        self._calls.authorize(context, "iam:PassRole", target["RoleArn"], passed)
