"""What is said in two places and does not go together is an error, at the key to change."""

# ruff: noqa: E501  (faults as they are told, whole)

from __future__ import annotations

import pytest

from tests.unit.manifest.test_load import faults
from tidegate.manifest import parse

APP = "app: shop\n"
PROXY = "sidecars: {proxy: {image: envoy}}"
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/all/0123456789abcdef/0123456789abcdef"
IMPORTED = "network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-89abcdef]}"


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        # workers
        ("{health: {path: /x}}", "health: without a port it is a worker, which nobody sends requests"),
        ("{routes: [{path: /x}]}", "routes: without a port it is a worker, which nobody sends requests"),
        ("{load_balancer: network}", "load_balancer: without a port it is a worker, which nobody sends requests"),
        (
            "{deployment: {strategy: blue-green}}",
            "deployment.strategy: blue-green shifts requests, and without a port nobody sends any; use rolling",
        ),
        (
            "{count: {max: 3}, scaling: {requests: 100}}",
            "scaling.requests: without a port it is a worker, which nobody sends requests",
        ),
        (
            "{deployment: {alarms: [errors]}}",
            (
                "deployment.alarms.0: errors is measured by an application load balancer, and this service has none; "
                "name an alarm that is there"
            ),
        ),
        # load balancers
        (
            "{port: 80, load_balancer: network, routes: [{path: /x}]}",
            "routes: a network load balancer knows no requests, only connections: all come to this service",
        ),
        (
            "{port: 80, load_balancer: network, count: {max: 3}, scaling: {requests: 100}}",
            "scaling.requests: a network load balancer counts no requests; use cpu or memory",
        ),
        (
            "{port: 80, load_balancer: network, deployment: {alarms: [latency]}}",
            (
                "deployment.alarms.0: latency is measured by an application load balancer, and this service has none; "
                "name an alarm that is there"
            ),
        ),
        # scaling
        ("{count: 2, scaling: {cpu: 70}}", "scaling: count.min and count.max are both 2: there is nothing to scale"),
        (
            "{port: 80, count: {max: 3}, scaling: {requests: 100}, deployment: {strategy: canary}}",
            "scaling.requests: strategy canary moves requests between two target groups; use cpu or memory",
        ),
        # strategies
        (
            "{port: 80, deployment: {bake_time: 3}}",
            "deployment.bake_time: it is for blue-green, linear and canary, and the strategy is rolling",
        ),
        (
            "{port: 80, deployment: {strategy: blue-green, step_percent: 3}}",
            "deployment.step_percent: blue-green shifts all requests at once; steps are for linear and canary",
        ),
        (
            "{port: 80, deployment: {strategy: linear, step_percent: 1}}",
            "deployment.step_percent: 1.0 is less than 3, the smallest step of linear",
        ),
        (
            "{port: 80, deployment: {strategy: canary, bake_time: 40, step_bake_time: 20}}",
            (
                "deployment.strategy: it takes 60 minutes, and the pipeline waits for 45; shorten bake_time or step_bake_time, "
                "or make step_percent bigger"
            ),
        ),
        (
            "{port: 80, deployment: {strategy: canary}, routes: [{path: /a}, {path: /b}]}",
            "routes: strategy canary shifts those of one route; put the patterns into one: path: [/a, /b]",
        ),
        ("{port: 80, routes: [{path: /a}, {path: /a}]}", "routes.1: it is there twice"),
        ("{port: 80, deployment: {alarms: [errors, {errors: 9}]}}", "deployment.alarms.1: it is there twice"),
        # variables and containers
        (
            '{environment: {KEY: a}, secrets: {KEY: "ssm:/key"}}',
            "secrets.KEY: it is in environment, too",
        ),
        ("{sidecars: {web: {image: x}}}", "sidecars.web: the service's own container has this name"),
        (
            "{port: 80, sidecars: {proxy: {image: x, port: 80}}}",
            "sidecars.proxy.port: web listens on it, and they share the network",
        ),
        (
            f"{{depends_on: {{proxi: start}}, {PROXY}}}",
            "depends_on.proxi: there is no such container; there are web, proxy",
        ),
        (
            f"{{depends_on: {{proxy: healthy}}, {PROXY}}}",
            "depends_on.proxy: proxy has no health command that could say so",
        ),
        (
            f"{{depends_on: {{proxy: success}}, {PROXY}}}",
            "depends_on.proxy: proxy is essential: when it ends, the task ends; give it essential: false",
        ),
        (
            "{depends_on: {a: start}, sidecars: {a: {image: x, depends_on: {web: start}}}}",
            "depends_on: web waits for a waits for web: none would ever start",
        ),
    ],
)
def test_within_a_service(service: str, fault: str) -> None:
    path, _, why = fault.partition(": ")
    assert f"line 2, services.web.{path}: {why}" in faults(f"{APP}services: {{web: {service}}}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        # services among each other
        (
            "services: {web: {port: 80}, api: {port: 80}}",
            (
                "line 2, services.api: it gets the same requests as web (/*), for nothing is said in routes; "
                "give one of them another route"
            ),
        ),
        (
            "services:\n  web: {port: 80, routes: [{path: [/b, /a]}]}\n  api: {port: 80, routes: [{path: [/a, /b]}]}",
            "line 4, services.api.routes.0: it gets the same requests as web (/a, /b); give one of them another route",
        ),
        (
            "services: {web-api: {}, webapi: {}}",
            "line 2, services.webapi: it reads too much like web-api; choose another name",
        ),
        # names
        (
            "services: {web: {}}\nenvironments: {pipeline: {}}",
            (
                "line 3, environments.pipeline: its stack would be called shop-pipeline, as another already is; "
                "choose another name"
            ),
        ),
        (
            "services: {b: {}, c-b: {}}\nenvironments: {a: {}, a-c: {}}",
            "line 3, environments.a-c: its stack would be called shop-a-c-b, as another already is; choose another name",
        ),
        (
            "services: {test: {}}\npipeline: {test: {commands: [ls]}}",
            "line 2, services.test: the build project of pipeline.test has this name; choose another",
        ),
        # the source
        (
            "services: {web: {}}\nsource: {provider: github}",
            "line 3, source.repository: it is missing: github needs owner/name",
        ),
        (
            "services: {web: {}}\nsource: {provider: gitlab, repository: shop}",
            "line 3, source.repository: 'shop' is no repository of gitlab: owner/name",
        ),
        (
            "services: {web: {}}\nsource: {repository: a/b}",
            "line 3, source.repository: 'a/b' is no CodeCommit repository: letters, digits, . _ -",
        ),
        (
            "services: {web: {}}\nsource: {bucket: code}",
            "line 3, source.bucket: it is for s3, and the provider is codecommit",
        ),
        (
            "services: {web: {}}\nsource: {provider: s3, branch: live}",
            "line 3, source.branch: a zip file in S3 has none; bucket and key say where it is",
        ),
        (
            "services: {web: {}}\npipeline: {trigger: {paths: [web/**]}}",
            (
                "line 3, pipeline.trigger.paths: CodeCommit does not tell which files have changed; "
                "use github, gitlab, bitbucket"
            ),
        ),
        # stages and places
        (
            "services: {web: {}}\nenvironments: {a: {}}\npipeline: {stages: [a, a]}",
            "line 4, pipeline.stages.1: a is there twice",
        ),
        (
            "services: {web: {}}\nenvironments: {a: {}, b: {services: {web: {arch: arm64}}}}\npipeline: {stages: [a, b]}",
            (
                "line 3, environments.b.services.web.arch: it differs from that of a, but one pipeline builds one image for all "
                "of its stages"
            ),
        ),
        (
            "services: {web: {}}\nenvironments: {a: {}, b: {region: eu-west-1}}\npipeline: {stages: [a, b]}",
            "line 4, pipeline: region is missing: some of its environments have one, and it must be clear where it is itself",
        ),
        (
            'services: {web: {}}\nenvironments: {a: {account: "111122223333"}}',
            "line 3, environments.a.account: say in pipeline.account which account the pipeline is in",
        ),
        # what an environment has
        (
            (
                f'services: {{web: {{port: 80}}}}\nenvironments: {{a: {{load_balancer: {{listener: "{LISTENER}", '
                "security_group: sg-01234567}}}"
            ),
            (
                "line 3, environments.a.load_balancer: it stands in a network of its own; import that as well: "
                "network: {vpc, subnets}"
            ),
        ),
        (
            (
                f'services: {{web: {{port: 80}}}}\nenvironments: {{a: {{{IMPORTED}, load_balancer: {{listener: "{LISTENER}", '
                "security_group: sg-01234567}, domain: {name: a.example.com, zone: Z1}}}"
            ),
            (
                "line 3, environments.a.domain: the certificate is the business of whoever owns the imported load balancer's "
                "listener"
            ),
        ),
        (
            "services: {web: {}}\nenvironments: {a: {domain: {name: a.example.com, zone: Z1}}}",
            "line 3, environments.a.domain: no service stands behind an application load balancer",
        ),
        (
            "services: {web: {sidecars: {proxy: {image: envoy}}}}\nenvironments: {a: {network: {mode: endpoints}}}",
            (
                "line 3, environments.a.network.mode: with endpoints envoy of web's sidecar proxy is out of reach; "
                "use nat, or copy the image to ECR"
            ),
        ),
        (
            (
                "services: {web: {}}\nenvironments: {a: {region: eu-west-1}, b: {region: us-east-1, network: {mode: endpoints}}}\n"
                "pipeline: {stages: [a, b]}"
            ),
            (
                "line 3, environments.b.network.mode: with endpoints its tasks cannot reach the images, which are in eu-west-1; "
                "use nat"
            ),
        ),
        # jobs
        (
            "services: {web: {}, api: {}}\njobs: {nightly: {schedule: rate(1 day), command: [ls]}}",
            "line 3, jobs.nightly: service is missing: with which one's image does it run? There are web, api",
        ),
        (
            "services: {web: {}}\njobs: {nightly: {service: wbe, schedule: rate(1 day), command: [ls]}}",
            "line 3, jobs.nightly.service: there is no such service; there are web",
        ),
        (
            "services: {web: {}}\njobs: {nightly: {cpu: 1024, schedule: rate(1 day), command: [ls]}}",
            (
                "line 3, jobs.nightly.cpu: memory 512 does not go with cpu 1024 on Fargate; use 2048, 3072, 4096, 5120, 6144, 7168, 8192 "
                "(MiB)"
            ),
        ),
    ],
)
def test_across_the_manifest(text: str, fault: str) -> None:
    assert faults(APP + text) == [fault]


def test_what_an_environment_makes_wrong_is_told_there() -> None:
    text = "services: {web: {port: 80, deployment: {strategy: canary}}}\nenvironments:\n  a: {services: {web: {port: null}}}"
    assert faults(APP + text) == [
        (
            "line 4, environments.a.services.web.deployment.strategy: canary shifts requests, and without a port nobody sends "
            "any; use rolling"
        )
    ]


def test_how_long_a_strategy_takes() -> None:
    def minutes(settings: str) -> int:
        manifest = parse(f"{APP}services: {{web: {{port: 80, deployment: {{{settings}}}}}}}")
        return manifest.services["web"].deployment.minutes

    assert minutes("strategy: rolling") == 0
    assert minutes("strategy: blue-green") == 5
    assert minutes("strategy: canary, step_bake_time: 7") == 12
    assert minutes("strategy: linear, step_percent: 50, step_bake_time: 3, bake_time: 1") == 4
    assert minutes("strategy: linear, step_percent: 11, step_bake_time: 1, bake_time: 0") == 9
