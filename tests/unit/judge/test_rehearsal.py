"""A rehearsed manifest has the roles of the manifest, but for what is in another region or account."""

from __future__ import annotations

import pytest
import yaml

from tests.manifests import MANIFESTS
from tidegate.judge.rehearsal import actions, rehearsed
from tidegate.manifest import parse

ELSEWHERE = {"accounts", "accounts-and-regions", "regions"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_roles_stay(name: str) -> None:
    whole = parse(MANIFESTS[name])
    part = parse(yaml.safe_dump(rehearsed(yaml.safe_load(MANIFESTS[name]))))
    stages = [each.environment for each in whole.pipeline.stages]
    environment = next(iter([*stages, *whole.environments]), "local")
    missing = actions(whole, environment) - actions(part, environment)
    assert actions(part, environment) <= actions(whole, environment)
    assert bool(missing) is (name in ELSEWHERE)
    assert all(title == "DeployRole" or action.startswith(("kms:", "sts:")) for title, action in missing)
