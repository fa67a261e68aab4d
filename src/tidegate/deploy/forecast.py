"""What a plan will take and cost: what is known of the images is read, the rest is reckoned in `judge`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.deploy.project import Project
from tidegate.deploy.session import Session
from tidegate.deploy.stacks import StackPlan
from tidegate.judge.cost import Estimate, StackBody, Usage, estimate
from tidegate.judge.prediction import Prediction, Settings, deploy_phases, predict, rounds
from tidegate.judge.prices import Prices
from tidegate.manifest import Manifest
from tidegate.template import names
from tidegate.template.stacks import all_stacks

_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan will take (by service) and cost: `before` None where nothing stands yet."""

    predictions: Mapping[str, Prediction]
    before: Estimate | None
    after: Estimate

    @property
    def slowest(self) -> tuple[str, Prediction]:
        """Return the service that takes longest: all are built and deployed at once."""
        return max(self.predictions.items(), key=lambda item: item[1].total if not item[1].blocked else float("inf"))


def forecast(project: Project, plans: Iterable[StackPlan], prices: Prices) -> Forecast:
    """Return what carrying these plans out will take and cost."""
    plans = list(plans)
    sizes = image_sizes(project.home, project.manifest)
    usage = Usage(image_mb=sizes)
    standing = [StackBody(plan.name, each.body, each.parameters) for plan in plans if (each := plan.standing)]
    planned = [StackBody(plan.name, json.loads(plan.body), plan.parameters) for plan in plans]
    return Forecast(
        predictions(project, sizes),
        estimate(standing, project.environment, prices, usage) if standing else None,
        estimate(planned, project.environment, prices, usage),
    )


def cost(manifest: Manifest, environment: str, sizes: Mapping[str, float], prices: Prices) -> Estimate:
    """Return what the manifest costs in one environment, together with the pipeline, whatever stands."""
    stacks = all_stacks(manifest, manifest.stages_of(environment), [environment])
    bodies = [StackBody(each.name, each.template.to_dict(), each.parameters) for each in stacks]
    return estimate(bodies, environment, prices, Usage(image_mb=sizes))


def predictions(project: Project, sizes: Mapping[str, float]) -> dict[str, Prediction]:
    """Return how long a push takes to be live in the project's environment, by service."""
    manifest, tests = project.manifest, project.manifest.pipeline.test is not None
    earlier = 0.0
    for stage in project.stages:
        if stage.environment == project.environment:
            break
        settings = [
            Settings.of(service, image_mb=sizes.get(name))
            for name, service in manifest.services_in(stage.environment).items()
        ]
        earlier += max(
            (sum(phase.seconds for phase in deploy_phases(each)) for each in settings if rounds(each)), default=0
        )
    return {
        name: predict(Settings.of(service, image_mb=sizes.get(name)), tests=tests, earlier=earlier, name=name)
        for name, service in manifest.services.items()
    }


def image_sizes(session: Session, manifest: Manifest) -> dict[str, float]:
    """Return the size in MB of each service's newest image, as the registry keeps it; none where there is none yet."""
    ecr = session.client("ecr")
    found: dict[str, float] = {}
    for service in manifest.services:
        try:
            images = ecr.describe_images(repositoryName=names.repository(manifest.app, service))["imageDetails"]
        except ClientError:  # there is no repository yet, or one may not look
            continue
        except BotoCoreError:  # no credentials, or nobody answers
            return found
        if images:
            newest = max(images, key=lambda image: image["imagePushedAt"])
            found[service] = round(newest["imageSizeInBytes"] / _BYTES, 1)
    return found
