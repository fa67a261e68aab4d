"""Where a service answers: the load balancer's address, with the path that leads to the service."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.stacks import Stacks
from tidegate.manifest import Service
from tidegate.template import names


def address(project: Project, service: str | None) -> str:
    """Return the address of a service (None: of the environment); raise `UserError` where it has none."""
    manifest = project.manifest
    if service is not None and manifest.services[service].port is None:
        raise UserError(f"service {service}", "it is a worker: nobody calls it", f"tidegate logs {service}")
    stacks = Stacks(project.session, project.progress, project.pace)
    if service is not None and manifest.services[service].networked:
        own = stacks.outputs(names.service_stack(project.app, project.environment, service)).get("Address")
        url = own and f"http://{own}"
    else:
        url = stacks.outputs(names.environment_stack(project.app, project.environment)).get("Url")
    if url is None:
        raise UserError(project.app, f"it has no address in {project.environment}", "tidegate up")
    return url if service is None else at(url, manifest.services[service])


def at(url: str, service: Service) -> str:
    """Return the address at which the first route of a service is reached, as far as that is one address."""
    if not service.routed:
        return url
    route = service.routes[0]
    parts = urlsplit(url)
    host = parts.netloc
    if route.host and "*" not in route.host[0]:
        host = route.host[0] + (f":{parts.port}" if parts.port else "")
    path = route.path[0].partition("*")[0].partition("?")[0]
    return urlunsplit((parts.scheme, host, path if path != "/" else parts.path, "", ""))
