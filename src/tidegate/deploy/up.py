"""From a manifest to a running service with its pipeline. `Deployment.run` reads like the runbook."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

from tidegate.deploy.builds import Builds
from tidegate.deploy.buildspec import check_buildspec
from tidegate.deploy.deployments import settle
from tidegate.deploy.diagnosis import diagnose
from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.progress import StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.running import Running, running
from tidegate.deploy.scaling import restore, with_drift
from tidegate.deploy.secrets import missing_secrets
from tidegate.deploy.stacks import StackError, StackPlan, Stacks
from tidegate.template import names
from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template

REMOTE = "tidegate"


@dataclass(frozen=True, slots=True)
class Plans:
    """What would change, stack by stack, in the order in which they are made."""

    image: StackPlan
    environment: StackPlan
    services: dict[str, StackPlan]
    pipeline: StackPlan

    @property
    def all(self) -> list[StackPlan]:
        """Return the plans in order."""
        return [self.image, self.environment, *self.services.values(), self.pipeline]

    @property
    def empty(self) -> bool:
        """Return whether nothing would change."""
        return not any(plan.changes for plan in self.all)


class Deployment:
    """One `tidegate up`: it converges, whatever was there before."""

    def __init__(self, project: Project) -> None:
        self._project = project
        tags = {"tidegate:app": project.app}
        self._stacks = Stacks(project.session, project.progress, project.pace, tags)
        self._here = Stacks(
            project.session, project.progress, project.pace, {**tags, "tidegate:environment": project.environment}
        )
        self._builds = Builds(project)

    def check(self) -> None:
        """Raise `UserError` for what would fail anyway, before anything is touched."""
        project = self._project
        project.repository.head()
        for name, service in project.manifest.services.items():
            if not project.repository.has(service.build.dockerfile):
                raise UserError(
                    f"services.{name}.build.dockerfile",
                    f"the commit that is checked out has no {service.build.dockerfile}",
                    f"write it and commit it: git add {service.build.dockerfile} && git commit",
                )
        if not project.repository.has("buildspec.yml"):
            raise UserError(
                "buildspec.yml",
                "the commit that is checked out has none: nothing would know how to build the image",
                "tidegate init, then git add buildspec.yml && git commit",
            )
        check_buildspec(project.repository.text("buildspec.yml"))
        project.session.account()
        for path, reference in missing_secrets(project):
            command = f"tidegate secrets set {reference} --env {project.environment}"
            raise UserError(path, f"there is no parameter {reference}", f"{command}, then tidegate up")

    def plan(self) -> Plans:
        """Return what would change; nothing is changed."""
        project, manifest = self._project, self._project.manifest
        return Plans(
            image=self._stacks.plan(names.image_stack(project.app), image_template(manifest, project.stages)),
            environment=self._here.plan(
                names.environment_stack(project.app, project.environment),
                environment_template(manifest, project.environment),
            ),
            services={name: self._plan_service(name, None) for name in manifest.services},
            pipeline=self._stacks.plan(names.pipeline_stack(project.app), pipeline_template(manifest, project.stages)),
        )

    def discard(self, plans: Plans) -> None:
        """Forget plans that are not to be carried out."""
        for plan in plans.all:
            self._stacks.discard(plan)

    def run(self, plans: Plans) -> str | None:
        """Carry the plans out and return the address where the services answer (None: workers only)."""
        with ThreadPoolExecutor(thread_name_prefix="up") as pool:
            try:
                images = pool.submit(self._images, plans)
                environment = pool.submit(self._here.apply, plans.environment)
                outputs = _first_failure(images, environment, self._project.pace.stop)
                self._services(plans, images.result())
                self._pipeline(plans)
            except BaseException:
                self._project.pace.stop()
                raise
        return outputs.get("Url")

    def _images(self, plans: Plans) -> dict[str, str]:
        """Part 1: repositories, source and build; then an image for every service that has none yet."""
        project = self._project
        clone_url = self._stacks.apply(plans.image)["SourceUrl"]
        commit = project.repository.head()
        project.repository.remember_remote(REMOTE, clone_url, f"tidegate git-credential --env {project.environment}")
        images = {}
        for name in project.manifest.services:
            found = self._running(name)
            if found is not None:
                images[name] = found.image
                continue
            if not images:
                project.repository.push(clone_url, project.manifest.source.branch, project.session)
            images[name] = self._builds.first_image(name, commit, clone_url)
        return images

    def _services(self, plans: Plans, images: dict[str, str]) -> None:
        """Part 2: task definitions and services, each with the image that it has or that was just built."""
        for name, planned in plans.services.items():
            # a plan made before there was an image is made again, now with it
            plan = planned if planned.exists else self._plan_service(name, images[name])
            try:
                self._here.apply(plan)
            except StackError as error:
                raise self._explained(name, error) from error
            if any(change.by_hand for change in plan.changes):
                restore(self._project, name)
                settle(self._project, name)

    def _explained(self, name: str, error: StackError) -> UserError:
        """Say why a service does not become stable, where its tasks tell."""
        project = self._project
        found = None
        if error.kind == "ECS::Service":
            found = diagnose(project.session, project.cluster, name, error.since)
        if found is None:
            return error
        for line in found.lines:
            project.progress.line(f"service {name}", line)
        breaker = "the circuit breaker has ended its deployment: " if "Circuit Breaker" in error.why else ""
        return UserError(f"service {name}", f"{breaker}{found.why}", "mend it and commit, then tidegate up")

    def _pipeline(self, plans: Plans) -> None:
        """Part 3: the pipeline; a new one runs at once, and has to succeed, even if another `up` has begun it."""
        self._stacks.apply(plans.pipeline)
        executions = Executions(self._project)
        if not plans.pipeline.exists or executions.begins():
            executions.follow_first()

    def _plan_service(self, name: str, image: str | None) -> StackPlan:
        project = self._project
        count = project.manifest.services[name].count
        found = self._running(name)
        # what autoscaling has decided stands, within the manifest's bounds
        desired = min(max(found.desired, count.min), count.max) if found else count.desired
        parameters = {
            names.IMAGE_PARAMETER: found.image if found else image or "not-built-yet",
            names.COUNT_PARAMETER: str(desired),
        }
        template = service_template(project.manifest, project.environment, name)
        plan = self._here.plan(names.service_stack(project.app, project.environment, name), template, parameters)
        return with_drift(project, name, found.desired, plan) if found else plan

    def _running(self, name: str) -> Running | None:
        """Return what runs of a service; what a stack that failed has left of it is removed, and counts for nothing."""
        project = self._project
        stack = names.service_stack(project.app, project.environment, name)
        return running(project, name) if self._here.stands(stack) else None


def _first_failure(
    images: Future[dict[str, str]], environment: Future[dict[str, str]], stop: Callable[[], None]
) -> dict[str, str]:
    """Return the environment's outputs once both are there; on a failure stop the other one and raise the cause."""
    done: SimpleQueue[Future[dict[str, str]]] = SimpleQueue()
    for future in (environment, images):
        future.add_done_callback(done.put)
    for _ in range(2):
        error = done.get().exception()
        if error is not None and not isinstance(error, StoppedError):
            stop()
            raise error
    return environment.result()
