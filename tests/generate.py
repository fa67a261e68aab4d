"""Writes everything that is made of something else: references, the schema, the golden templates.

python -m tests.generate
"""

from __future__ import annotations

from pathlib import Path

from tests import coverage
from tests.template.golden import files
from tidegate.manifest.reference import reference
from tidegate.manifest.schema import schema_text

ROOT = Path(__file__).parents[1]
REFERENCE, SCHEMA = ROOT / "docs" / "manifest.md", ROOT / "docs" / "tidegate.schema.json"
COVERAGE = ROOT / "docs" / "coverage.md"
GOLDEN = Path(__file__).parent / "template" / "golden"


def main() -> None:
    """Write all of it; what is no longer made is removed."""
    REFERENCE.write_text(reference())
    SCHEMA.write_text(schema_text())
    COVERAGE.write_text(coverage.text())
    GOLDEN.mkdir(exist_ok=True)
    made = dict(files())
    for path in GOLDEN.iterdir():
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (GOLDEN / name).write_text(text)


if __name__ == "__main__":
    main()
