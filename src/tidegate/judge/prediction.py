"""How long a push takes until it is live, phase by phase: predicted from the settings, before anything is made.

Every phase is what AWS documents of its service, or what was measured and published, and leans to the long side.
docs/predictions.md names the source of each number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import ceil, floor, inf, sqrt
from typing import Any

from tidegate.manifest import Service
from tidegate.manifest.deployment import Deployment
from tidegate.manifest.route import Health

SOURCE = 10.0  # the rule hears of the push, the pipeline starts, the source action copies the code
MACHINE = 15.0  # until CodeBuild has a machine
COMMANDS = 25.0  # of a build whose layers are cached
TRANSFER = 50.0  # MB a second between CodeBuild and the registry
NEW_SHARE = 0.2  # of an image's layers that a commit changes
ARTIFACTS = 3.0  # until what was built is where the next stage finds it
DEPLOY = 5.0  # the deploy action's own calls, until ECS has begun
PROVISION = 25.0  # until a task has its machine and its network
PULL = 12.0  # MB a second that a task of .25 vCPU takes in and unpacks
REGISTER = 2.0  # until the load balancer has a new target
FASTEST_CHECK = 5  # seconds: no health check comes sooner after the last
NETWORK_SHIFT = 20 * 60.0  # that ECS waits for a network load balancer to shift connections
_QUARTER = 256
_IMAGE_MB, _START = 100.0, 5.0  # where nothing is known
_WORTH_SAYING = 5.0  # seconds
_LONGEST_PULL = 20.0  # seconds of pulling that are worth a remark


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides how long a deployment of one service takes. Seconds, MB, CPU units, percent, minutes."""

    balanced: bool = True
    networked: bool = False
    interval: float = 5
    healthy: int = 2
    unhealthy: int = 2
    drain: float = 5
    stop_timeout: float = 30
    image_mb: float = _IMAGE_MB
    start: float = _START
    cpu: int = 256
    desired: int = 1
    minimum: int = 100
    maximum: int = 200
    shift_minutes: float = 0
    bake_minutes: float = 0
    shifts: bool = False
    build: float = COMMANDS

    @classmethod
    def of(cls, service: Service, *, image_mb: float | None = None, start: float | None = None) -> Settings:
        """Return what a service of the manifest says; the image's size and the start, where they are known."""
        deployment, health = service.deployment, service.health
        return cls(
            balanced=service.port is not None,
            networked=service.networked,
            interval=health.interval,
            healthy=health.healthy,
            unhealthy=health.unhealthy,
            drain=deployment.drain,
            stop_timeout=deployment.stop_timeout,
            image_mb=_IMAGE_MB if image_mb is None else image_mb,
            start=_START if start is None else start,
            cpu=service.cpu,
            desired=service.count.desired,
            minimum=deployment.minimum,
            maximum=deployment.maximum,
            shifts=deployment.shifts,
            shift_minutes=max(deployment.minutes - deployment.bake_minutes, 0) if deployment.shifts else 0,
            bake_minutes=deployment.bake_minutes if deployment.shifts else 0,
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the way, the seconds that it takes, and what they rest on."""

    name: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """How long a push takes until it is live: its phases, one after the other.

    `first` is when the new version answers its first request, `total` when nothing of the old one is left and the
    pipeline says Succeeded. `blocked` says why a deployment can never come to an end.
    """

    phases: tuple[Phase, ...]
    first: float
    advice: str
    blocked: str | None = None

    @property
    def total(self) -> float:
        """Return the sum of the phases."""
        return sum(phase.seconds for phase in self.phases)

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return {
            "prediction": True,
            "seconds": None if self.blocked else round(self.total, 1),
            "first_answer": None if self.blocked else round(self.first, 1),
            "phases": [{**asdict(phase), "seconds": round(phase.seconds, 1)} for phase in self.phases],
            "advice": self.advice,
            "blocked": self.blocked,
        }


def before_deploy(settings: Settings, *, tests: bool = False) -> list[Phase]:
    """Return the phases from the push to the first deploy action: they are the same for every environment."""
    cached = settings.image_mb / TRANSFER
    phases = [
        Phase("source", SOURCE, "the rule hears of the push, the source action copies the code"),
        Phase(
            "build",
            MACHINE + cached + settings.build,
            f"{MACHINE:g} s for a machine, {cached:.0f} s to fetch the last image's layers, "
            f"{settings.build:g} s of commands",
        ),
        Phase(
            "push",
            ARTIFACTS + settings.image_mb * NEW_SHARE / TRANSFER,
            f"{NEW_SHARE:.0%} of {settings.image_mb:g} MB at {TRANSFER:g} MB/s, and the artifacts",
        ),
    ]
    if tests:
        phases.append(
            Phase("test", MACHINE + settings.build, "a machine and commands, taken to be as many as a build's")
        )
    return phases


def deploy_phases(settings: Settings) -> list[Phase]:
    """Return the phases of one deployment, from the deploy action's start to its end."""
    turns = rounds(settings)
    many = f", {turns} times one after the other" if turns > 1 else ""
    pull = settings.image_mb / (PULL * sqrt(settings.cpu / _QUARTER))
    phases = [
        Phase("deploy action", DEPLOY, "a new revision, the service updated"),
        Phase(
            "provision and pull",
            turns * (PROVISION + pull),
            f"{PROVISION:g} s for machine and network, {settings.image_mb:g} MB pulled in {pull:.0f} s{many}",
        ),
        Phase("start", turns * settings.start, f"{settings.start:g} s until the program listens{many}"),
    ]
    if settings.balanced:
        checks = _checks(settings)
        phases.append(
            Phase(
                "health checks",
                turns * (REGISTER + checks * settings.interval),
                f"{checks} x {settings.interval:g} s (health.interval) and {REGISTER:g} s to register{many}",
            )
        )
    if settings.shifts:
        network = NETWORK_SHIFT if settings.networked else 0.0
        steps = settings.shift_minutes * 60
        phases += [
            Phase("shift", steps + network, "requests are moved to the new version in its steps"),
            Phase("bake", settings.bake_minutes * 60, "the old version stays ready (deployment.bake_time)"),
        ]
    often = f", {turns} times" if turns > 1 else ""
    if settings.balanced:
        phases.append(Phase("drain", turns * settings.drain, f"{settings.drain:g} s at most (deployment.drain){often}"))
    phases.append(
        Phase(
            "stop",
            turns * settings.stop_timeout,
            f"{settings.stop_timeout:g} s at most (deployment.stop_timeout), less if the program ends sooner{often}",
        )
    )
    return phases


def rounds(settings: Settings) -> int:
    """Return in how many rounds tasks are replaced: in each, new ones start and as many old ones stop.

    Between the fewest that must be healthy and the most that may run is the room to do it in. With minimum 100 and
    maximum 200 it is one round. 0: there is no room, and no task can ever be replaced.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
    """
    desired = settings.desired
    if desired == 0 or settings.shifts:  # the new version stands whole beside the old one
        return 1
    least, most = ceil(desired * settings.minimum / 100), floor(desired * settings.maximum / 100)
    return ceil(desired / (most - least)) if most > least else 0


def predict(settings: Settings, *, tests: bool = False, earlier: float = 0.0, name: str = "web") -> Prediction:
    """Return the prediction for one service.

    `earlier` are the seconds of the stages that the pipeline deploys first (approvals not counted).
    """
    if rounds(settings) == 0:
        why = (
            f"services.{name}.deployment: with {settings.desired} tasks, minimum {settings.minimum} and maximum "
            f"{settings.maximum} let ECS neither stop an old task nor start a new one"
        )
        return Prediction((), inf, f"{why}: set maximum 200", why)
    deploy = deploy_phases(settings)
    before = before_deploy(settings, tests=tests)
    if earlier:
        before.append(Phase("earlier stages", earlier, "the environments that the pipeline deploys to before"))
    turns = rounds(settings)
    first = (
        sum(phase.seconds for phase in before)
        + DEPLOY
        + sum(
            phase.seconds / turns for phase in deploy if phase.name in ("provision and pull", "start", "health checks")
        )
    )
    phases = (*before, *deploy)
    return Prediction(phases, first, _advice(settings, phases, name))


def _checks(settings: Settings) -> int:
    """Return how many health checks a new target waits for.

    One that passes is enough. A program that is slow to start may have failed as many as make it unhealthy before;
    then it needs `healthy` in a row.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-healthcheck.html
    """
    slow = settings.start > (settings.unhealthy - 1) * FASTEST_CHECK
    return settings.healthy if slow else 1


def _advice(settings: Settings, phases: tuple[Phase, ...], name: str) -> str:
    """Say which setting costs most of the time, by taking each back to its default."""
    found = max(_savings(settings), key=lambda each: each[0], default=None)
    if found is not None and found[0] >= _WORTH_SAYING:
        seconds, setting, value, better = found
        return f"services.{name}.{setting} {value} costs {seconds:.0f} s: set {better}."
    pull = settings.image_mb / (PULL * sqrt(settings.cpu / _QUARTER))
    if pull >= _LONGEST_PULL:
        return f"The image's {settings.image_mb:g} MB cost {pull:.0f} s: make it smaller, or give more cpu."
    longest = max(phases, key=lambda phase: phase.seconds)
    return f"No setting of the manifest slows it down; most of the time is {longest.name} ({longest.seconds:.0f} s)."


def _savings(settings: Settings) -> Iterator[tuple[float, str, str, str]]:
    """Yield the seconds that each setting costs beyond its default: seconds, setting, its value, what to set."""
    health, deployment = Health(), Deployment()
    candidates: list[tuple[str, dict[str, Any], str, str]] = [
        ("health.interval", {"interval": health.interval}, f"{settings.interval:g}", f"{health.interval}"),
        ("health.healthy", {"healthy": health.healthy}, f"{settings.healthy}", f"{health.healthy}"),
        ("deployment.drain", {"drain": deployment.drain}, f"{settings.drain:g}", f"{deployment.drain}"),
        (
            "deployment.stop_timeout",
            {"stop_timeout": deployment.stop_timeout},
            f"{settings.stop_timeout:g}",
            f"{deployment.stop_timeout}",
        ),
        (
            "deployment.minimum and maximum",
            {"minimum": deployment.minimum, "maximum": deployment.maximum},
            f"{settings.minimum} and {settings.maximum}",
            f"{deployment.minimum} and {deployment.maximum}",
        ),
        (
            "deployment.strategy",
            {"shifts": False, "shift_minutes": 0, "bake_minutes": 0},
            f"with {settings.shift_minutes + settings.bake_minutes:g} minutes of steps and bake_time",
            "shorter ones, or strategy: rolling",
        ),
    ]
    total = _deploy_total(settings)
    for setting, change, value, better in candidates:
        yield total - _deploy_total(replace(settings, **change)), setting, value, better


def _deploy_total(settings: Settings) -> float:
    return sum(phase.seconds for phase in deploy_phases(settings))
