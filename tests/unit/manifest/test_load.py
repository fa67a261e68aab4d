"""Every mistake in a manifest is named by its path, its line, and what would be right."""

# ruff: noqa: E501  (faults as they are told, whole)

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.manifest import ManifestError, load, parse
from tidegate.manifest.model import Place

MINIMAL = "app: hello\nservices: {web: {port: 8080}}\n"


def faults(text: str, environment: str | None = None) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(text, environment)
    return [str(fault) for fault in caught.value.faults]


def test_the_smallest_manifest() -> None:
    manifest = parse(MINIMAL)
    web = manifest.services["web"]
    assert (manifest.app, manifest.repository, manifest.source.branch) == ("hello", "hello", "main")
    assert (web.port, web.cpu, web.memory, web.count.desired) == (8080, 256, 512, 1)


def test_the_defaults_are_those_of_a_fast_deployment() -> None:
    web = parse(MINIMAL).services["web"]
    assert (web.health.interval, web.health.healthy, web.deployment.drain) == (5, 2, 5)
    assert web.deployment.circuit_breaker


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("app: hello\nservices:\n  web:\n    prot: 80", "line 4, services.web.prot: unknown key; did you mean port?"),
        (
            "app: hello\nservices:\n  web:\n    health: {pth: /x}",
            "line 4, services.web.health.pth: unknown key; did you mean path?",
        ),
        (
            "app: hello\nservices:\n  web:\n    wholly: different",
            (
                "line 4, services.web.wholly: unknown key; known here are build, port, cpu, memory, arch, count, scaling, spot, "
                "health, load_balancer, routes, environment, secrets, sidecars, depends_on, deployment, exec, log_retention"
            ),
        ),
        (
            "app: hello\nservices:\n  web:\n    deployment: {alarms: [{eror: 1}]}",
            "line 4, services.web.deployment.alarms.0.eror: unknown key; did you mean errors?",
        ),
        (
            "app: hello\nservices:\n  web:\n    sidecars: {proxy: {image: x, prot: 1}}",
            "line 4, services.web.sidecars.proxy.prot: unknown key; did you mean port?",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  staging: {domain: {name: a.example.com, zon: Z1}}",
            "line 4, environments.staging.domain.zone: it is missing",
        ),
        (
            "app: hello\nservices:\n  web:\n    cpu: 300",
            (
                "line 4, services.web.cpu: 300 is not a Fargate size; use one of 256, 512, 1024, 2048, 4096, 8192, 16384 "
                "(1024 are 1 vCPU)"
            ),
        ),
        (
            "app: hello\nservices:\n  web: {cpu: 256, memory: 4096}",
            "line 3, services.web.memory: 4096 does not go with cpu 256 on Fargate; use 512, 1024, 2048 (MiB)",
        ),
        (
            "app: hello\nservices:\n  web: {memory: 512XB}",
            "line 3, services.web.memory: '512XB' is no amount of memory: write 512 or 0.5GB",
        ),
        (
            "app: hello\nservices:\n  web: {cpu: 0.25}",
            "line 3, services.web.cpu: 0.25 is no amount of CPU: write 256 or .25 vCPU",
        ),
        ("services: {web: {}}", "app: it is missing"),
        ("app: hello", "services: it is missing"),
        (
            "app: Hello\nservices: {web: {}}",
            "line 1, app: 'Hello' must be a name: lower-case letters and digits, with single - between them, a letter first",
        ),
        (
            f"app: {'a' * 31}\nservices: {{web: {{}}}}",
            f"line 1, app: '{'a' * 31}' is longer than a name may be: 30 characters",
        ),
        (
            "app: hello\nservices:\n  web:\n    count: {min: 3, max: 2}",
            "line 4, services.web.count: min <= desired <= max does not hold: 3, 3, 2",
        ),
        (
            "app: hello\nservices:\n  web:\n    port: 80\n    health: {interval: 5, timeout: 5}",
            "line 5, services.web.health: timeout must be less than interval: 5 is not less than 5",
        ),
        (
            "app: hello\nservices:\n  web:\n    port: 80\n    routes: [{path: x}]",
            "line 5, services.web.routes.0.path: 'x' must begin with /",
        ),
        (
            "app: hello\nservices:\n  web:\n    port: 80\n    routes: [{path: [/a, /b, /c, /d], host: [x.com, y.com]}]",
            "line 5, services.web.routes.0: a route has 5 patterns at the most, and this one has 6: make two of it",
        ),
        ("app: hello\nservices:\n  web:\n    port: 80\n    routes: []", "line 5, services.web.routes: it is empty"),
        (
            "app: hello\nservices:\n  web:\n    secrets: {KEY: plain-text}",
            (
                "line 4, services.web.secrets: KEY is 'plain-text', but a secret reads ssm:/name or secretsmanager:name "
                "(secretsmanager:name#key for one key of a JSON secret)"
            ),
        ),
        (
            "app: hello\nservices: {web: {}}\nsource: {provider: githup}",
            (
                "line 3, source.provider: 'githup' is none of 'codecommit', 'github', 'gitlab', 'bitbucket' or 's3'; "
                "did you mean github?"
            ),
        ),
        (
            "app: hello\nservices:\n  web: {port: 80, load_balancer: classic}",
            (
                "line 3, services.web.load_balancer: a Classic Load Balancer cannot serve Fargate: its targets are instances, and "
                "Fargate tasks are addresses; use application or network"
            ),
        ),
        (
            "app: hello\nservices:\n  web:\n    spot: 0.5",
            "line 4, services.web.spot: 0.5 is no percentage: write 50",
        ),
        (
            "app: hello\nservices:\n  web:\n    spot: 150",
            "line 4, services.web.spot: input should be less than or equal to 100",
        ),
        (
            "app: hello\nservices:\n  web:\n    deployment: {alarms: [{errors: 1, latency: 2}]}",
            "line 4, services.web.deployment.alarms.0: it is one of name, errors and latency",
        ),
        (
            "app: hello\nservices:\n  web:\n    deployment: {minimum: 100, maximum: 100}",
            "line 4, services.web.deployment: minimum and maximum cannot both be 100: no task could be replaced",
        ),
        (
            "app: hello\nservices: {web: {}}\njobs:\n  nightly: {schedule: daily, command: [ls]}",
            (
                "line 4, jobs.nightly.schedule: 'daily' must be a schedule: rate(1 hour), or cron(0 3 * * ? *) with minute, hour, "
                "day, month, weekday, year"
            ),
        ),
        (
            "app: hello\nservices: {web: {}}\njobs:\n  nightly: {schedule: rate(1 day), command: ls -l}",
            "line 4, jobs.nightly.command: 'ls -l' is no list: write [ls -l]",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  a: {network: {vpc: vpc-0123456789abcdef0}}",
            "line 4, environments.a.network: an imported network is {vpc: vpc-…, subnets: [subnet-…, subnet-…]}",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  a: {network: {mode: nat, vpc: vpc-0123456789abcdef0}}",
            "line 4, environments.a.network: vpc is for a network that is there already; mode nat makes one",
        ),
        (
            (
                "app: hello\nservices: {web: {}}\nenvironments:\n"
                "  a: {network: {vpc: vpc-0123456789abcdef0, subnets: [subnet-0123456789abcdef0]}}"
            ),
            "line 4, environments.a.network.subnets: two subnets in different zones are the fewest",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  staging: {services: {wbe: {}}}",
            "line 4, environments.staging.services.wbe: there is no such service; there are web",
        ),
        (
            "app: hello\nservices: {web: {}}\nenvironments:\n  staging: {jobs: {nightly: null}}",
            "line 4, environments.staging.jobs.nightly: there is no such job; there are none",
        ),
        (
            "app: hello\nservices: {web: {}}\npipeline: {stages: [prod]}",
            "line 3, pipeline.stages.0: there is no environment 'prod'; there are local",
        ),
    ],
)
def test_mistakes(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_all_mistakes_are_told_at_once() -> None:
    found = faults("app: hello\nservices:\n  web:\n    prot: 80\n    health: {path: x}")
    assert len(found) == 2


def test_what_is_not_yaml() -> None:
    assert faults("app: [\n")[0].startswith("line 2, not YAML: ")
    assert faults("") == ["it is empty, or not a mapping of keys"]


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"tidegate\.yml: there is none in .*; run tidegate init"):
        load(tmp_path / "tidegate.yml")


def test_an_environment_overrides_a_service() -> None:
    text = MINIMAL + "environments:\n  staging:\n    services: {web: {cpu: 512, memory: 1024, count: {max: 5}}}\n"
    staging, local = parse(text, "staging").services["web"], parse(text, "local").services["web"]
    assert (staging.cpu, staging.count.max, staging.count.desired, staging.port) == (512, 5, 1, 8080)
    assert (local.cpu, local.count.max) == (256, 1)


def test_an_override_changes_a_part_of_a_count_that_is_a_number() -> None:
    text = "app: a\nservices: {web: {count: 3}}\nenvironments: {x: {services: {web: {count: {max: 9}}}}}"
    count = parse(text, "x").services["web"].count
    assert (count.min, count.desired, count.max) == (3, 3, 9)


def test_null_takes_a_key_back() -> None:
    text = """
app: a
services: {web: {port: 80, secrets: {KEY: "ssm:/key"}, deployment: {strategy: canary, step_percent: 20}}}
jobs: {nightly: {schedule: rate(1 day), command: [ls]}}
environments:
  local:
    services: {web: {secrets: null, deployment: {strategy: rolling, step_percent: null}}}
    jobs: {nightly: null}
"""
    local = parse(text, "local")
    assert (local.services["web"].secrets, local.services["web"].deployment.strategy, local.jobs) == ({}, "rolling", {})
    assert parse(text).services["web"].secrets == {"KEY": "ssm:/key"}


def test_a_manifest_knows_all_of_its_environments() -> None:
    text = (
        MINIMAL
        + "environments:\n  a: {services: {web: {cpu: 512, memory: 1024}}}\n  b: {services: {web: {count: 3}}}\n"
    )
    manifest = parse(text, "a")
    assert manifest.services_in("b")["web"].cpu == 256
    assert manifest.services_in("b")["web"].count.desired == 3
    assert manifest.at("b").at("local") == parse(text, "local")


def test_an_override_has_its_path_in_its_fault() -> None:
    text = MINIMAL + "environments:\n  staging:\n    services:\n      web: {cpu: 300}\n"
    for environment in (None, "local", "staging"):  # a mistake is told wherever one is
        assert faults(text, environment)[0].startswith("line 6, environments.staging.services.web.cpu: 300 is not")
    assert "there is no 'prod'; there are local, staging" in faults(MINIMAL + "environments: {staging: {}}", "prod")[0]


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        (".25 vCPU", "0.5GB", (256, 512)),
        ("0.5 vcpu", "1 GB", (512, 1024)),
        ("1 vCPU", "2GB", (1024, 2048)),
        ('"256"', '"512"', (256, 512)),
        ("256", "512MB", (256, 512)),
        ("512", "1 GiB", (512, 1024)),
    ],
)
def test_sizes_are_read_as_people_write_them(cpu: str, memory: str, expected: tuple[int, int]) -> None:
    web = parse(f"app: a\nservices: {{web: {{cpu: {cpu}, memory: {memory}}}}}").services["web"]
    assert (web.cpu, web.memory) == expected


def test_numbers_and_truth_values_become_environment_variables() -> None:
    manifest = parse("app: a\nservices: {web: {environment: {N: 1, T: true, S: x}, build: {args: {V: 3.11}}}}")
    assert manifest.services["web"].environment == {"N": "1", "T": "true", "S": "x"}
    assert manifest.services["web"].build.args == {"V": "3.11"}


def test_short_forms() -> None:
    text = """
app: a
services:
  web: {port: 80, count: 2, routes: [{path: /a, host: [x.com, y.com]}], deployment: {alarms: [errors, latency, mine]}}
environments: {one: {network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-89abcdef]}}}
pipeline: {stages: [one]}
"""
    manifest = parse(text)
    web = manifest.services["web"]
    assert (web.routes[0].path, web.routes[0].host) == (("/a",), ("x.com", "y.com"))
    assert [(each.errors, each.latency, each.name) for each in web.deployment.alarms] == [
        (5, None, None),
        (None, 1.0, None),
        (None, None, "mine"),
    ]
    assert (manifest.environments["one"].network.mode, manifest.pipeline.stages[0].environment) == ("imported", "one")


def test_where_things_are() -> None:
    text = """
app: a
services: {web: {port: 80}}
environments:
  staging: {region: eu-west-1}
  production: {region: us-east-1, account: "222233334444"}
  alone: {region: eu-north-1}
pipeline: {stages: [staging, production], account: "111122223333"}
"""
    manifest = parse(text)
    assert manifest.home_of("production") == Place("eu-west-1", "111122223333")
    assert manifest.place_of("production") == Place("us-east-1", "222233334444")
    assert manifest.place_of("staging") == Place("eu-west-1", "111122223333")
    assert manifest.home_of("alone") == manifest.place_of("alone") == Place("eu-north-1", None)
    assert manifest.home_of("local") == Place()


def test_the_example_is_a_manifest() -> None:
    example = Path(__file__).parents[3] / "examples" / "hello" / "tidegate.yml"
    for environment in ("local", "production"):
        load(example, environment)
