"""What a batch consists of, and which of its builds run now."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.codebuild.batch_plan import IDENTIFIER, Group, artifact_key, build_request, decide, refusal
from tidegate.cloud.services.codebuild.buildspec import BatchBuild, BuildspecError, parse_batch

BATCH: Any = {"id": "hello:uuid", "buildBatchConfig": {"serviceRole": "r"}}
ENDS = ["SUCCEEDED", "FAILED", "FAULT", "TIMED_OUT", "STOPPED"]


@st.composite
def graphs(draw: st.DrawFn) -> list[Group]:
    """Builds that depend on earlier ones only, in some order."""
    groups: list[Group] = []
    for number in range(draw(st.integers(1, 7))):
        before = [each.identifier for each in groups]
        depends = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        groups.append(Group(f"b{number}", depends, draw(st.booleans())))
    return draw(st.permutations(groups))


@given(graphs(), st.booleans(), st.data())
def test_every_batch_comes_to_its_end(groups: list[Group], fast_fail: bool, data: st.DataObject) -> None:
    ended: dict[str, str] = {}
    for _ in range(4 * len(groups) + 4):
        ending = data.draw(st.sampled_from([None, None, None, None, "STOPPED"]))
        step = decide(groups, fast_fail=fast_fail, ending=ending)
        if step.status is not None:
            break
        by_name = {each.identifier: each for each in groups}
        for name in step.start:
            assert by_name[name].status is None
            for dependency in (by_name[each] for each in by_name[name].depends_on):
                assert dependency.status == "SUCCEEDED" or (dependency.ignore_failure and dependency.status in ENDS)
        changes = dict.fromkeys(step.start, "IN_PROGRESS") | dict.fromkeys(step.stop, "STOPPED")
        running = [
            each.identifier for each in groups if each.status == "IN_PROGRESS" and each.identifier not in changes
        ]
        if running:
            ended[running[0]] = changes[running[0]] = data.draw(st.sampled_from(ENDS))
        assert changes
        groups = [dataclasses.replace(each, status=changes.get(each.identifier, each.status)) for each in groups]
    assert step.status is not None
    assert not any(each.status == "IN_PROGRESS" for each in groups)
    bad = any(each.status not in (None, "SUCCEEDED") and not each.ignore_failure for each in groups)
    if ending is None:
        assert step.status == ("FAILED" if bad else "SUCCEEDED")
        assert bad or all(each.status is not None for each in groups)


AXES = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3, unique=True)


@given(st.dictionaries(st.sampled_from(["X", "Y"]), AXES), st.none() | AXES, st.none() | AXES, st.booleans())
def test_a_matrix_has_every_combination_once(
    variables: dict[str, list[str]], images: list[str] | None, specs: list[str] | None, ignored: bool
) -> None:
    env: dict[str, Any] = {"variables": variables, **({"image": images} if images else {})}
    dynamic = {"env": env, **({"buildspec": specs} if specs else {})}
    static = {"ignore-failure": ignored, "env": {"privileged-mode": True, "variables": {"Z": "z"}}}
    batch = parse_batch(
        json.dumps({"version": "0.2", "batch": {"build-matrix": {"static": static, "dynamic": dynamic}}})
    )
    wanted = len(images or [0]) * len(specs or [0])
    for values in variables.values():
        wanted *= len(values)
    chosen = {(each.image, each.buildspec, tuple(each.variables.items())) for each in batch.builds}
    assert len(chosen) == len(batch.builds) == len({each.identifier for each in batch.builds}) == wanted
    assert all(each.privileged and each.ignore_failure is ignored for each in batch.builds)
    assert all(each.variables["Z"] == "z" for each in batch.builds)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ("{}", "must have one of"),
        ("{build-list: [{}], build-graph: [{identifier: a}]}", "found build-list and build-graph"),
        ("{build-fanout: {}}", "does not offer batch/build-fanout"),
        ("{build-graph: [{depend-on: [a]}]}", "identifier is missing"),
        ("{build-graph: [{identifier: a, depend-on: [b]}]}", "a depends on b, which is no build"),
        ("{build-graph: [{identifier: a, depend-on: [b]}, {identifier: b, depend-on: [a]}]}", "depend on each other"),
        ("{build-list: [{identifier: a}, {identifier: a}]}", "more than one build"),
        ("{build-list: [{identifier: a, depend-on: [b]}]}", "unknown key depend-on"),
        ("{build-list: [{env: {fleet: f}}]}", "does not offer"),
        ("{build-list: [{debug-session: true}]}", "does not offer"),
        (f"{{build-matrix: {{dynamic: {{env: {{variables: {{A: &a {list(range(30))}, B: *a}}}}}}}}}}", "900 builds"),
    ],
)
def test_what_is_no_batch(batch: str, message: str) -> None:
    with pytest.raises(BuildspecError, match=message):
        parse_batch(f"version: 0.2\nbatch: {batch}")
    with pytest.raises(BuildspecError, match="has no batch"):
        parse_batch("version: 0.2")


def test_the_request_of_one_build() -> None:
    build = BatchBuild("one", buildspec="one.yml", privileged=True, variables={"A": "own", "B": "b"})
    request = {
        "projectName": "hello",
        "sourceVersion": "main",
        "buildTimeoutInMinutesOverride": 7,
        "idempotencyToken": "x",
        "reportBuildBatchStatusOverride": False,
        "buildBatchConfigOverride": {},
        "environmentVariablesOverride": [{"name": "A", "value": "a"}, {"name": "C", "value": "c"}],
    }
    made = build_request(BATCH | {"resolvedSourceVersion": "c0ffee"}, {"type": "S3", "location": "b"}, request, build)
    variables = {each["name"]: each["value"] for each in made.pop("environmentVariablesOverride")}
    assert variables == {"A": "own", "B": "b", "C": "c", IDENTIFIER: "one"}
    assert made == {
        "projectName": "hello",
        "sourceVersion": "c0ffee",
        "timeoutInMinutesOverride": 7,
        "buildspecOverride": "one.yml",
        "privilegedModeOverride": True,
    }


def test_artifacts_that_are_combined_are_apart_before() -> None:
    batch: Any = {**BATCH, "buildBatchConfig": {"combineArtifacts": True}}
    place: Any = {"type": "S3", "location": "b", "path": "/p/", "name": "n.zip", "namespaceType": "BUILD_ID"}
    assert artifact_key(place, "hello", "uuid") == "p/uuid/n.zip"
    apart = build_request(batch, place, {"projectName": "hello"}, BatchBuild("one"))["artifactsOverride"]
    assert (apart["path"], apart["namespaceType"], apart["name"]) == ("p/uuid/one", "NONE", "n.zip")
    assert "artifactsOverride" not in build_request(batch, {"type": "NO_ARTIFACTS"}, {}, BatchBuild("one"))


def test_what_a_batch_is_restricted_to() -> None:
    builds = [BatchBuild("a"), BatchBuild("b", compute_type="BUILD_GENERAL1_LARGE")]
    small = "BUILD_GENERAL1_SMALL"
    assert refusal(builds, {}, small) is None
    assert "2 builds" in (refusal(builds, {"maximumBuildsAllowed": 1}, small) or "")
    assert "b has the compute type" in (refusal(builds, {"computeTypesAllowed": [small]}, small) or "")
