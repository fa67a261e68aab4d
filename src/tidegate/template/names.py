"""What things are called, in one place: stacks, exports, resources that others must find by name."""

from __future__ import annotations

import hashlib

from tidegate.manifest import Manifest

IMAGE_PARAMETER = "Image"
COUNT_PARAMETER = "DesiredCount"
# which target group serves when the strategy shifts requests between two; see `service_template`
LIVE_PARAMETER = "LiveTargets"
PRIMARY, ALTERNATE = "primary", "alternate"
KEY_PARAMETER = "ArtifactKey"
_LONGEST_ROLE = 64


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


def artifacts_stack(app: str) -> str:
    """Return the name of the stack that keeps a pipeline's artifacts in another region than its own."""
    return f"{app}-artifacts"


def repository(app: str, service: str) -> str:
    """Return the name of a service's image repository."""
    return f"{app}/{service}"


def build_project(app: str, service: str) -> str:
    """Return the name of the CodeBuild project that builds a service's image."""
    return f"{app}-{service}"


def test_project(app: str) -> str:
    """Return the name of the CodeBuild project that runs the tests."""
    return f"{app}-test"


def connection(app: str) -> str:
    """Return the name of the connection to who keeps the code (32 characters at the most)."""
    return app


def cluster(app: str, environment: str) -> str:
    """Return the name of an environment's cluster."""
    return f"{app}-{environment}"


def log_group(app: str, environment: str, service: str) -> str:
    """Return the name of the log group that a service's containers write to."""
    return f"/{app}/{environment}/{service}"


def pipeline(app: str) -> str:
    """Return the pipeline's name."""
    return app


def pipeline_role(app: str) -> str:
    """Return the name of the pipeline's role where other accounts or regions must know it."""
    return f"{app}-pipeline"


def deploy_role(app: str, environment: str, service: str) -> str:
    """Return the name of the role with which a pipeline elsewhere deploys a service; 64 characters at the most."""
    name = f"{service_stack(app, environment, service)}-deploy"
    if len(name) <= _LONGEST_ROLE:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_ROLE - len(digest) - 1]}-{digest}"


def alarm(app: str, environment: str, service: str, kind: str) -> str:
    """Return the name of an alarm that is made for a service."""
    return f"{service_stack(app, environment, service)}-{kind}"


def logical(*words: str) -> str:
    """Return a logical id: `web-api`, `role` -> WebApiRole."""
    return "".join(part.capitalize() for word in words for part in word.replace("_", "-").split("-"))


def stack_names(manifest: Manifest, environment: str) -> list[str]:
    """Return the names of all stacks of one environment, in the order in which they are made."""
    app = manifest.app
    services = [service_stack(app, environment, name) for name in manifest.services]
    return [image_stack(app), environment_stack(app, environment), *services, pipeline_stack(app)]
