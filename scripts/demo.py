"""`make demo`: up, three pushes under load, a fourth that crashes and is rolled back. It can be run again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from load import Load

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".demo" / "hello"
PROGRAMS = ROOT / ".venv" / "bin"
GIT = ["git", "-c", "user.name=demo", "-c", "user.email=demo@localhost"]
CRASH = 'raise SystemExit("version {version} crashes at its start")\n'


def main() -> int:
    """Run the demo; return 0 when nothing failed that should not have."""
    os.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    version = prepare()
    say("Bringing it up")
    run("tidegate", "up", "--yes")
    url = address()
    live = serving(url)
    say(f"{url} answers: {live}")
    timings = []
    with Load(url) as load:
        for number in range(version + 1, version + 4):
            say(f"Version {number}: changed, committed, pushed, under load")
            began = push(number, crash=False)
            wanted = f"hello, version {number}"
            if not wait_for(partial(load.first_seen.__contains__, wanted), 10):
                return fail(f"version {number} was never served")
            time.sleep(0.5)
            others = [seen for text, seen in load.last_seen.items() if text != wanted]
            timings.append((number, load.first_seen[wanted] - began, max(others) - began))
        last = version + 3
        say(f"Version {last + 1}: its container crashes; what serves has to go on serving")
        push(last + 1, crash=True)
        time.sleep(1)
    report(url, load, timings, last)
    served = set(load.answers)
    expected = {live, *(f"hello, version {number}" for number in range(version + 1, version + 4))}
    if load.failures:
        return fail(f"{load.failures.total()} requests failed: {dict(load.failures)}")
    if served != expected or serving(url) != f"hello, version {last}":
        return fail(f"unexpected versions were served: {sorted(served)}")
    return 0


def prepare() -> int:
    """Make the working copy if there is none, mend what the last run left, and return the version it is at."""
    if not (WORK / ".git").exists():
        shutil.rmtree(WORK, ignore_errors=True)
        shutil.copytree(ROOT / "examples" / "hello", WORK)
        run("git", "init", "--quiet", "--initial-branch=main", quiet=True)
        commit("hello, version 1")
        return 1
    text = (WORK / "app.py").read_text()
    version = int(re.search(r'^VERSION = "(\d+)"', text, re.MULTILINE)[1])  # type: ignore[index]
    if "crashes at its start" in text:  # the last run ended with a version that crashes: it is taken back
        (WORK / "app.py").write_text(re.sub(r"^raise SystemExit.*\n", "", text, flags=re.MULTILINE))
        commit(f"version {version} does not crash any more")
    return version


def push(version: int, *, crash: bool) -> float:
    """Change the version, commit and push; return when that began. A version that crashes has to be refused."""
    source = (WORK / "app.py").read_text()
    source = re.sub(r'^VERSION = "\d+"', f'VERSION = "{version}"', source, flags=re.MULTILINE)
    if crash:
        source = source.replace(
            '\nif __name__ == "__main__":', f'\n{CRASH.format(version=version)}\nif __name__ == "__main__":'
        )
    (WORK / "app.py").write_text(source)
    commit(f"version {version}" + (", which crashes" if crash else ""))
    began = time.monotonic()
    result = run("tidegate", "push", check=False)
    if (result != 0) is not crash:
        sys.exit(fail(f"tidegate push of version {version} ended with {result}"))
    return began


def commit(message: str) -> None:
    """Commit everything."""
    run("git", "add", "--all", quiet=True)
    run(*GIT, "commit", "--quiet", "--message", message, quiet=True)


def address() -> str:
    """Return where the service answers."""
    output = subprocess.run(
        ["tidegate", "status", "--json"], cwd=WORK, check=True, capture_output=True, text=True
    ).stdout
    return str(json.loads(output)["url"])


def serving(url: str) -> str:
    """Return what the service answers now."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode().strip())


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Return whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def run(*command: str, check: bool = True, quiet: bool = False) -> int:
    """Run a command in the working copy, showing it."""
    if not quiet:
        print(f"$ {' '.join(command)}", flush=True)
    return subprocess.run(command, cwd=WORK, check=check).returncode


def report(url: str, load: Load, timings: list[tuple[int, float, float]], last: int) -> None:
    """Print what was seen."""
    say("What was seen")
    print(f"URL                      {url}")
    print(f"versions served          {', '.join(sorted(load.answers))}")
    print(f"requests sent            {load.sent}")
    print(f"requests failed          {load.failures.total()}")
    for version, first, whole in timings:
        print(f"push to version {version:<8} first answer after {first:.1f} s, every answer after {whole:.1f} s")
    print(f"version {last + 1:<16} crashed; rolled back to version {last}, which never stopped serving")
    print("\nIt goes on running. To look: cd .demo/hello && tidegate status. To remove it: tidegate down")


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def fail(why: str) -> int:
    """Print why the demo failed."""
    print(f"\nerror: demo: {why}\n  next: tidegate status; tidegate logs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
