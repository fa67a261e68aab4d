"""What stacks cost a month: an estimate, from their templates, so that what stands is reckoned like what is planned.

Nothing here asks AWS. What no template says (requests, pushes, log lines) is assumed, and the assumptions are part
of the answer. docs/predictions.md says the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any, Literal

from tidegate.judge.prices import HOURS, Prices
from tidegate.judge.schedule import runs_a_month
from tidegate.template import names

Counts = Literal["desired", "min", "max"]
_BILLED = ("Source", "Build", "Test", "Deploy")  # an approval costs nothing while it waits


@dataclass(frozen=True, slots=True)
class Usage:
    """What no template says: how the app is used in a month."""

    pushes: int = 60
    build_minutes: float = 2.0
    """What one build takes, rounded up."""
    deploy_minutes: float = 2.0
    source_minutes: float = 0.2
    balancer_units: float = 1.0
    """LCUs on average: one is 25 new connections a second, or 1 GB an hour."""
    outbound_gb: float = 10.0
    """GB a month through a NAT gateway, or through each endpoint."""
    log_gb: float = 1.0
    """GB of log lines a month and service."""
    image_mb: Mapping[str, float] = field(default_factory=dict)
    """The size of a service's image in its registry; 100 MB where it is not known."""
    new_share: float = 0.2
    """Which part of an image's layers the next one does not share."""
    job_minutes: float = 5.0

    def image(self, service: str) -> float:
        """Return the size of a service's image in MB."""
        return self.image_mb.get(service, 100.0)


@dataclass(frozen=True, slots=True)
class StackBody:
    """A stack as it stands or as it is planned: its template (parsed JSON) and its parameters."""

    name: str
    body: Mapping[str, Any]
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """What one thing costs: how that is reckoned, and the setting of the manifest that it comes from."""

    stack: str
    resource: str
    what: str
    reckoned: str
    monthly: float
    setting: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all of it costs a month in dollars: line by line, with autoscaling at its least and its most."""

    lines: tuple[Line, ...]
    least: float
    most: float
    prices: Prices
    assumptions: tuple[str, ...]

    @property
    def monthly(self) -> float:
        """Return the sum."""
        return sum(line.monthly for line in self.lines)

    @property
    def costliest(self) -> tuple[str, float] | None:
        """Return the setting that costs most, and how much; None where nothing costs anything."""
        by_setting: dict[str, float] = {}
        for line in self.lines:
            by_setting[line.setting] = by_setting.get(line.setting, 0.0) + line.monthly
        return max(by_setting.items(), key=lambda item: item[1], default=None)

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        costliest = self.costliest
        return {
            "estimate": True,
            "currency": "USD",
            "monthly": round(self.monthly, 2),
            "least": round(self.least, 2),
            "most": round(self.most, 2),
            "lines": [{**asdict(line), "monthly": round(line.monthly, 2)} for line in self.lines],
            "costliest": None if costliest is None else {"setting": costliest[0], "monthly": round(costliest[1], 2)},
            "prices": {"region": self.prices.region, "date": self.prices.date, "source": self.prices.source},
            "assumptions": list(self.assumptions),
        }


def estimate(stacks: Iterable[StackBody], environment: str, prices: Prices, usage: Usage | None = None) -> Estimate:
    """Return what stacks cost a month in an environment."""
    stacks, usage = list(stacks), usage or Usage()

    def lines(counts: Counts) -> list[Line]:
        return [line for stack in stacks for line in _Reckoning(stack, environment, prices, usage, counts).lines()]

    return Estimate(
        lines=tuple(lines("desired")),
        least=sum(line.monthly for line in lines("min")),
        most=sum(line.monthly for line in lines("max")),
        prices=prices,
        assumptions=tuple(_assumptions(usage)),
    )


def advice(found: Estimate) -> str:
    """Say in one sentence which setting costs most, and what would cost less."""
    costliest = found.costliest
    if costliest is None:
        return "Nothing of it costs anything by the month."
    setting, monthly = costliest
    share = f"{monthly:.2f} $ of {found.monthly:.2f} $ a month"
    return f"Most comes from {setting}: {share}; {_less(setting)}"


def _less(setting: str) -> str:
    last = setting.rpartition(".")[2]
    return {
        "count": "fewer tasks, smaller ones (cpu, memory) or arch: arm64 cost less.",
        "mode": "mode: public costs nothing by itself.",
        "port": "a load balancer costs the same for one service as for ten: let services share it.",
        "load_balancer": "behind an application load balancer services share one.",
        "jobs": "let it run less often, or with less cpu.",
        "secrets": "SSM parameters (ssm:) cost nothing.",
        "alarms": "name an alarm that is there already.",
        "log_retention": "write fewer lines: taking them in costs more than keeping them.",
    }.get(last, "fewer pushes, or shorter builds, cost less.")


def _assumptions(usage: Usage) -> Iterator[str]:
    yield f"{HOURS} hours a month, everything on all the time"
    minutes = f"{usage.build_minutes:g} minutes a build, {usage.deploy_minutes:g} a deployment"
    yield f"{usage.pushes} pushes a month, {minutes}"
    yield f"a load balancer at {usage.balancer_units:g} capacity unit (25 new connections a second, or 1 GB an hour)"
    through = f"{usage.outbound_gb:g} GB a month through a NAT gateway or an endpoint"
    yield f"{through}, {usage.log_gb:g} GB of logs a service"
    yield f"images as they are in the registry, or 100 MB; each new one adds {usage.new_share:.0%} of it"
    yield "not in it: data sent to the internet, S3 and KMS requests, taxes, free tiers other than CodePipeline's"


@dataclass(frozen=True, slots=True)
class _Reckoning:
    """The lines of one stack."""

    stack: StackBody
    environment: str
    prices: Prices
    usage: Usage
    counts: Counts

    def lines(self) -> Iterator[Line]:
        for title, resource in self._resources.items():
            reckon = _RECKONED.get(resource["Type"])
            if reckon is not None:
                yield from reckon(self, title, resource.get("Properties", {}))

    @property
    def _resources(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.stack.body.get("Resources", {})
        return found

    def _all(self, kind: str) -> list[Mapping[str, Any]]:
        return [each.get("Properties", {}) for each in self._resources.values() if each["Type"] == kind]

    def _line(self, title: str, what: str, name: str, units: float, setting: str, reckoned: str = "") -> Line:
        price = self.prices.prices[name]
        free = f" less {price.free:g} free" if price.free else ""
        told = reckoned or f"{units:g}"
        return Line(
            self.stack.name,
            title,
            what,
            f"{told}{free} x {price.price:g} $ a {price.unit}",
            self.prices.of(name, units),
            setting,
        )

    def _count(self) -> float:
        target = next(iter(self._all("AWS::ApplicationAutoScaling::ScalableTarget")), None)
        if target is not None and self.counts != "desired":
            return float(target["MinCapacity" if self.counts == "min" else "MaxCapacity"])
        text = self.stack.parameters.get(names.COUNT_PARAMETER, "")
        return float(text) if text.isdigit() else 1.0

    @property
    def _service(self) -> str:
        """Return the name of the service whose stack it is."""
        service = next(iter(self._all("AWS::ECS::Service")), {})
        return str(service.get("ServiceName", self.stack.name))

    def service(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """Tasks by their size and processor, those on Spot for less, and their public addresses."""
        count = self._count()
        setting = f"services.{self._service}.count"
        spot = _spot_share(properties)
        yield from self._tasks(title, self._service, count * (1 - spot), HOURS, setting)
        yield from self._tasks(title, self._service, count * spot, HOURS, setting, spot=True)
        if _public(properties) and count:
            what = f"public addresses of {self._service}'s tasks"
            yield self._line(title, what, "address", count * HOURS, setting, f"{count:g} x {HOURS} h")

    def _tasks(
        self,
        title: str,
        name: str,
        count: float,
        hours: float,
        setting: str,
        *,
        spot: bool = False,
        cpu: str | None = None,
        memory: str | None = None,
    ) -> Iterator[Line]:
        if not count:
            return
        definition = next(iter(self._all("AWS::ECS::TaskDefinition")), {})
        arch = "arm64" if definition.get("RuntimePlatform", {}).get("CpuArchitecture") == "ARM64" else "x86_64"
        sizes = {
            "vcpu": int(cpu or definition.get("Cpu", 256)) / 1024,
            "memory": int(memory or definition.get("Memory", 512)) / 1024,
        }
        share = self.prices.spot if spot else 1.0
        told = f"{count:g} tasks of {name}, {arch}" + (f" on Spot at {share:.0%} of the price" if spot else "")
        for noun, size in sizes.items():
            price = self.prices.prices[f"fargate.{arch}.{noun}"]
            amount = count * size * hours * price.price * share
            unit = "vCPU" if noun == "vcpu" else "GB"
            reckoned = f"{count:g} x {size:g} {unit} x {hours:g} h x {price.price * share:g} $"
            yield Line(self.stack.name, title, f"{told}: {unit}", reckoned, amount, setting)

    def balancer(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A load balancer by the hour, by what goes through it, and its public addresses: one a zone."""
        kind = properties.get("Type", "application")
        setting = f"services.{self._service}.load_balancer" if kind == "network" else "services.*.port"
        name = f"{kind} load balancer"
        yield self._line(title, name, f"balancer.{kind}", HOURS, setting, f"{HOURS} h")
        units = self.usage.balancer_units
        yield self._line(
            title, f"{name}: capacity", f"balancer.{kind}.unit", units * HOURS, setting, f"{units:g} x {HOURS} h"
        )
        if properties.get("Scheme") == "internet-facing":
            zones = len(properties.get("Subnets", ()))
            yield self._line(title, f"{name}: addresses", "address", zones * HOURS, setting, f"{zones} x {HOURS} h")

    def nat(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A NAT gateway by the hour and by the GB."""
        setting = f"environments.{self.environment}.network.mode"
        yield self._line(title, "NAT gateway", "nat", HOURS, setting, f"{HOURS} h")
        yield self._line(title, "NAT gateway: data", "nat.data", self.usage.outbound_gb, setting)

    def address(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A public address of its own."""
        setting = f"environments.{self.environment}.network.mode"
        yield self._line(title, "public address", "address", HOURS, setting, f"{HOURS} h")

    def endpoint(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """An interface endpoint, by the hour and zone; one of the kind gateway costs nothing."""
        if properties.get("VpcEndpointType") != "Interface":
            return
        zones = len(properties.get("SubnetIds", ()))
        setting = f"environments.{self.environment}.network.mode"
        yield self._line(title, f"endpoint {title}", "endpoint", zones * HOURS, setting, f"{zones} x {HOURS} h")
        yield self._line(title, f"endpoint {title}: data", "endpoint.data", self.usage.outbound_gb, setting)

    def project(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """Builds, by the minute that has begun."""
        minutes = self.usage.pushes * ceil(self.usage.build_minutes)
        reckoned = f"{self.usage.pushes} pushes x {ceil(self.usage.build_minutes)} minutes"
        yield self._line(title, f"builds of {properties.get('Name', title)}", "build", minutes, "pipeline", reckoned)

    def pipeline(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A pipeline's actions, by the minute; approvals cost nothing."""
        takes = {
            "Source": self.usage.source_minutes,
            "Build": self.usage.build_minutes,
            "Test": self.usage.build_minutes,
            "Deploy": self.usage.deploy_minutes,
        }
        kinds = [
            action["ActionTypeId"]["Category"]
            for stage in properties.get("Stages", ())
            for action in stage.get("Actions", ())
        ]
        minutes = self.usage.pushes * sum(takes[kind] for kind in kinds if kind in _BILLED)
        yield self._line(title, "pipeline actions", "pipeline", minutes, "pipeline", f"{minutes:g} minutes")

    def repository(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """Images that are kept: the first whole, of each further one what is new in it."""
        service = str(properties.get("RepositoryName", "")).rpartition("/")[2]
        kept = min(_kept(properties), self.usage.pushes * 12)
        gb = self.usage.image(service) * (1 + (kept - 1) * self.usage.new_share) / 1000
        reckoned = f"{kept} images of {self.usage.image(service):g} MB: {gb:.2f} GB"
        yield self._line(title, f"images of {service}", "registry", gb, f"services.{service}.build", reckoned)

    def log_group(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """Log lines, by the GB that is taken in; what builds write is too little to count."""
        if str(properties.get("LogGroupName", "")).startswith("/aws/codebuild/"):
            return
        setting = f"services.{self._service}.log_retention"
        yield self._line(title, f"log of {self._service}", "logs", self.usage.log_gb, setting)

    def alarm(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """An alarm."""
        yield self._line(title, f"alarm {title}", "alarm", 1, f"services.{self._service}.deployment.alarms")

    def policy(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A target-tracking policy: Application Auto Scaling makes two alarms for each."""
        yield self._line(title, f"alarms of {title}", "alarm", 2, f"services.{self._service}.scaling")

    def definition(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """Secrets of Secrets Manager that a task reads; SSM parameters cost nothing."""
        found = {
            _text(secret["ValueFrom"]).rpartition(":secret:")[2].partition(":")[0]
            for container in properties.get("ContainerDefinitions", ())
            for secret in container.get("Secrets", ())
            if ":secretsmanager:" in _text(secret["ValueFrom"])
        }
        if found:
            setting = f"services.{self._service}.secrets"
            yield self._line(title, f"secrets of {self._service}", "secret", len(found), setting)

    def rule(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A job's tasks: as long as each runs, as often as its schedule comes round."""
        if "ScheduleExpression" not in properties:
            return
        hours = runs_a_month(str(properties["ScheduleExpression"])) * self.usage.job_minutes / 60
        target: Mapping[str, Any] = next(iter(properties.get("Targets", ())), {})
        own = json.loads(target.get("Input", "{}"))
        name = f"job {title.removesuffix('Job')}"
        yield from self._tasks(title, name, 1, round(hours, 2), "jobs", cpu=own.get("cpu"), memory=own.get("memory"))

    def key(self, title: str, properties: Mapping[str, Any]) -> Iterator[Line]:
        """A key of KMS."""
        yield self._line(title, "key of the artifacts", "key", 1, "environments.*.account")


_RECKONED: Mapping[str, Callable[[_Reckoning, str, Mapping[str, Any]], Iterator[Line]]] = {
    "AWS::CloudWatch::Alarm": _Reckoning.alarm,
    "AWS::CodeBuild::Project": _Reckoning.project,
    "AWS::CodePipeline::Pipeline": _Reckoning.pipeline,
    "AWS::EC2::EIP": _Reckoning.address,
    "AWS::EC2::NatGateway": _Reckoning.nat,
    "AWS::EC2::VPCEndpoint": _Reckoning.endpoint,
    "AWS::ECR::Repository": _Reckoning.repository,
    "AWS::ECS::Service": _Reckoning.service,
    "AWS::ECS::TaskDefinition": _Reckoning.definition,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _Reckoning.balancer,
    "AWS::Events::Rule": _Reckoning.rule,
    "AWS::KMS::Key": _Reckoning.key,
    "AWS::KMS::ReplicaKey": _Reckoning.key,
    "AWS::Logs::LogGroup": _Reckoning.log_group,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _Reckoning.policy,
}


def _spot_share(properties: Mapping[str, Any]) -> float:
    shares = {
        each["CapacityProvider"]: each.get("Weight", 0) for each in properties.get("CapacityProviderStrategy", ())
    }
    whole = sum(shares.values())
    return shares.get("FARGATE_SPOT", 0) / whole if whole else 0.0


def _public(properties: Mapping[str, Any]) -> bool:
    network = properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
    return bool(network.get("AssignPublicIp") == "ENABLED")


def _kept(properties: Mapping[str, Any]) -> int:
    rules = json.loads(properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText", '{"rules": []}'))["rules"]
    return next((rule["selection"]["countNumber"] for rule in rules), 100)


def _text(value: Any) -> str:
    """Return a text, or the text that a Sub is made of."""
    if isinstance(value, Mapping):
        inner = value.get("Fn::Sub", "")
        return inner if isinstance(inner, str) else str(inner[0])
    return str(value)
