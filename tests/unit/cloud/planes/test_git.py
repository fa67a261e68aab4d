"""The git plane: archives, commits without a working tree, and the head of a push."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.planes.git.objects import GitCommits, GitObjects
from tidegate.cloud.planes.git.process import GitError, run
from tidegate.cloud.planes.git.push import PushError, declined, read_push
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.git.smart_http import GitHttp, GitRequest

ANN = ("Ann", "ann@example.com", "1700000000 +0000")
A, B, ZERO = "a" * 40, "b" * 40, "0" * 40


async def chunked(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def packet(text: str) -> bytes:
    return b"%04x%s" % (len(text.encode()) + 4, text.encode())


async def test_an_archive_is_the_commit_whole(tmp_path: Path) -> None:
    repositories = GitRepositories(tmp_path)
    objects, commits = GitObjects(repositories), GitCommits(repositories)
    await repositories.create("r")
    files = {
        "run.sh": ("100755", await commits.store("r", b"#!/bin/sh\n")),
        "link": ("120000", await commits.store("r", b"run.sh")),
        "docs/a.md": ("100644", await commits.store("r", b"a\n")),
        ".gitattributes": ("100644", await commits.store("r", b"docs export-ignore\n*.md export-subst\n")),
    }
    tree = await commits.tree("r", None, {**files})
    commit = await commits.commit("r", tree, (), "first\n", ANN, ANN)
    content = b"".join([chunk async for chunk in objects.archive("r", commit)])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        modes = {each.filename: each.external_attr >> 16 for each in archive.infolist() if not each.is_dir()}
        assert archive.read("docs/a.md") == b"a\n"
    assert set(modes) == set(files)
    assert modes["run.sh"] & 0o777 == 0o755
    assert modes["link"] & 0o170000 == 0o120000


async def test_a_reference_moves_only_from_where_it_is(tmp_path: Path) -> None:
    repositories = GitRepositories(tmp_path)
    commits = GitCommits(repositories)
    await repositories.create("r")
    tree = await commits.tree("r", None, {})
    one = await commits.commit("r", tree, (), "1", ANN, ANN)
    two = await commits.commit("r", tree, (one,), "2", ANN, ANN)
    assert await repositories.move("r", "refs/heads/main", one, None)
    assert not await repositories.move("r", "refs/heads/main", two, None)
    assert not await repositories.move("r", "refs/heads/main", one, two)
    assert await repositories.move("r", "refs/heads/main", two, one)
    assert await repositories.references("r") == {"refs/heads/main": two}
    assert not await repositories.move("r", "refs/heads/main", None, one)
    assert await repositories.move("r", "refs/heads/main", None, two)
    assert await repositories.references("r") == {}


@pytest.mark.parametrize(
    ("limit", "share", "says", "arrived"),
    [
        (1 << 20, 1.0, b"unpack ok", True),
        (1000, 1.0, b"exceeds maximum allowed size", False),
        (1 << 20, 0.5, b"unpack", False),  # cut off half way
    ],
)
async def test_a_push_arrives_whole_or_not_at_all(
    tmp_path: Path, limit: int, share: float, says: bytes, arrived: bool
) -> None:
    repositories = GitRepositories(tmp_path)
    objects, commits = GitObjects(repositories), GitCommits(repositories)
    await repositories.create("from")
    await repositories.create("to")
    blob = await commits.store("from", random.Random(1).randbytes(50_000))
    tree = await commits.tree("from", None, {"a.bin": ("100644", blob)})
    commit = await commits.commit("from", tree, (), "first", ANN, ANN)
    names = f"{commit}\n{tree}\n{blob}".encode()
    pack = await run(repositories.path("from"), "pack-objects", "--stdout", "-q", given=names)
    head = packet(f"{ZERO} {commit} refs/heads/main\0 report-status side-band-64k") + b"0000"
    body = chunked((head + pack)[: int(len(head + pack) * share)], 4096)
    media = "application/x-git-receive-pack-request"
    request = GitRequest("to", "git-receive-pack", "POST", "", media, "", "ann", body)
    answer = await GitHttp(repositories, limit).answer(request)
    content = b"".join([chunk async for chunk in answer.chunks])
    assert says in content
    assert await repositories.references("to") == ({"refs/heads/main": commit} if arrived else {})
    assert (await objects.commit("to", commit) is not None) is arrived


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "-x", "a\0b"])
async def test_only_ids_name_repositories(tmp_path: Path, name: str) -> None:
    with pytest.raises(GitError):
        await GitRepositories(tmp_path).create(name)


@given(size=st.integers(1, 200), pack=st.binary(max_size=300), count=st.integers(0, 4))
async def test_the_head_of_a_push_is_read_however_it_is_cut(size: int, pack: bytes, count: int) -> None:
    lines = [f"{A} {B} refs/heads/x{number}" for number in range(count)]
    if lines:
        lines[0] += "\0 report-status side-band-64k"
    content = b"".join(packet(line) for line in lines) + b"0000" + pack
    push = await read_push(chunked(content, size))
    assert [each.name for each in push.commands] == [f"refs/heads/x{number}" for number in range(count)]
    assert b"".join([chunk async for chunk in push.body]) == content


async def test_creation_and_deletion_are_told_apart() -> None:
    content = packet(f"{ZERO} {A} refs/heads/new\0 report-status\n") + packet(f"{A} {ZERO} refs/heads/old") + b"0000"
    push = await read_push(chunked(content, 7))
    assert [(each.old, each.new) for each in push.commands] == [(None, A), (A, None)]
    answer = declined(push, {"refs/heads/new": "no", "refs/heads/old": "never"}, "remark")
    assert (
        answer
        == packet("unpack ok\n") + packet("ng refs/heads/new no\n") + packet("ng refs/heads/old never\n") + b"0000"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"zzzz",
        b"0001",
        packet(f"{A} {B} refs/heads/x"),
        packet("push-cert\0 report-status\n") + b"0000",
        packet(f"{A} {B} HEAD") + b"0000",
        packet(f"{A} {B} refs/heads/x\nsecond") + b"0000",
    ],
)
async def test_what_git_might_read_otherwise_is_refused(content: bytes) -> None:
    with pytest.raises(PushError):
        await read_push(chunked(content, 5))
