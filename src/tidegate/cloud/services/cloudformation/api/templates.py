"""Templates: get a stack's, get a summary, validate.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplateSummary.html and its siblings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.api.change_sets import ChangeSetsApi
from tidegate.cloud.services.cloudformation.api.shared import Sources, find_stack, invalid, stack_arn
from tidegate.cloud.services.cloudformation.model import CloudFormationModel, Source
from tidegate.cloud.services.cloudformation.plan import capabilities
from tidegate.cloud.services.cloudformation.template.evaluate import as_text

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t


class TemplatesApi:
    """Operations on templates."""

    def __init__(self, model: CloudFormationModel, sources: Sources, change_sets: ChangeSetsApi) -> None:
        self.model = model
        self._sources = sources
        self._change_sets = change_sets

    @operation(resource=stack_arn)
    async def get_template(self, context: Context, request: t.GetTemplateInputTypeDef) -> Mapping[str, Any]:
        """Return the template of a stack, or of a change set; both TemplateStages are the same without transforms."""
        if request.get("TemplateStage", "Original") not in ("Original", "Processed"):
            raise invalid(f"TemplateStage {request.get('TemplateStage')} is neither Original nor Processed")
        if "ChangeSetName" in request:
            found = self._change_sets.named(context, request)
            if found is None:
                raise ServiceError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
            source: Source | None = found[1]["source"]
        else:
            if "StackName" not in request:
                raise invalid("At least one of StackName or ChangeSetName must be specified")
            _, record = find_stack(self.model, context, request["StackName"])
            source = self.model.source_of(record)
            if source is None:
                raise invalid(f"Stack with id {request['StackName']} has no template yet")
        assert source is not None
        return {"TemplateBody": source["template"], "StagesAvailable": ["Original", "Processed"]}

    @operation()
    async def validate_template(self, context: Context, request: t.ValidateTemplateInputTypeDef) -> Mapping[str, Any]:
        """Check a template and return its parameters and what it needs."""
        summary = self._summary(self._sources.checked(await self._sources.template(context, request)))
        members = ("Parameters", "Description", "Capabilities", "CapabilitiesReason", "DeclaredTransforms")
        answer = {name: summary[name] for name in members if name in summary}
        names = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
        answer["Parameters"] = [{name: each[name] for name in names if name in each} for each in summary["Parameters"]]
        return answer

    @operation(resource=stack_arn, refuse=("CallAs", "StackSetName"))
    async def get_template_summary(
        self, context: Context, request: t.GetTemplateSummaryInputTypeDef
    ) -> Mapping[str, Any]:
        """Return a template's parameters, resource types and what it needs."""
        if "StackName" in request:
            _, record = find_stack(self.model, context, request["StackName"])
            if record["source"] is None:
                raise invalid(f"Stack with id {request['StackName']} has no template yet")
            return self._summary(self._sources.checked(record["source"]["template"]))
        settings = request.get("TemplateSummaryConfig", {})
        if settings.get("TreatUnrecognizedResourceTypesAsWarnings"):
            raise not_offered("cloudformation:GetTemplateSummary TreatUnrecognizedResourceTypesAsWarnings")
        return self._summary(self._sources.checked(await self._sources.template(context, request)))

    @staticmethod
    def _summary(template: Mapping[str, Any]) -> dict[str, Any]:
        kinds = sorted({entry["Type"] for entry in template["Resources"].values()})
        summary: dict[str, Any] = {
            "Parameters": [_parameter(name, each) for name, each in template.get("Parameters", {}).items()],
            "ResourceTypes": kinds,
            "Version": str(template.get("AWSTemplateFormatVersion", "2010-09-09")),
        }
        if "Description" in template:
            summary["Description"] = str(template["Description"])
        if "Metadata" in template:
            summary["Metadata"] = json.dumps(template["Metadata"])
        if "Transform" in template:
            transforms = template["Transform"]
            summary["DeclaredTransforms"] = transforms if isinstance(transforms, list) else [transforms]
        needed = capabilities(template["Resources"].values())
        if needed is not None:
            named = [kind for kind in kinds if kind.startswith("AWS::IAM::")]
            summary["Capabilities"] = [needed]
            summary["CapabilitiesReason"] = f"The following resource(s) require capabilities: [{', '.join(named)}]"
        return summary


def _parameter(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "ParameterKey": name,
        "ParameterType": declared["Type"],
        "NoEcho": as_text(declared.get("NoEcho", False)).lower() == "true",
        "ParameterConstraints": {},
    }
    if "Default" in declared:
        parameter["DefaultValue"] = as_text(declared["Default"])
    if "Description" in declared:
        parameter["Description"] = declared["Description"]
    if "AllowedValues" in declared:
        parameter["ParameterConstraints"] = {"AllowedValues": [as_text(each) for each in declared["AllowedValues"]]}
    return parameter
