"""`tidegate doctor --roles`: the roles of the templates, proven on a local cloud of their own, thrown away after."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli.context import load_manifest
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from tidegate.deploy.progress import Progress
    from tidegate.judge.roles import Proof, Right


def prove_roles(
    folder: Path, environment: str, progress: Progress, chosen: Callable[[Right], bool] = lambda right: True
) -> Proof:
    """Return the proof of the roles of a folder's manifest; raise `UserError` where it cannot be rehearsed.

    Only the rights that are `chosen` are taken away.
    """
    from tidegate.cli.local import DEFAULT_ACCOUNT, DEFAULT_REGION, remove, start_detached
    from tidegate.deploy.rehearsal import Rehearsal, copy_of
    from tidegate.deploy.repository import Repository
    from tidegate.deploy.roles import RoleProof
    from tidegate.manifest.model import FILE_NAME

    repository = Repository.containing(folder, os.environ)
    manifest = load_manifest(repository.root, environment)
    place = manifest.home_of(environment)
    with tempfile.TemporaryDirectory(prefix="tidegate-roles-") as scratch:
        data_dir = Path(scratch) / "cloud"
        copy = copy_of(repository, Path(scratch) / "code", os.environ)
        try:
            account, region = place.account or DEFAULT_ACCOUNT, place.region or DEFAULT_REGION
            cloud = start_detached(data_dir, _free_port(), account, region)
            fault = cloud.engine_fault()
            if fault:
                what, _, rest = fault.partition(": ")
                why, _, next_step = rest.partition("; ")
                raise UserError(what, why, next_step)
            text = (repository.root / FILE_NAME).read_text()
            rehearsal = Rehearsal(text, environment, copy, os.environ, data_dir, progress)
            return RoleProof(rehearsal, cloud, progress).run(manifest, chosen)
        finally:
            remove(data_dir)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
