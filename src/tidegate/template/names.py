"""What things are called, in one place: stacks, exports, resources that others must find by name."""

from __future__ import annotations

from tidegate.manifest import Manifest

IMAGE_PARAMETER = "Image"
COUNT_PARAMETER = "DesiredCount"


def image_stack(app: str) -> str:
    """Return the name of the stack of the article's Part 1."""
    return f"{app}-image"


def environment_stack(app: str, environment: str) -> str:
    """Return the name of the stack of the article's Part 2, networking and cluster."""
    return f"{app}-{environment}"


def service_stack(app: str, environment: str, service: str) -> str:
    """Return the name of the stack of the article's Part 2, task definition and service."""
    return f"{app}-{environment}-{service}"


def pipeline_stack(app: str) -> str:
    """Return the name of the stack of the article's Part 3."""
    return f"{app}-pipeline"


def repository(app: str, service: str) -> str:
    """Return the name of a service's image repository."""
    return f"{app}/{service}"


def build_project(app: str, service: str) -> str:
    """Return the name of the CodeBuild project that builds a service's image."""
    return f"{app}-{service}"


def test_project(app: str) -> str:
    """Return the name of the CodeBuild project that runs the tests."""
    return f"{app}-test"


def cluster(app: str, environment: str) -> str:
    """Return the name of an environment's cluster."""
    return f"{app}-{environment}"


def log_group(app: str, environment: str, service: str) -> str:
    """Return the name of the log group that a service's containers write to."""
    return f"/{app}/{environment}/{service}"


def pipeline(app: str) -> str:
    """Return the pipeline's name."""
    return app


def logical(*words: str) -> str:
    """Return a logical id: `web-api`, `role` -> WebApiRole."""
    return "".join(part.capitalize() for word in words for part in word.replace("_", "-").split("-"))


def stack_names(manifest: Manifest, environment: str) -> list[str]:
    """Return the names of all stacks of one environment, in the order in which they are made."""
    app = manifest.app
    services = [service_stack(app, environment, name) for name in manifest.services]
    return [image_stack(app), environment_stack(app, environment), *services, pipeline_stack(app)]
