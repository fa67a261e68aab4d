"""Mistakes that no key makes alone: what is said in two places and does not go together.

Each check yields the path of the key to change, and why. Paths begin at `services`, `jobs`, `environments`, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tidegate.manifest.deployment import Deployment
from tidegate.manifest.model import Manifest
from tidegate.manifest.part import Part
from tidegate.manifest.route import Route
from tidegate.manifest.service import Service
from tidegate.manifest.sidecar import Condition, Sidecar
from tidegate.manifest.sizes import unfitting_cpu, unfitting_memory

Path = tuple[str | int, ...]
Problem = tuple[Path, str]

DEPLOY_LIMIT = 60  # minutes; the pipeline's ECS action waits no longer
_START = 15  # minutes of those that tasks may take to start
_ENDED: tuple[Condition, ...] = ("complete", "success")
_OF_SHIFTS = ("bake_time", "step_percent", "step_bake_time")
# the keys that only requests from a load balancer give a meaning
_OF_REQUESTS = ("health", "routes", "load_balancer")


def problems(manifest: Manifest, environment: str | None = None) -> Iterator[Problem]:
    """Yield everything that does not go together, as it is in an environment (None: as it is without overrides)."""
    services = manifest.services if environment is None else manifest.services_in(environment)
    for name, service in services.items():
        for check in _OF_A_SERVICE:
            for path, why in check(name, service):
                yield ("services", name, *path), why
    yield from _same_routes(services)
    yield from _jobs(manifest, services, environment)


def _said(part: Part, *keys: str) -> list[str]:
    """Return those of the keys that the manifest really names."""
    return [key for key in keys if key in part.model_fields_set]


def _size(name: str, service: Service) -> Iterator[Problem]:
    why = unfitting_cpu(service.cpu)
    if why is not None:
        yield ("cpu",), why
    else:
        why = unfitting_memory(service.cpu, service.memory)
        if why is not None:
            yield ("memory",), why


def _worker(name: str, service: Service) -> Iterator[Problem]:
    if service.port is None:
        for key in _said(service, *_OF_REQUESTS):
            yield (key,), "without a port it is a worker, which nobody sends requests"
    elif service.load_balancer == "network":
        for key in _said(service, "routes"):
            yield (key,), "a network load balancer knows no requests, only connections: all come to this service"


def _scaling(name: str, service: Service) -> Iterator[Problem]:
    named = _said(service.scaling, "cpu", "memory", "requests")
    if named and not service.scales:
        yield ("scaling",), f"count.min and count.max are both {service.count.max}: there is nothing to scale"
    if service.scaling.requests is None:
        return
    at = ("scaling", "requests")
    if service.port is None:
        yield at, "without a port it is a worker, which nobody sends requests"
    elif service.load_balancer == "network":
        yield at, "a network load balancer counts no requests; use cpu or memory"
    elif service.deployment.shifts:
        yield (
            at,
            f"strategy {service.deployment.strategy} moves requests between two target groups; use cpu or memory",
        )


def _deployment(name: str, service: Service) -> Iterator[Problem]:
    deployment = service.deployment
    at: Path = ("deployment", "strategy")
    if not deployment.shifts:
        for key in _said(deployment, *_OF_SHIFTS):
            yield ("deployment", key), "it is for blue-green, linear and canary, and the strategy is rolling"
        return
    if service.port is None:
        yield at, f"{deployment.strategy} shifts requests, and without a port nobody sends any; use rolling"
    if service.routed and len(service.routes) > 1:
        yield (
            ("routes",),
            f"strategy {deployment.strategy} shifts those of one route; put the patterns into one: path: [/a, /b]",
        )
    if deployment.strategy == "blue-green":
        for key in _said(deployment, "step_percent", "step_bake_time"):
            yield ("deployment", key), "blue-green shifts all requests at once; steps are for linear and canary"
    if deployment.strategy == "linear" and deployment.step < 3:
        yield ("deployment", "step_percent"), f"{deployment.step} is less than 3, the smallest step of linear"
    yield from _duration(deployment, waits=20 if service.networked else 0)


def _duration(deployment: Deployment, waits: int) -> Iterator[Problem]:
    if deployment.minutes + waits > DEPLOY_LIMIT - _START:
        more = f" and {waits} that ECS waits for a network load balancer" if waits else ""
        why = f"it takes {deployment.minutes} minutes{more}, and the pipeline waits for {DEPLOY_LIMIT - _START}"
        yield ("deployment", "strategy"), f"{why}; shorten bake_time or step_bake_time, or make step_percent bigger"


def _alarms(name: str, service: Service) -> Iterator[Problem]:
    seen: set[object] = set()
    for number, alarm in enumerate(service.deployment.alarms):
        kind_or_name = alarm.name or frozenset(alarm.model_dump(exclude_none=True))
        if kind_or_name in seen:
            yield ("deployment", "alarms", number), "it is there twice"
        seen.add(kind_or_name)
        if alarm.name is None and not service.routed:
            kind = "errors" if alarm.errors is not None else "latency"
            why = f"{kind} is measured by an application load balancer, and this service has none"
            yield ("deployment", "alarms", number), f"{why}; name an alarm that is there"


def _variables(name: str, service: Service) -> Iterator[Problem]:
    for key in service.environment.keys() & service.secrets.keys():
        yield ("secrets", key), "it is in environment, too"
    for sidecar, each in service.sidecars.items():
        for key in each.environment.keys() & each.secrets.keys():
            yield ("sidecars", sidecar, "secrets", key), "it is in environment, too"


def _sidecars(name: str, service: Service) -> Iterator[Problem]:
    ports = {service.port: name} if service.port is not None else {}
    for sidecar, each in service.sidecars.items():
        if sidecar == name:
            yield ("sidecars", sidecar), "the service's own container has this name"
        if each.port is not None:
            if each.port in ports:
                yield ("sidecars", sidecar, "port"), f"{ports[each.port]} listens on it, and they share the network"
            ports[each.port] = sidecar


def _order(name: str, service: Service) -> Iterator[Problem]:
    """Check what containers wait for: that it is there, that it can come true, that no circle waits for itself."""
    waits: dict[str, tuple[Path, Mapping[str, Condition]]] = {name: (("depends_on",), service.depends_on)}
    for sidecar, each in service.sidecars.items():
        waits[sidecar] = (("sidecars", sidecar, "depends_on"), each.depends_on)
    for container, (path, conditions) in waits.items():
        for other, condition in conditions.items():
            why = _unmeetable(service, name, container, other, condition)
            if why is not None:
                yield (*path, other), why
    circle = _circle({container: set(conditions) for container, (_, conditions) in waits.items()})
    if circle:
        yield waits[circle[0]][0], f"{' waits for '.join([*circle, circle[0]])}: none would ever start"


def _unmeetable(service: Service, name: str, container: str, other: str, condition: Condition) -> str | None:
    if other == container:
        return "it is the container itself"
    if other != name and other not in service.sidecars:
        return f"there is no such container; there are {', '.join([name, *service.sidecars])}"
    sidecar: Sidecar | None = service.sidecars.get(other)
    if condition == "healthy" and (sidecar is None or not sidecar.health):
        return f"{other} has no health command that could say so"
    if condition in _ENDED and (sidecar is None or sidecar.essential):
        return f"{other} is essential: when it ends, the task ends; give it essential: false"
    return None


def _circle(waits: Mapping[str, set[str]]) -> list[str]:
    """Return containers that wait for each other in a circle, none where there is no circle."""

    def walk(container: str, path: list[str]) -> list[str]:
        if container in path:
            return path[path.index(container) :]
        for other in sorted(waits.get(container, ())):
            found = walk(other, [*path, container]) if other != container else []
            if found:
                return found
        return []

    return next((found for container in waits if (found := walk(container, []))), [])


def _same_routes(services: Mapping[str, Service]) -> Iterator[Problem]:
    """Check that no two services want the same requests."""
    owners: dict[object, str] = {}
    for name, service in services.items():
        for number, route in enumerate(service.routes) if service.routed else ():
            owner = owners.setdefault(_conditions(route), name)
            at: Path = (
                ("services", name, "routes", number) if "routes" in service.model_fields_set else ("services", name)
            )
            if owner != name:
                told = "" if "routes" in service.model_fields_set else ", for nothing is said in routes"
                yield at, f"it gets the same requests as {owner} ({_told(route)}){told}; give one of them another route"
            elif number and _conditions(route) in [_conditions(each) for each in service.routes[:number]]:
                yield at, "it is there twice"


def _conditions(route: Route) -> object:
    values = (frozenset(part or ()) for part in (route.path, route.host, route.method))
    named = (frozenset((key, frozenset(each)) for key, each in part.items()) for part in (route.header, route.query))
    return (*values, *named)


def _told(route: Route) -> str:
    more = f" of {', '.join(route.host)}" if route.host else ""
    return f"{', '.join(route.path)}{more}"


def _jobs(manifest: Manifest, services: Mapping[str, Service], environment: str | None) -> Iterator[Problem]:
    jobs = manifest.jobs if environment is None else manifest.jobs_in(environment)
    for name, job in jobs.items():
        if job.service is None and len(services) > 1:
            yield (
                ("jobs", name),
                f"service is missing: with which one's image does it run? There are {', '.join(services)}",
            )
            continue
        service = services.get(manifest.job_service(job))
        if service is None:
            yield ("jobs", name, "service"), f"there is no such service; there are {', '.join(services)}"
            continue
        cpu = job.cpu or service.cpu
        why = unfitting_cpu(cpu)
        if why is not None:
            yield ("jobs", name, "cpu"), why
        else:
            why = unfitting_memory(cpu, job.memory or service.memory)
            if why is not None:
                yield ("jobs", name, "memory" if job.memory else "cpu"), f"memory {why}"


_OF_A_SERVICE: tuple[Callable[[str, Service], Iterator[Problem]], ...] = (
    _size,
    _worker,
    _scaling,
    _deployment,
    _alarms,
    _variables,
    _sidecars,
    _order,
)
