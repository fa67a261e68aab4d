"""Whether the secrets that the manifest names are there. Their values are never read."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.manifest.secret import secret


def missing_secrets(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the key's path and the parameter's name of every secret that does not exist.

    Raises `UserError` where nobody can tell.
    """
    for service_name, service in project.manifest.services.items():
        for variable, reference in sorted(service.secrets.items()):
            named = secret(reference)
            if named.store != "ssm":
                continue
            name = f"/{named.name}"
            filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
            path = f"services.{service_name}.secrets.{variable}"
            try:
                found = project.session.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
            except ClientError as error:
                raise UserError(
                    path,
                    error.response["Error"]["Message"],
                    f"give it only to the environments that have it: environments.NAME.{path}",
                ) from error
            if not found:
                yield path, name
