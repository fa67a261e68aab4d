"""Batches of builds, asked with boto3: real builds, as the batch's own role."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import build_of, log_of, project, service_role
from tests.daemon import Daemon
from tests.git import working_copy
from tests.waiting import wait_for


def spec(batch: dict[str, Any], *commands: str) -> str:
    phases = {"build": {"commands": list(commands)}}
    return json.dumps({"version": "0.2", "batch": batch, "phases": phases}, indent=1)


def batched(
    cloud: Daemon,
    text: str | None,
    *,
    policy: str = "arn:aws:iam::aws:policy/AWSCodeBuildDeveloperAccess",
    **settings: Any,
) -> Any:
    """Make the project `hello`, its batches with a role of their own."""
    role = service_role(cloud, name="batcher", policy=policy)
    combined = settings.pop("combineArtifacts", False)
    config = {"serviceRole": role, "combineArtifacts": combined}
    return project(cloud, text, buildBatchConfig=config, **settings)


def start(cloud: Daemon, **overrides: Any) -> str:
    return str(cloud.client("codebuild").start_build_batch(projectName="hello", **overrides)["buildBatch"]["id"])


def batch_of(cloud: Daemon, identity: str) -> Any:
    return cloud.client("codebuild").batch_get_build_batches(ids=[identity])["buildBatches"][0]


def ended(cloud: Daemon, identity: str) -> Any:
    return wait_for(lambda: batch_of(cloud, identity), lambda batch: bool(batch["complete"]), 60)


def statuses(batch: Any) -> dict[str, str | None]:
    return {each["identifier"]: each.get("currentBuildSummary", {}).get("buildStatus") for each in batch["buildGroups"]}


def phases(batch: Any) -> list[tuple[str, str]]:
    return [(each["phaseType"], each.get("phaseStatus", "")) for each in batch["phases"]]


def build_in(cloud: Daemon, batch: Any, identifier: str) -> Any:
    (group,) = [each for each in batch["buildGroups"] if each["identifier"] == identifier]
    return build_of(cloud, group["currentBuildSummary"]["arn"])


def test_a_graph_with_failures_and_its_retry(cloud: Daemon, tmp_path: Path) -> None:
    graph = [
        {"identifier": "may_fail", "ignore-failure": True, "env": {"variables": {"FAILS": "1"}}},
        {"identifier": "fails", "depend-on": ["may_fail"], "env": {"variables": {"GATE": str(tmp_path / "gate")}}},
        {"identifier": "never", "depend-on": ["fails"]},
    ]
    batched(
        cloud,
        spec(
            {"build-graph": graph},
            "echo I am $CODEBUILD_BATCH_BUILD_IDENTIFIER",
            'test -z "$FAILS"',
            "test -e ${GATE:-/}",
        ),
    )
    codebuild = cloud.client("codebuild")
    identity = start(cloud, idempotencyToken="once")
    assert start(cloud, idempotencyToken="once") == identity
    done = ended(cloud, identity)
    assert (done["buildBatchStatus"], done["buildBatchNumber"], done["currentPhase"]) == ("FAILED", 1, "FAILED")
    assert statuses(done) == {"may_fail": "FAILED", "fails": "FAILED", "never": None}
    assert phases(done) == [
        ("SUBMITTED", "SUCCEEDED"),
        ("DOWNLOAD_BATCHSPEC", "SUCCEEDED"),
        ("IN_PROGRESS", "FAILED"),
        ("FAILED", ""),
    ]
    first = build_in(cloud, done, "may_fail")
    assert first["buildBatchArn"] == done["arn"]
    assert "\nI am may_fail\n" in log_of(cloud, first)
    (tmp_path / "gate").touch()
    codebuild.retry_build_batch(id=identity, retryType="RETRY_FAILED_BUILDS")
    again = ended(cloud, identity)
    assert again["buildBatchStatus"] == "SUCCEEDED"
    assert statuses(again) == {"may_fail": "FAILED", "fails": "SUCCEEDED", "never": "SUCCEEDED"}
    assert again["buildGroups"][0]["priorBuildSummaryList"][0]["arn"] == first["arn"]
    with pytest.raises(ClientError, match="has not failed"):
        codebuild.retry_build_batch(id=identity, retryType="RETRY_ALL_BUILDS")
    assert codebuild.list_build_batches(filter={"status": "FAILED"})["ids"] == []
    assert codebuild.list_build_batches_for_project(projectName="hello")["ids"] == [identity]
    gone = codebuild.delete_build_batch(id=done["arn"])
    assert (gone["statusCode"], len(gone["buildsDeleted"])) == ("BATCH_DELETED", 5)
    assert codebuild.batch_get_build_batches(ids=[identity])["buildBatchesNotFound"] == [identity]


def test_a_matrix(cloud: Daemon) -> None:
    matrix = {"dynamic": {"env": {"variables": {"A": ["1", "2"], "B": ["x", "y"]}}}}
    batched(cloud, spec({"build-matrix": matrix}, "echo got $A$B"))
    done = ended(cloud, start(cloud))
    assert done["buildBatchStatus"] == "SUCCEEDED"
    logs = [log_of(cloud, build_in(cloud, done, each["identifier"])) for each in done["buildGroups"]]
    assert [next(line for line in log.splitlines() if line.startswith("got ")) for log in logs] == [
        "got 1x",
        "got 1y",
        "got 2x",
        "got 2y",
    ]
    refused = ended(cloud, start(cloud, buildBatchConfigOverride={"restrictions": {"maximumBuildsAllowed": 3}}))
    assert phases(refused)[-2:] == [("DOWNLOAD_BATCHSPEC", "FAILED"), ("FAILED", "")]
    assert "4 builds" in refused["phases"][1]["contexts"][0]["message"]


def test_a_batch_is_stopped_and_resumed_after_a_kill(cloud: Daemon, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = {"identifier": "waits", "env": {"variables": {"GATE": str(gate)}}}
    batched(
        cloud, spec({"build-list": [waits, {"identifier": "ends"}]}, 'until test -e "${GATE:-/}"; do sleep 0.02; done')
    )
    identity = start(cloud)
    wait_for(lambda: statuses(batch_of(cloud, identity)), lambda found: found.get("ends") == "SUCCEEDED", 60)
    before = build_in(cloud, batch_of(cloud, identity), "waits")["id"]
    cloud.kill()
    cloud.start()
    gate.touch()
    done = ended(cloud, identity)
    assert done["buildBatchStatus"] == "SUCCEEDED"
    assert build_in(cloud, done, "waits")["id"] == before
    gate.unlink()
    identity = start(cloud)
    wait_for(lambda: statuses(batch_of(cloud, identity)), lambda found: found.get("ends") == "SUCCEEDED", 60)
    with pytest.raises(ClientError, match="still in progress"):
        cloud.client("codebuild").delete_build_batch(id=identity)
    cloud.client("codebuild").stop_build_batch(id=identity)
    done = ended(cloud, identity)
    assert (done["buildBatchStatus"], done["currentPhase"]) == ("STOPPED", "STOPPED")
    assert statuses(done) == {"waits": "STOPPED", "ends": "SUCCEEDED"}


def test_artifacts_are_combined(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    document = json.loads(spec({"build-list": [{"identifier": "a"}, {"identifier": "b"}]}))
    document["phases"]["build"]["commands"] = ["echo same >same", "echo mine >$CODEBUILD_BATCH_BUILD_IDENTIFIER"]
    document["artifacts"] = {"files": ["same", "$CODEBUILD_BATCH_BUILD_IDENTIFIER"]}
    place = {"type": "S3", "location": "artifacts", "name": "all.zip", "packaging": "ZIP"}
    batched(cloud, json.dumps(document, indent=1), artifacts=place, combineArtifacts=True)
    done = ended(cloud, start(cloud))
    assert ("COMBINE_ARTIFACTS", "SUCCEEDED") in phases(done)
    assert (done["buildBatchStatus"], done["artifacts"]["location"]) == ("SUCCEEDED", "arn:aws:s3:::artifacts/all.zip")
    with zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket="artifacts", Key="all.zip")["Body"].read())) as archive:
        assert sorted(archive.namelist()) == ["a", "b", "same"]


def test_the_role_of_a_batch_binds(cloud: Daemon) -> None:
    project(cloud, spec({"build-list": [{}]}, "true"))
    codebuild = cloud.client("codebuild")
    with pytest.raises(ClientError, match="no service role for batches"):
        start(cloud)
    with pytest.raises(ClientError, match="serviceRole must be given"):
        codebuild.update_project(name="hello", buildBatchConfig={"timeoutInMins": 5})
    with pytest.raises(ClientError, match="timeoutInMins is from 5"):
        codebuild.update_project(
            name="hello", buildBatchConfig={"serviceRole": service_role(cloud, name="short"), "timeoutInMins": 4}
        )
    done = ended(
        cloud, start(cloud, buildBatchConfigOverride={"serviceRole": service_role(cloud, name="idle", policy="")})
    )
    assert done["buildBatchStatus"] == "FAILED"
    (context,) = done["phases"][2]["contexts"]
    assert context["statusCode"] == "ACCESS_DENIED"
    assert "codebuild:StartBuild" in context["message"]


def test_all_builds_have_the_version_that_the_batch_found(cloud: Daemon, tmp_path: Path) -> None:
    git = working_copy(cloud, tmp_path / "copy")
    gate = tmp_path / "gate"
    other = json.dumps({"version": "0.2", "phases": {"build": {"commands": ["echo other; cat a.txt"]}}})
    graph = [{"identifier": "first"}, {"identifier": "second", "buildspec": "other.yml", "depend-on": ["first"]}]
    text = spec({"build-graph": graph}, f"until test -e {gate}; do sleep 0.02; done")
    git.commit("first", buildspec_yml=text, a_txt="one\n", other_yml=other)
    git("push", "-q", "origin", "main")
    url = cloud.client("codecommit").get_repository(repositoryName="hello")["repositoryMetadata"]["cloneUrlHttp"]
    batched(cloud, None, source={"type": "CODECOMMIT", "location": url})
    identity = start(cloud, sourceVersion="main")
    wait_for(lambda: statuses(batch_of(cloud, identity)), lambda found: found.get("first") == "IN_PROGRESS", 60)
    found = git("rev-parse", "HEAD").stdout.strip()
    git.commit("second", a_txt="two\n")
    git("push", "-q", "origin", "main")
    gate.touch()
    done = ended(cloud, identity)
    assert (done["buildBatchStatus"], done["resolvedSourceVersion"], done["sourceVersion"]) == (
        "SUCCEEDED",
        found,
        "main",
    )
    assert "other\none\n" in log_of(cloud, build_in(cloud, done, "second"))
    missing = ended(cloud, start(cloud, buildspecOverride="none.yml"))
    (context,) = missing["phases"][1]["contexts"]
    assert (context["statusCode"], context["message"]) == ("YAML_FILE_ERROR", "YAML file does not exist")
    assert not list((cloud.data_dir / "build-batches").iterdir())
