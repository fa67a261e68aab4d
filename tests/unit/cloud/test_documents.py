"""What somebody else wrote costs no more than its length."""

from __future__ import annotations

import pytest
import yaml

from tidegate.cloud.documents import from_json, from_yaml
from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.services.cloudformation.template.parse import parse as parse_template
from tidegate.manifest import ManifestError
from tidegate.manifest import parse as parse_manifest


def bomb() -> str:
    """Return ten lines that stand for three billion words."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, this in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


def test_aliases_of_aliases_are_not_unfolded() -> None:
    with pytest.raises(yaml.YAMLError, match="its aliases make it too large"):
        from_yaml(bomb())
    with pytest.raises(TemplateError, match="aliases are not allowed"):
        parse_template(bomb())
    assert from_yaml("a: &a [1, 2]\nb: *a\n") == {"a": [1, 2], "b": [1, 2]}


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json("[" * 100_000)
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        from_yaml("[" * 5000)
    with pytest.raises(ManifestError, match="nested too deeply"):
        parse_manifest("app: " + "[" * 5000)
