"""Predictions: monotone in every setting, the sum of their phases, and under 2.5 minutes with the defaults."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.judge.prediction import Settings, deploy_phases, predict, rounds
from tidegate.manifest import parse

SETTINGS = st.builds(
    Settings,
    balanced=st.booleans(),
    interval=st.integers(5, 300),
    healthy=st.integers(2, 10),
    unhealthy=st.integers(2, 10),
    drain=st.integers(0, 3600),
    stop_timeout=st.integers(2, 120),
    image_mb=st.floats(1, 10_000),
    start=st.floats(0, 600),
    cpu=st.sampled_from([256, 512, 1024, 2048, 4096, 8192, 16384]),
    desired=st.integers(0, 200),
    minimum=st.integers(0, 100),
    maximum=st.integers(100, 400),
    shift_minutes=st.integers(0, 60),
    bake_minutes=st.integers(0, 60),
    shifts=st.booleans(),
    build=st.floats(0, 1000),
)
LONGER = ["interval", "healthy", "drain", "stop_timeout", "image_mb", "start", "build", "shift_minutes", "bake_minutes"]


def total(settings: Settings) -> float:
    return inf if predict(settings).blocked else predict(settings).total


@given(SETTINGS, st.sampled_from(LONGER), st.integers(1, 500))
def test_more_of_a_setting_never_takes_less(settings: Settings, name: str, more: int) -> None:
    bigger = replace(settings, **{name: getattr(settings, name) + more})
    assert total(bigger) >= total(settings)


@given(SETTINGS)
def test_more_room_and_more_cpu_never_take_longer(settings: Settings) -> None:
    assert total(replace(settings, maximum=settings.maximum + 10)) <= total(settings) + 1e-6
    assert total(replace(settings, minimum=max(settings.minimum - 10, 0))) <= total(settings) + 1e-6
    assert total(replace(settings, cpu=settings.cpu * 2)) <= total(settings)
    assert total(replace(settings, unhealthy=settings.unhealthy + 1)) <= total(settings)


@given(SETTINGS, st.booleans(), st.floats(0, 1000))
def test_the_whole_is_the_sum_of_its_phases(settings: Settings, tests: bool, earlier: float) -> None:
    found = predict(settings, tests=tests, earlier=earlier)
    if found.blocked:
        assert found.phases == ()
        return
    assert isclose(found.total, sum(phase.seconds for phase in found.phases))
    assert all(phase.seconds >= 0 for phase in found.phases)
    assert found.first <= found.total + 1e-6
    names = [phase.name for phase in found.phases]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "turns"),
    [
        (1, 100, 200, 1),
        (10, 100, 200, 1),
        (2, 100, 150, 2),
        (4, 100, 125, 4),
        (4, 50, 100, 2),
        (2, 0, 100, 1),
        (1, 100, 150, 0),
        (4, 90, 110, 0),
        (0, 100, 200, 1),
    ],
)
def test_in_how_many_rounds_tasks_are_replaced(desired: int, minimum: int, maximum: int, turns: int) -> None:
    assert rounds(Settings(desired=desired, minimum=minimum, maximum=maximum)) == turns


def test_the_defaults_are_live_in_less_than_two_and_a_half_minutes() -> None:
    manifest = parse("app: shop\nservices: {web: {port: 8080}}\n")
    found = predict(Settings.of(manifest.services["web"], image_mb=100, start=5))
    assert 90 < found.total < 150
    assert found.first < 120
    assert found.advice.startswith("No setting of the manifest slows it down")


def test_aws_defaults_take_many_times_as_long() -> None:
    untuned = Settings(interval=30, healthy=5, drain=300, start=10, desired=2, maximum=150, image_mb=400)
    assert total(untuned) > 8 * 60


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"interval": 30, "start": 10}, "services.web.health.interval 30 costs 50 s: set 5."),
        ({"healthy": 10, "start": 10}, "services.web.health.healthy 10 costs 40 s: set 2."),
        ({"drain": 300}, "services.web.deployment.drain 300 costs 295 s: set 5."),
        ({"stop_timeout": 120}, "services.web.deployment.stop_timeout 120 costs 90 s: set 30."),
        ({"desired": 4, "maximum": 125}, "services.web.deployment.minimum and maximum 100 and 125"),
        ({"shifts": True, "bake_minutes": 5}, "services.web.deployment.strategy with 5 minutes of steps and bake_time"),
        ({"image_mb": 900}, "The image's 900 MB cost 75 s: make it smaller, or give more cpu."),
    ],
)
def test_it_says_which_setting_costs_most(change: dict[str, Any], told: str) -> None:
    assert predict(replace(Settings(), **change)).advice.startswith(told)


def test_a_deployment_that_can_never_end_says_why() -> None:
    found = predict(Settings(desired=1, minimum=100, maximum=150))
    assert found.blocked is not None
    assert "neither stop an old task nor start a new one" in found.blocked
    assert found.document()["seconds"] is None


def test_a_worker_waits_for_no_health_check() -> None:
    names = [phase.name for phase in deploy_phases(Settings(balanced=False))]
    assert "health checks" not in names
    assert "drain" not in names
