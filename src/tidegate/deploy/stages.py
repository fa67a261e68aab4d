"""Which of a pipeline's stages there are by now: a pipeline can deploy only to environments that are up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate.deploy.project import Project
from tidegate.deploy.stacks import Stacks
from tidegate.manifest import Stage
from tidegate.template import names


def other_stages(project: Project, stacks: Stacks) -> Iterator[tuple[Stage, bool]]:
    """Yield the pipeline's stages but for the project's own environment, and whether each is up.

    An environment in another account cannot be seen from here; its stage is in the pipeline from the start.
    """
    manifest = project.manifest
    here = manifest.place_of(project.environment)
    for stage in project.stages:
        place = manifest.place_of(stage.environment)
        if stage.environment == project.environment:
            continue
        there = replace(stacks, session=project.session.at(place.region))
        yield stage, place.account != here.account or _is_up(project, there, stage.environment)


def _is_up(project: Project, stacks: Stacks, environment: str) -> bool:
    found = (names.service_stack(project.app, environment, name) for name in project.manifest.services)
    return all(stacks.standing(name) is not None for name in found)
