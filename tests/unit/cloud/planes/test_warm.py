"""A warm program is the program: its streams, status, signals, environment and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until, wait_for
from tidegate.cloud.planes.shell.warm import WarmProgram


class Program:
    """`python -m timeit`, run warm: a program of the standard library that runs what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plain = folder / "plain"
        plain.write_text("#!/bin/sh\necho plain\n")
        plain.chmod(0o755)
        self.warm = WarmProgram(plain, "timeit:main")
        self.script = folder / "program"

    def begin(self, statement: str, **variables: str) -> subprocess.Popen[str]:
        """Run a statement, once."""
        self.script.write_text(self.warm.start())
        self.script.chmod(0o755)
        return subprocess.Popen(
            [self.script, "-n1", "-r1", statement],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, statement: str, given: str = "", **variables: str) -> tuple[int, str]:
        """Run a statement to its end; return the status and what it printed first."""
        process = self.begin(statement, **variables)
        output, _ = process.communicate(given, timeout=30)
        return process.returncode, output


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    # a shell's background jobs ignore some of them, what runs under `nohup` another
    before = {
        number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    }
    try:
        wait_for(lambda: made.run("pass")[1], lambda output: output != "plain\n")
        yield made
    finally:
        made.warm.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_status(program: Program) -> None:
    assert program.run("import os; os._exit(7)")[0] == 7
    assert program.run("1/0")[0] == 1
    assert program.run("pass")[0] == 0


def test_killed_by_a_signal_of_its_own(program: Program) -> None:
    assert program.run("import os; os.kill(os.getpid(), 15)")[0] == -15


def test_standard_streams(program: Program) -> None:
    status, output = program.run("import sys; print(sys.stdin.read().upper())", "given äöü")
    assert (status, output.splitlines()[0]) == (0, "GIVEN ÄÖÜ")


def test_environment_and_folder_are_the_clients(program: Program) -> None:
    statement = "import os, json; print(json.dumps([dict(os.environ), os.getcwd()]))"
    _, output = program.run(statement, WORD="a=b\nc", TZ="Asia/Tokyo")
    environment, folder = json.loads(output.splitlines()[0])
    assert environment.pop("WORD") == "a=b\nc"
    assert environment.pop("TZ") == "Asia/Tokyo"
    assert {name for name in environment if name not in ("PWD", "OLDPWD", "SHLVL", "_")} == {"PATH", "LANG"}
    assert folder == str(program.folder)


def test_odd_surroundings_get_the_plain_program(program: Program) -> None:
    assert program.run("print('here')", LANG="de_DE.UTF-8")[1] == "plain\n"
    assert program.run("print('here')", PYTHONPATH="/somewhere")[1] == "plain\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_killed_client_takes_its_run_with_it(program: Program, number: signal.Signals) -> None:
    process = program.begin("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(number)
    assert process.wait(30) == -number
    until(lambda: _runs(pid), False)
    process.communicate()


def test_signals_reach_the_program(program: Program) -> None:
    handler = "signal.signal(15, lambda *_: os._exit(3))"
    process = program.begin(f"import os, signal, time; {handler}; print('ready', flush=True); time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 3


def test_the_server_ends_with_its_owner(tmp_path: Path) -> None:
    owner = (
        "import sys, time; from pathlib import Path; from tidegate.cloud.planes.shell.warm import WarmProgram\n"
        "warm = WarmProgram(Path('/bin/echo'), 'timeit:main'); print(warm.start(), flush=True)\n"
        "print(warm._server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.kill()
    until(lambda: _runs(int(lines[-1])), False)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
