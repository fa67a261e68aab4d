"""Mistakes that only the manifest as a whole shows: names that collide, places that do not fit, the source."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.manifest.checks import Path, Problem
from tidegate.manifest.environment import Environment
from tidegate.manifest.model import LOCAL, Manifest
from tidegate.manifest.source import CONNECTED

_OWNED = re.compile(r"^[\w.-]+(/[\w.-]+)+$")
_PLAIN = re.compile(r"^[\w.-]{1,100}$")
_PRIVATE_IMAGE = re.compile(r"^\d{12}\.dkr\.ecr\.[\w-]+\.amazonaws\.com(\.cn)?/")


def problems_of_the_whole(manifest: Manifest) -> Iterator[Problem]:
    """Yield everything that does not go together across services and environments."""
    yield from _source(manifest)
    yield from _stages(manifest)
    yield from _names(manifest)
    yield from _places(manifest)
    for name, environment in manifest.environments.items():
        yield from _environment(manifest, name, environment)


def _source(manifest: Manifest) -> Iterator[Problem]:
    source = manifest.source
    if source.connected:
        if source.repository is None:
            yield ("source", "repository"), f"it is missing: {source.provider} needs owner/name"
        elif not _OWNED.match(source.repository):
            yield ("source", "repository"), f"{source.repository!r} is no repository of {source.provider}: owner/name"
    elif source.provider == "codecommit" and not _PLAIN.match(manifest.repository):
        yield ("source", "repository"), f"{manifest.repository!r} is no CodeCommit repository: letters, digits, . _ -"
    only: dict[str, tuple[str, ...]] = {"connection": CONNECTED, "bucket": ("s3",), "key": ("s3",)}
    for key, providers in only.items():
        if getattr(source, key) is not None and source.provider not in providers:
            yield ("source", key), f"it is for {', '.join(providers)}, and the provider is {source.provider}"
    if source.provider == "s3":
        for key in ("branch", "repository"):
            if key in source.model_fields_set:
                yield ("source", key), "a zip file in S3 has none; bucket and key say where it is"
    if manifest.pipeline.trigger.paths and not source.connected:
        told = "CodeCommit does not tell" if source.provider == "codecommit" else "a zip file does not tell"
        yield ("pipeline", "trigger", "paths"), f"{told} which files have changed; use {', '.join(CONNECTED)}"


def _stages(manifest: Manifest) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, stage in enumerate(manifest.pipeline.stages):
        if stage.environment not in manifest.environment_names:
            known = ", ".join(manifest.environment_names)
            yield ("pipeline", "stages", number), f"there is no environment {stage.environment!r}; there are {known}"
        elif stage.environment in seen:
            yield ("pipeline", "stages", number), f"{stage.environment} is there twice"
        seen.add(stage.environment)
    if seen <= set(manifest.environment_names):
        yield from _built_once(manifest)


def _built_once(manifest: Manifest) -> Iterator[Problem]:
    """Check that the stages agree on how the image is built: one image goes through them all."""
    first, *others = [stage.environment for stage in manifest.pipeline.stages] or [LOCAL]
    for other in others:
        for name, service in manifest.services_in(other).items():
            before = manifest.services_in(first)[name]
            for key in ("build", "arch"):
                if getattr(service, key) != getattr(before, key):
                    yield (
                        ("environments", other, "services", name, key),
                        f"it differs from that of {first}, but one pipeline builds one image for all of its stages",
                    )


def _names(manifest: Manifest) -> Iterator[Problem]:
    """Check that nothing which is made of two names reads like something else."""
    taken = {f"{manifest.app}-image", f"{manifest.app}-pipeline", f"{manifest.app}-artifacts"}
    for environment in manifest.environment_names:
        at: Path = ("environments", environment) if environment in manifest.environments else ("services",)
        stacks = [
            f"{manifest.app}-{environment}",
            *(f"{manifest.app}-{environment}-{name}" for name in manifest.services),
        ]
        for stack in stacks:
            if stack in taken:
                yield at, f"its stack would be called {stack}, as another already is; choose another name"
            taken.add(stack)
    logical: dict[str, str] = {}
    for name in manifest.services:
        other = logical.setdefault(name.replace("-", "").lower(), name)
        if other != name:
            yield ("services", name), f"it reads too much like {other}; choose another name"
    if manifest.pipeline.test is not None and "test" in manifest.services:
        yield ("services", "test"), "the build project of pipeline.test has this name; choose another"


def _places(manifest: Manifest) -> Iterator[Problem]:
    """Check that it is clear in which region and account the pipeline is."""
    stages = [stage.environment for stage in manifest.pipeline.stages if stage.environment in manifest.environments]
    regions = [manifest.environment(name).region for name in stages]
    if manifest.pipeline.region is None and regions and regions[0] is None and any(regions):
        yield (
            ("pipeline",),
            "region is missing: some of its environments have one, and it must be clear where it is itself",
        )
    for name, environment in manifest.environments.items():
        if environment.account is not None and manifest.pipeline.account is None:
            yield ("environments", name, "account"), "say in pipeline.account which account the pipeline is in"


def _environment(manifest: Manifest, name: str, environment: Environment) -> Iterator[Problem]:
    at: Path = ("environments", name)
    for kind, known in (("services", list(manifest.services)), ("jobs", list(manifest.jobs))):
        for each in getattr(environment, kind):
            if each not in known:
                there = f"there are {', '.join(known)}" if known else "there are none"
                yield (*at, kind, each), f"there is no such {kind.removesuffix('s')}; {there}"
    balancer = environment.load_balancer
    if balancer is not None:
        if environment.network.mode != "imported":
            yield (
                (*at, "load_balancer"),
                "it stands in a network of its own; import that as well: network: {vpc, subnets}",
            )
        if environment.domain is not None:
            yield (
                (*at, "domain"),
                "the certificate is the business of whoever owns the imported load balancer's listener",
            )
    services = manifest.services_in(name)
    if environment.domain is not None and not any(service.routed for service in services.values()):
        yield (*at, "domain"), "no service stands behind an application load balancer"
    if environment.network.mode == "endpoints":
        yield from _unreachable(manifest, name)


def _unreachable(manifest: Manifest, name: str) -> Iterator[Problem]:
    """Check that nothing is needed from outside of a network that has no way out."""
    home = manifest.home_of(name)
    if home.region != manifest.environment(name).region and home.region is not None:
        yield (
            ("environments", name, "network", "mode"),
            f"with endpoints its tasks cannot reach the images, which are in {home.region}; use nat",
        )
    for service, each in manifest.services_in(name).items():
        for sidecar, container in each.sidecars.items():
            if not _PRIVATE_IMAGE.match(container.image):
                why = f"with endpoints {container.image} of {service}'s sidecar {sidecar} is out of reach"
                yield ("environments", name, "network", "mode"), f"{why}; use nat, or copy the image to ECR"
