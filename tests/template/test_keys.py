"""No key of the manifest is read and ignored: whichever is changed, some template changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.template.golden import templates
from tidegate.manifest import Manifest, parse
from tidegate.manifest.reference import below_of

_LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/all/0123456789abcdef/fedcba9876543210"
_CONNECTION = "arn:aws:codeconnections:eu-west-1:111122223333:connection/01234567-89ab-cdef-0123-456789abcdef"
_HOOK = "sidecars: {p: {image: envoy, essential: false, health: [CMD, up]}}"
_NETWORK = "network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-89abcdef]"
_BALANCER = f"{_NETWORK}}}, load_balancer: {{listener: '{_LISTENER}', security_group: sg-01234567"

# what else is said of the service (or the environment, the job, the pipeline), then the key before and after
OF_SERVICE: dict[str, tuple[str, str, str]] = {
    "build.dockerfile": ("", "build: {}", "build: {dockerfile: x}"),
    "build.context": ("", "build: {}", "build: {context: x}"),
    "build.args": ("", "build: {}", "build: {args: {A: 1}}"),
    "build.target": ("", "build: {}", "build: {target: x}"),
    "port": ("", "port: 8080", "port: 8081"),
    "cpu": ("memory: 1024", "cpu: 256", "cpu: 512"),
    "memory": ("", "memory: 512", "memory: 1024"),
    "arch": ("", "arch: x86_64", "arch: arm64"),
    "count.min": ("", "count: {min: 1, desired: 3, max: 4}", "count: {min: 2, desired: 3, max: 4}"),
    "count.max": ("", "count: {min: 1, desired: 3, max: 4}", "count: {min: 1, desired: 3, max: 5}"),
    "scaling.cpu": ("count: {max: 4}", "scaling: {memory: 1}", "scaling: {memory: 1, cpu: 2}"),
    "scaling.memory": ("count: {max: 4}", "scaling: {cpu: 1}", "scaling: {cpu: 1, memory: 2}"),
    "scaling.requests": ("count: {max: 4}", "scaling: {cpu: 1}", "scaling: {cpu: 1, requests: 2}"),
    "spot": ("", "spot: 0", "spot: 10"),
    "health.path": ("", "health: {}", "health: {path: /x}"),
    "health.interval": ("", "health: {}", "health: {interval: 9}"),
    "health.timeout": ("", "health: {}", "health: {timeout: 3}"),
    "health.healthy": ("", "health: {}", "health: {healthy: 3}"),
    "health.unhealthy": ("", "health: {}", "health: {unhealthy: 3}"),
    "health.grace": ("", "health: {}", "health: {grace: 3}"),
    "health.codes": ("", "health: {}", "health: {codes: '200'}"),
    "load_balancer": ("", "load_balancer: application", "load_balancer: network"),
    "routes.N.path": ("", "routes: [{path: /x}]", "routes: [{path: /y}]"),
    "routes.N.host": ("", "routes: [{path: /x}]", "routes: [{path: /x, host: a.com}]"),
    "routes.N.method": ("", "routes: [{path: /x}]", "routes: [{path: /x, method: GET}]"),
    "routes.N.header": ("", "routes: [{path: /x}]", "routes: [{path: /x, header: {X: y}}]"),
    "routes.N.query": ("", "routes: [{path: /x}]", "routes: [{path: /x, query: {x: y}}]"),
    "environment": ("", "environment: {}", "environment: {A: 1}"),
    "secrets": ("", "secrets: {A: 'ssm:/a'}", "secrets: {A: 'secretsmanager:a'}"),
    "sidecars.NAME.image": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: b}}"),
    "sidecars.NAME.port": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, port: 1}}"),
    "sidecars.NAME.essential": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, essential: false}}"),
    "sidecars.NAME.command": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, command: [x]}}"),
    "sidecars.NAME.environment": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, environment: {A: 1}}}"),
    "sidecars.NAME.secrets": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, secrets: {A: 'ssm:a'}}}"),
    "sidecars.NAME.health": ("", "sidecars: {p: {image: a}}", "sidecars: {p: {image: a, health: [CMD, up]}}"),
    "sidecars.NAME.depends_on": (
        "",
        "sidecars: {p: {image: a}}",
        "sidecars: {p: {image: a, depends_on: {web: start}}}",
    ),
    "depends_on": (_HOOK, "depends_on: {p: healthy}", "depends_on: {p: complete}"),
    "deployment.strategy": ("", "deployment: {strategy: linear}", "deployment: {strategy: canary}"),
    "deployment.bake_time": ("", "deployment: {strategy: linear}", "deployment: {strategy: linear, bake_time: 1}"),
    "deployment.step_percent": (
        "",
        "deployment: {strategy: canary}",
        "deployment: {strategy: canary, step_percent: 1}",
    ),
    "deployment.step_bake_time": (
        "",
        "deployment: {strategy: linear}",
        "deployment: {strategy: linear, step_bake_time: 1}",
    ),
    "deployment.minimum": ("", "deployment: {}", "deployment: {minimum: 50}"),
    "deployment.maximum": ("", "deployment: {}", "deployment: {maximum: 150}"),
    "deployment.circuit_breaker": ("", "deployment: {}", "deployment: {circuit_breaker: false}"),
    "deployment.alarms.N.name": ("", "deployment: {alarms: [a]}", "deployment: {alarms: [b]}"),
    "deployment.alarms.N.errors": ("", "deployment: {alarms: [errors]}", "deployment: {alarms: [{errors: 9}]}"),
    "deployment.alarms.N.latency": ("", "deployment: {alarms: [latency]}", "deployment: {alarms: [{latency: 9}]}"),
    "deployment.drain": ("", "deployment: {}", "deployment: {drain: 9}"),
    "deployment.stop_timeout": ("", "deployment: {}", "deployment: {stop_timeout: 9}"),
    "exec": ("", "exec: false", "exec: true"),
    "log_retention": ("", "log_retention: 7", "log_retention: 14"),
}
OF_JOB = {
    "schedule": ("command: [a]", "schedule: rate(1 day)", "schedule: rate(2 days)"),
    "command": ("schedule: rate(1 day)", "command: [a]", "command: [b]"),
    "service": ("schedule: rate(1 day), command: [a]", "service: web", "service: other"),
    "cpu": ("schedule: rate(1 day), command: [a], service: web, memory: 1024", "cpu: 256", "cpu: 512"),
    "memory": ("schedule: rate(1 day), command: [a], service: web", "memory: 512", "memory: 1024"),
    "environment": ("schedule: rate(1 day), command: [a], service: web", "environment: {}", "environment: {A: 1}"),
}
OF_ENVIRONMENT = {
    "region": ("", "region: eu-west-1", "region: us-east-1"),
    "account": ("", "account: '111122223333'", "account: '222233334444'"),
    "network.mode": ("", "network: {mode: public}", "network: {mode: nat}"),
    "network.vpc": ("", f"{_NETWORK}}}", f"{_NETWORK}}}".replace("vpc-01234567", "vpc-76543210")),
    "network.subnets": ("", f"{_NETWORK}}}", f"{_NETWORK}}}".replace("subnet-01234567", "subnet-76543210")),
    "network.balancer_subnets": (
        "",
        f"{_NETWORK}}}",
        f"{_NETWORK}, balancer_subnets: [subnet-0000000a, subnet-0000000b]}}",
    ),
    "load_balancer.listener": ("", f"{_BALANCER}}}", f"{_BALANCER}}}".replace("/all/", "/own/")),
    "load_balancer.security_group": ("", f"{_BALANCER}}}", f"{_BALANCER}}}".replace("sg-01234567", "sg-76543210")),
    "load_balancer.url": ("", f"{_BALANCER}}}", f"{_BALANCER}, url: 'https://a.com'}}"),
    "domain.name": ("", "domain: {name: a.com, zone: Z1}", "domain: {name: b.com, zone: Z1}"),
    "domain.zone": ("", "domain: {name: a.com, zone: Z1}", "domain: {name: a.com, zone: Z2}"),
    "services": ("", "services: {}", "services: {web: {exec: true}}"),
    "jobs": ("", "jobs: {}", "jobs: {nightly: null}"),
}
OF_THE_WHOLE = {
    "app": ("", "app: shop", "app: other"),
    "source.provider": ("", "source: {provider: codecommit}", "source: {provider: s3}"),
    "source.repository": ("", "source: {repository: a}", "source: {repository: b}"),
    "source.branch": ("", "source: {branch: a}", "source: {branch: b}"),
    "source.connection": (
        "",
        "source: {provider: github, repository: a/b}",
        f"source: {{provider: github, repository: a/b, connection: '{_CONNECTION}'}}",
    ),
    "source.bucket": ("", "source: {provider: s3}", "source: {provider: s3, bucket: code}"),
    "source.key": ("", "source: {provider: s3}", "source: {provider: s3, key: code.zip}"),
    "pipeline.stages.N.environment": ("", "pipeline: {stages: [here]}", "pipeline: {stages: [there]}"),
    "pipeline.stages.N.approve": (
        "",
        "pipeline: {stages: [here]}",
        "pipeline: {stages: [{environment: here, approve: true}]}",
    ),
    "pipeline.test.commands": ("", "pipeline: {test: {commands: [a]}}", "pipeline: {test: {commands: [b]}}"),
    "pipeline.image": ("", "pipeline: {image: a}", "pipeline: {image: b}"),
    "pipeline.trigger.paths": (
        "source: {provider: github, repository: a/b}",
        "pipeline: {trigger: {paths: [a]}}",
        "pipeline: {trigger: {paths: [b]}}",
    ),
    "pipeline.region": (
        "environments: {here: {region: eu-west-1}, there: {}}",
        "pipeline: {stages: [here], region: eu-west-1}",
        "pipeline: {stages: [here], region: us-east-1}",
    ),
    "pipeline.account": (
        "environments: {here: {account: '111122223333'}, there: {}}",
        "pipeline: {stages: [here], account: '111122223333'}",
        "pipeline: {stages: [here], account: '222233334444'}",
    ),
}
# how many tasks to begin with is a parameter of the stack, for whoever updates it passes how many run
_NO_TEMPLATE = {"services.NAME.count.desired"}
_VALUE = "<value>"


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield every key with the manifest before and after."""
    job = "jobs: {nightly: {schedule: rate(1 day), command: [a], service: web}}"
    home = "pipeline: {region: eu-west-1, account: '111122223333', stages: [here]}"
    two = "services: {web: {port: 8080}, other: {}}, jobs"
    for key, (more, *values) in OF_SERVICE.items():
        yield f"services.NAME.{key}", *_both(f"services: {{web: {{port: 8080, {_VALUE}}}}}", more, values)
    for key, (more, *values) in OF_JOB.items():
        named = more if key == "service" or "service" in more else f"{more}, service: web"
        yield f"jobs.NAME.{key}", *_both(f"{two}: {{nightly: {{{_VALUE}}}}}", named, values)
    for key, (more, *values) in OF_ENVIRONMENT.items():
        whole = f"services: {{web: {{port: 8080}}}}, {job}, {home}, environments: {{here: {{{_VALUE}}}}}"
        yield f"environments.NAME.{key}", *_both(whole, more, values)
    for key, (more, *values) in OF_THE_WHOLE.items():
        yield key, *_both(f"services: {{web: {{port: 8080}}}}, {_VALUE}", more, values)


def _both(whole: str, more: str, values: list[str]) -> tuple[str, str]:
    """Return two manifests that differ in one value."""
    before, after = (_app(whole.replace(_VALUE, f"{more}, {value}" if more else value)) for value in values)
    return before, after


def _app(text: str) -> str:
    document = {"app": "shop", "environments": {"here": {}, "there": {}}} | yaml.safe_load(f"{{{text}}}")
    if "source" in document and "environments" not in text and "stages" not in text:
        document.pop("environments")
    return yaml.safe_dump(document)


def keys(model: type[BaseModel] = Manifest, path: str = "") -> Iterator[str]:
    """Yield every key that has a value of its own."""
    for name, field in model.model_fields.items():
        below, between = below_of(field.annotation)
        if below is None:
            yield f"{path}{name}"
        else:
            yield from keys(below, f"{path}{name}{between}.")


CASES = list(cases())


def test_every_key_is_tried() -> None:
    assert sorted(key for key, _, _ in CASES) == sorted(set(keys()) - _NO_TEMPLATE)


@pytest.mark.parametrize(("key", "before", "after"), CASES, ids=[key for key, _, _ in CASES])
def test_a_key_that_is_changed_changes_a_template(key: str, before: str, after: str) -> None:
    assert documents(before) != documents(after)


def documents(text: str) -> dict[str, Any]:
    return {stack: template.to_dict() for stack, template in templates(parse(text))}
