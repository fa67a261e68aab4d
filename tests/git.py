"""Real git, against the local cloud, with nothing of the user's settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.daemon import Daemon


class Git:
    """A working copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.com",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.com",
            "LC_ALL": "C",
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    @contextmanager
    def begin(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Begin a command; at the end of the block it has ended as well."""
        with subprocess.Popen(
            ["git", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_TERMINAL_PROMPT": "0"},
            stderr=subprocess.DEVNULL,
        ) as process:
            yield process

    def write(self, path: str, content: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def commit(self, message: str, **files: str) -> str:
        """Commit files (`_` in a name stands for a dot) and return the commit's id."""
        for name, content in files.items():
            self.write(name.replace("_", "."), content)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD").stdout.strip()


def signed_in(url: str, user: str, password: str) -> str:
    """Return a clone URL with a user name and a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}").geturl()


def working_copy(cloud: Daemon, folder: Path, name: str = "hello", region: str | None = None) -> Git:
    """Create a repository in the cloud and an empty working copy whose remote it is, as the administrator."""
    created = cloud.client("codecommit", region=region).create_repository(repositoryName=name)
    git = Git(folder)
    git("init", "-q", "-b", "main")
    url = created["repositoryMetadata"]["cloneUrlHttp"]
    git("remote", "add", "origin", signed_in(url, cloud.document["access_key"], cloud.document["secret"]))
    return git
