"""What a buildspec says is done: retries, users, prefixes, expressions, logs in S3."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

from tests.builds import build, context_of, log_of, project, statuses
from tests.daemon import Daemon

PYTHON = {"image": "tidegate/python:3.11"}


def phase(*commands: str, **keys: Any) -> str:
    """A buildspec with one phase."""
    given = {"commands": list(commands), **{key.replace("_", "-"): value for key, value in keys.items()}}
    return json.dumps({"version": "0.2", "phases": {"build": given}}, indent=1)


def test_a_phase_is_retried_when_its_error_matches(cloud: Daemon) -> None:
    counted = "echo x >>count; test $(wc -l <count) -ge 3 || { echo cannot connect to the database; exit 5; }"
    project(cloud, phase(counted, "echo then $CODEBUILD_BUILD_SUCCEEDING", on_failure="RETRY-2-.*the data.*"))
    done = build(cloud)
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    assert log.count("cannot connect to the database\n") == 2
    assert "\nthen 1\n" in log
    done = build(cloud, buildspecOverride=phase(counted, on_failure="RETRY-1"))
    assert context_of(done, "BUILD")[1].endswith("Reason: exit status 5")
    assert log_of(cloud, done).count("cannot connect to the database\n") == 2
    done = build(cloud, buildspecOverride=phase(counted, on_failure="RETRY-something else"))
    assert log_of(cloud, done).count("cannot connect to the database\n") == 1
    assert statuses(done)["POST_BUILD"] == "SUCCEEDED"


def test_a_container_has_users_of_its_own(cloud: Daemon) -> None:
    text = """version: 0.2
run-as: nobody
env: {variables: {KEPT: before, PATH: "/opt/nothing:/usr/local/bin:/usr/bin:/bin"}}
phases:
  install:
    run-as: root
    commands: [KEPT=changed, echo first by $(id -un)]
  build:
    commands: [echo second by $(id -un) $KEPT, echo at $PATH, cat $CODEBUILD_SRC_DIR/../state/variables >/dev/null]
"""
    project(cloud, text, environment=PYTHON)
    done = build(cloud)
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    assert "\nfirst by root\n" in log
    assert "\nsecond by nobody changed\n" in log
    assert "\nat /opt/nothing:/usr/local/bin:/usr/bin:/bin\n" in log


def test_scalars_are_texts_and_secrets_are_not_exported(cloud: Daemon) -> None:
    text = """version: 0.2
env:
  variables: {VERSION: 3.10, MODE: 0755, FLAG: yes, EMPTY: }
  parameter-store: {HIDDEN: /hidden}
  exported-variables: [VERSION, MODE, FLAG, EMPTY, HIDDEN, AWS_SESSION_TOKEN]
phases: {}
"""
    cloud.client("ssm").put_parameter(Name="/hidden", Value="a-secret-value", Type="SecureString")
    project(cloud, text)
    done = build(cloud)
    exported = {each["name"]: each["value"] for each in done["exportedEnvironmentVariables"]}
    assert exported == {"VERSION": "3.10", "MODE": "0755", "FLAG": "yes", "EMPTY": ""}
    assert "The variable HIDDEN is not exported" in log_of(cloud, done)


def test_version_0_1_names_its_variables_otherwise(cloud: Daemon) -> None:
    text = "version: 0.1\nenvironment_variables: {plaintext: {A: one}}\nphases: {build: {commands: [echo A=$A]}}\n"
    project(cloud, text)
    assert "\nA=one\n" in log_of(cloud, build(cloud))


def test_artifacts_by_expressions_and_no_link_leads_out(cloud: Daemon) -> None:
    text = """version: 0.2
phases:
  build:
    commands:
      - mkdir -p out/deep real && echo a >out/a.txt && echo b >out/deep/b.txt && echo r >real/r.txt
      - ln -s /etc/hostname out/outside && ln -s /etc out/folder
      - ln -s deep/b.txt out/inside && ln -s ../real out/real
artifacts:
  base-directory: $CODEBUILD_SRC_DIR/o$(echo ut)
  files: ['**/*', folder/hostname, $NAME.txt]
  s3-prefix: by/$NAME
"""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    place = {"type": "S3", "location": "store", "name": "n", "namespaceType": "BUILD_ID"}
    project(cloud, text, artifacts=place, environment={"environmentVariables": [{"name": "NAME", "value": "a"}]})
    done = build(cloud)
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    prefix = f"by/a/{done['id'].partition(':')[2]}/n/"
    keys = {each["Key"].removeprefix(prefix) for each in s3.list_objects_v2(Bucket="store")["Contents"]}
    assert keys == {"a.txt", "deep/b.txt", "inside"}
    assert "outside: it is or is below a symbolic link that leads out of the build's folder" in log
    found = s3.head_object(Bucket="store", Key=f"{prefix}a.txt")
    assert found["Metadata"]["codebuild-buildarn"] == done["arn"]
    linked = text.replace("artifacts:\n", "artifacts:\n  enable-symlinks: yes\n")
    done = build(cloud, buildspecOverride=linked, artifactsOverride={**place, "name": "z", "packaging": "ZIP"})
    content = s3.get_object(Bucket="store", Key=f"by/a/{done['id'].partition(':')[2]}/z")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert set(archive.namelist()) == {"a.txt", "deep/b.txt", "inside", "real"}
        assert archive.read("real") == b"../real"


def test_a_log_is_in_s3(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    logs = {"s3Logs": {"status": "ENABLED", "location": "store/logs"}, "cloudWatchLogs": {"status": "DISABLED"}}
    project(cloud, phase("printf 'hello \\303\\244'"), logsConfig=logs)
    done = build(cloud)
    assert done["logs"]["s3LogsArn"] == f"arn:aws:s3:::store/logs/{done['id'].partition(':')[2]}.gz"
    key = done["logs"]["s3LogsArn"].partition("store/")[2]
    text = gzip.decompress(s3.get_object(Bucket="store", Key=key)["Body"].read()).decode()
    assert "hello ä" in text
    assert "Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED\n" in text
    nowhere = {"s3Logs": {"status": "ENABLED", "location": "nowhere/logs"}}
    code, message = context_of(build(cloud, logsConfigOverride=nowhere), "PROVISIONING")
    assert (code, "does not allow AWS CodeBuild to create" in message) == ("ACCESS_DENIED", True)
