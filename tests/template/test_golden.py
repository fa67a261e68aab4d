"""Templates held against golden files and against cfn-lint's rules.

To take the present templates as the golden ones: python -m tests.template.test_golden
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from troposphere import Template

from tidegate.manifest import parse
from tidegate.manifest.model import Stage
from tidegate.template import environment_template, image_template, pipeline_template, service_template

GOLDEN = Path(__file__).parent / "golden"
MANIFESTS = {
    "smallest": "app: hello\nservices: {web: {port: 8080}}\n",
    "rich": """
app: shop
source: {repository: shop-code, branch: live}
services:
  web:
    build: {dockerfile: docker/web, context: web, args: {A: b}, target: final}
    port: 3000
    cpu: 512
    memory: 1024
    arch: arm64
    count: {min: 2, desired: 3, max: 10}
    scaling: {cpu: 60, memory: 80}
    health: {path: /ok, interval: 10, timeout: 3, healthy: 3, unhealthy: 4, grace: 60, codes: "200,204"}
    routes: [{path: /*}, {path: /admin/*, host: admin.example.com}]
    environment: {LEVEL: info}
    secrets: {KEY: "ssm:/shop/key"}
    deployment: {minimum: 50, maximum: 150, circuit_breaker: true, drain: 10, stop_timeout: 20}
    log_retention: 7
  worker: {}
environments:
  staging: {}
  production: {services: {web: {count: 5}}}
pipeline:
  stages: [staging, {environment: production, approve: true}]
  test: {commands: [make test]}
  image: aws/codebuild/standard:7.0
""",
}


def templates(text: str, environment: str) -> Iterator[tuple[str, Template]]:
    manifest = parse(text, environment)
    stages = list(manifest.pipeline.stages) or [Stage(environment=environment)]
    yield "image", image_template(manifest)
    yield "environment", environment_template(manifest, environment)
    for name in manifest.services:
        yield f"service-{name}", service_template(manifest, environment, name)
    yield "pipeline", pipeline_template(manifest, stages)


CASES = [
    (f"{name}-{stack}", template)
    for name, text in MANIFESTS.items()
    for stack, template in templates(text, "production" if name == "rich" else "local")
]


@pytest.mark.parametrize(("name", "template"), CASES, ids=[name for name, _ in CASES])
def test_golden(name: str, template: Template) -> None:
    assert json.loads(template.to_json()) == json.loads((GOLDEN / f"{name}.json").read_text())


def test_the_same_manifest_gives_the_same_text() -> None:
    first, second = ([t.to_json() for _, t in templates(MANIFESTS["rich"], "staging")] for _ in range(2))
    assert first == second


def test_cfn_lint_finds_nothing() -> None:
    files = sorted(map(str, GOLDEN.glob("*.json")))
    assert len(files) == len(CASES)
    result = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", *files], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_no_role_is_wider_than_it_must_be() -> None:
    for _, template in CASES:
        for title, resource in json.loads(template.to_json())["Resources"].items():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            assert "ManagedPolicyArns" not in resource["Properties"], title
            for policy in resource["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    assert not any("*" in action for action in statement["Action"]), (title, statement)
                    if statement["Resource"] == "*":
                        unbound = {"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"}
                        assert set(statement["Action"]) <= unbound or "Condition" in statement, (title, statement)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, template in CASES:
        (GOLDEN / f"{name}.json").write_text(template.to_json(indent=1, sort_keys=True) + "\n")
