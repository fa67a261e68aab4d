"""The manifest whole. Each key is documented once, where it is defined: the text is the reference and the schema's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, PrivateAttr, field_validator

from tidegate.manifest.environment import Environment
from tidegate.manifest.job import Job
from tidegate.manifest.part import Name, Part
from tidegate.manifest.pipeline import Pipeline, Stage
from tidegate.manifest.service import Service
from tidegate.manifest.sizes import FARGATE_SIZES
from tidegate.manifest.source import Source

__all__ = ["FARGATE_SIZES", "FILE_NAME", "LOCAL", "Environment", "Manifest", "Place", "Service", "Stage"]

FILE_NAME = "tidegate.yml"
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """A region and an account; None: those of the credentials in use."""

    region: str | None = None
    account: str | None = None


class Manifest(Part):
    """tidegate.yml."""

    app: Name
    """The app's name: it begins the names of everything that is made for it."""
    source: Source = Source.model_construct()
    """Where the code is."""
    services: dict[Name, Service] = Field(min_length=1)
    """The services, by name."""
    jobs: dict[Name, Job] = Field({})
    """Tasks that run by the clock, by name."""
    environments: dict[Name, Environment] = Field({})
    """The places where they run, by name. `local` is this machine and needs no entry."""
    pipeline: Pipeline = Pipeline.model_construct()
    """What happens on a push."""

    _services: Mapping[str, Mapping[str, Service]] = PrivateAttr(default_factory=dict)
    _jobs: Mapping[str, Mapping[str, Job]] = PrivateAttr(default_factory=dict)

    @field_validator("services", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """Take a service of which nothing is said for one of which everything is left out."""
        if isinstance(value, dict):
            return {name: {} if each is None else each for name, each in value.items()}
        return value

    @property
    def repository(self) -> str:
        """Return the name of the source repository."""
        return self.source.repository or self.app

    @property
    def environment_names(self) -> list[str]:
        """Return the environments that can be named on the command line."""
        return [LOCAL, *(name for name in self.environments if name != LOCAL)]

    def environment(self, name: str) -> Environment:
        """Return what is said of an environment; `local` may have no entry."""
        return self.environments.get(name) or Environment()

    def services_in(self, environment: str) -> Mapping[str, Service]:
        """Return the services as they are in an environment, its overrides put over them."""
        return self._services.get(environment, self.services)

    def jobs_in(self, environment: str) -> Mapping[str, Job]:
        """Return the jobs as they are in an environment, its overrides put over them."""
        return self._jobs.get(environment, self.jobs)

    def stages_of(self, environment: str) -> list[Stage]:
        """Return the stages of an environment's pipeline: those written, or itself alone where it is none of them."""
        stages = list(self.pipeline.stages)
        return stages if environment in [each.environment for each in stages] else [Stage(environment=environment)]

    def job_service(self, job: Job) -> str:
        """Return the name of the service whose image and settings a job runs with."""
        return job.service or next(iter(self.services))

    def home_of(self, environment: str) -> Place:
        """Return where pipeline, builds and images of an environment are.

        That is with the first of the pipeline's stages, or with the environment itself where it is none of them.
        """
        stages = [stage.environment for stage in self.pipeline.stages]
        if environment not in stages:
            return Place(self.environment(environment).region, self.environment(environment).account)
        return Place(self.pipeline.region or self.environment(stages[0]).region, self.pipeline.account)

    def place_of(self, environment: str) -> Place:
        """Return where an environment is; what is not said of it is as at its home."""
        home, found = self.home_of(environment), self.environment(environment)
        return Place(found.region or home.region, found.account or home.account)

    def at(self, environment: str) -> Manifest:
        """Return the manifest whose `services` and `jobs` are those of an environment."""
        services, jobs = dict(self.services_in(environment)), dict(self.jobs_in(environment))
        return self.model_copy(update={"services": services, "jobs": jobs})

    def with_overrides(
        self, services: Mapping[str, Mapping[str, Service]], jobs: Mapping[str, Mapping[str, Job]]
    ) -> Manifest:
        """Return the manifest that knows its services and jobs by environment."""
        manifest = self.model_copy()
        manifest._services, manifest._jobs = services, jobs
        return manifest
