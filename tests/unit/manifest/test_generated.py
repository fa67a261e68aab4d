"""The reference and the schema say what the models say, and the schema takes what the program takes."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from tests.generate import REFERENCE, SCHEMA
from tests.manifests import MANIFESTS
from tidegate.manifest.reference import reference
from tidegate.manifest.schema import json_schema, schema_text

STALE = "python -m tests.generate writes it as it has to be"


def test_the_reference_is_up_to_date() -> None:
    assert REFERENCE.read_text() == reference(), STALE


def test_the_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text() == schema_text(), STALE


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_schema_takes_every_manifest(name: str) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(MANIFESTS[name]))] == []


@pytest.mark.parametrize(
    "text",
    [
        "app: a\nservices: {web: {prot: 1}}",
        "app: a\nservices: {web: {port: 1}}\nenvironments: {x: {services: {web: {prot: 1}}}}",
        "app: a\nservices: {web: {sidecars: {x: {port: 1}}}}",
        "app: a\nservices: {Web: {}}",
        "app: A\nservices: {web: {}}",
        "app: a\nservices: {web: {load_balancer: classic}}",
        "app: a\nservices: {}",
        "services: {web: {}}",
    ],
)
def test_the_schema_refuses_mistakes(text: str) -> None:
    document: Any = yaml.safe_load(text)
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(document))
