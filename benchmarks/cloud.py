"""A local cloud for one benchmark."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.daemon import Daemon, free_port


@contextlib.contextmanager
def local_cloud() -> Iterator[Daemon]:
    """Give a local cloud; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder) / "cloud", free_port())
        daemon.data_dir.mkdir()
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.purge()
