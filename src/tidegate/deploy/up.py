"""From a manifest to a running service with its pipeline. `Deployment.run` reads like the runbook."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from queue import SimpleQueue
from typing import Any

from tidegate.deploy.builds import Builds
from tidegate.deploy.buildspec import check_buildspec
from tidegate.deploy.deployments import settle
from tidegate.deploy.diagnosis import diagnose
from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.progress import StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.running import live_targets, running
from tidegate.deploy.scaling import restore, with_drift
from tidegate.deploy.secrets import missing_secrets
from tidegate.deploy.source import Source
from tidegate.deploy.stacks import Change, StackError, StackPlan, Stacks
from tidegate.deploy.stages import other_stages
from tidegate.manifest import Stage
from tidegate.template import names, places
from tidegate.template.environment import environment_template
from tidegate.template.image import image_template
from tidegate.template.pipeline import pipeline_template
from tidegate.template.service import service_template
from tidegate.template.storage import artifacts_template

# what of a pipeline changes when an environment joins it
_JOINED = (
    Change("Modify", "Pipeline", "AWS::CodePipeline::Pipeline", ("Stages",)),
    Change("Modify", "PipelineRole", "AWS::IAM::Role", ("Policies",)),
)
_NONE_YET = "not-built-yet"  # the image in a plan for a service that has none


@dataclass(frozen=True, slots=True)
class Plans:
    """What would change, stack by stack, in the order in which they are made."""

    image: StackPlan
    artifacts: dict[str, StackPlan]  # by the region that they are in
    environment: StackPlan
    services: dict[str, StackPlan]
    pipeline: StackPlan

    @property
    def all(self) -> list[StackPlan]:
        """Return the plans in order."""
        return [self.image, *self.artifacts.values(), self.environment, *self.services.values(), self.pipeline]

    @property
    def empty(self) -> bool:
        """Return whether nothing would change."""
        return not any(plan.changes for plan in self.all)


class Deployment:
    """One `tidegate up`: it converges, whatever was there before."""

    def __init__(self, project: Project) -> None:
        self._project = project
        tags = {"tidegate:app": project.app}
        self._home = Stacks(project.home, project.progress, project.pace, tags)
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
        self._check_account()
        for path, why, command in missing_secrets(project):
            raise UserError(path, why, f"{command}, then tidegate up")
        self._check_pipeline()

    def _check_account(self) -> None:
        """Raise `UserError` where the credentials are of another account than the manifest says."""
        project = self._project
        account, wanted = project.session.account(), project.manifest.place_of(project.environment).account
        if wanted is not None and account != wanted:
            why = f"it is {wanted}, and the credentials in use are of {account}"
            raise UserError(
                f"environments.{project.environment}.account", why, "name those of the account with --profile"
            )

    def _check_pipeline(self) -> None:
        """Raise `UserError` where an environment that is no stage would take the pipeline from others."""
        project = self._project
        if project.environment in [stage.environment for stage in project.manifest.pipeline.stages]:
            return
        others = Executions(project).clusters() - {project.cluster}
        known = {names.cluster(project.app, name): name for name in project.manifest.environment_names}
        served = sorted(known[cluster] for cluster in others if cluster in known)
        if served:
            stages = ", ".join([*served, project.environment])
            raise UserError(
                f"pipeline {names.pipeline(project.app)}",
                f"it deploys to {', '.join(served)}, and {project.environment} is none of its stages",
                f"write pipeline: {{stages: [{stages}]}} in tidegate.yml",
            )

    def plan(self) -> Plans:
        """Return what would change; nothing is changed."""
        project, manifest = self._project, self._project.manifest
        at_home = manifest.at(project.stages[0].environment)
        services = {name: self._plan_service(name, None) for name in manifest.services}
        return Plans(
            image=self._home.plan(names.image_stack(project.app), image_template(at_home, project.stages)),
            artifacts={
                region: self._artifacts(region, key=None) for region in places.other_regions(manifest, project.stages)
            },
            environment=self._here.plan(
                names.environment_stack(project.app, project.environment),
                environment_template(manifest, project.environment),
            ),
            services=services,
            pipeline=self._plan_pipeline(later=not all(plan.exists for plan in services.values())),
        )

    def _plan_pipeline(self, *, later: bool) -> StackPlan:
        """Return what would change of the pipeline; `later`: it needs roles of services that are still to be made."""
        project = self._project
        stack = names.pipeline_stack(project.app)
        template = pipeline_template(project.manifest, self._stages)
        return self._home.plan_later(stack, template, _JOINED) if later else self._home.plan(stack, template)

    @cached_property
    def _stages(self) -> list[Stage]:
        """Return the stages that the pipeline can deploy to by now: an environment joins it with its own first `up`."""
        project = self._project
        up = {project.environment}
        for stage, is_up in other_stages(project, self._here):
            if is_up:
                up.add(stage.environment)
            else:
                told = f"not up yet, so that the pipeline ends before it: tidegate up --env {stage.environment}"
                project.progress.line(f"environment {stage.environment}", told)
        return [stage for stage in project.stages if stage.environment in up]

    def discard(self, plans: Plans) -> None:
        """Forget plans that are not to be carried out."""
        for plan in plans.artifacts.values():
            self._home.discard(plan)
        for plan in (plans.image, plans.pipeline):
            self._home.discard(plan)
        for plan in (plans.environment, *plans.services.values()):
            self._here.discard(plan)

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
        outputs = self._home.apply(plans.image)
        for region, plan in plans.artifacts.items():
            # a plan made before there was a key is made again, now with it
            again = not plan.exists and names.KEY_PARAMETER in outputs
            stacks = self._in_region(region)
            stacks.apply(self._artifacts(region, outputs["ArtifactKeyArn"]) if again else plan)
        source = Source(project, outputs)
        source.remember()
        runs = {name: plan.parameters[names.IMAGE_PARAMETER] for name, plan in plans.services.items() if plan.exists}
        images = {name: image for name, image in runs.items() if image != _NONE_YET}
        without = [name for name in plans.services if name not in images]
        if without:
            commit = project.repository.head()
            source.ready()
            revision = source.deliver(commit).revision
            with ThreadPoolExecutor(thread_name_prefix="build") as pool:
                builds = {
                    name: pool.submit(self._builds.first_image, name, commit, source, revision) for name in without
                }
                images |= {name: build.result() for name, build in builds.items()}
        return images

    def _artifacts(self, region: str, key: str | None) -> StackPlan:
        """Return what would change of what the pipeline needs in another region than its own."""
        project = self._project
        template = artifacts_template(project.manifest, project.stages, region)
        parameters = {}
        if names.KEY_PARAMETER in template.parameters:
            known = key or self._home.outputs(names.image_stack(project.app)).get("ArtifactKeyArn", "not-made-yet")
            parameters[names.KEY_PARAMETER] = known
        return self._in_region(region).plan(names.artifacts_stack(project.app), template, parameters)

    def _in_region(self, region: str) -> Stacks:
        return replace(self._home, session=self._project.home.at(region))

    def _services(self, plans: Plans, images: dict[str, str]) -> None:
        """Part 2: task definitions and services, all at once, each with the image that it has or that was built now."""
        with ThreadPoolExecutor(thread_name_prefix="service") as pool:
            made = [pool.submit(self._service, name, plan, images[name]) for name, plan in plans.services.items()]
            for service in made:
                service.result()

    def _service(self, name: str, planned: StackPlan, image: str) -> None:
        # a plan made before there was an image is made again, now with it
        known = planned.parameters[names.IMAGE_PARAMETER] != _NONE_YET
        plan = planned if known else self._plan_service(name, image)
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
        made = all(plan.exists for plan in plans.services.values())
        self._home.apply(plans.pipeline if made else self._plan_pipeline(later=False))
        executions = Executions(self._project)
        if not plans.pipeline.exists or executions.begins():
            executions.follow_first()

    def _plan_service(self, name: str, image: str | None) -> StackPlan:
        project = self._project
        service = project.manifest.services[name]
        stack_name = names.service_stack(project.app, project.environment, name)
        stack = self._here.standing(stack_name)
        # what a stack that failed has left of a service is removed, and counts for nothing
        found = None if stack is None else running(project, name)
        # what autoscaling has decided stands, within the manifest's bounds
        desired = min(max(found.desired, service.count.min), service.count.max) if found else service.count.desired
        parameters = {
            names.IMAGE_PARAMETER: found.image if found else image or _NONE_YET,
            names.COUNT_PARAMETER: str(desired),
        }
        if service.deployment.shifts:
            parameters[names.LIVE_PARAMETER] = live_targets(project, name) if found else names.PRIMARY
        elif _shifted(stack) and live_targets(project, name) == names.ALTERNATE:
            raise UserError(
                f"services.{name}.deployment.strategy",
                "its second group of targets serves now, and only a strategy that shifts requests has one",
                "tidegate push once more with the strategy as it was, which moves the requests back",
            )
        template = service_template(project.manifest, project.environment, name)
        plan = self._here.plan(stack_name, template, parameters, stack)
        return plan if found is None else with_drift(project, name, found.desired, plan)


def _shifted(stack: Any | None) -> bool:
    """Return whether a service's stack has two groups of targets."""
    parameters = [] if stack is None else stack.get("Parameters", [])
    return any(each["ParameterKey"] == names.LIVE_PARAMETER for each in parameters)


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
