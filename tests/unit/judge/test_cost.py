"""Cost: what each manifest costs, reckoned by hand; and what never makes anything cheaper."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifests import MANIFESTS
from tidegate.judge.cost import Estimate, StackBody, Usage, advice, estimate
from tidegate.judge.prices import HOURS, Prices, matched, parse, shipped
from tidegate.judge.schedule import runs_a_month
from tidegate.manifest import parse as manifest_of
from tidegate.template.stacks import all_stacks

BALANCER = HOURS * (0.0225 + 0.008 + 2 * 0.005)
TASK = HOURS * (0.25 * 0.04048 + 0.5 * 0.004445)
ADDRESS = HOURS * 0.005


def cost(text: str, environment: str = "local", **usage: Any) -> Estimate:
    manifest = manifest_of(text, environment)
    stacks = all_stacks(manifest, manifest.stages_of(environment), [environment])
    bodies = [StackBody(each.name, json.loads(each.template.to_json()), each.parameters) for each in stacks]
    return estimate(bodies, environment, shipped(), Usage(**usage))


def of(found: Estimate, setting: str) -> float:
    return sum(line.monthly for line in found.lines if line.setting == setting)


def test_tasks_their_addresses_and_the_balancer() -> None:
    found = cost("app: shop\nservices: {web: {port: 8080, count: 3}}\n")
    assert of(found, "services.web.count") == pytest.approx(3 * (TASK + ADDRESS))
    assert of(found, "services.*.port") == pytest.approx(BALANCER)
    assert found.monthly == found.least == found.most


def test_autoscaling_has_a_least_and_a_most() -> None:
    found = cost("app: shop\nservices: {web: {port: 8080, count: {min: 1, desired: 2, max: 10}}}\n")
    assert found.most - found.least == pytest.approx(9 * (TASK + ADDRESS))
    assert found.monthly - found.least == pytest.approx(TASK + ADDRESS)


def test_arm_and_spot_cost_less() -> None:
    plain = of(cost("app: shop\nservices: {worker: {count: 4}}\n"), "services.worker.count") - 4 * ADDRESS
    arm = of(cost("app: shop\nservices: {worker: {count: 4, arch: arm64}}\n"), "services.worker.count") - 4 * ADDRESS
    spot = of(cost("app: shop\nservices: {worker: {count: 4, spot: 100}}\n"), "services.worker.count") - 4 * ADDRESS
    assert arm / plain == pytest.approx(0.8, abs=0.01)
    assert spot / plain == pytest.approx(0.3)


def test_a_nat_gateway_costs_and_saves_the_tasks_addresses() -> None:
    text = "app: shop\nservices: {web: {port: 8080}}\nenvironments: {staging: {network: {mode: nat}}}\n"
    found = cost(text, "staging")
    assert of(found, "environments.staging.network.mode") == pytest.approx(HOURS * (0.045 + 0.005) + 10 * 0.045)
    assert of(found, "services.web.count") == pytest.approx(TASK)
    assert "environments.staging.network.mode" in advice(found)
    assert "mode: public costs nothing" in advice(found)


def test_endpoints_cost_by_the_zone() -> None:
    text = "app: shop\nservices: {worker: {}}\nenvironments: {staging: {network: {mode: endpoints}}}\n"
    assert of(cost(text, "staging"), "environments.staging.network.mode") == pytest.approx(
        3 * (2 * HOURS * 0.01 + 10 * 0.01)
    )


def test_pushes_cost_builds_and_actions_beyond_the_free_ones() -> None:
    found = cost("app: shop\nservices: {web: {port: 8080}}\n", pushes=100)
    assert of(found, "pipeline") == pytest.approx(100 * 2 * 0.005 + (100 * (0.2 + 2 + 2) - 100) * 0.002)
    assert of(cost("app: shop\nservices: {web: {}}\n", pushes=0), "pipeline") == 0


def test_secrets_alarms_jobs_and_keys() -> None:
    text = """
app: shop
services:
  web:
    port: 8080
    secrets: {A: "secretsmanager:shop/a", B: "secretsmanager:shop/b#x", C: "secretsmanager:shop/b#y", D: "ssm:/d"}
    deployment: {alarms: [errors, latency]}
jobs:
  hourly: {schedule: rate(1 hour), command: [work], cpu: 1024, memory: 2048}
"""
    found = cost(text, job_minutes=60.0)
    assert of(found, "services.web.secrets") == pytest.approx(2 * 0.4)
    assert of(found, "services.web.deployment.alarms") == pytest.approx(2 * 0.1)
    assert of(found, "jobs") == pytest.approx(HOURS * (0.04048 + 2 * 0.004445), rel=0.01)


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_has_a_cost_and_a_costliest_setting(name: str) -> None:
    manifest = manifest_of(MANIFESTS[name])
    for environment in list(manifest.environments) or ["local"]:
        found = cost(MANIFESTS[name], environment)
        assert 0 < found.least <= found.most
        assert found.costliest is not None
        assert json.loads(json.dumps(found.document()))["monthly"] == round(found.monthly, 2)
        assert advice(found).startswith("Most comes from ")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(0, 20), st.sampled_from(["x86_64", "arm64"]))
def test_more_tasks_never_cost_less(count: int, more: int, arch: str) -> None:
    few, many = (
        cost(f"app: shop\nservices: {{web: {{port: 80, arch: {arch}, count: {number}}}}}\n").monthly
        for number in (count, count + more)
    )
    assert many >= few


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ("rate(1 minute)", 43_800),
        ("rate(1 hour)", 730),
        ("rate(2 days)", 15.2),
        ("cron(0 3 * * ? *)", 30.4),
        ("cron(0/15 * * * ? *)", 2920),
        ("cron(30 6 ? * MON-FRI *)", 21.7),
        ("cron(0 0 1 * ? *)", 0.98),
        ("nonsense", 0),
    ],
)
def test_how_often_a_schedule_comes_round(schedule: str, times: float) -> None:
    assert runs_a_month(schedule) == pytest.approx(times, rel=0.01)


def test_the_table_is_what_it_writes() -> None:
    prices = shipped()
    assert parse(prices.text()) == prices
    assert prices.region == "us-east-1"
    with pytest.raises(ValueError, match="no table of prices"):
        parse("{}")


def product(usage: str, *prices: str, family: str | None = None) -> dict[str, Any]:
    tiers = {
        str(number): {"beginRange": str(number), "pricePerUnit": {"USD": each}} for number, each in enumerate(prices)
    }
    return {
        "product": {"productFamily": family, "attributes": {"usagetype": usage}},
        "terms": {"OnDemand": {"term": {"priceDimensions": tiers}}},
    }


def test_prices_of_the_price_list_take_their_places() -> None:
    prices: Prices = matched(
        shipped(),
        {
            "AmazonECS": [
                product("EUW1-Fargate-ARM-vCPU-Hours:perCPU", "0.5"),
                product("EUW1-Fargate-vCPU-Hours:perCPU", "0.05"),
            ],
            "AWSELB": [
                product("EUW1-LoadBalancerUsage", "0.03", family="Load Balancer-Network"),
                product("EUW1-LoadBalancerUsage", "0.02", family="Load Balancer-Application"),
            ],
            "AWSCodePipeline": [product("EUW1-actionExecutionMinute", "0", "0.004")],
        },
        "eu-west-1",
        "2026-12-01",
    )
    assert prices.prices["fargate.x86_64.vcpu"].price == 0.05
    assert prices.prices["balancer.application"].price == 0.02
    assert prices.prices["balancer.network"].price == 0.03
    assert prices.prices["pipeline"].price == 0.004
    assert (prices.region, prices.date) == ("eu-west-1", "2026-12-01")
    assert "so as shipped: " in prices.source
    assert "nat" in prices.source
