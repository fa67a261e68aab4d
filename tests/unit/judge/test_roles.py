"""Decisions about roles: which right was used, what is left without one, when a removal proves something."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.manifests import MANIFESTS
from tidegate.judge.roles import (
    BORNE,
    UNUSED,
    Access,
    Proof,
    Removal,
    Right,
    Role,
    denied,
    expanded,
    rights,
    told,
    used,
    without,
)
from tidegate.manifest import parse
from tidegate.template.stacks import all_stacks

ACTIONS = st.lists(st.sampled_from(["s3:ListBucket", "s3:PutObject", "ecr:PutImage"]), min_size=1, unique=True)


def role(*statements: Any, title: str = "BuildRole") -> Role:
    document = {
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"} for actions in statements],
    }
    return Role(
        title, "shop-image", "r", "arn:aws:iam::000000000000:role/r", "codebuild.amazonaws.com", {"p": document}
    )


def access(right: Right) -> Access:
    return Access(right.role.arn, right.action, 1.0, right.policy, right.statement)


@given(st.lists(ACTIONS, min_size=1, max_size=4), st.data())
def test_without_one_right_the_others_stay(statements: list[list[str]], data: st.DataObject) -> None:
    every = rights([role(*statements)])
    gone = data.draw(st.sampled_from(every))
    before = json.dumps(gone.role.policies["p"])
    rest = without(gone)
    assert json.dumps(gone.role.policies["p"]) == before
    left = [] if rest is None else [action for each in rest["Statement"] for action in each["Action"]]
    expected = [each.action for each in every]
    expected.remove(gone.action)
    assert sorted(left) == sorted(expected)
    assert rest is None or all(each["Action"] for each in rest["Statement"])


@given(st.lists(ACTIONS, min_size=1, max_size=4), st.data())
def test_what_was_not_used_is_superfluous(statements: list[list[str]], data: st.DataObject) -> None:
    every = rights([role(*statements)])
    seen = data.draw(st.sets(st.sampled_from(every)))
    proof = Proof(every, frozenset(used(every, map(access, seen))), [])
    assert proof.used == seen
    assert set(proof.superfluous) == set(every) - seen


def test_an_action_of_another_statement_is_another_right() -> None:
    first, second = rights([role(["s3:GetObject"], ["s3:GetObject"])])
    assert used([first, second], [access(second)]) == {second}


def test_what_stands_for_several_actions_is_superfluous_even_if_used() -> None:
    (right,) = rights([role("s3:Get*")])
    assert Proof([right], frozenset({right}), []).superfluous == [right]
    seen = [replace(access(right), action=each) for each in ("s3:GetObject", "s3:PutObject")]
    assert expanded(right, seen) == ["s3:GetObject"]


def test_what_a_table_keeps_is_not_superfluous() -> None:
    (right,) = rights([role(["s3:GetObjectVersion"])])
    proof = Proof([right], frozenset(), [])
    assert proof.superfluous == []
    assert [each for each, _ in proof.kept] == [right]


def test_a_removal_proves_by_a_denial_and_a_text_that_names_it() -> None:
    (right,) = rights([role(["ecr:PutImage"])])
    assert Removal(right, "User: … is not authorized to perform: ecr:PutImage", "denied").proven
    assert not Removal(right, "exit status 1", "denied").proven
    assert not Removal(right, "ecr:PutImage", "").proven  # it was never asked for: something else has failed
    assert not Removal(right, "", "denied").proven
    (log,) = rights([role(["logs:PutLogEvents"])])
    assert Removal(log, "", "denied").proven
    assert not Removal(log, "", "").proven


def test_a_denial_of_before_does_not_count() -> None:
    (right,) = rights([role(["ecr:PutImage"])])
    old = Access(right.role.arn, "ecr:PutImage", 5.0, why="User: …")
    assert denied(right, [old], 5.0) is None
    assert denied(right, [old], 4.9) == "User: …"


def test_figures_are_told() -> None:
    every = rights([role(["ecr:PutImage", "ecr:Put*"], ["s3:GetObjectVersion"])])
    proof = Proof(every, frozenset(every[:1]), [Removal(every[0], "ecr:PutImage", "denied")])
    lines = told(proof)
    assert lines[0] == "! superfluous: shop-image BuildRole ecr:Put*"
    assert "statements    2" in lines
    assert "actions       3" in lines
    assert "superfluous   1" in lines
    assert "removals      1, of which not seen to fail: 0" in lines
    assert not proof.sound


def test_the_templates_have_every_action_that_a_table_keeps_and_no_wildcard() -> None:
    have = set()
    for text in MANIFESTS.values():
        manifest = parse(text)
        environment = next(iter([each.environment for each in manifest.pipeline.stages]), "local")
        for stack in all_stacks(manifest, manifest.stages_of(environment)):
            for title, resource in stack.template.to_dict()["Resources"].items():
                if resource["Type"] == "AWS::IAM::Role":
                    for policy in resource["Properties"].get("Policies", []):
                        have |= {(title, each) for s in policy["PolicyDocument"]["Statement"] for each in s["Action"]}
    assert not [each for _, each in have if "*" in each or "?" in each]
    assert [each for each in (*UNUSED, *BORNE) if not any((title, each.action) in have for title in each.titles)] == []
