"""What every step of a deployment is about: the manifest, the repository, the environment, and how to reach AWS."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.deploy.progress import Pace, Progress
from tidegate.deploy.repository import Repository
from tidegate.deploy.session import Session
from tidegate.manifest import Manifest
from tidegate.manifest.model import Stage
from tidegate.template import names


@dataclass(frozen=True, slots=True)
class Project:
    """One app in one environment."""

    manifest: Manifest
    environment: str
    repository: Repository
    session: Session  # where the environment is
    home: Session  # where pipeline, builds and images are: often the same
    progress: Progress
    pace: Pace

    @property
    def app(self) -> str:
        """Return the app's name."""
        return self.manifest.app

    @property
    def cluster(self) -> str:
        """Return the environment's cluster."""
        return names.cluster(self.app, self.environment)

    @property
    def stages(self) -> list[Stage]:
        """Return the stages of the pipeline: the manifest's, or this environment alone where it is none of them."""
        return self.manifest.stages_of(self.environment)
