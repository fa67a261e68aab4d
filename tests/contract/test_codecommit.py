"""CodeCommit, asked with boto3 and pushed to with git."""

from __future__ import annotations

import base64
import http.client
import json
import random
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.git import Git, signed_in, working_copy
from tests.waiting import until

ACCOUNT = "000000000000"


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def git(cloud: Daemon, tmp_path: Path) -> Git:
    return working_copy(cloud, tmp_path / "copy")


def test_repositories(cloud: Daemon) -> None:
    codecommit = cloud.client("codecommit")
    made = codecommit.create_repository(repositoryName="hello", repositoryDescription="first", tags={"a": "b"})
    metadata = made["repositoryMetadata"]
    assert metadata["Arn"] == f"arn:aws:codecommit:us-east-1:{ACCOUNT}:hello"
    assert metadata["cloneUrlHttp"] == f"{cloud.endpoint}/v1/repos/hello"
    assert "defaultBranch" not in metadata
    with pytest.raises(ClientError) as caught:
        codecommit.create_repository(repositoryName="hello")
    assert error_of(caught) == "RepositoryNameExistsException"
    assert codecommit.get_repository(repositoryName="hello")["repositoryMetadata"] == metadata
    codecommit.create_repository(repositoryName="other")
    names = [each["repositoryName"] for each in codecommit.list_repositories(order="descending")["repositories"]]
    assert names == ["other", "hello"]
    batch = codecommit.batch_get_repositories(repositoryNames=["hello", "nothing"])
    assert [each["repositoryName"] for each in batch["repositories"]] == ["hello"]
    assert batch["repositoriesNotFound"] == ["nothing"]
    codecommit.update_repository_description(repositoryName="hello", repositoryDescription="second")
    codecommit.update_repository_name(oldName="hello", newName="greeting")
    renamed = codecommit.get_repository(repositoryName="greeting")["repositoryMetadata"]
    assert renamed["repositoryDescription"] == "second"
    assert renamed["cloneUrlHttp"].endswith("/greeting")
    codecommit.tag_resource(resourceArn=renamed["Arn"], tags={"c": "d"})
    codecommit.untag_resource(resourceArn=renamed["Arn"], tagKeys=["a"])
    assert codecommit.list_tags_for_resource(resourceArn=renamed["Arn"])["tags"] == {"c": "d"}
    assert codecommit.delete_repository(repositoryName="greeting")["repositoryId"] == metadata["repositoryId"]
    assert "repositoryId" not in codecommit.delete_repository(repositoryName="greeting")
    with pytest.raises(ClientError) as caught:
        codecommit.get_repository(repositoryName="greeting")
    assert error_of(caught) == "RepositoryDoesNotExistException"
    with pytest.raises(ClientError, match="does not offer codecommit:GetMergeConflicts"):
        codecommit.get_merge_conflicts(
            repositoryName="other",
            destinationCommitSpecifier="a",
            sourceCommitSpecifier="b",
            mergeOption="SQUASH_MERGE",
        )


def test_push_clone_force_and_delete(cloud: Daemon, git: Git, tmp_path: Path) -> None:
    codecommit = cloud.client("codecommit")
    first = git.commit("first", hello_txt="hello\n")
    git("push", "-q", "origin", "main")
    assert codecommit.get_branch(repositoryName="hello", branchName="main")["branch"]["commitId"] == first
    assert codecommit.get_repository(repositoryName="hello")["repositoryMetadata"]["defaultBranch"] == "main"
    url = git("remote", "get-url", "origin").stdout.strip()
    Git(tmp_path)("clone", "-q", url, "clone")
    assert (tmp_path / "clone" / "hello.txt").read_text() == "hello\n"

    git("checkout", "-q", "-b", "feature/x")
    git.commit("second", hello_txt="two\n")
    git("push", "-q", "origin", "feature/x")
    git("commit", "-q", "--amend", "-m", "again")
    assert git("push", "-q", "origin", "feature/x", check=False).returncode != 0
    git("push", "-q", "--force", "origin", "feature/x")
    amended = git("rev-parse", "HEAD").stdout.strip()
    assert codecommit.get_branch(repositoryName="hello", branchName="feature/x")["branch"]["commitId"] == amended
    assert codecommit.list_branches(repositoryName="hello")["branches"] == ["feature/x", "main"]
    git("push", "-q", "origin", "--delete", "feature/x")
    assert codecommit.list_branches(repositoryName="hello")["branches"] == ["main"]
    refused = git("push", "origin", "--delete", "main", check=False)
    assert "refusing to delete the current branch" in refused.stderr


def test_another_region_has_a_url_of_its_own(cloud: Daemon, tmp_path: Path) -> None:
    git = working_copy(cloud, tmp_path / "copy", region="eu-west-1")
    assert "/v1/repos/aws--eu-west-1/hello" in git("remote", "get-url", "origin").stdout
    commit = git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    there = cloud.client("codecommit", region="eu-west-1")
    assert there.get_branch(repositoryName="hello", branchName="main")["branch"]["commitId"] == commit
    assert cloud.client("codecommit").list_repositories()["repositories"] == []


def test_a_large_push(cloud: Daemon, git: Git, tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(2000):
        git.write(f"folder{number % 40}/file{number}.bin", chance.randbytes(2000).hex())
    commit = git.commit("two thousand files")
    git("push", "-q", "origin", "main")
    assert (
        cloud.client("codecommit").get_branch(repositoryName="hello", branchName="main")["branch"]["commitId"] == commit
    )
    Git(tmp_path)("clone", "-q", git("remote", "get-url", "origin").stdout.strip(), "clone")
    assert len(list((tmp_path / "clone").glob("folder*/*"))) == 2000


@pytest.mark.parametrize("compressed", [False, True])
def test_many_references_are_fetched(cloud: Daemon, git: Git, tmp_path: Path, compressed: bool) -> None:
    """A request over 1 KB is sent gzipped: many `have` lines make one."""
    for number in range(60 if compressed else 2):
        git.commit(f"commit {number}")
    git("push", "-q", "origin", "main")
    clone = Git(tmp_path)
    clone("clone", "-q", git("remote", "get-url", "origin").stdout.strip(), "clone")
    copy = Git(tmp_path / "clone")
    for number in range(60 if compressed else 2):
        copy.commit(f"own {number}")
    git.commit("more", a_txt="a")
    git("push", "-q", "origin", "main")
    copy("fetch", "-q", "origin")
    assert copy("rev-parse", "origin/main").stdout == git("rev-parse", "HEAD").stdout


def test_credentials(cloud: Daemon, git: Git) -> None:
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    url = f"{cloud.endpoint}/v1/repos/hello"
    anonymous = git("ls-remote", url, check=False)
    assert anonymous.returncode != 0
    wrong = git("ls-remote", signed_in(url, cloud.document["access_key"], "wrong"), check=False)
    assert "Authentication failed" in wrong.stderr
    iam = cloud.client("iam")
    iam.create_user(UserName="dev")
    iam.attach_user_policy(UserName="dev", PolicyArn="arn:aws:iam::aws:policy/AWSCodeCommitPowerUser")
    given = iam.create_service_specific_credential(UserName="dev", ServiceName="codecommit.amazonaws.com")
    credential = given["ServiceSpecificCredential"]
    own = signed_in(url, credential["ServiceUserName"], credential["ServicePassword"])
    assert "refs/heads/main" in git("ls-remote", own).stdout
    keys = assume(cloud, "reader")
    iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AWSCodeCommitReadOnly")
    user = f"{keys['AccessKeyId']}%{keys['SessionToken']}"
    assert "refs/heads/main" in git("ls-remote", signed_in(url, user, keys["SecretAccessKey"])).stdout
    bare = git("ls-remote", signed_in(url, keys["AccessKeyId"], keys["SecretAccessKey"]), check=False)
    assert "Authentication failed" in bare.stderr


def test_the_credential_helper_of_the_aws_cli(cloud: Daemon, git: Git) -> None:
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    helper = "!aws codecommit credential-helper --ignore-host-check $@"
    options = ["-c", f"credential.helper={helper}", "-c", "credential.UseHttpPath=true"]
    url = f"{cloud.endpoint}/v1/repos/hello"
    assert "refs/heads/main" in git(*options, "ls-remote", url, check=True, **cloud.environment).stdout
    wrong = {**cloud.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    denied = git(*options, "ls-remote", url, check=False, **wrong)
    assert "Authentication failed" in denied.stderr


def test_a_denied_push_says_why(cloud: Daemon, git: Git) -> None:
    git.commit("first", a_txt="a")
    keys = assume(cloud, "reader")
    iam = cloud.client("iam")
    iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AWSCodeCommitReadOnly")
    user = f"{keys['AccessKeyId']}%{keys['SessionToken']}"
    url = signed_in(f"{cloud.endpoint}/v1/repos/hello", user, keys["SecretAccessKey"])
    denied = git("push", url, "main", check=False)
    assert "403" in denied.stderr
    assert (
        f"remote: User: arn:aws:sts::{ACCOUNT}:assumed-role/reader/test is not authorized to perform: " in denied.stderr
    )
    assert "codecommit:GitPush" in denied.stderr

    iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AWSCodeCommitPowerUser")
    condition = {
        "StringEqualsIfExists": {"codecommit:References": ["refs/heads/main"]},
        "Null": {"codecommit:References": "false"},
    }
    iam.put_role_policy(
        RoleName="reader", PolicyName="p", PolicyDocument=policy("Deny", "codecommit:GitPush", Condition=condition)
    )
    git("push", "-q", url, "main:feature")
    denied = git("push", url, "main", "main:other", check=False)
    assert "! [remote rejected] main -> main (User: " in denied.stderr
    assert "explicit deny" in denied.stderr
    assert cloud.client("codecommit").list_branches(repositoryName="hello")["branches"] == ["feature"]


def test_a_push_of_nothing_says_whether_one_may(cloud: Daemon, git: Git) -> None:
    """What git asks before it sends a large pack."""
    role = assume(cloud, "nobody")
    users = {
        f"{cloud.document['access_key']}:{cloud.document['secret']}": 200,
        f"{role['AccessKeyId']}%{role['SessionToken']}:{role['SecretAccessKey']}": 403,
        "nobody:nothing": 401,
    }
    for user, status in users.items():
        headers = {
            "Authorization": f"Basic {base64.b64encode(user.encode()).decode()}",
            "Content-Type": "application/x-git-receive-pack-request",
        }
        with closing(http.client.HTTPConnection("127.0.0.1", cloud.port)) as connection:
            connection.request("POST", "/v1/repos/hello/git-receive-pack", b"0000", headers)
            answer = connection.getresponse()
            assert answer.status == status
            if status == 200:
                assert answer.headers["Content-Type"] == "application/x-git-receive-pack-result"
                assert answer.read() == b""


@pytest.mark.parametrize(
    "path",
    ["nothing", "../../../etc", "..%2f..%2f..%2fetc", "hello/../../x", "%2e%2e/hello", "aws--eu-west-1/hello", "%00"],
)
def test_no_path_leads_outside(cloud: Daemon, git: Git, path: str) -> None:
    """Asked as no well-behaved client would, for those tidy the path up first."""
    token = base64.b64encode(f"{cloud.document['access_key']}:{cloud.document['secret']}".encode()).decode()
    target = f"/v1/repos/{path}/info/refs?service=git-upload-pack"
    with closing(http.client.HTTPConnection("127.0.0.1", cloud.port)) as connection:
        connection.request("GET", target, headers={"Authorization": f"Basic {token}"})
        answer = connection.getresponse()
        assert (answer.status, b"does not exist" in answer.read()) == (404, True)


def test_files_are_read(cloud: Daemon, git: Git) -> None:
    git.write("run.sh", "#!/bin/sh\n")
    (git.folder / "run.sh").chmod(0o755)
    (git.folder / "link").symlink_to("run.sh")
    commit = git.commit("first", a_txt="one\n", **{"src/deep/b_py": "two\n"})
    git("push", "-q", "origin", "main")
    codecommit = cloud.client("codecommit")
    file = codecommit.get_file(repositoryName="hello", filePath="/src/deep/b.py")
    assert (file["fileContent"], file["fileSize"], file["fileMode"]) == (b"two\n", 4, "NORMAL")
    assert file["commitId"] == commit
    assert codecommit.get_blob(repositoryName="hello", blobId=file["blobId"])["content"] == b"two\n"
    folder = codecommit.get_folder(repositoryName="hello", folderPath="/", commitSpecifier="main")
    assert [each["absolutePath"] for each in folder["files"]] == ["a.txt", "run.sh"]
    assert [each["fileMode"] for each in folder["files"]] == ["NORMAL", "EXECUTABLE"]
    assert [each["absolutePath"] for each in folder["subFolders"]] == ["src"]
    assert [each["relativePath"] for each in folder["symbolicLinks"]] == ["link"]
    deep = codecommit.get_folder(repositoryName="hello", folderPath="src/deep")
    assert [(each["absolutePath"], each["relativePath"]) for each in deep["files"]] == [("src/deep/b.py", "b.py")]
    for path, code in [("nothing", "FileDoesNotExistException"), ("../x", "InvalidPathException")]:
        with pytest.raises(ClientError) as caught:
            codecommit.get_file(repositoryName="hello", filePath=path)
        assert error_of(caught) == code
    with pytest.raises(ClientError) as caught:
        codecommit.get_file(repositoryName="hello", filePath="a.txt", commitSpecifier="nowhere")
    assert error_of(caught) == "CommitDoesNotExistException"


def test_commits_and_differences(cloud: Daemon, git: Git) -> None:
    first = git.commit("first\n\nwith a body", a_txt="one\n", b_txt="b\n")
    (git.folder / "b.txt").unlink()
    second = git.commit("second", a_txt="two\n", c_txt="c\n")
    git("push", "-q", "origin", "main")
    codecommit = cloud.client("codecommit")
    commit = codecommit.get_commit(repositoryName="hello", commitId=second)["commit"]
    assert commit["parents"] == [first]
    assert commit["message"] == "second\n"
    assert commit["author"]["email"] == "ann@example.com"
    batch = codecommit.batch_get_commits(repositoryName="hello", commitIds=[first, "0" * 40])
    assert [each["message"] for each in batch["commits"]] == ["first\n\nwith a body\n"]
    assert [each["errorCode"] for each in batch["errors"]] == ["CommitIdDoesNotExistException"]
    paginator = codecommit.get_paginator("get_differences")
    pages = paginator.paginate(
        repositoryName="hello",
        beforeCommitSpecifier=first,
        afterCommitSpecifier="main",
        PaginationConfig={"PageSize": 1},
    )
    found = [
        (each["changeType"], each.get("beforeBlob", {}).get("path"), each.get("afterBlob", {}).get("path"))
        for page in pages
        for each in page["differences"]
    ]
    assert found == [("M", "a.txt", "a.txt"), ("D", "b.txt", None), ("A", None, "c.txt")]
    whole = codecommit.get_differences(repositoryName="hello", afterCommitSpecifier="main")["differences"]
    assert [each["changeType"] for each in whole] == ["A", "A"]


def test_commits_through_the_api(cloud: Daemon, git: Git) -> None:
    codecommit = cloud.client("codecommit")
    first = codecommit.put_file(
        repositoryName="hello", branchName="main", fileContent=b"one\n", filePath="a/b.txt", name="Bea", email="b@c.d"
    )
    with pytest.raises(ClientError) as caught:
        codecommit.put_file(repositoryName="hello", branchName="main", fileContent=b"two\n", filePath="a/b.txt")
    assert error_of(caught) == "ParentCommitIdRequiredException"

    def put(content: bytes, path: str, parent: str) -> Any:
        return codecommit.put_file(
            repositoryName="hello", branchName="main", fileContent=content, filePath=path, parentCommitId=parent
        )

    second = put(b"two\n", "a/b.txt", first["commitId"])
    for content, path, parent, code in [
        (b"3", "a/b.txt", first["commitId"], "ParentCommitIdOutdatedException"),
        (b"two\n", "a/b.txt", second["commitId"], "SameFileContentException"),
        (b"3", "a", second["commitId"], "FileNameConflictsWithDirectoryNameException"),
        (b"3", "a/b.txt/c", second["commitId"], "DirectoryNameConflictsWithFileNameException"),
        (b"3", "x", "0" * 40, "ParentCommitDoesNotExistException"),
    ]:
        with pytest.raises(ClientError) as caught:
            put(content, path, parent)
        assert error_of(caught) == code
    third = codecommit.create_commit(
        repositoryName="hello",
        branchName="main",
        parentCommitId=second["commitId"],
        commitMessage="third",
        putFiles=[
            {"filePath": "new.sh", "fileContent": b"#!/bin/sh\n", "fileMode": "EXECUTABLE"},
            {"filePath": "moved.txt", "sourceFile": {"filePath": "a/b.txt", "isMove": True}},
        ],
        keepEmptyFolders=True,
    )
    assert [each["absolutePath"] for each in third["filesAdded"]] == ["a/.gitkeep", "moved.txt", "new.sh"]
    assert [each["absolutePath"] for each in third["filesDeleted"]] == ["a/b.txt"]
    with pytest.raises(ClientError) as caught:
        codecommit.create_commit(
            repositoryName="hello",
            branchName="main",
            parentCommitId=third["commitId"],
            setFileModes=[{"filePath": "new.sh", "fileMode": "EXECUTABLE"}],
        )
    assert error_of(caught) == "NoChangeException"
    gone = codecommit.delete_file(
        repositoryName="hello", branchName="main", filePath="moved.txt", parentCommitId=third["commitId"]
    )
    git("pull", "-q", "origin", "main")
    assert git("rev-parse", "HEAD").stdout.strip() == gone["commitId"]
    assert git("log", "--format=%an %s").stdout.splitlines() == [
        "administrator Deleted moved.txt",
        "administrator third",
        "administrator Edited a/b.txt",
        "Bea Added a/b.txt",
    ]
    assert (git.folder / "new.sh").stat().st_mode & 0o100


def test_branches_through_the_api(cloud: Daemon, git: Git) -> None:
    codecommit = cloud.client("codecommit")
    commit = git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    codecommit.create_branch(repositoryName="hello", branchName="release", commitId=commit)
    for branch, given, code in [
        ("release", commit, "BranchNameExistsException"),
        ("release/1", commit, "BranchNameExistsException"),
        ("a..b", commit, "InvalidBranchNameException"),
        ("-x", commit, "InvalidBranchNameException"),
        ("y", "0" * 40, "CommitDoesNotExistException"),
        ("y", "main", "InvalidCommitIdException"),
    ]:
        with pytest.raises(ClientError) as caught:
            codecommit.create_branch(repositoryName="hello", branchName=branch, commitId=given)
        assert error_of(caught) == code
    codecommit.update_default_branch(repositoryName="hello", defaultBranchName="release")
    with pytest.raises(ClientError) as caught:
        codecommit.delete_branch(repositoryName="hello", branchName="release")
    assert error_of(caught) == "DefaultBranchCannotBeDeletedException"
    assert codecommit.delete_branch(repositoryName="hello", branchName="main")["deletedBranch"]["commitId"] == commit
    assert "deletedBranch" not in codecommit.delete_branch(repositoryName="hello", branchName="main")
    assert "ref: refs/heads/release" in git("ls-remote", "--symref", "origin", "HEAD").stdout


def test_killed_between_push_and_record(own_cloud: Daemon, tmp_path: Path) -> None:
    """What git has and the records do not is found again at start."""
    git = working_copy(own_cloud, tmp_path / "copy")
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    own_cloud.kill()
    later = git.commit("second", a_txt="b")
    (bare,) = (own_cloud.data_dir / "git").glob("*.git")
    git("push", "-q", str(bare), "main", "main:other")
    own_cloud.start()
    codecommit = own_cloud.client("codecommit")

    def heads() -> dict[str, str]:
        names = codecommit.list_branches(repositoryName="hello")["branches"]
        return {
            name: codecommit.get_branch(repositoryName="hello", branchName=name)["branch"]["commitId"] for name in names
        }

    assert until(heads, {"main": later, "other": later})


def test_the_users_own_git_settings_are_not_seen(own_cloud: Daemon, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("pre-receive", "update", "post-receive", "reference-transaction"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / hook).chmod(0o755)
    git = working_copy(own_cloud, tmp_path / "copy")
    (bare,) = (own_cloud.data_dir / "git").glob("*.git")
    subprocess.run(["git", "-C", str(bare), "config", "core.hooksPath", str(hooks)], check=True)
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    assert not marker.exists()


def test_the_cli(cloud: Daemon, git: Git) -> None:
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    branch = cloud.aws_json("codecommit", "get-branch", "--repository-name", "hello", "--branch-name", "main")
    assert json.dumps(branch).count("commitId") == 1
