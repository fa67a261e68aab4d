"""What the shell offers while a command is typed: the environments and services of the manifest where one stands.

It is asked at every press of the tab key, so it reads the file alone, and says nothing where that cannot be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from tidegate.deploy.errors import UserError


def environments(context: typer.Context, incomplete: str) -> list[str]:
    """Return the environments that begin with what is typed."""
    manifest = _manifest(context)
    return [] if manifest is None else [each for each in manifest.environment_names if each.startswith(incomplete)]


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Return the services that begin with what is typed."""
    manifest = _manifest(context)
    return [] if manifest is None else [each for each in manifest.services if each.startswith(incomplete)]


def _manifest(context: typer.Context) -> Any | None:
    from tidegate.manifest import FILE_NAME, ManifestError, load

    folder = Path(context.params.get("folder") or Path()).absolute()
    found = next((each for each in (folder, *folder.parents) if (each / FILE_NAME).is_file()), None)
    if found is None:
        return None
    try:
        return load(found / FILE_NAME)
    except (ManifestError, UserError):
        return None
