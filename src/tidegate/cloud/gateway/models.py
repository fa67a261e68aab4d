"""The service models of botocore, loaded when first asked for and kept without their documentation."""

from __future__ import annotations

from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel


class Models:
    """Finds service models by any of the names that a request can carry."""

    def __init__(self) -> None:
        self._loader = Loader()
        self._models: dict[str, ServiceModel] = {}
        self._operations: dict[str, dict[str, str]] = {}

    def service(self, name: str) -> ServiceModel:
        """Return the model of a service by its botocore name (`elbv2`)."""
        if name not in self._models:
            raw = self._loader.load_service_model(name, "service-2")
            # the loader caches what it reads, prose and all: keep a bare copy and drop the cache
            self._loader = Loader()
            self._models[name] = ServiceModel(_bare(raw), name)
        return self._models[name]

    def operation(self, service: str, name: str) -> OperationModel:
        """Return an operation's model by its name in snake case, as handlers are named."""
        if service not in self._operations:
            self._operations[service] = {xform_name(each): each for each in self.service(service).operation_names}
        return self.service(service).operation_model(self._operations[service][name])


def _bare(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _bare(value) for key, value in node.items() if not (key == "documentation" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_bare(value) for value in node]
    return node
