"""The user's git repository."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tidegate.deploy.errors import UserError
from tidegate.deploy.git_password import git_password
from tidegate.deploy.programs import Ended, output, run
from tidegate.deploy.session import Session

# git's words for an address where nobody answers, or nobody any more
_NO_ANSWER = ("Failed to connect", "Could not resolve host", "Empty reply from server", "Recv failure")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its id, and the first line of its message."""

    id: str
    subject: str

    @property
    def short(self) -> str:
        """Return the id as people read it."""
        return self.id[:8]


class Repository:
    """A git work tree."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self._environ = environ

    @classmethod
    def containing(cls, folder: Path, environ: Mapping[str, str]) -> Repository:
        """Return the repository that a folder is in; raise `UserError` where it is in none."""
        folder = folder.absolute()
        if not folder.is_dir():
            raise UserError(str(folder), "there is no such folder", "name the repository with --directory")
        try:
            result = cls(folder, environ)._git("rev-parse", "--show-toplevel")
        except FileNotFoundError:
            raise UserError("git", "it is not installed", "apt install git, or brew install git") from None
        if "dubious ownership" in result.stderr:
            next_step = f"git config --global --add safe.directory {folder}"
            raise UserError(str(folder), "it belongs to another user, so that git does not trust it", next_step)
        if result.returncode:
            raise UserError(str(folder), "it is not a git repository", "git init && git add . && git commit -m first")
        return cls(Path(result.stdout.strip()), environ)

    def head(self) -> Commit:
        """Return the commit that is checked out; raise `UserError` where there is none yet."""
        result = self._git("log", "-1", "--format=%H%n%s")
        if result.returncode:
            raise UserError(str(self.root), "it has no commit yet", "git add . && git commit -m first")
        commit, _, subject = result.stdout.strip().partition("\n")
        return Commit(commit, subject)

    def branch(self) -> str:
        """Return the branch that is checked out, `main` where none is."""
        return self._git("symbolic-ref", "--short", "-q", "HEAD").stdout.strip() or "main"

    def origin(self) -> str | None:
        """Return the address of the remote that the repository came from, None where it has none."""
        return self._git("remote", "get-url", "origin").stdout.strip() or None

    def has(self, path: str) -> bool:
        """Return whether the commit that is checked out contains a file."""
        return self._git("cat-file", "-e", f"HEAD:{path}").returncode == 0

    def text(self, path: str) -> str:
        """Return a file as the commit that is checked out has it; raise `UserError` where it has none."""
        result = self._git("show", f"HEAD:{path}")
        if result.returncode:
            raise UserError(path, "the commit that is checked out has none", f"git add {path} && git commit")
        return result.stdout

    def uncommitted(self) -> list[str]:
        """Return the files that differ from the commit that is checked out."""
        lines = self._git("status", "--porcelain").stdout.splitlines()
        return [line[3:] for line in lines]

    def push(self, url: str, branch: str, session: Session) -> bool:
        """Push the commit that is checked out to a branch; return whether that changed anything.

        The credentials are those of the session, in the form that CodeCommit takes and that is good for minutes.
        Nothing of it is kept. Raises `UserError` with git's own words.
        """
        header = {}
        if urlsplit(url).scheme in ("http", "https"):
            user, password = git_password(url, session.keys())
            basic = base64.b64encode(f"{user}:{password}".encode()).decode()
            # through the environment, for a command line can be read by everybody on the machine
            header = {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
            }
        result = self._git("push", "--porcelain", url, f"HEAD:refs/heads/{branch}", **header)
        if result.returncode:
            why = _reason(result.stdout + result.stderr)
            if any(text in why for text in _NO_ANSWER):
                raise session.no_answer(url)
            if "fetch first" in why or "non-fast-forward" in why:
                raise UserError(
                    f"git push to {branch}",
                    "the branch has commits that are not here",
                    f"git pull {url} {branch}, then tidegate push",
                )
            raise UserError(f"git push to {branch}", why, "tidegate status")
        return not any(line.startswith("=") for line in result.stdout.splitlines())

    def push_to(self, remote: str, branch: str) -> bool:
        """Push the commit that is checked out to a branch of one of the user's own remotes, with their credentials.

        Returns whether that changed anything; raises `UserError` with git's own words.
        """
        command = ["git", "-C", str(self.root), "push", "--porcelain", remote, f"HEAD:refs/heads/{branch}"]
        environ = {**self._environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        result = run(command, environ)
        if result.returncode:
            why = _reason(result.stdout + result.stderr)
            next_step = f"git push {remote} HEAD:{branch}, then tidegate push"
            if "fetch first" in why or "non-fast-forward" in why:
                why, next_step = (
                    "the branch has commits that are not here",
                    f"git pull {remote} {branch}, then tidegate push",
                )
            raise UserError(f"git push to {remote}", why, next_step)
        return not any(line.startswith("=") for line in result.stdout.splitlines())

    def remote_of(self, address: str) -> str | None:
        """Return the user's remote that is a repository (`https://github.com/owner/name.git`), by https or ssh."""
        parts = urlsplit(address)
        wanted = (parts.hostname, parts.path.strip("/").removesuffix(".git").lower())
        for remote in self._git("remote").stdout.split():
            if _place(self._git("remote", "get-url", "--push", remote).stdout.strip()) == wanted:
                return remote
        return None

    def archive(self) -> bytes:
        """Return the commit that is checked out as a zip file."""
        command = ["git", "-C", str(self.root), "archive", "--format=zip", "HEAD"]
        return output(command, self._environ)

    def remember_remote(self, name: str, url: str, program: str) -> None:
        """Add the remote `name`, and the program that gives its credentials, so that a plain `git push` works too.

        Git waits for its helper once more after the answer, to let it store what it gave; there is nothing to store.
        """
        known = self._git("remote", "get-url", name)
        if known.returncode:
            self._git("remote", "add", name, url)
        elif known.stdout.strip() != url:
            self._git("remote", "set-url", name, url)
        parts = urlsplit(url)
        place = f"credential.{parts.scheme}://{parts.netloc}"
        helper = f'!f() {{ test "$1" != get || {program} get; }}; f'
        self._git("config", f"{place}.helper", helper)
        self._git("config", f"{place}.useHttpPath", "true")

    def _git(self, *arguments: str, **variables: str) -> Ended:
        # no helper and no prompt: what is asked for is given, or it fails
        command = ["git", "-C", str(self.root), "-c", "credential.helper=", "-c", "core.askPass=true", *arguments]
        environ = {**self._environ, **variables, "LC_ALL": "C"}
        return run(command, environ)

    def forget_remote(self, name: str) -> None:
        """Take the remote and its credential helper out again."""
        url = self._git("remote", "get-url", name)
        if url.returncode == 0:
            parts = urlsplit(url.stdout.strip())
            self._git("config", "--remove-section", f"credential.{parts.scheme}://{parts.netloc}")
            self._git("remote", "remove", name)


def _place(url: str) -> tuple[str | None, str]:
    """Return a remote's host and path: `git@github.com:owner/name.git`, `ssh://…`, `https://…`."""
    if "://" not in url:
        host, _, path = url.rpartition("@")[2].partition(":")
    else:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path
    return host, path.strip("/").removesuffix(".git").lower()


def _reason(output: str) -> str:
    """Return what git says went wrong."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith(("To ", "hint:", "Done"))]
    return "; ".join(line.strip() for line in lines[-4:]) or "git push failed"
