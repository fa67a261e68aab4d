"""The one way for an AWS operation to fail.

ServiceError            a coded answer for the client; rendered by the gateway in the service's protocol
StateError              the data folder cannot be read or written; stops the start, fails the request
EngineError             the container engine cannot be reached or refused (defined in `planes`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An error as AWS answers it.

    `code` is what a client finds in `Error.Code` (`ClusterNotFoundException`, `NoSuchBucket`), `message` the
    sentence beside it and `status` the HTTP status. `members` are the error's further members, where its
    shape in the service model has any, `headers` what S3 adds to the head of an error.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}
        self.members = members


class StateError(Exception):
    """The data folder's state cannot be used; the message says `what: why` and what to do."""


def not_offered(what: str, why: str | None = None) -> ServiceError:
    """Refuse an operation, a parameter or a value by name: nothing is silently ignored (HTTP 501)."""
    reason = " yet" if why is None else f": {why}"
    return ServiceError("NotImplemented", f"tidegate local does not offer {what}{reason}", 501)
