"""Archives come from anywhere: none writes outside of its folder."""

from __future__ import annotations

import shutil
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


def test_no_link_is_written_through_another(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "kept").write_text("kept")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry("link", stat.S_IFLNK | 0o777), "../target")
        archive.writestr(entry("link/kept", stat.S_IFLNK | 0o777), "elsewhere")
    with pytest.raises(ArchiveError, match="leads outside"):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert (tmp_path / "target" / "kept").read_text() == "kept"


def test_a_bomb_stops_where_the_disk_would_be_full(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(8 << 20))
    left = shutil.disk_usage(tmp_path).free
    with pytest.raises(ArchiveError, match="no space left on the disk"):
        unpack(tmp_path / "a.zip", tmp_path / "folder", left_free=left * 2)
    assert not (tmp_path / "folder" / "zeros").stat().st_size


def test_a_link_is_no_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry("link", stat.S_IFLNK | 0o777), bytes(8 << 20))
    with pytest.raises(ArchiveError, match="leads nowhere"):
        unpack(tmp_path / "a.zip", tmp_path / "folder")


def test_a_directory_that_would_fill_the_memory(tmp_path: Path) -> None:
    """The end of an archive says how large its directory is, which is read whole."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "x")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[-10:-6] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="its directory of 1024 MB is over the limit"):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
