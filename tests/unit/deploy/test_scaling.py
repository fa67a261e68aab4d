"""Counts: what goes together, what the manifest would have to say, and what was changed by hand."""

from __future__ import annotations

import json

import pytest

from tests.aws import FakeClient, fake_project
from tidegate.deploy.errors import UserError
from tidegate.deploy.scaling import Scale, Scaled, wished, with_drift
from tidegate.deploy.stacks import Change, StackPlan, Standing
from tidegate.manifest import parse
from tidegate.template.service import service_template

FIXED = "app: hello\nservices: {web: {port: 8080, count: 2}}\n"
SCALED = "app: hello\nservices: {web: {port: 8080, count: {min: 1, desired: 2, max: 4}}}\n"


@pytest.mark.parametrize(
    ("now", "asked", "after"),
    [
        (Scale(2), (None, 5, None), Scale(5)),
        (Scale(2, 1, 4), (None, 3, None), Scale(3, 1, 4)),
        (Scale(2, 1, 4), (3, None, None), Scale(3, 3, 4)),  # the count moves with the bound
        (Scale(2, 1, 4), (None, None, 1), Scale(1, 1, 1)),
        (Scale(2, 1, 4), (5, 6, 8), Scale(6, 5, 8)),
        (Scale(2, 1, 4), (0, 0, None), Scale(0, 0, 4)),
    ],
)
def test_what_is_wanted(now: Scale, asked: tuple[int | None, int | None, int | None], after: Scale) -> None:
    assert wished(now, *asked) == after


@pytest.mark.parametrize("asked", [(None, 5, None), (5, None, None), (3, 2, None)])
def test_what_does_not_go_together(asked: tuple[int | None, int | None, int | None]) -> None:
    with pytest.raises(UserError, match="min <= desired <= max does not hold"):
        wished(Scale(2, 1, 4), *asked)


def test_what_the_next_up_leaves() -> None:
    assert Scaled(Scale(2, 1, 4), Scale(3, 1, 4), Scale(2, 1, 4)).kept  # autoscaling might have done it
    assert not Scaled(Scale(2, 1, 4), Scale(3, 1, 9), Scale(2, 1, 4)).kept
    assert not Scaled(Scale(2), Scale(3), Scale(2)).kept
    assert Scale(3, 1, 9).key == "count: {min: 1, desired: 3, max: 9}"


def plan(manifest: str, count: int, *changes: Change) -> StackPlan:
    body = service_template(parse(manifest, "local"), "local", "web").to_json()
    standing = Standing(json.loads(body), {"Image": "x", "DesiredCount": str(count)})
    return StackPlan("hello-local-web", body, standing.parameters, True, changes, None, standing)


def test_a_count_that_was_changed_by_hand_is_in_the_plan() -> None:
    project = fake_project(FIXED)
    assert with_drift(project, "web", 2, plan(FIXED, 2)) == plan(FIXED, 2)
    found = with_drift(project, "web", 5, plan(FIXED, 2))
    assert found.changes == (Change("Modify", "Service", "AWS::ECS::Service", ("DesiredCount",), by_hand=True),)
    assert found.standing is not None
    assert found.standing.parameters["DesiredCount"] == "5"
    modified = Change("Modify", "Service", "AWS::ECS::Service", ("TaskDefinition",))
    merged = with_drift(project, "web", 5, plan(FIXED, 2, modified))
    assert [each.properties for each in merged.changes] == [("DesiredCount", "TaskDefinition")]


def test_bounds_that_were_changed_by_hand_are_in_the_plan() -> None:
    def targets(low: int, high: int) -> FakeClient:
        target = {
            "ServiceNamespace": "ecs",
            "ResourceId": "service/hello-local/web",
            "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": low,
            "MaxCapacity": high,
            "RoleARN": "arn:aws:iam::000000000000:role/x",
            "CreationTime": "2026-11-27T09:00:00Z",
        }
        return FakeClient("application-autoscaling", describe_scalable_targets={"ScalableTargets": [target]})

    same = fake_project(SCALED, application_autoscaling=targets(1, 4))
    assert with_drift(same, "web", 3, plan(SCALED, 2)) == plan(SCALED, 2)
    found = with_drift(fake_project(SCALED, application_autoscaling=targets(1, 9)), "web", 3, plan(SCALED, 2))
    ((resource, properties),) = [(each.resource, each.properties) for each in found.changes]
    assert (resource, properties) == ("ScalableTarget", ("MaxCapacity",))
    assert found.standing is not None
    assert found.standing.body["Resources"]["ScalableTarget"]["Properties"]["MaxCapacity"] == 9
