"""Archives come from anywhere: none writes outside of its folder."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from tidegate.cloud.services.codebuild.reconciler.archive import ArchiveError, pack, unpack


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out"])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry(name, 0o644), "x")
    with pytest.raises(ArchiveError, match="leads outside"):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry("link", stat.S_IFLNK | 0o777), "../target")
        archive.writestr(entry("link/file", 0o644), "x")
    with pytest.raises(ArchiveError):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert list((tmp_path / "target").iterdir()) == []


def test_modes_and_links_come_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "run.sh").write_text("x")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    pack(tmp_path / "a.zip", [(source / "run.sh", "bin/run.sh"), (source / "link", "bin/link")], keep_links=True)
    unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert (tmp_path / "folder/bin/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "folder/bin/link").readlink() == Path("run.sh")


def test_what_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(ArchiveError):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
