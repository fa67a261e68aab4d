"""One file a protocol, both directions: HTTP request to plain values, plain values to HTTP response.

The specifications are Smithy's AWS protocol pages: https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

from typing import Any, Protocol

from botocore.model import OperationModel

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse


class WireProtocol(Protocol):
    """How one protocol is read and written."""

    def parse(self, request: HttpRequest, operation: OperationModel) -> dict[str, Any]:
        """Return the operation's input; raise `ServiceError("SerializationException", …)` if it cannot be read."""
        ...

    def serialize(self, response: Any, operation: OperationModel, request_id: str) -> HttpResponse:
        """Return the answer of an operation that succeeded."""
        ...

    def error(self, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the answer of one that did not."""
        ...
