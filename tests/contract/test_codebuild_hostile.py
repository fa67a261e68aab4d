"""Builds that behave badly end with a clear reason, and leave nothing behind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.builds import build, build_of, context_of, finished, log_of, project, start, statuses
from tests.daemon import Daemon
from tests.waiting import wait_for


def phase(*commands: str) -> str:
    return json.dumps({"version": "0.2", "phases": {"build": {"commands": list(commands)}}}, indent=1)


def lives(pid: str) -> bool:
    """Return whether a process is there and has not ended."""
    states = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    return bool(states.strip()) and not states.startswith("Z")


def test_what_ignores_the_signal_is_killed(cloud: Daemon, tmp_path: Path) -> None:
    """One in the background, one that cleared its environment, one of a session of its own."""
    stubborn = f"trap '' TERM HUP; echo $$ >>{tmp_path}/pids; while :; do sleep 1; done"
    (tmp_path / "stubborn.sh").write_text(stubborn)
    run = f"sh {tmp_path}/stubborn.sh"
    wait = f"until test $(cat {tmp_path}/pids | wc -l) -eq 3; do sleep 0.05; done; touch {tmp_path}/all"
    project(cloud, phase(f"{run} & env -i /bin/{run} & setsid {run} &", f"{wait}; {run}"))
    identity = start(cloud)
    wait_for((tmp_path / "all").exists, bool, 60)
    cloud.client("codebuild").stop_build(id=identity)
    assert finished(cloud, identity)["buildStatus"] == "STOPPED"
    assert [pid for pid in (tmp_path / "pids").read_text().split() if lives(pid)] == []


def test_a_daemon_does_not_outlive_its_build(cloud: Daemon, tmp_path: Path) -> None:
    project(cloud, phase(f"setsid nohup sh -c 'echo $$ >{tmp_path}/pid; sleep 300' >/dev/null 2>&1 &"))
    assert build(cloud)["buildStatus"] == "SUCCEEDED"
    if (tmp_path / "pid").exists():  # it may have been ended before
        assert not lives((tmp_path / "pid").read_text().strip())


def test_folders_that_cannot_be_removed_are(cloud: Daemon) -> None:
    deep = "for i in $(seq 16); do mkdir -p $(printf 'd/%.0s' $(seq 50)) && cd $(printf 'd/%.0s' $(seq 50)); done"
    shut = "mkdir -p shut/in && touch shut/in/file && chmod 000 shut/in && chmod 500 shut"
    text = """version: 0.2
env: {{shell: bash}}
phases: {{build: {{commands: ["{deep}", 'cd $CODEBUILD_SRC_DIR; {shut}']}}}}
artifacts: {{files: ['**/nothing']}}
"""
    cloud.client("s3").create_bucket(Bucket="store")
    place = {"type": "S3", "location": "store", "name": "x"}
    project(cloud, text.format(deep=deep, shut=shut), artifacts=place)
    done = build(cloud)
    assert context_of(done, "UPLOAD_ARTIFACTS") == ("CLIENT_ERROR", "no matching artifact paths found")
    assert list((cloud.data_dir / "builds").iterdir()) == []


def test_a_line_without_an_end(cloud: Daemon) -> None:
    """It is cut at 256 KB an event; a secret on the cut is hidden all the same."""
    cloud.client("ssm").put_parameter(Name="/hidden", Value="0123456789" * 4, Type="SecureString")
    text = """version: 0.2
env: {parameter-store: {HIDDEN: /hidden}}
phases:
  build:
    commands:
      - i=0; while test $i -lt 40000; do printf '%s' "xxxxxxxxx$HIDDEN"; i=$((i+1)); done
"""
    project(cloud, text)
    done = build(cloud)
    names = {"logGroupName": done["logs"]["groupName"], "logStreamName": done["logs"]["streamName"]}
    pages = cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=names["logGroupName"])
    messages = [event["message"] for each in pages for event in each["events"]]
    assert max(len(message.encode()) for message in messages) <= 256 << 10
    joined = "".join(messages)
    assert joined.count("***") == 40000
    assert "0123456789" not in joined


def test_names_in_a_bucket_that_lead_elsewhere(cloud: Daemon, tmp_path: Path) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    s3.put_object(Bucket="store", Key=f"in/{tmp_path}/evil", Body=b"x")
    project(cloud, phase("true"), source={"type": "S3", "location": "store/in/"})
    code, message = context_of(build(cloud), "DOWNLOAD_SOURCE")
    assert (code, "leads outside of the archive" in message) == ("CLIENT_ERROR", True)
    assert not (tmp_path / "evil").exists()


def test_the_users_own_settings_stay_as_they_are(cloud: Daemon) -> None:
    """What a build sets for itself, it sets in a home of its own."""
    home = Path.home()
    watched = [home / name for name in (".gitconfig", ".docker/config.json", ".aws/config", ".netrc", ".profile")]
    before = [path.read_bytes() if path.exists() else None for path in watched]
    commands = (
        "git config --global user.name somebody",
        "mkdir -p $DOCKER_CONFIG ~/.aws && echo '{}' >$DOCKER_CONFIG/config.json && echo x >~/.aws/config",
        "echo machine x >~/.netrc; echo x >>~/.profile; git config user.name; echo home is $HOME",
    )
    project(cloud, phase(*commands))
    done = build(cloud)
    assert done["buildStatus"] == "SUCCEEDED"
    assert "\nsomebody\n" in log_of(cloud, done)
    assert [path.read_bytes() if path.exists() else None for path in watched] == before


@pytest.mark.slow
def test_a_full_disk_is_the_reason(own_cloud: Daemon) -> None:
    """The folder of the builds is one of four megabytes, for as long as the test runs."""
    folder = own_cloud.data_dir / "builds"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    try:
        project(own_cloud, phase("head -c 8000000 /dev/zero >filled"))
        done = build(own_cloud)
        assert statuses(done)["BUILD"] == "FAILED"
        assert context_of(done, "BUILD")[1].endswith("exit status 1, no space left on the disk that builds run on")
        assert (
            build_of(own_cloud, build(own_cloud, buildspecOverride=phase("true"))["id"])["buildStatus"] == "SUCCEEDED"
        )
    finally:
        own_cloud.stop()
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_hundred_megabytes_of_output_take_no_memory(own_cloud: Daemon) -> None:
    """The daemon's greatest size grows by less than what was printed; the log says where it is cut."""
    project(own_cloud, phase("true"))
    build(own_cloud)
    before = greatest_size(own_cloud)
    lines = "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 104857600"
    done = build(own_cloud, buildspecOverride=phase(lines, "head -c 20000000 /dev/zero | tr '\\0' x"))
    assert done["buildStatus"] == "SUCCEEDED"
    assert greatest_size(own_cloud) - before < 64 << 20


def greatest_size(cloud: Daemon) -> int:
    """Return the most memory that the daemon has had, in bytes."""
    assert cloud.process is not None
    status = Path("/proc", str(cloud.process.pid), "status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
