"""Secrets in SSM's parameter store: written, listed, removed. Their values are never read.

A name stands for one of three things: `/a/whole/name` for itself; the variable that tidegate.yml gives a secret
(DATABASE_URL), or the last part of its parameter's name (database-url), for that parameter; anything else for
/APP/ENV/NAME, which is then to be written into tidegate.yml.
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-securestring.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.deployments import follow
from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.releases import running_service
from tidegate.manifest import Manifest
from tidegate.manifest.secret import secret

_NAME = re.compile(r"^[\w.-]+$")
_AT_ONCE = 50  # values of a filter of DescribeParameters


@dataclass(frozen=True, slots=True)
class Use:
    """Who reads a secret: a service (or a sidecar of one), and as which variable."""

    service: str
    variable: str


@dataclass(frozen=True, slots=True)
class SecretState:
    """One secret. `version` is None where tidegate.yml names it and there is none."""

    name: str
    version: int | None
    changed: datetime | None
    used_by: tuple[Use, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self)


def uses(manifest: Manifest) -> dict[str, tuple[Use, ...]]:
    """Return the SSM parameters that a manifest names, and who reads each."""
    found: dict[str, tuple[Use, ...]] = {}
    for name, service in manifest.services.items():
        for secrets in (service.secrets, *(sidecar.secrets for sidecar in service.sidecars.values())):
            for variable, reference in sorted(secrets.items()):
                named = secret(reference)
                if named.store == "ssm":
                    parameter = f"/{named.name}"
                    found[parameter] = (*found.get(parameter, ()), Use(name, variable))
    return found


def parameter_name(name: str, app: str, environment: str, known: Mapping[str, tuple[Use, ...]]) -> str:
    """Return the parameter that a name stands for; raise `UserError` where that cannot be told."""
    if name.startswith("/"):
        return name
    for meant in (
        {each for each, readers in known.items() if any(use.variable == name for use in readers)},
        {each for each in known if each.rpartition("/")[2] == name},
    ):
        if len(meant) > 1:
            raise UserError(f"secret {name}", f"it may be {' or '.join(sorted(meant))}", "write the whole name")
        if meant:
            return meant.pop()
    if not _NAME.match(name):
        raise UserError(f"secret {name}", "a name has letters, digits, and . - _", "tidegate secrets list")
    return f"/{app}/{environment}/{name}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The secrets of a project's environment."""

    project: Project

    @property
    def _ssm(self) -> Any:
        return self.project.session.client("ssm")

    def name(self, given: str) -> str:
        """Return the parameter that a name stands for."""
        for service_name, service in self.project.manifest.services.items():
            reference = service.secrets.get(given)
            if reference is not None and secret(reference).store == "secretsmanager":
                raise UserError(
                    f"services.{service_name}.secrets.{given}",
                    "it is kept in Secrets Manager, which has its own ways to change it",
                    f"aws secretsmanager put-secret-value --secret-id {secret(reference).name}",
                )
        return parameter_name(given, self.project.app, self.project.environment, uses(self.project.manifest))

    def used_by(self, parameter: str) -> tuple[Use, ...]:
        """Return who reads a parameter, by tidegate.yml."""
        return uses(self.project.manifest).get(parameter, ())

    def write(self, parameter: str, value: str) -> int:
        """Write a value, encrypted; return its version."""
        tags = [{"Key": "tidegate:app", "Value": self.project.app}]
        request = {"Name": parameter, "Value": value, "Type": "SecureString"}
        try:
            return int(self._ssm.put_parameter(**request, Tags=tags)["Version"])
        except self._ssm.exceptions.ParameterAlreadyExists:
            return int(self._ssm.put_parameter(**request, Overwrite=True)["Version"])
        except ClientError as error:
            raise UserError(
                f"secret {parameter}", error.response["Error"]["Message"], "tidegate secrets list"
            ) from error

    def listed(self) -> list[SecretState]:
        """Return the secrets of this environment: those that tidegate.yml names, and those below /APP."""
        project, known = self.project, uses(self.project.manifest)
        found = self._described([{"Key": "Path", "Option": "Recursive", "Values": [f"/{project.app}"]}])
        elsewhere = [each for each in sorted(known) if each not in found]
        for begin in range(0, len(elsewhere), _AT_ONCE):
            values = elsewhere[begin : begin + _AT_ONCE]
            found |= self._described([{"Key": "Name", "Option": "Equals", "Values": values}])
        others = {each for each in project.manifest.environment_names if each != project.environment}
        listed = [
            SecretState(name, each["Version"], each["LastModifiedDate"], known.get(name, ()))
            for name, each in found.items()
            if name in known or name.split("/")[2] not in others
        ]
        missing = [SecretState(name, None, None, readers) for name, readers in known.items() if name not in found]
        return sorted([*listed, *missing], key=lambda each: each.name)

    def remove(self, parameter: str) -> None:
        """Delete a parameter with all its versions; raise `UserError` where there is none."""
        try:
            self._ssm.delete_parameter(Name=parameter)
        except self._ssm.exceptions.ParameterNotFound:
            raise UserError(f"secret {parameter}", "there is none", "tidegate secrets list") from None

    def exists(self, parameter: str) -> bool:
        """Return whether there is such a parameter."""
        return parameter in self._described([{"Key": "Name", "Option": "Equals", "Values": [parameter]}])

    def restart(self, service: str) -> float:
        """Replace a service's tasks, so that they read their secrets again; return how many seconds that took."""
        running_service(self.project, service)
        ecs = self.project.session.client("ecs")
        answer = ecs.update_service(cluster=self.project.cluster, service=service, forceNewDeployment=True)
        new = next(each for each in answer["service"]["deployments"] if each["status"] == "PRIMARY")
        return follow(self.project, service, new)

    def _described(self, filters: list[dict[str, Any]]) -> dict[str, Any]:
        pages = self._ssm.get_paginator("describe_parameters").paginate(ParameterFilters=filters)
        return {each["Name"]: each for page in pages for each in page["Parameters"]}
