"""The whole way with the code at GitHub, GitLab, Bitbucket or in a bucket: up, live, push, live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.app import App

SOURCES = {
    "github": "source: {provider: github, repository: example/hello}\npipeline: {trigger: {paths: [app.py]}}\n",
    "gitlab": "source: {provider: gitlab, repository: example/group/hello}\n",
    "bitbucket": "source: {provider: bitbucket, repository: example/hello}\n",
    "s3": "source: {provider: s3, key: builds/hello.zip}\n",
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    app.start_cloud()
    yield app
    app.remove_cloud()


@pytest.mark.slow
@pytest.mark.parametrize("provider", SOURCES)
def test_up_and_push(app: App, provider: str) -> None:
    manifest = app.work / "tidegate.yml"
    manifest.write_text(manifest.read_text() + SOURCES[provider])
    app.commit("the source")
    app.run("up", "--yes")
    assert app.answer() == "hello, version 1"
    app.version(2)
    app.run("push")
    assert app.answer() == "hello, version 2"
    assert app.status()["pipeline"]
