"""Manifests of every kind: every key, every network, every strategy, several services, jobs, environments, sources.

Each begins with why it is here. Templates of all of them are golden files; other tests deploy them.
"""

from __future__ import annotations

_LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/all/0123456789abcdef/fedcba9876543210"
_IMPORTED = "{vpc: vpc-0123456789abcdef0, subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]}"
_PRIVATE = (
    "{vpc: vpc-0123456789abcdef0, subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1], "
    "balancer_subnets: [subnet-0123456789abcdef2, subnet-0123456789abcdef3]}"
)

MANIFESTS: dict[str, str] = {
    "smallest": """\
# the smallest that works: what `tidegate init` writes
app: shop
services: {web: {port: 8080}}
""",
    "worker": """\
# a service without a port: no load balancer at all
app: shop
services: {worker: {}}
""",
    "whole-service": """\
# every key of one service that a rolling deployment knows
app: shop
source: {repository: shop-code, branch: live}
services:
  web:
    build: {dockerfile: docker/web, context: web, args: {A: b, VERSION: 3}, target: final}
    port: 3000
    cpu: .5 vCPU
    memory: 1 GB
    arch: arm64
    count: {min: 2, desired: 3, max: 10}
    scaling: {cpu: 60, memory: 80, requests: 500}
    spot: 25
    health: {path: /ok, interval: 10, timeout: 3, healthy: 3, unhealthy: 4, grace: 60, codes: "200,204"}
    routes: [{path: /*}, {path: [/admin/*, /manage/*], host: admin.example.com}]
    environment: {LEVEL: info, WORKERS: 4, DEBUG: false}
    secrets: {KEY: "ssm:/shop/key", DATABASE: "secretsmanager:shop/database#url", TOKEN: "secretsmanager:token"}
    deployment: {minimum: 50, maximum: 150, circuit_breaker: false, drain: 10, stop_timeout: 20,
                 alarms: [errors, {latency: 0.5}, disk-full]}
    exec: true
    log_retention: 7
""",
    "routes": """\
# several services on one balancer, by host, path, method, header and query
app: shop
services:
  web: {port: 8080}
  api:
    port: 8081
    routes:
      - {path: /api/*}
      - {path: /*, host: [api.example.com, api.example.org]}
      - {path: /api/*, method: POST, header: {X-Version: ["2", "3"]}, query: {preview: "1"}}
  admin: {port: 8082, routes: [{path: [/admin, /admin/*]}]}
  mailer: {}
""",
    "blue-green": """\
# the new version whole beside the old one, with alarms that take it back
app: shop
services:
  web: {port: 8080, deployment: {strategy: blue-green, bake_time: 3, alarms: [errors, latency]}}
""",
    "linear": """\
# requests moved in equal steps
app: shop
services:
  web: {port: 8080, deployment: {strategy: linear, step_percent: 25, step_bake_time: 1, bake_time: 1}}
""",
    "canary": """\
# a small share of requests first; everything else left out
app: shop
services:
  web: {port: 8080, deployment: {strategy: canary}}
""",
    "canary-paths": """\
# one route of several patterns, for only one route can be shifted
app: shop
services:
  web:
    port: 8080
    routes: [{path: [/, /shop/*]}]
    deployment: {strategy: canary, step_percent: 0.5, step_bake_time: 10, bake_time: 0}
""",
    "network-balancer": """\
# TCP: a load balancer of the service's own
app: shop
services:
  mqtt: {port: 1883, load_balancer: network, count: {min: 1, max: 4}, scaling: {memory: 60}}
""",
    "network-balancer-blue-green": """\
# TCP with two target groups, checked by HTTP
app: shop
services:
  mqtt:
    port: 1883
    load_balancer: network
    health: {path: /up, codes: "200"}
    deployment: {strategy: blue-green, alarms: [mqtt-errors]}
""",
    "sidecars": """\
# containers beside the service's own, waiting for each other
app: shop
services:
  web:
    port: 8080
    cpu: 512
    memory: 1024
    depends_on: {migrate: success, proxy: healthy}
    sidecars:
      migrate:
        image: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/migrate:7
        essential: false
        command: [migrate, --all]
        secrets: {DATABASE: "ssm:/shop/database"}
      proxy:
        image: public.ecr.aws/docker/library/nginx:1.27
        port: 9000
        environment: {UPSTREAM: "127.0.0.1:8080"}
        health: [CMD-SHELL, "curl -f http://127.0.0.1:9000/"]
        depends_on: {migrate: complete}
""",
    "spot": """\
# a worker that is on Spot alone
app: shop
services: {worker: {spot: 100, count: {min: 0, desired: 0, max: 5}}}
""",
    "jobs": """\
# tasks by the clock: one with a service's settings, one bigger, one with code that no service runs
app: shop
services:
  web: {port: 8080, secrets: {DATABASE: "ssm:/shop/database"}}
  reports: {count: 0, build: {dockerfile: reports/Dockerfile}}
jobs:
  nightly: {schedule: "cron(0 3 * * ? *)", service: web, command: [python, clean.py]}
  big: {schedule: rate(1 hour), service: web, command: [big], cpu: 1 vCPU, memory: 2GB, environment: {ALL: 1}}
  weekly: {schedule: "cron(30 6 ? * MON *)", service: reports, command: [report]}
""",
    "nat": """\
# tasks in private subnets that reach out through a gateway
app: shop
services: {web: {port: 8080}}
environments: {staging: {network: {mode: nat}}}
""",
    "endpoints": """\
# tasks that reach nothing but what they need of AWS: images, logs, secrets, and a shell
app: shop
services:
  web: {port: 8080, exec: true, secrets: {KEY: "ssm:/shop/key", TOKEN: "secretsmanager:shop/token"}}
environments: {staging: {network: {mode: endpoints}}}
""",
    "endpoints-worker": """\
# no way in and no way out: private subnets alone
app: shop
services: {worker: {}}
environments: {staging: {network: {mode: endpoints}}}
""",
    "imported-network": f"""\
# a network that is there, with public subnets
app: shop
services: {{web: {{port: 8080}}}}
environments: {{staging: {{network: {_IMPORTED}}}}}
""",
    "imported-private-network": f"""\
# a network that is there, tasks in private subnets, a job among them
app: shop
services: {{web: {{port: 8080}}, mqtt: {{port: 1883, load_balancer: network}}}}
jobs: {{nightly: {{schedule: rate(1 day), service: web, command: [clean]}}}}
environments: {{staging: {{network: {_PRIVATE}}}}}
""",
    "imported-balancer": f"""\
# a load balancer that is there, whose requests count for scaling and alarms
app: shop
services:
  web: {{port: 8080, count: {{min: 1, max: 3}}, scaling: {{requests: 100}}, deployment: {{alarms: [errors]}},
        routes: [{{host: shop.example.com}}]}}
environments:
  staging:
    network: {_PRIVATE}
    load_balancer: {{listener: "{_LISTENER}", security_group: sg-0123456789abcdef0, url: "https://shop.example.com"}}
""",
    "domain": """\
# a name with certificate, HTTPS and redirect
app: shop
services: {web: {port: 8080}}
environments: {production: {domain: {name: www.example.com, zone: Z0123456789ABCDEFGHIJ}}}
""",
    "environments": """\
# staging, then production after an approval, each with its own settings; one job in one of them only
app: shop
services: {web: {port: 8080, deployment: {strategy: canary}}}
jobs: {nightly: {schedule: rate(1 day), command: [clean]}}
environments:
  staging: {services: {web: {cpu: 512, memory: 1024, deployment: {strategy: rolling}}}, jobs: {nightly: null}}
  production:
    domain: {name: "*.example.com", zone: Z0123456789ABCDEFGHIJ}
    services: {web: {count: {min: 2, desired: 2, max: 20}}}
    jobs: {nightly: {schedule: rate(2 days)}}
pipeline:
  stages: [staging, {environment: production, approve: true}]
  test: {commands: [make test]}
""",
    "regions": """\
# production in two regions: artifacts and images go there
app: shop
services: {web: {port: 8080}, worker: {}}
environments:
  europe: {region: eu-west-1}
  america: {region: us-east-1}
pipeline: {stages: [europe, {environment: america, approve: true}]}
""",
    "accounts": """\
# production in an account of its own: a key that can be shared, roles by name
app: shop
services: {web: {port: 8080}}
environments:
  staging: {region: eu-west-1}
  production: {region: eu-west-1, account: "222233334444"}
pipeline: {account: "111122223333", stages: [staging, {environment: production, approve: true}]}
""",
    "accounts-and-regions": """\
# production in another account and another region
app: shop
services: {web: {port: 8080}}
environments:
  staging: {}
  production: {region: us-east-1, account: "222233334444"}
pipeline: {region: eu-west-1, account: "111122223333", stages: [staging, production], test: {commands: [make test]}}
""",
    "github": """\
# a connection that is made, and only some paths
app: shop
source: {provider: github, repository: example/shop}
services: {web: {port: 8080}}
pipeline: {trigger: {paths: [web/**, Dockerfile]}}
""",
    "gitlab": """\
# a connection that is there, from when it had another name
app: shop
source: {provider: gitlab, repository: example/group/shop, branch: trunk,
         connection: "arn:aws:codestar-connections:eu-west-1:111122223333:connection/01234567-89ab"}
services: {web: {port: 8080}}
""",
    "bitbucket": """\
# a connection that is made, and every push
app: shop
source: {provider: bitbucket, repository: example/shop}
services: {web: {port: 8080}}
""",
    "s3": """\
# a zip file in a bucket that is made, with an approval
app: shop
source: {provider: s3, key: builds/shop.zip}
services: {web: {port: 8080}}
environments: {production: {}}
pipeline: {stages: [{environment: production, approve: true}]}
""",
    "s3-imported": """\
# a zip file in a bucket that is there
app: shop
source: {provider: s3, bucket: shop-uploads}
services: {web: {port: 8080}}
""",
    "build-image": """\
# a build environment of one's own, tests in it
app: shop
services: {web: {port: 8080, arch: arm64}}
pipeline: {image: "public.ecr.aws/codebuild/amazonlinux-aarch64-standard:3.0", test: {commands: [make lint, make test]}}
""",
}
