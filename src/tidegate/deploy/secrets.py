"""Whether the secrets that the manifest names are there. Their values are never read."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.manifest.secret import secret


def missing_secrets(project: Project) -> Iterator[tuple[str, str, str]]:
    """Yield the key's path, what is missing, and the command that makes it, for every secret that does not exist.

    Raises `UserError` where nobody can tell.
    """
    for path, reference in _references(project):
        named = secret(reference)
        try:
            if named.store == "ssm":
                if not _parameter_exists(project, f"/{named.name}"):
                    yield path, f"there is no parameter /{named.name}", f"tidegate secrets set /{named.name}"
            elif not _secret_exists(project, named.name):
                command = f"aws secretsmanager create-secret --name {named.name} --secret-string file://…"
                yield path, f"there is no secret {named.name} in Secrets Manager", command
        except ClientError as error:
            raise UserError(
                path,
                error.response["Error"]["Message"],
                f"give it only to the environments that have it: environments.NAME.{path}",
            ) from error


def _references(project: Project) -> Iterator[tuple[str, str]]:
    for name, service in project.manifest.services.items():
        for variable, reference in sorted(service.secrets.items()):
            yield f"services.{name}.secrets.{variable}", reference
        for sidecar, container in service.sidecars.items():
            for variable, reference in sorted(container.secrets.items()):
                yield f"services.{name}.sidecars.{sidecar}.secrets.{variable}", reference


def _parameter_exists(project: Project, name: str) -> bool:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    return bool(project.session.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"])


def _secret_exists(project: Project, name: str) -> bool:
    client = project.session.client("secretsmanager")
    try:
        client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True
