"""CodeBuild: projects and real builds, asked with boto3."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import build, build_of, context_of, finished, log_of, project, service_role, start, statuses
from tests.daemon import Daemon
from tests.git import working_copy
from tests.waiting import until, wait_for
from tidegate.cloud.store import Store

ACCOUNT = "000000000000"
SPEC = """version: 0.2
phases:
  build:
    commands:
      - {}
"""


def spec(*commands: str) -> str:
    """A buildspec with commands in its build phase."""
    return json.dumps({"version": "0.2", "phases": {"build": {"commands": list(commands)}}}, indent=1)


def waiting_for(gate: Path) -> str:
    """A command that waits until a file is there."""
    return f"until test -e {gate}; do sleep 0.02; done"


def test_projects(cloud: Daemon) -> None:
    codebuild = cloud.client("codebuild")
    made = project(cloud, spec("true"), description="first", tags=[{"key": "a", "value": "b"}])
    assert made["arn"] == f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/hello"
    assert (made["timeoutInMinutes"], made["queuedTimeoutInMinutes"]) == (60, 480)
    with pytest.raises(ClientError) as caught:
        project(cloud, spec("true"), role=made["serviceRole"])
    assert caught.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    changed = codebuild.update_project(name="hello", description="second", timeoutInMinutes=5)["project"]
    assert (changed["description"], changed["timeoutInMinutes"], changed["source"]) == ("second", 5, made["source"])
    found = codebuild.batch_get_projects(names=["hello", made["arn"], "nothing"])
    assert [each["name"] for each in found["projects"]] == ["hello", "hello"]
    assert found["projectsNotFound"] == ["nothing"]
    assert codebuild.list_projects()["projects"] == ["hello"]
    codebuild.delete_project(name="hello")
    codebuild.delete_project(name="hello")
    with pytest.raises(ClientError) as caught:
        codebuild.start_build(projectName="hello")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_curated_images(cloud: Daemon) -> None:
    platforms = cloud.client("codebuild").list_curated_environment_images()["platforms"]
    names = [image["name"] for each in platforms for by in each["languages"] for image in by["images"]]
    assert "aws/codebuild/standard:7.0" in names
    assert all(name.startswith("aws/codebuild/") for name in names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": {"type": "GITLAB_SELF_MANAGED"}}, "does not offer codebuild source type GITLAB_SELF_MANAGED"),
        ({"source": {"type": "S3"}}, "location must be given"),
        ({"source": {"type": "NO_SOURCE"}}, "must have a buildspec"),
        ({"artifacts": {"type": "CODEPIPELINE"}}, "goes with source type CODEPIPELINE"),
        ({"artifacts": {"type": "S3"}}, "location must be given"),
        ({"environment": {"type": "WINDOWS_CONTAINER"}}, "does not offer codebuild environment type"),
        ({"environment": {"computeType": "BUILD_LAMBDA_1GB"}}, "does not offer codebuild compute type"),
        ({"cache": {"type": "S3"}}, "location must be given for cache type S3"),
        ({"vpcConfig": {"vpcId": "vpc-1"}}, "does not offer codebuild:CreateProject vpcConfig"),
    ],
)
def test_what_is_refused(cloud: Daemon, settings: dict[str, Any], message: str) -> None:
    text = None if "source" in settings else spec("true")
    with pytest.raises(ClientError, match=message):
        project(cloud, text, **settings)


def test_the_role_has_to_trust_codebuild(cloud: Daemon) -> None:
    role = service_role(cloud, "ecs-tasks")
    with pytest.raises(ClientError, match="CodeBuild is not authorized to perform: sts:AssumeRole on"):
        project(cloud, spec("true"), role=role)


def test_a_build_succeeds(cloud: Daemon) -> None:
    project(cloud, spec("echo hello from $CODEBUILD_BUILD_ID"))
    done = build(cloud)
    assert done["buildStatus"] == "SUCCEEDED"
    assert re.fullmatch(r"hello:[0-9a-f-]{36}", done["id"])
    assert (done["buildNumber"], done["initiator"], done["currentPhase"]) == (1, "administrator", "COMPLETED")
    assert list(statuses(done)) == [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "INSTALL",
        "PRE_BUILD",
        "BUILD",
        "POST_BUILD",
        "UPLOAD_ARTIFACTS",
        "FINALIZING",
        "COMPLETED",
    ]
    assert done["logs"]["groupName"] == "/aws/codebuild/hello"
    assert done["logs"]["streamName"] == done["id"].partition(":")[2]
    log = log_of(cloud, done)
    assert f"\nhello from {done['id']}\n" in log
    assert re.search(r"\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} Running command echo hello from", log)
    assert "Phase complete: BUILD State: SUCCEEDED\n" in log
    assert not list((cloud.data_dir / "builds").iterdir())


def test_a_failure_reads_as_on_aws(cloud: Daemon) -> None:
    project(
        cloud,
        """version: 0.2
phases:
  build:
    commands:
      - echo before
      - sh -c 'exit 7'
      - echo after
    finally:
      - echo in the end $CODEBUILD_BUILD_SUCCEEDING
  post_build:
    commands:
      - echo post $CODEBUILD_BUILD_SUCCEEDING
""",
    )
    done = build(cloud)
    assert done["buildStatus"] == "FAILED"
    message = "Error while executing command: sh -c 'exit 7'. Reason: exit status 7"
    assert context_of(done, "BUILD") == ("COMMAND_EXECUTION_ERROR", message)
    assert (statuses(done)["POST_BUILD"], statuses(done)["UPLOAD_ARTIFACTS"]) == ("SUCCEEDED", "SUCCEEDED")
    log = log_of(cloud, done)
    assert "Phase complete: BUILD State: FAILED\n" in log
    assert f"Phase context status code: COMMAND_EXECUTION_ERROR Message: {message}\n" in log
    assert "\nin the end 0\n" in log
    assert "\npost 0\n" in log
    assert "\nafter\n" not in log


@pytest.mark.parametrize(
    ("phase", "on_failure", "reached"),
    [
        ("install", None, False),
        ("pre_build", None, False),
        ("build", None, True),
        ("pre_build", "CONTINUE", True),
        ("build", "ABORT", False),
    ],
)
def test_what_comes_after_a_failure(cloud: Daemon, phase: str, on_failure: str | None, reached: bool) -> None:
    failing: dict[str, Any] = {"commands": ["false"]}
    if on_failure is not None:
        failing["on-failure"] = on_failure
    phases = {phase: failing, "post_build": {"commands": ["echo reached"]}}
    project(cloud, json.dumps({"version": 0.2, "phases": phases}, indent=1))
    done = build(cloud)
    assert done["buildStatus"] == "FAILED"
    assert ("POST_BUILD" in statuses(done)) is reached
    assert statuses(done)["FINALIZING"] == "SUCCEEDED"


def test_the_shell_goes_on_where_it_was(cloud: Daemon) -> None:
    project(
        cloud,
        """version: 0.2
env:
  shell: bash
  variables:
    FROM_SPEC: spec
    FROM_PROJECT: spec
  exported-variables: [KEPT, FROM_PROJECT, UNSET]
phases:
  pre_build:
    commands:
      - NOT_EXPORTED="one 'two' \\"three\\""
      - greet() { echo "greetings $1"; }
      - mkdir deep && cd deep
  build:
    commands: |
      KEPT=$(echo "kept $NOT_EXPORTED")
      greet "$(basename $PWD)"
      [[ $FROM_SPEC == sp* ]] && echo double
  post_build:
    commands:
      - printf '%s/%s/%s\\n' "$FROM_SPEC" "$FROM_PROJECT" "$FROM_START"
      - exit 0
      - echo still here
""",
        environment={"environmentVariables": [{"name": "FROM_PROJECT", "value": "project"}]},
    )
    done = build(cloud, environmentVariablesOverride=[{"name": "FROM_START", "value": "start"}])
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    assert "\ngreetings deep\ndouble\n" in log
    assert "\nspec/project/start\n" in log
    assert "\nstill here\n" in log
    exported = {each["name"]: each["value"] for each in done["exportedEnvironmentVariables"]}
    assert exported == {"KEPT": "kept one 'two' \"three\"", "FROM_PROJECT": "project", "UNSET": ""}


def test_version_0_1_has_a_shell_for_each_command(cloud: Daemon) -> None:
    project(cloud, SPEC.replace("0.2", "0.1").format("A=one; cd /\n      - echo A=$A in $(basename $PWD)"))
    assert "\nA= in src\n" in log_of(cloud, build(cloud))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 0.3\n", "invalid buildspec version: 0.3"),
        ("phases: {}\n", "the version of the buildspec is missing"),
        ("version: 0.2\nphases:\n  biuld: {}\n", "unknown key biuld in phases"),
        (SPEC.format("echo: x"), "Expected Commands[0] to be of string type: found subkeys instead"),
        ("version: 0.2\nphases: [\n", "at line"),
        ("version: 0.2\nrun-as: nobody-here\n", "it cannot run them as nobody-here"),
        ("version: 0.2\nenv:\n  parameter-store: {A: [b]}\n", "Expected env/parameter-store/A to be of string type"),
        ("version: 0.2\nenv:\n  secrets-manager: x\n", "Expected env/secrets-manager to be a mapping"),
    ],
)
def test_a_buildspec_that_cannot_be_used(cloud: Daemon, text: str, message: str) -> None:
    project(cloud, text)
    done = build(cloud)
    code, found = context_of(done, "DOWNLOAD_SOURCE")
    assert (done["buildStatus"], code) == ("FAILED", "YAML_FILE_ERROR")
    assert message in found
    assert "INSTALL" not in statuses(done)


def test_nothing_of_the_users_is_seen(own_cloud: Daemon) -> None:
    """The daemon's environment is its user's; a build's is made from nothing."""
    own_cloud.stop()
    os.environ["SECRET_OF_THE_USER"] = "seen"
    try:
        own_cloud.start()
    finally:
        del os.environ["SECRET_OF_THE_USER"]
    commands = ("env | sort", "git config --list --show-origin", "aws sts get-caller-identity", "docker ps")
    project(own_cloud, spec(*commands))
    done = build(own_cloud)
    log = log_of(own_cloud, done)
    assert "seen" not in log
    assert f"HOME={own_cloud.data_dir}/builds/" in log
    assert "AWS_SECRET_ACCESS_KEY=***" in log
    assert "AWS_SESSION_TOKEN=***" in log
    assert f"assumed-role/builder/AWSCodeBuild-{done['id'].partition(':')[2]}" in log
    absent = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert absent in log
    assert context_of(done, "BUILD")[1] == "Error while executing command: docker ps. Reason: exit status 1"


def test_codecommit_is_built_from(cloud: Daemon, tmp_path: Path) -> None:
    git = working_copy(cloud, tmp_path / "copy")
    first = git.commit("first", buildspec_yml=SPEC.format("cat a.txt; git log --oneline | wc -l"), a_txt="one\n")
    git.commit("second", a_txt="two\n")
    git("push", "-q", "origin", "main", "main:refs/heads/feature/x")
    url = cloud.client("codecommit").get_repository(repositoryName="hello")["repositoryMetadata"]["cloneUrlHttp"]
    role = service_role(cloud)
    project(cloud, role=role, source={"type": "CODECOMMIT", "location": url})
    done = build(cloud)
    assert done["resolvedSourceVersion"] == git("rev-parse", "HEAD").stdout.strip()
    assert "\ntwo\n2\n" in log_of(cloud, done)
    done = build(cloud, sourceVersion=first)
    assert (done["resolvedSourceVersion"], done["sourceVersion"]) == (first, first)
    assert "\none\n1\n" in log_of(cloud, done)
    on_aws = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/hello"
    done = build(cloud, sourceVersion="refs/heads/feature/x", sourceLocationOverride=on_aws, gitCloneDepthOverride=1)
    assert "\ntwo\n1\n" in log_of(cloud, done)
    done = build(cloud, sourceVersion="nowhere")
    code, message = context_of(done, "DOWNLOAD_SOURCE")
    assert (code, message) == ("CLIENT_ERROR", "reference not found for primary source and source version nowhere")
    cloud.client("iam").detach_role_policy(RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    cloud.client("iam").attach_role_policy(
        RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/CloudWatchLogsFullAccess"
    )
    code, message = context_of(build(cloud), "DOWNLOAD_SOURCE")
    assert code == "CLIENT_ERROR"
    assert "codecommit:GitPull" in message


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, text)
    return content.getvalue()


ARTIFACTS = """version: 0.2
phases:
  build:
    commands:
      - ./run.sh
artifacts:
  files: {files}
  base-directory: out
  exclude-paths: ['**/*.tmp']
"""


def test_s3_to_s3(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    script = (
        "#!/bin/sh\nmkdir -p out/deep; echo a >out/a.txt; echo b >out/deep/b.txt; touch out/c.tmp; chmod +x out/a.txt\n"
    )
    source = zipped({"run.sh": script, "buildspec.yml": ARTIFACTS.format(files="'**/*'")})
    s3.put_object(Bucket="store", Key="in/source.zip", Body=source)
    project(
        cloud,
        source={"type": "S3", "location": "store/in/source.zip"},
        artifacts={"type": "S3", "location": "store", "path": "out", "name": "made.zip", "packaging": "ZIP"},
    )
    done = build(cloud)
    assert done["buildStatus"] == "SUCCEEDED", log_of(cloud, done)
    assert done["artifacts"]["location"] == "arn:aws:s3:::store/out/made.zip"
    content = s3.get_object(Bucket="store", Key="out/made.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        modes = {each.filename: stat.S_IMODE(each.external_attr >> 16) for each in archive.infolist()}
    assert modes == {"a.txt": 0o755, "deep/b.txt": 0o644}
    override = {"type": "S3", "location": "store", "path": "plain", "namespaceType": "BUILD_ID", "name": "/"}
    done = build(cloud, artifactsOverride=override)
    prefix = f"plain/{done['id'].partition(':')[2]}"
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="store", Prefix="plain/")["Contents"]]
    assert keys == [f"{prefix}/a.txt", f"{prefix}/deep/b.txt"]


@pytest.mark.parametrize(
    ("files", "base", "message"),
    [
        ("nothing.json", ".", "no matching artifact paths found"),
        ("'**/*'", "nowhere", "no matching base directory path found for nowhere"),
    ],
)
def test_artifacts_that_are_not_there(cloud: Daemon, files: str, base: str, message: str) -> None:
    cloud.client("s3").create_bucket(Bucket="store")
    text = f"version: 0.2\nphases: {{}}\nartifacts:\n  files: {files}\n  base-directory: {base}\n"
    project(cloud, text, artifacts={"type": "S3", "location": "store", "name": "x", "packaging": "ZIP"})
    done = build(cloud)
    assert done["buildStatus"] == "FAILED"
    assert context_of(done, "UPLOAD_ARTIFACTS") == ("CLIENT_ERROR", message)


def test_as_a_pipeline_starts_it(cloud: Daemon) -> None:
    """The pipeline's role starts the build on a zip in the artifact bucket and names where its own is to go."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    text = """version: 0.2
phases:
  build:
    commands:
      - TAG=$CODEBUILD_RESOLVED_SOURCE_VERSION
      - printf '[{"name":"web","imageUri":"%s"}]' $REPOSITORY_URI:$TAG >imagedefinitions.json
      - echo $CODEBUILD_SOURCE_VERSION by $CODEBUILD_INITIATOR; ls $CODEBUILD_SRC_DIR_Other
artifacts:
  files: imagedefinitions.json
  secondary-artifacts:
    Second:
      files: [other.txt]
      base-directory: $CODEBUILD_SRC_DIR_Other
"""
    text = text.replace("      base-directory: $CODEBUILD_SRC_DIR_Other\n", "").replace(
        "[other.txt]", "[buildspec.yml]"
    )
    s3.put_object(Bucket="store", Key="hello/Source/abc", Body=zipped({"buildspec.yml": text}))
    s3.put_object(Bucket="store", Key="hello/Other/abc", Body=zipped({"other.txt": "other"}))
    project(cloud, source={"type": "CODEPIPELINE"}, artifacts={"type": "CODEPIPELINE"})
    with pytest.raises(ClientError, match="must be started by CodePipeline"):
        start(cloud)
    role = cloud.client("iam").create_role(
        RoleName="pipeline",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/administrator"},
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    cloud.client("iam").attach_role_policy(
        RoleName="pipeline", PolicyArn="arn:aws:iam::aws:policy/AWSCodeBuildAdminAccess"
    )
    session = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="release")
    started = cloud.client("codebuild", keys=session["Credentials"]).start_build(
        projectName="hello",
        sourceTypeOverride="CODEPIPELINE",
        sourceLocationOverride="store/hello/Source/abc",
        sourceVersion="0123456789abcdef0123456789abcdef01234567",
        secondarySourcesOverride=[
            {"type": "CODEPIPELINE", "location": "store/hello/Other/abc", "sourceIdentifier": "Other"}
        ],
        artifactsOverride={
            "type": "CODEPIPELINE",
            "location": "store",
            "path": "hello/Built",
            "name": "xyz",
            "packaging": "ZIP",
        },
        secondaryArtifactsOverride=[
            {
                "type": "CODEPIPELINE",
                "location": "store",
                "path": "hello/Second",
                "name": "xyz",
                "packaging": "ZIP",
                "artifactIdentifier": "Second",
            }
        ],
        environmentVariablesOverride=[{"name": "REPOSITORY_URI", "value": "127.0.0.1/hello"}],
    )
    done = finished(cloud, started["build"]["id"])
    assert done["buildStatus"] == "SUCCEEDED", log_of(cloud, done)
    assert done["initiator"] == "pipeline/release"
    assert done["resolvedSourceVersion"] == "0123456789abcdef0123456789abcdef01234567"
    assert "\narn:aws:s3:::store/hello/Source/abc by pipeline/release\nother.txt\n" in log_of(cloud, done)
    with zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket="store", Key="hello/Built/xyz")["Body"].read())) as archive:
        assert archive.namelist() == ["imagedefinitions.json"]
        image = json.loads(archive.read("imagedefinitions.json"))
    assert image == [{"name": "web", "imageUri": "127.0.0.1/hello:0123456789abcdef0123456789abcdef01234567"}]
    assert [each["artifactIdentifier"] for each in done["secondaryArtifacts"]] == ["Second"]
    assert s3.head_object(Bucket="store", Key="hello/Second/xyz")["ContentLength"] > 0


def test_a_source_that_is_not_there(cloud: Daemon) -> None:
    cloud.client("s3").create_bucket(Bucket="store")
    project(cloud, source={"type": "S3", "location": "store/nothing.zip"})
    done = build(cloud)
    code, message = context_of(done, "DOWNLOAD_SOURCE")
    assert code == "CLIENT_ERROR"
    assert message.startswith("NoSuchKey: The specified key does not exist. status code: 404")
    assert message.endswith("for primary source and source version arn:aws:s3:::store/nothing.zip")


def test_a_role_that_may_not_write_logs(cloud: Daemon) -> None:
    project(cloud, spec("true"), role=service_role(cloud, policy=""))
    done = build(cloud)
    code, message = context_of(done, "PROVISIONING")
    assert (done["buildStatus"], code) == ("FAILED", "ACCESS_DENIED")
    assert "does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build" in message
    assert "is not authorized to perform: logs:CreateLogStream on resource" in message


def test_stop(cloud: Daemon) -> None:
    phase = {"commands": ["touch $CODEBUILD_SRC_DIR/../pid; sleep 300 & sleep 300"], "finally": ["sleep 300"]}
    project(cloud, json.dumps({"version": 0.2, "phases": {"build": phase}}, indent=1))
    identity = start(cloud)
    (marker,) = [cloud.data_dir / "builds" / identity.partition(":")[2] / "pid"]
    wait_for(marker.exists, bool)
    stopped = cloud.client("codebuild").stop_build(id=identity)["build"]
    assert stopped["buildStatus"] == "IN_PROGRESS"
    done = finished(cloud, identity)
    assert (done["buildStatus"], statuses(done)["BUILD"]) == ("STOPPED", "STOPPED")
    assert not list((cloud.data_dir / "builds").iterdir())
    listing = subprocess.run(["ps", "-Ao", "args"], capture_output=True, text=True, check=True).stdout
    assert str(cloud.data_dir) not in "\n".join(line for line in listing.splitlines() if "script.sh" in line)
    retried = cloud.client("codebuild").retry_build(id=identity)["build"]
    assert retried["id"] != identity
    cloud.client("codebuild").stop_build(id=retried["id"])
    assert finished(cloud, retried["id"])["buildStatus"] == "STOPPED"


def test_a_build_that_takes_too_long(own_cloud: Daemon) -> None:
    """AWS's shortest time-out is five minutes: this one is shortened behind the daemon's back."""
    project(own_cloud, spec("sleep 300"))
    own_cloud.stop()
    store = Store(own_cloud.data_dir / "state.db")
    record = store.get("codebuild.project", ("us-east-1", "hello"))
    assert record is not None
    record["project"]["timeoutInMinutes"] = 0.01
    store.put("codebuild.project", ("us-east-1", "hello"), record)
    store.close()
    own_cloud.start()
    done = build(own_cloud)
    assert (done["buildStatus"], statuses(done)["BUILD"]) == ("TIMED_OUT", "TIMED_OUT")
    assert context_of(done, "BUILD") == ("BUILD_TIMED_OUT", "Build has timed out. ")


def test_builds_are_listed_and_deleted(cloud: Daemon) -> None:
    project(cloud, spec("true"))
    ids = [build(cloud)["id"] for _ in range(3)]
    codebuild = cloud.client("codebuild")
    assert codebuild.list_builds_for_project(projectName="hello")["ids"] == ids[::-1]
    assert codebuild.list_builds(sortOrder="ASCENDING")["ids"] == ids
    assert [build_of(cloud, each)["buildNumber"] for each in ids] == [1, 2, 3]
    arn = build_of(cloud, ids[0])["arn"]
    answer = codebuild.batch_delete_builds(ids=[ids[0], "hello:nothing"])
    assert answer["buildsDeleted"] == [arn]
    assert answer["buildsNotDeleted"] == [{"id": "hello:nothing", "statusCode": "BUILD_NOT_FOUND"}]
    assert codebuild.batch_get_builds(ids=[ids[0], ids[1]])["buildsNotFound"] == [ids[0]]


def test_the_same_token_starts_one_build(cloud: Daemon) -> None:
    project(cloud, spec("true"))
    first, again = start(cloud, idempotencyToken="one"), start(cloud, idempotencyToken="one")
    assert first == again
    with pytest.raises(ClientError, match="Idempotency token"):
        start(cloud, idempotencyToken="one", sourceVersion="x")


def test_many_builds_at_once_and_a_limit(cloud: Daemon, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    project(cloud, spec(waiting_for(gate)), concurrentBuildLimit=2)
    ids = [start(cloud), start(cloud)]
    with pytest.raises(ClientError, match="Cannot have more than 2 active builds for the project"):
        start(cloud)
    for identity in ids:
        until(lambda identity=identity: build_of(cloud, identity)["currentPhase"], "BUILD")  # type: ignore[misc]
    gate.touch()
    assert {finished(cloud, each)["buildStatus"] for each in ids} <= {"SUCCEEDED"}


def test_another_image_is_a_container(cloud: Daemon) -> None:
    project(
        cloud,
        """version: 0.2
env:
  variables: {GIVEN: "two\\nlines"}
  exported-variables: [KEPT]
phases:
  build:
    commands:
      - test -f /.dockerenv && echo contained in $(basename $PWD)
      - printf '%s\\n' "$GIVEN"; echo $HOME; KEPT=$(python3 -c 'print(6 * 7)')
      - echo made >made.txt
artifacts:
  files: made.txt
""",
        environment={"image": "tidegate/python:3.11"},
        artifacts={"type": "S3", "location": "store", "name": "made.zip", "packaging": "ZIP"},
    )
    cloud.client("s3").create_bucket(Bucket="store")
    done = build(cloud)
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    assert "\ncontained in src\n" in log
    assert "\ntwo\nlines\n/root\n" in log
    assert done["exportedEnvironmentVariables"] == [{"name": "KEPT", "value": "42"}]
    assert cloud.client("s3").head_object(Bucket="store", Key="made.zip")["ContentLength"] > 0
    assert containers_of(cloud) == []
    done = build(cloud, imageOverride=f"127.0.0.1:{cloud.port}/nothing:latest")
    code, message = context_of(done, "PROVISIONING")
    assert code == "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"
    assert message.startswith("Unable to pull customer's container image. CannotPullContainerError: ")


def test_a_container_does_not_outlive_its_build(own_cloud: Daemon) -> None:
    project(own_cloud, spec("sleep 300"), environment={"image": "tidegate/python:3.11"})
    identity = start(own_cloud)
    until(lambda: build_of(own_cloud, identity)["currentPhase"], "BUILD")
    own_cloud.kill()
    assert len(containers_of(own_cloud)) == 1
    own_cloud.start()
    own_cloud.client("codebuild").stop_build(id=identity)
    assert finished(own_cloud, identity)["buildStatus"] == "STOPPED"
    assert containers_of(own_cloud) == []


def containers_of(cloud: Daemon) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=dev.tidegate.data-dir={cloud.data_dir}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_more_builds_than_may_run_wait(cloud: Daemon, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    project(cloud, spec(waiting_for(gate)))
    ids = [start(cloud) for _ in range(22)]
    for identity in ids[:20]:
        until(lambda identity=identity: build_of(cloud, identity)["currentPhase"], "BUILD")  # type: ignore[misc]
    assert [build_of(cloud, each)["currentPhase"] for each in ids[20:]] == ["QUEUED", "QUEUED"]
    cloud.client("codebuild").stop_build(id=ids[21])
    stopped = finished(cloud, ids[21])
    assert (stopped["buildStatus"], statuses(stopped)["QUEUED"]) == ("STOPPED", "STOPPED")
    assert "PROVISIONING" not in statuses(stopped)
    gate.touch()
    assert {finished(cloud, each)["buildStatus"] for each in ids[:21]} == {"SUCCEEDED"}


def test_a_log_is_there_while_the_build_runs(cloud: Daemon, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    long = "x" * 300_000
    project(
        cloud,
        spec("printf 'early, and no line'", "echo; head -c 300000 /dev/zero | tr '\\0' x; echo", waiting_for(gate)),
    )
    identity = start(cloud)
    wait_for(lambda: log_of(cloud, build_of(cloud, identity)), lambda log: "Running command until" in log)
    assert build_of(cloud, identity)["buildStatus"] == "IN_PROGRESS"
    log = log_of(cloud, build_of(cloud, identity))
    assert "early, and no line" in log
    assert long in log.replace("\n", "")
    gate.touch()
    assert finished(cloud, identity)["buildStatus"] == "SUCCEEDED"


def test_killed_while_a_build_runs(own_cloud: Daemon, tmp_path: Path) -> None:
    """The build begins again from its first phase, and what it had started is gone."""
    marker, gate = tmp_path / "pids", tmp_path / "gate"
    project(own_cloud, spec(f"echo $$ >>{marker}", f"test -e {gate} || sleep 300"))
    identity = start(own_cloud)
    until(lambda: marker.exists() and build_of(own_cloud, identity)["currentPhase"] == "BUILD", True)
    own_cloud.kill()
    gate.touch()
    own_cloud.start()
    done = finished(own_cloud, identity)
    assert done["buildStatus"] == "SUCCEEDED"
    assert len(marker.read_text().split()) == 2
    assert list(statuses(done)).count("BUILD") == 1
    assert "it begins again from its first phase" in log_of(own_cloud, done)
    listing = subprocess.run(["ps", "-Ao", "args"], capture_output=True, text=True, check=True).stdout
    assert str(own_cloud.data_dir) not in "\n".join(line for line in listing.splitlines() if "script.sh" in line)


def test_a_reset_ends_what_runs(own_cloud: Daemon, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    project(own_cloud, spec(f"touch {marker}; sleep 300"))
    start(own_cloud)
    wait_for(marker.exists, bool)
    own_cloud.reset()
    assert own_cloud.client("codebuild").list_builds()["ids"] == []
    listing = subprocess.run(["ps", "-Ao", "args"], capture_output=True, text=True, check=True).stdout
    assert str(own_cloud.data_dir / "builds") not in listing
    project(own_cloud, spec("true"))
    assert build(own_cloud)["buildStatus"] == "SUCCEEDED"


def test_a_rule_starts_a_build_on_a_push(cloud: Daemon, tmp_path: Path) -> None:
    """From git push over CodeCommit's event and a rule to a build, each as its own role."""
    git = working_copy(cloud, tmp_path / "copy")
    project(cloud, spec("echo built $COMMIT"))
    events = cloud.client("events")
    pattern = {"source": ["aws.codecommit"], "detail": {"referenceName": ["main"], "referenceType": ["branch"]}}
    events.put_rule(Name="push", EventPattern=json.dumps(pattern))
    template = '{"environmentVariablesOverride": [{"name": "COMMIT", "value": <commit>}]}'
    target = {
        "Id": "build",
        "Arn": f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/hello",
        "RoleArn": service_role(
            cloud, "events", name="starter", policy="arn:aws:iam::aws:policy/AWSCodeBuildDeveloperAccess"
        ),
        "InputTransformer": {"InputPathsMap": {"commit": "$.detail.commitId"}, "InputTemplate": template},
    }
    events.put_targets(Rule="push", Targets=[target])
    commit = git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main", "main:other")
    codebuild = cloud.client("codebuild")
    (identity,) = wait_for(lambda: codebuild.list_builds()["ids"], bool)
    done = finished(cloud, identity)
    assert f"\nbuilt {commit}\n" in log_of(cloud, done)
    assert done["initiator"] == "rule/push"
    assert codebuild.list_builds()["ids"] == [identity]
