"""Templates held against golden files, cfn-lint's rules and checkov's.

To take the present templates as the golden ones: python -m tests.generate
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from troposphere import Template

from tests.generate import GOLDEN, ROOT
from tests.manifests import MANIFESTS
from tests.template.golden import all_templates, files
from tests.template.suppressions import SUPPRESSED

TEMPLATES = dict(all_templates())
FILES = dict(files())
_BODY_LIMIT = 51_200  # bytes that CloudFormation takes without a bucket


def test_there_are_manifests_of_every_kind() -> None:
    assert len(MANIFESTS) >= 25
    assert all(text.startswith("# ") for text in MANIFESTS.values())


def test_golden() -> None:
    found = {path.name: path.read_text() for path in GOLDEN.iterdir()}
    assert sorted(found) == sorted(FILES)
    for name, text in FILES.items():
        assert found[name] == text, f"{name}: python -m tests.generate writes it as it is now"


class _Loader(yaml.SafeLoader):
    """Reads short forms of functions as their long forms."""


def _long(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)
        value = node.value
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    return {f"Fn::{suffix}": value.split(".", 1) if suffix == "GetAtt" else value}


_Loader.add_multi_constructor("!", _long)


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_is_what_is_deployed(name: str) -> None:
    template = TEMPLATES[name.removesuffix(".yml")]
    assert yaml.load(FILES[name], _Loader) == json.loads(template.to_json())


def test_the_same_manifest_gives_the_same_text_in_every_process() -> None:
    program = "from tests.template.test_golden import digest; print(digest())"
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == digest()


def digest() -> str:
    return hashlib.sha256(repr([*files()]).encode()).hexdigest()


def test_no_template_is_too_long_to_be_sent() -> None:
    lengths = {name: len(template.to_json(indent=1)) for name, template in TEMPLATES.items()}
    assert {name: length for name, length in lengths.items() if length > _BODY_LIMIT} == {}


def test_cfn_lint_finds_nothing() -> None:
    paths = sorted(map(str, GOLDEN.glob("*.yml")))
    program = Path(sys.executable).parent / "cfn-lint"
    result = subprocess.run([program, *paths], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_checkov_finds_nothing_that_is_not_explained() -> None:
    checkov = [ROOT / "scripts" / "checkov"]
    options = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "-o", "json"]
    command = [*map(str, checkov), *options, "--directory", str(GOLDEN)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000
    found: dict[str, list[str]] = {}
    for check in report["results"]["failed_checks"]:
        place = f"{check['file_path']}: {check['resource']}: {check['check_name']}"
        found.setdefault(check["check_id"], []).append(place)
    assert {key: places for key, places in found.items() if key not in SUPPRESSED} == {}
    assert [key for key in SUPPRESSED if key not in found] == [], "explained, but not found any more"
    with_domain = ("/domain.production.yml", "/environments.production.yml")
    assert not [place for place in found["CKV_AWS_103"] if place.startswith(with_domain)]


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for title, resource in json.loads(template.to_json())["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield title, statement


# actions that IAM evaluates on no resource, and why each is there
_UNBOUND = {
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_role_is_wider_than_it_must_be(name: str) -> None:
    for title, statement in statements(TEMPLATES[name]):
        assert not any("*" in action for action in statement["Action"]), (title, statement)
        if "iam:PassRole" in statement["Action"]:
            assert "iam:PassedToService" in json.dumps(statement["Condition"]), title
        if "*" in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]):
            assert set(statement["Action"]) <= _UNBOUND or "Condition" in statement, (title, statement)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_role_has_what_it_is_not_given_here(name: str) -> None:
    for title, resource in json.loads(TEMPLATES[name].to_json())["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            assert "ManagedPolicyArns" not in resource["Properties"], title
            (trust,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] != "*", title
            assert trust["Principal"].keys() == {"Service"} or "Condition" in trust, title


def test_roles_of_a_test_push_nothing() -> None:
    given = [
        statement["Action"] for title, statement in statements(TEMPLATES["build-image.image"]) if title == "TestRole"
    ]
    assert given
    assert not [action for actions in given for action in actions if action.startswith("ecr:")]
