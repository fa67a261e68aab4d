"""Whether the secrets that the manifest names are there. Their values are never read."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.deploy.project import Project


def missing_secrets(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the key's path and the parameter's name of every secret that does not exist."""
    for service_name, service in project.manifest.services.items():
        for variable, reference in sorted(service.secrets.items()):
            name = "/" + reference.removeprefix("ssm:").lstrip("/")
            filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
            found = project.session.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
            if not found:
                yield f"services.{service_name}.secrets.{variable}", name
