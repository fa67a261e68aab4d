"""The whole way, typed by a user: up, push, look, break, mend, down; and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from load import Load

from tests.e2e.app import App, image_tags, leftovers


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    app.start_cloud()
    yield app
    app.remove_cloud()


def test_the_whole_way(app: App) -> None:
    registry = app.cloud["registry"]
    planned = app.run("plan", code=2).stdout
    assert "hello-image: new" in planned
    assert "+ Service  ECS::Service" in planned

    assert "hello runs in local at http://" in app.run("up", "--yes").stdout
    assert app.answer() == "hello, version 1"
    assert "Nothing to change." in app.run("plan").stdout
    app.run("up", "--yes")

    with Load(app.url) as load:
        app.version(2)
        assert "is live after" in app.run("push").stdout
        assert app.answer() == "hello, version 2"
        assert "Nothing to push" in app.run("push").stdout

        status = app.status()
        assert [(each["name"], each["running"], each["rollout"]) for each in status["services"]] == [
            ("web", 2, "COMPLETED")
        ]
        assert status["pipeline"]["status"] == "Succeeded"
        assert [each["state"] for each in status["services"][0]["targets"]] == ["healthy", "healthy"]
        shown = app.run("status").stdout
        assert "✓ web: 2/2 running" in shown
        assert "version 2 listens on 8080" in app.run("logs", "--since", "1h").stdout
        assert "Phase complete: BUILD State: SUCCEEDED" in app.run("logs", "--build", "--since", "1h").stdout

        # the manifest changes: more tasks, and the version that the pipeline deployed stays
        app.edit("tidegate.yml", "^    count: 2", "    count: 3")
        app.commit("three tasks")
        planned = app.run("plan", code=2).stdout
        assert "DesiredCount" in planned
        app.run("up", "--yes")
        assert app.answer() == "hello, version 2"

        # a plain `git push` does it as well
        app.version(3)
        app.git("push", "--quiet", "tidegate", "HEAD:main")
        app.run("push")
        load.wait_for("hello, version 3")

        app.edit("app.py", "^def main", "raise SystemExit('broken')\n\n\ndef main")
        app.version(4)
        told = app.error("push")
        assert "Deploy" in told
        assert "circuit breaker" in told
        assert app.answer() == "hello, version 3"
    assert load.failures == {}
    assert set(load.answers) == {"hello, version 1", "hello, version 2", "hello, version 3"}

    assert "hello is gone from local." in app.run("down", "--yes").stdout
    assert app.git("remote") == ""
    assert "there is none yet" in app.error("push")
    assert [each for each in leftovers(app.data_dir) if not each.startswith("process")] == []
    app.remove_cloud()
    assert leftovers(app.data_dir) == []
    assert image_tags(registry) == []
    assert not app.data_dir.exists()
