"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, free_port


@pytest.fixture(autouse=True)
def _no_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own AWS settings, whatever they are, out of every test."""
    for name in list(os.environ):
        if name.startswith("AWS_") and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line of what a test measured printed at the end of the run."""
    return lambda line: record_property("figures", line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests measured, whichever worker ran them."""
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.stats.get(outcome, ())]
    lines = [
        f"{each.nodeid.rpartition('::')[2]}: {line}"
        for each in reports
        for name, line in getattr(each, "user_properties", ())
        if name == "figures" and each.when == "call"
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("cloud"), free_port())
    daemon.start()
    yield daemon
    daemon.purge()


@pytest.fixture
def cloud(shared_daemon: Daemon) -> Daemon:
    """The local cloud, empty."""
    shared_daemon.reset()
    return shared_daemon


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Daemon]:
    """A local cloud of this test's own, to be killed and started again."""
    daemon = Daemon(tmp_path / "cloud", free_port())
    daemon.data_dir.mkdir()
    daemon.start()
    yield daemon
    daemon.purge()
