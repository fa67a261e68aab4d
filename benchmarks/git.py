"""`git push` of many small files to the local cloud and a clone of them, beside git's own way without any server.

The peer is the same git with a bare repository on the same disk, over `file://`: both ends run as processes, with
nothing between them. Both take turns, each time with a repository of its own.

    python -m benchmarks.git [rounds]
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.daemon import Daemon
from tests.git import Git, signed_in

from benchmarks.cloud import local_cloud
from benchmarks.report import show

_GOAL = 0.9
_FILES = 10_000


def make(folder: Path) -> Git:
    """Return a working copy with so many files in a hundred folders, in one commit."""
    git, chance = Git(folder), random.Random(1)
    git("init", "-q", "-b", "main")
    for number in range(_FILES):
        git.write(f"d{number % 100}/f{number}.txt", chance.randbytes(400).hex())
    git.commit("many files")
    return git


def created(cloud: Daemon, name: str) -> str:
    """Return the address of a new repository in the local cloud."""
    made = cloud.client("codecommit").create_repository(repositoryName=name)["repositoryMetadata"]
    return signed_in(made["cloneUrlHttp"], cloud.document["access_key"], cloud.document["secret"])


def bare(git: Git, folder: Path) -> str:
    """Return the address of a new repository that is a folder."""
    git("init", "-q", "--bare", "-b", "main", str(folder))
    return f"file://{folder}"


def there_and_back(git: Git, url: str, target: Path) -> tuple[float, float]:
    """Return the seconds of a push to an empty repository, and of a clone from there."""
    taken = []
    for command in (("push", "-q", url, "main"), ("clone", "-q", "-b", "main", url, str(target))):
        os.sync()  # else git's own fsync waits for what was written before
        started = time.monotonic()
        git(*command)
        taken.append(time.monotonic() - started)
    assert len(list(target.glob("d*/f*.txt"))) == _FILES
    shutil.rmtree(target)
    return taken[0], taken[1]


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name, local_cloud() as cloud:
        folder = Path(name)
        git = make(folder / "work")
        mine, theirs = [], []
        for number in range(rounds + 1):
            one = there_and_back(git, created(cloud, f"many-{number}"), folder / "clone")
            other = there_and_back(git, bare(git, folder / f"bare-{number}"), folder / "clone")
            if number:  # the first round reads the files from the disk
                mine.append(one)
                theirs.append(other)
    for what, ours, peer in zip(("push", "clone"), zip(*mine, strict=True), zip(*theirs, strict=True), strict=True):
        ratios = [other / one for one, other in zip(ours, peer, strict=True)]
        ratio = statistics.median(ratios)
        show(
            f"git {what} of {_FILES} files",
            f"{statistics.median(ours):.2f} s, over file:// {statistics.median(peer):.2f} s",
            ratio,
            goal=f"at least {_GOAL}",
            met=ratio >= _GOAL,
            spread=(min(ratios), max(ratios)),
        )


if __name__ == "__main__":
    main()
