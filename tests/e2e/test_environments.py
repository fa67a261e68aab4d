"""Several environments of one pipeline: each joins it with its first `up`, and leaves it with its `down`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.e2e.app import App

pytestmark = pytest.mark.slow
_MORE = """\
environments: {staging: {}, production: {}}
pipeline: {stages: [staging, {environment: production, approve: true}]}
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    manifest = app.work / "tidegate.yml"
    manifest.write_text(manifest.read_text() + _MORE)
    app.commit("two environments")
    app.start_cloud()
    yield app
    app.remove_cloud()


def test_environments_join_and_leave_the_pipeline(app: App) -> None:
    account = json.loads(app.run("local", "env", "--json").stdout)  # the local cloud plays an account

    def stages() -> list[str]:
        session = botocore.session.Session()
        session.set_credentials(account["AWS_ACCESS_KEY_ID"], account["AWS_SECRET_ACCESS_KEY"])
        region, endpoint = account["AWS_DEFAULT_REGION"], account["AWS_ENDPOINT_URL"]
        client: Any = session.create_client("codepipeline", region, endpoint_url=endpoint)
        return [stage["name"] for stage in client.get_pipeline(name="hello")["pipeline"]["stages"]]

    def typed(*command: str) -> str:
        done = app.run(*command, **account)
        return done.stdout + done.stderr

    assert "not up yet" in typed("up", "--env", "staging", "--yes")
    assert stages() == ["Source", "Build", "DeployStaging"]
    joining = app.run("plan", "--env", "production", code=2, **account).stdout
    assert "hello-production-web: new" in joining
    assert "~ Pipeline  CodePipeline::Pipeline" in joining
    typed("up", "--env", "production", "--yes")
    assert stages() == ["Source", "Build", "DeployStaging", "DeployProduction"]
    assert "Nothing to change." in typed("plan", "--env", "staging")

    assert "another environment of this app" in typed("down", "--env", "production", "--yes")
    assert stages() == ["Source", "Build", "DeployStaging"]
    assert "tidegate" in app.git("remote")  # staging still takes pushes
    typed("up", "--env", "staging", "--yes")
    typed("down", "--env", "staging", "--yes")
    assert "tidegate" not in app.git("remote")
