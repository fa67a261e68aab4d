"""What one build keeps for the next."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.builds import build, log_of, project
from tests.daemon import Daemon

S3 = {"type": "S3", "location": "store/caches"}
LOCAL = {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}
SPEC = """version: 0.2
phases:
  build:
    commands:
      - ls deps ~/.m2 2>/dev/null; echo lock$LOCK >lock
      - mkdir -p deps ~/.m2 && echo one >deps/one && ln -sf one deps/link && echo two >~/.m2/two
      - echo made >>deps/count; wc -l <deps/count
cache:
  paths: ['deps/**/*', '/root/.m2/**/*', /etc/hostname]
"""


@pytest.mark.parametrize("cache", [S3, LOCAL], ids=["s3", "local"])
def test_a_cache_comes_back(cloud: Daemon, cache: dict[str, Any]) -> None:
    cloud.client("s3").create_bucket(Bucket="store")
    project(cloud, SPEC, cache=cache)
    log = log_of(cloud, build(cloud))
    assert "No cache was found" in log
    assert "Skipping /etc/hostname: it is neither below the sources nor below /root" in log
    assert "\n1\n" in log
    log = log_of(cloud, build(cloud))
    assert "count\nlink\none\n" in log
    assert "two\n" in log
    assert "\n2\n" in log
    failing = build(cloud, buildspecOverride=SPEC.replace("wc -l <deps/count", "false"))
    assert failing["buildStatus"] == "FAILED"
    log = log_of(cloud, build(cloud))
    assert "\n3\n" in log  # a build that failed keeps nothing
    assert "\n1\n" in log_of(cloud, build(cloud, cacheOverride={"type": "NO_CACHE"}))
    cloud.client("codebuild").invalidate_project_cache(projectName="hello")
    assert "\n1\n" in log_of(cloud, build(cloud))


def test_a_cache_with_a_key(cloud: Daemon) -> None:
    """It is written once; a fallback is the beginning of other keys, of which the newest is taken."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    keyed = SPEC.replace("cache:\n", "cache:\n  key: deps-$LOCK\n  fallback-keys: [other-, deps-]\n")
    project(cloud, keyed, cache={**S3, "cacheNamespace": "shared"})

    def run(lock: str, spec: str = keyed) -> str:
        variables = [{"name": "LOCK", "value": lock}]
        return log_of(cloud, build(cloud, environmentVariablesOverride=variables, buildspecOverride=spec))

    assert "No cache was found" in run("1")
    assert "Restored the cache deps-1" in run("2")
    assert "The cache deps-1 is there already, and stays as it is" in run("1")
    assert "Restored the cache deps-2" in run("3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="store")["Contents"]]
    assert keys == [f"caches/shared/key/deps-{number}" for number in (1, 2, 3)]
    assert "Restored" not in run("1", keyed.replace("cache:\n", "cache:\n  action: save\n"))
    assert "Saved" not in run("4", keyed.replace("cache:\n", "cache:\n  action: restore\n"))


def test_a_key_by_the_hash_of_files(cloud: Daemon) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    source = io.BytesIO()
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("package-lock.json", "{}")
        archive.writestr(
            "buildspec.yml", SPEC.replace("cache:\n", "cache:\n  key: n-$(codebuild-hash-files '*.json')\n")
        )
    s3.put_object(Bucket="store", Key="in.zip", Body=source.getvalue())
    project(cloud, source={"type": "S3", "location": "store/in.zip"}, cache=S3)
    build(cloud)
    (key,) = [each["Key"] for each in s3.list_objects_v2(Bucket="store", Prefix="caches/")["Contents"]]
    start, _, digest = key.rpartition("n-")
    assert start == "caches/hello-0/key/"
    assert len(digest) == 64


def test_a_hostile_cache_is_no_way_out(cloud: Daemon, tmp_path: Any) -> None:
    """One that names what is not cached, and sources with a link where the cache has a folder."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="store")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("container.json", "{}")
        archive.writestr("bin/aws", "#!/bin/sh\necho not the client\n")
        archive.writestr("src/deps/evil", "x")
    s3.put_object(Bucket="store", Key="caches/hello-0/cache", Body=content.getvalue())
    source = io.BytesIO()
    with zipfile.ZipFile(source, "w") as archive:
        link = zipfile.ZipInfo("deps")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path))
        archive.writestr(
            "buildspec.yml", "version: 0.2\nphases: {build: {commands: [aws --version]}}\ncache: {paths: [a]}\n"
        )
    s3.put_object(Bucket="store", Key="in.zip", Body=source.getvalue())
    project(cloud, source={"type": "S3", "location": "store/in.zip"}, cache=S3)
    done = build(cloud)
    log = log_of(cloud, done)
    assert done["buildStatus"] == "SUCCEEDED", log
    assert "Unable to restore the cache: src/deps leads outside of the archive" in log
    assert "not the client" not in log
    assert list(tmp_path.iterdir()) == []


def test_the_cache_of_a_container(cloud: Daemon) -> None:
    text = """version: 0.2
phases: {build: {commands: ["mkdir -p /opt/kept deps; ls /opt/kept deps; touch /opt/kept/one deps/two"]}}
cache: {paths: ['/opt/kept/**/*', 'deps/*']}
"""
    project(cloud, text, cache=LOCAL, environment={"image": "tidegate/python:3.11"})
    assert "one" not in log_of(cloud, build(cloud)).partition("Running command")[2].replace("touch /opt/kept/one", "")
    log = log_of(cloud, build(cloud))
    assert "\none\n" in log, log
    assert "\ntwo\n" in log
