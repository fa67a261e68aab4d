"""Every template of every manifest, as `eject` writes it, each once, however many manifests make it."""

from __future__ import annotations

from collections.abc import Iterator

from troposphere import Template

from tests.manifests import MANIFESTS
from tidegate.manifest import Manifest, Stage, parse
from tidegate.template import places
from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.readable import to_yaml
from tidegate.template.service import service_template
from tidegate.template.storage import artifacts_template


def templates(manifest: Manifest) -> Iterator[tuple[str, Template]]:
    """Yield the stack and the template of everything that a manifest makes, in all of its environments."""
    environments = list(manifest.environments) or ["local"]
    stages = list(manifest.pipeline.stages) or [Stage(environment=environments[0])]
    yield "image", image_template(manifest.at(stages[0].environment), stages)
    for region in places.other_regions(manifest, stages):
        yield f"artifacts-{region}", artifacts_template(manifest, stages, region)
    for environment in environments:
        yield environment, environment_template(manifest, environment)
        for name in manifest.services:
            yield f"{environment}-{name}", service_template(manifest, environment, name)
    yield "pipeline", pipeline_template(manifest, stages)


def all_templates() -> Iterator[tuple[str, Template]]:
    """Yield every template with a name made of the manifest's and the stack's."""
    for name, text in MANIFESTS.items():
        for stack, template in templates(parse(text)):
            yield f"{name}.{stack}", template


def files() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every golden file."""
    seen: set[str] = set()
    for name, template in all_templates():
        text = to_yaml(template)
        if text not in seen:
            seen.add(text)
            yield f"{name}.yml", text
