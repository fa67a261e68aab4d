"""`tidegate eject`: what it writes deploys with the AWS CLI and git alone, by the very commands that it writes down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.git import Git
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
_PROGRAMS = Path(sys.executable).parent
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def git(tmp_path: Path) -> Git:
    git = Git(tmp_path / "hello")
    shutil.copytree(ROOT / "examples" / "hello", git.folder, dirs_exist_ok=True)
    git("init", "--quiet", "--initial-branch=main")
    git.commit("version 1")
    return git


def eject(git: Git, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [_PROGRAMS / "tidegate", "eject", *arguments],
        cwd=git.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(git.folder.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_it_deploys_with_the_aws_cli_alone(git: Git, own_cloud: Daemon, tmp_path: Path) -> None:
    eject(git)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "aws").symlink_to(_PROGRAMS / "aws")  # and no tidegate
    # `aws codecommit credential-helper` answers for the names of AWS alone; here an access key is user and password
    keys = [own_cloud.document["access_key"], own_cloud.document["secret"]]
    helper = "!f() {{ echo username={}; echo password={}; }}; f".format(*keys)
    git("config", "--file", str(tmp_path / ".gitconfig"), "credential.helper", helper)
    blocks = _BLOCK.findall((git.folder / "eject" / "README.md").read_text())
    assert len(blocks) > 5

    # the AWS CLI looks after a stack every 30 seconds: here it takes shorter naps
    naps = "import time\n_sleep = time.sleep\ntime.sleep = lambda seconds: _sleep(min(seconds, 1))\n"
    (programs / "sitecustomize.py").write_text(naps)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks).replace("sleep 5", "sleep 1")],
        cwd=git.folder,
        env={
            **own_cloud.environment,
            "PATH": f"{programs}:{os.defpath}:/usr/sbin:/sbin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(programs),
            "GIT_TERMINAL_PROMPT": "0",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    url = done.stdout.split()[-1]
    assert url.startswith("http://")
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == b"hello, version 1\n"
    pipeline = own_cloud.client("codepipeline")
    summary = wait_for(
        lambda: pipeline.list_pipeline_executions(pipelineName="hello")["pipelineExecutionSummaries"][0],
        lambda found: found["status"] != "InProgress",
        120,
    )
    assert summary["status"] == "Succeeded"


def test_the_same_manifest_gives_the_same_files_and_nothing_is_overwritten_unasked(git: Git) -> None:
    eject(git, "first")
    first = written(git.folder / "first")
    assert {"README.md", "buildspec.yml", "1-hello-image.yml", "parameters/hello-local-web.json"} <= set(first)
    shutil.rmtree(git.folder / "first")
    eject(git, "first")
    assert written(git.folder / "first") == first

    eject(git, "first")  # what is the same needs no question
    (git.folder / "first" / "README.md").write_text("my own notes")
    told = eject(git, "first", code=1)
    assert "there are other files of these names already (README.md)" in told
    assert (git.folder / "first" / "README.md").read_text() == "my own notes"
    eject(git, "first", "--yes")
    assert written(git.folder / "first") == first
