"""A user with a repository, a terminal and a local cloud of the test's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.daemon import free_port

ROOT = Path(__file__).parents[2]
_PROGRAMS = Path(sys.executable).parent


class App:
    """An example in a repository of its own, on a local cloud of its own."""

    def __init__(self, folder: Path, example: str = "hello") -> None:
        self.folder = folder
        self.data_dir = folder / "cloud"
        self.work = folder / example
        self.port = free_port()
        shutil.copytree(ROOT / "examples" / example, self.work)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("version 1")

    @property
    def environment(self) -> dict[str, str]:
        """What the user's terminal has: no AWS setting, no git identity of somebody else."""
        identity = {f"GIT_{who}_{what}": "Ann" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return {
            "PATH": f"{_PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TIDEGATE_DATA_DIR": str(self.data_dir),
            "GIT_CONFIG_NOSYSTEM": "1",
            **identity,
        }

    def run(
        self, *arguments: str, code: int | None = 0, given: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Type `tidegate …`, given something on standard input; fail where it does not end with `code` (None: any)."""
        done = subprocess.run(
            ["tidegate", *arguments],
            cwd=self.work,
            env={**self.environment, **variables},
            capture_output=True,
            input=given,
            text=True,
            timeout=300,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"tidegate {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done

    def error(self, *arguments: str, **variables: str) -> str:
        """Type `tidegate …`, which has to fail with a sentence and no traceback; return what it says."""
        done = self.run(*arguments, code=1, **variables)
        return sentence(done.stdout + done.stderr)

    def begin(self, *arguments: str) -> Typed:
        """Type `tidegate …` and do not wait for its end."""
        return Typed(
            subprocess.Popen(
                ["tidegate", *arguments],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def start_cloud(self) -> None:
        """Start the local cloud on the test's own port."""
        self.run("local", "start", "--detach", "--port", str(self.port))

    def kill_cloud(self) -> None:
        """Kill the daemon at once; what it started lives on."""
        os.kill(self.cloud["pid"], signal.SIGKILL)

    @property
    def cloud(self) -> Any:
        return json.loads((self.data_dir / "daemon.json").read_text())

    def restart_cloud(self) -> None:
        """Start the local cloud again as its user does, on the port that it had."""
        self.run("local", "start", "--detach")

    def remove_cloud(self) -> None:
        """Leave nothing behind."""
        self.run("local", "reset", "--yes")

    def git(self, *arguments: str) -> str:
        """Type `git …`."""
        return subprocess.run(
            ["git", *arguments], cwd=self.work, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def edit(self, path: str, pattern: str, replacement: str) -> None:
        """Change a file: what matches, into something else."""
        file = self.work / path
        text, number = re.subn(pattern, replacement, file.read_text(), flags=re.MULTILINE)
        assert number, f"{path} has no {pattern}"
        file.write_text(text)

    def version(self, number: int) -> None:
        """Write a version and commit it."""
        self.edit("app.py", r'^VERSION = "\d+"', f'VERSION = "{number}"')
        self.commit(f"version {number}")

    def status(self) -> Any:
        """What `tidegate status --json` says."""
        return json.loads(self.run("status", "--json").stdout)

    @property
    def url(self) -> str:
        return str(self.status()["url"])

    def answer(self) -> str:
        """What the service answers."""
        with urllib.request.urlopen(self.url, timeout=10) as response:
            return str(response.read().decode().strip())


class Typed:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []

    def until(self, text: str) -> None:
        """Wait for the line in which a text appears."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if text in line:
                return
        raise AssertionError(f"it ended and did not say {text!r}:\n{''.join(self._lines)}")

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal tells the whole process group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for its end, and return the exit code and all that it said."""
        rest, _ = self._process.communicate(timeout=60)
        return self._process.returncode, "".join(self._lines) + rest

    def error(self) -> str:
        """Wait for its end, which has to be a sentence and no traceback; return what it says."""
        code, output = self.end()
        assert code == 1, output
        return sentence(output)


def sentence(output: str) -> str:
    """Return what a command said that failed: one error, what to type next, no traceback."""
    assert "Traceback" not in output, output
    assert output.count("error: ") == 1, output
    assert "\n  next: " in output, output
    return output


def leftovers(data_dir: Path) -> list[str]:
    """Return what a local cloud has left on the container engine and among the processes."""
    label = f"label=dev.tidegate.data-dir={data_dir}"
    found = []
    for noun, arguments in (
        ("container", ["ps", "--all", "--quiet"]),
        ("network", ["network", "ls", "--quiet"]),
        ("volume", ["volume", "ls", "--quiet"]),
    ):
        output = subprocess.run(
            ["docker", *arguments, "--filter", label], capture_output=True, text=True, check=True
        ).stdout
        found += [f"{noun} {each}" for each in output.split()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and str(data_dir) in _command(process):
            found.append(f"process {_command(process)}")
    return found


def image_tags(registry: str) -> list[str]:
    """Return the tags that images of a registry have on the container engine."""
    command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in output.splitlines() if line.startswith(f"{registry}/")]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
