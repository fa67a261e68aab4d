"""The proof of the roles that the templates make: every statement of every manifest, each action taken away in turn.

The manifests that it takes are the fewest that have every statement together; which those are is computed. Only what
needs a second account or region is left out, and named. It prints its figures.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.app import App
from tests.e2e.code import write_code
from tests.manifests import MANIFESTS
from tidegate.cli.roles import prove_roles
from tidegate.deploy.attempts import Written
from tidegate.deploy.errors import UserError
from tidegate.deploy.local_cloud import require
from tidegate.deploy.rehearsal import Rehearsal, copy_of
from tidegate.deploy.repository import Repository
from tidegate.deploy.roles import RoleProof
from tidegate.judge.rehearsal import rehearsed
from tidegate.judge.roles import Proof, Right, told
from tidegate.manifest import parse
from tidegate.template.stacks import all_stacks

pytestmark = pytest.mark.slow

Shape = tuple[str, tuple[str, ...], str]  # a role's title, the actions of a statement, one of them
FIRST = "smallest"  # what every manifest has is proven with the one that takes the least time


def environment_of(name: str) -> str:
    """Return an environment from which the whole pipeline of a manifest can be seen."""
    manifest = parse(MANIFESTS[name])
    stages = [stage.environment for stage in manifest.pipeline.stages]
    return next(iter([*stages, *manifest.environments]), "local")


def shapes(text: str, environment: str) -> set[Shape]:
    """Return what kinds of statements the roles of a manifest have."""
    manifest = parse(text, environment)
    return {
        (title, tuple(statement["Action"]), action)
        for stack in all_stacks(manifest, manifest.stages_of(environment))
        for title, resource in stack.template.to_dict()["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
        for policy in resource["Properties"].get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }


def cover() -> dict[str, set[Shape]]:
    """Return the manifests that have every statement together, each with what is proven with it."""
    have = {
        name: shapes(yaml.safe_dump(rehearsed(yaml.safe_load(text))), environment_of(name))
        for name, text in MANIFESTS.items()
    }
    left = set().union(*have.values())
    chosen: dict[str, set[Shape]] = {}
    while left:
        best = FIRST if not chosen else min(have, key=lambda name: (-len(have[name] & left), name))
        chosen[best] = have[best] & left
        left -= have[best]
    return chosen


def shape_of(right: Right) -> Shape:
    """Return what kind of statement a right is of."""
    statement: Any = right.role.policies[right.policy]["Statement"][right.statement]
    return right.role.title, tuple(statement["Action"]), right.action


def repository(folder: Path, name: str) -> Path:
    """Make a repository with a manifest, and code for it."""
    document = yaml.safe_load(MANIFESTS[name])
    document["services"] = {key: each or {} for key, each in document["services"].items()}
    for service in document["services"].values():
        if "port" in service:
            service["environment"] = {**service.get("environment", {}), "PORT": service["port"]}
    folder.mkdir(parents=True)
    write_code(folder, document)
    (folder / "tidegate.yml").write_text(yaml.safe_dump(document, sort_keys=False))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "--quiet", "--message", "first")
    return folder


def git(folder: Path, *arguments: str) -> None:
    """Type `git …`."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Mapping[str, Proof]:
    """Return the proof of each manifest of the cover: two at once, for most of the time is spent waiting."""
    root, chosen = tmp_path_factory.mktemp("roles"), cover()

    def prove(name: str) -> Proof:
        folder, wanted = repository(root / name, name), chosen[name]
        return prove_roles(folder, environment_of(name), Written(), lambda right: shape_of(right) in wanted)

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(chosen, pool.map(prove, chosen), strict=True))
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for name, proof in found.items():
            print("\n".join([f"\n{name}", *told(proof)]))
    return found


def test_no_action_is_superfluous(proofs: Mapping[str, Proof]) -> None:
    assert [each.where for proof in proofs.values() for each in proof.superfluous] == []


def test_without_any_single_action_something_fails_that_names_it(proofs: Mapping[str, Proof]) -> None:
    assert [(name, each) for name, proof in proofs.items() for each in proof.unproven] == []


def test_every_statement_that_can_be_rehearsed_is_proven(proofs: Mapping[str, Proof]) -> None:
    proven = {shape_of(each.right) for proof in proofs.values() for each in proof.removals}
    kept = {shape_of(right) for proof in proofs.values() for right, _ in proof.kept}
    assert set().union(*cover().values()) - proven - kept == set()


class Seeded(Rehearsal):
    """A rehearsal whose templates seem to be at fault: what a role may do is changed once all is made."""

    change: Any

    def up(self) -> None:
        """Make everything, then the fault."""
        super().up()
        session = self.projects[0].session
        (role,) = [
            each["PhysicalResourceId"]
            for each in session.client("cloudformation").list_stack_resources(StackName="shop-image")[
                "StackResourceSummaries"
            ]
            if each["LogicalResourceId"] == "BuildRole"
        ]
        iam = session.client("iam")
        place = {"RoleName": role, "PolicyName": "only-what-it-needs"}
        document = iam.get_role_policy(**place)["PolicyDocument"]
        for statement in document["Statement"]:
            statement["Action"] = self.change(statement["Action"])
        iam.put_role_policy(**place, PolicyDocument=json.dumps(document))


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[App]:
    """Return somebody with a local cloud of the test's own."""
    app = App(tmp_path)
    app.start_cloud()
    yield app
    app.remove_cloud()


def seeded(cloud: App, change: Any) -> RoleProof:
    """Return a proof, still to be run, of roles with a fault."""
    folder = repository(cloud.folder / "shop", FIRST)
    copy = copy_of(Repository.containing(folder, os.environ), cloud.folder / "code", os.environ)
    rehearsal = Seeded((folder / "tidegate.yml").read_text(), "local", copy, os.environ, cloud.data_dir, Written())
    rehearsal.change = change
    return RoleProof(rehearsal, require(cloud.data_dir), Written())


def test_an_action_too_many_and_one_that_stands_for_several_are_found(cloud: App) -> None:
    def wider(actions: Iterable[str]) -> list[str]:
        return [*actions, "ecr:DeleteRepository", "ecr:Put*"] if "ecr:PutImage" in actions else list(actions)

    proof = seeded(cloud, wider).run(parse(MANIFESTS[FIRST], "local"), lambda right: False)
    assert [each.action for each in proof.superfluous] == ["ecr:DeleteRepository", "ecr:Put*"]
    assert [list(each) for each in proof.wild.values()] == [["ecr:PutImage"]]
    assert not proof.sound


def test_an_action_too_few_is_found_and_named(cloud: App) -> None:
    def narrower(actions: Iterable[str]) -> list[str]:
        return [each for each in actions if each != "ecr:PutImage"]

    with pytest.raises(UserError) as failed:
        seeded(cloud, narrower).run(parse(MANIFESTS[FIRST], "local"))
    assert "ecr:PutImage" in failed.value.why
