"""What a stack tells others: an output that other stacks of the same account and region import by its name."""

from __future__ import annotations

from typing import Any

from troposphere import Export, Output, Template


def export(template: Template, stack: str, name: str, value: Any, *, title: str | None = None) -> None:
    """Add an output, `title` or the name itself, which others import as STACK-NAME."""
    template.add_output(Output(title or name, Value=value, Export=Export(f"{stack}-{name}")))
