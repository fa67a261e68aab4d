"""What a stack's template is evaluated with: its parameters, its resources as they are, what other stacks export."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tidegate.cloud.services.cloudformation.model import CloudFormationModel, ResourceRecord, Source
from tidegate.cloud.services.cloudformation.template.evaluate import UNKNOWN, Scope
from tidegate.cloud.services.cloudformation.template.parameters import typed
from tidegate.cloud.services.cloudformation.template.parse import TemplateError, parse


class StackScopes:
    """Makes scopes."""

    def __init__(self, model: CloudFormationModel) -> None:
        self._model = model

    def scope(
        self,
        stack_id: str,
        source: Source,
        resources: Mapping[str, ResourceRecord],
        unknown: Collection[str] = (),
    ) -> Scope:
        """Return the scope of a stack; what is in `unknown` is to be made, so that nobody knows it yet."""
        template = parse(source["template"])
        region, account = stack_id.split(":")[3:5]

        def record_of(name: str) -> ResourceRecord:
            record = resources.get(name)
            if record is None or record["now"]["physical"] is None:
                raise TemplateError(
                    f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of "
                    "the template"
                )
            return record

        def reference(name: str) -> Any:
            return UNKNOWN if name in unknown else record_of(name)["now"]["physical"]

        def attribute(name: str, attribute: str) -> Any:
            if name in unknown:
                return UNKNOWN
            now = record_of(name)["now"]
            for values in (now["attributes"], now["properties"]):
                if attribute in values:
                    return values[attribute]
            raise TemplateError(f"Attribute '{attribute}' does not exist for resource {name}")

        pseudo = {
            "AWS::AccountId": account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackId": stack_id,
            "AWS::StackName": stack_id.split("/")[1],
            "AWS::URLSuffix": "amazonaws.com",
        }
        return Scope(
            template,
            {**typed(template, source["values"]), **pseudo},
            reference,
            attribute,
            exports={name: value for name, (value, _) in self._model.exports(region).items()},
            zones=source["zones"],
            references=source.get("references", {}),
        )


def stack_tags(stack_id: str, logical_id: str) -> dict[str, str]:
    """Return the tags that CloudFormation itself puts on a resource."""
    return {
        "aws:cloudformation:stack-name": stack_id.split("/")[1],
        "aws:cloudformation:stack-id": stack_id,
        "aws:cloudformation:logical-id": logical_id,
    }
