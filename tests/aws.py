"""An AWS that answers what a test says, held to botocore's models: no request and no answer that AWS would not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.validate import validate_parameters

from tidegate.deploy.progress import Pace
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Repository
from tidegate.manifest import parse

Answer = Callable[..., Mapping[str, Any]] | Mapping[str, Any]


class FakeClient:
    """A client of one service; `requests` are those that were made, in order."""

    def __init__(self, service: str, **answers: Answer) -> None:
        self._client: Any = botocore.session.Session().create_client(service, "us-east-1")
        self._operations = {xform_name(name): name for name in self._client.meta.service_model.operation_names}
        self._answers = answers
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.meta, self.exceptions = self._client.meta, self._client.exceptions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self._operations:
            raise AttributeError(name)
        operation = self.meta.service_model.operation_model(self._operations[name])

        def call(**request: Any) -> Any:
            assert operation.input_shape is not None
            validate_parameters(request, operation.input_shape)
            self.requests.append((name, request))
            answer = self._answers[name]
            result = answer(**request) if callable(answer) else answer
            if operation.output_shape is not None:
                validate_parameters(result, operation.output_shape)
            return result

        return call

    def get_paginator(self, name: str) -> Any:
        """Return what gives the one page that there is."""
        client = self

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[Any]:
                request.pop("PaginationConfig", None)
                yield getattr(client, name)(**request)

        return Paginator()


class FakeSession:
    """A session of fake clients, by their services' names."""

    region = "us-east-1"

    def __init__(self, **clients: FakeClient) -> None:
        self._clients = {name.replace("_", "-"): client for name, client in clients.items()}

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        return self._clients[service]


class Quiet:
    """Nobody hears of progress."""

    def step(self, name: str, text: str) -> None: ...
    def done(self, name: str, text: str, seconds: float) -> None: ...
    def line(self, name: str, text: str) -> None: ...
    def close(self) -> None: ...


def fake_project(manifest: str, **clients: FakeClient) -> Project:
    """Return the project of a manifest whose AWS is fake."""
    session: Any = FakeSession(**clients)
    return Project(
        parse(manifest, "local"), "local", Repository(Path("/nowhere"), {}), session, session, Quiet(), Pace()
    )
