"""All stacks of an app, in the order in which they are made: who asks what is there asks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from troposphere import Template

from tidegate.manifest import Manifest, Stage
from tidegate.manifest.model import Place
from tidegate.template import names, places
from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template
from tidegate.template.storage import artifacts_template


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack: its name, its template, the parameters that are known beforehand, where it is made.

    `service` is the service whose stack it is; its parameter Image is not among `parameters`, for it has to be built.
    """

    name: str
    template: Template
    place: Place
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    service: str | None = None


def all_stacks(manifest: Manifest, stages: Sequence[Stage], environments: Sequence[str] | None = None) -> list[Stack]:
    """Return the stacks of a pipeline and of its environments (None: of all that it deploys to)."""
    app = manifest.app
    home = places.home(manifest, stages)
    found = [
        Stack(names.image_stack(app), image_template(manifest.at(stages[0].environment), stages), home),
        *(
            Stack(names.artifacts_stack(app), artifacts_template(manifest, stages, region), Place(region, home.account))
            for region in places.other_regions(manifest, stages)
        ),
    ]
    for environment in environments or [stage.environment for stage in stages]:
        found += environment_stacks(manifest, environment)
    found.append(Stack(names.pipeline_stack(app), pipeline_template(manifest, stages), home))
    return found


def environment_stacks(manifest: Manifest, environment: str) -> list[Stack]:
    """Return the stacks of one environment: its own, then one a service."""
    app, place = manifest.app, manifest.place_of(environment)
    stack = names.environment_stack(app, environment)
    found = [Stack(stack, environment_template(manifest, environment), place, {}, environment)]
    for name, service in manifest.services_in(environment).items():
        found.append(
            Stack(
                names.service_stack(app, environment, name),
                service_template(manifest, environment, name),
                place,
                {names.COUNT_PARAMETER: str(service.count.desired)},
                environment,
                name,
            )
        )
    return found
