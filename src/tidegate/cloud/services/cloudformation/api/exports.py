"""What stacks give each other: exports and imports.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListExports.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.services.cloudformation.api.shared import invalid, paged
from tidegate.cloud.services.cloudformation.model import CloudFormationModel

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t


class ExportsApi:
    """Operations on exports."""

    def __init__(self, model: CloudFormationModel) -> None:
        self.model = model

    @operation()
    async def list_exports(self, context: Context, request: t.ListExportsInputTypeDef) -> Mapping[str, Any]:
        """List what the region's stacks export."""
        exports = [
            {"ExportingStackId": stack_id, "Name": name, "Value": value}
            for name, (value, stack_id) in sorted(self.model.exports(context.region).items())
        ]
        return paged(request, exports, "Exports", lambda each: each["Name"])

    @operation()
    async def list_imports(self, context: Context, request: t.ListImportsInputTypeDef) -> Mapping[str, Any]:
        """List the stacks that use an export; raise ValidationError where none does."""
        names = self.model.importers(context.region, request["ExportName"])
        if not names:
            raise invalid(f"Export '{request['ExportName']}' is not imported by any stack.")
        return paged(request, names, "Imports", str)
