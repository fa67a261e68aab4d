"""The registry's protocol, byte by byte: https://github.com/opencontainers/distribution-spec"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.registry import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Client,
    digest_of,
)

CONTENT = os.urandom(100_000)
DIGEST = digest_of(CONTENT)
ARN = "arn:aws:ecr:us-east-1:000000000000:repository/app"


@pytest.fixture
def registry(cloud: Daemon) -> Client:
    """A logged-in client, and the repository `app`."""
    cloud.client("ecr").create_repository(repositoryName="app")
    return Client.of(cloud)


def begin(registry: Client, repository: str = "app") -> str:
    answer = registry("POST", f"/v2/{repository}/blobs/uploads/")
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
    return answer.headers["location"]


def test_who_comes_without_credentials_is_challenged(cloud: Daemon) -> None:
    nobody = Client(cloud.port, None)
    answer = nobody("GET", "/v2/")
    assert answer.error[:2] == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert nobody("GET", "/v2/app/tags/list").status == 401
    for credentials in (b"AWS:wrong", b"somebody:wrong", b"AWS:", b"no colon", b"\xff\xfe"):
        wrong = Client(cloud.port, f"Basic {base64.b64encode(credentials).decode()}")
        assert wrong("GET", "/v2/").status == 401
    assert Client(cloud.port, "Basic ???")("GET", "/v2/").status == 401
    assert Client(cloud.port, "Bearer x")("GET", "/v2/").status == 401
    assert Client.of(cloud)("GET", "/v2/").status == 200


def test_a_foreign_host_is_refused(registry: Client) -> None:
    assert registry("GET", "/v2/", Host="evil.example").error[:2] == (403, "DENIED")


def test_monolithic(registry: Client) -> None:
    answer = registry("POST", f"/v2/app/blobs/uploads/?digest={DIGEST}", CONTENT)
    assert (answer.status, answer.headers["location"]) == (201, f"/v2/app/blobs/{DIGEST}")
    assert answer.headers["docker-content-digest"] == DIGEST
    location = begin(registry)
    answer = registry("PUT", f"{location}?digest={digest_of(b'second')}", b"second")
    assert answer.status == 201
    fetched = registry("GET", f"/v2/app/blobs/{DIGEST}")
    assert (fetched.status, fetched.content) == (200, CONTENT)
    head = registry("HEAD", f"/v2/app/blobs/{DIGEST}")
    assert (head.status, head.content, head.headers["content-length"]) == (200, b"", "100000")
    assert head.headers["docker-content-digest"] == DIGEST


def test_the_empty_blob(registry: Client) -> None:
    digest = digest_of(b"")
    assert registry("PUT", f"{begin(registry)}?digest={digest}").status == 201
    assert registry("GET", f"/v2/app/blobs/{digest}").content == b""


def test_chunked_and_streamed(registry: Client) -> None:
    location = begin(registry)
    answer = registry("PATCH", location, CONTENT[:60_000], Content_Range="0-59999")
    assert (answer.status, answer.headers["range"]) == (202, "0-59999")

    def pieces() -> Iterator[bytes]:
        yield CONTENT[60_000:70_000]
        yield CONTENT[70_000:]

    answer = registry("PATCH", answer.headers["location"], pieces())  # Transfer-Encoding: chunked
    assert (answer.status, answer.headers["range"]) == (202, "0-99999")
    assert registry("PUT", f"{answer.headers['location']}?digest={DIGEST}").status == 201
    assert registry("GET", f"/v2/app/blobs/{DIGEST}").content == CONTENT


def test_the_last_chunk_may_come_with_the_end(registry: Client) -> None:
    location = begin(registry)
    registry("PATCH", location, CONTENT[:1000])
    answer = registry("PUT", f"{location}?digest={DIGEST}", CONTENT[1000:], Content_Range="1000-99999")
    assert answer.status == 201


def test_sha512(registry: Client) -> None:
    digest = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
    location = begin(registry)
    registry("PATCH", location, CONTENT)
    assert registry("PUT", f"{location}?digest={digest}").status == 201
    assert registry("GET", f"/v2/app/blobs/{digest}").content == CONTENT


def test_out_of_order_is_refused_with_where_to_go_on(registry: Client) -> None:
    location = begin(registry)
    registry("PATCH", location, CONTENT[:100], Content_Range="0-99")
    for wrong in ("0-99", "200-299", "x"):
        answer = registry("PATCH", location, CONTENT[:100], Content_Range=wrong)
        assert answer.status == 416
    answer = registry("PATCH", location, CONTENT[:100], Content_Range="200-299")
    assert (answer.headers["range"], answer.headers["location"]) == ("0-99", location)
    answer = registry("GET", location)
    assert (answer.status, answer.headers["range"]) == (204, "0-99")


def test_a_part_that_is_not_as_long_as_announced_did_not_come(registry: Client) -> None:
    location = begin(registry)
    registry("PATCH", location, CONTENT[:100])
    answer = registry("PATCH", location, iter([CONTENT[100:150]]), Content_Range="100-199")
    assert answer.error[:2] == (400, "SIZE_INVALID")
    assert registry("GET", location).headers["range"] == "0-99"
    assert registry("PUT", f"{location}?digest={DIGEST}", CONTENT[100:]).status == 201


def test_a_wrong_digest_is_refused_and_leaves_nothing(registry: Client) -> None:
    location = begin(registry)
    registry("PATCH", location, b"something else")
    assert registry("PUT", f"{location}?digest={DIGEST}").error[:2] == (400, "DIGEST_INVALID")
    assert registry("HEAD", f"/v2/app/blobs/{DIGEST}").status == 404
    assert registry("GET", location).error[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    assert registry("PUT", f"{begin(registry)}?digest=md5:abc").error[:2] == (400, "DIGEST_INVALID")
    assert registry("PUT", begin(registry)).error[:2] == (400, "DIGEST_INVALID")


def test_an_upload_can_be_cancelled_and_is_its_repositorys(cloud: Daemon, registry: Client) -> None:
    cloud.client("ecr").create_repository(repositoryName="other")
    location = begin(registry)
    elsewhere = location.replace("/app/", "/other/")
    assert registry("PATCH", elsewhere, b"x").error[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    assert registry("DELETE", location).status == 204
    assert registry("PATCH", location, b"x").error[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    assert registry("GET", "/v2/app/blobs/uploads/..%2F..%2Fstate.db").status == 404
    assert registry("GET", "/v2/app/blobs/uploads/not-an-upload").error[:2] == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize(
    ("asked", "answered", "first", "last"),
    [
        ("bytes=0-9", "bytes 0-9/100000", 0, 9),
        ("bytes=99990-", "bytes 99990-99999/100000", 99990, 99999),
        ("bytes=-10", "bytes 99990-99999/100000", 99990, 99999),
        ("bytes=50-999999", "bytes 50-99999/100000", 50, 99999),
    ],
)
def test_ranges(registry: Client, asked: str, answered: str, first: int, last: int) -> None:
    registry.push_blob("app", CONTENT)
    answer = registry("GET", f"/v2/app/blobs/{DIGEST}", Range=asked)
    assert (answer.status, answer.headers["content-range"]) == (206, answered)
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system's kernel cannot be told to forget a file")
def test_a_blob_that_only_the_disk_has(cloud: Daemon, registry: Client) -> None:
    """Not in memory at all, then with its middle there: what is read at once and what is waited for is one content."""
    content = os.urandom(3_000_001)
    name = digest_of(content)
    registry.push_blob("app", content)
    path = cloud.data_dir / "registry" / "blobs" / "sha256" / name[7:9] / name[7:]
    for kept in (0, 1_000_000):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.pread(file.fileno(), kept, 1_000_000)
        assert registry("GET", f"/v2/app/blobs/{name}").content == content


def test_a_range_outside_is_refused(registry: Client) -> None:
    registry.push_blob("app", CONTENT)
    answer = registry("GET", f"/v2/app/blobs/{DIGEST}", Range="bytes=100000-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */100000")


def test_a_blob_is_mounted_from_a_repository_that_may_be_read(cloud: Daemon, registry: Client) -> None:
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="team/other")
    cloud.client("ecr", region="eu-west-1").create_repository(repositoryName="app")
    registry.push_blob("app", CONTENT)
    mount = f"blobs/uploads/?mount={DIGEST}&from=app"
    assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "DISABLED"
    assert registry("POST", f"/v2/team/other/{mount}").status == 202  # it has to be uploaded
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert registry("POST", f"/v2/aws--eu-west-1/app/{mount}").status == 202  # that is another registry
    assert registry("HEAD", f"/v2/team/other/blobs/{DIGEST}").status == 404
    answer = registry("POST", f"/v2/team/other/blobs/uploads/?mount={DIGEST}&from=app")
    assert (answer.status, answer.headers["location"]) == (201, f"/v2/team/other/blobs/{DIGEST}")
    assert registry("GET", f"/v2/team/other/blobs/{DIGEST}").content == CONTENT
    for source in ("&from=nowhere", "&from=Not%20a%20name", ""):
        absent = digest_of(b"absent")
        answer = registry("POST", f"/v2/team/other/blobs/uploads/?mount={absent}{source}")
        assert answer.status == 202  # it has to be uploaded


def test_nothing_is_mounted_from_what_may_not_be_read(cloud: Daemon, registry: Client) -> None:
    cloud.client("ecr").create_repository(repositoryName="mine")
    cloud.client("ecr").put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    registry.push_blob("app", CONTENT)
    keys = assume(cloud, "own")
    everything_on_mine = policy("Allow", "ecr:*", ARN.replace("/app", "/mine"))
    cloud.client("iam").put_role_policy(RoleName="own", PolicyName="p", PolicyDocument=everything_on_mine)
    cloud.client("iam").put_role_policy(
        RoleName="own", PolicyName="login", PolicyDocument=policy("Allow", "ecr:GetAuthorizationToken")
    )
    own = Client.of(cloud, keys)
    assert own("POST", f"/v2/mine/blobs/uploads/?mount={DIGEST}&from=app").status == 202


def test_manifests_of_every_kind(registry: Client) -> None:
    docker = registry.push_image("app", "docker", docker=True)
    oci = registry.push_image("app", "oci")
    for kind, members, tag in ((DOCKER_LIST, [docker], "list"), (OCI_INDEX, [oci], "index")):
        manifests = [{"mediaType": DOCKER_MANIFEST, "digest": each, "size": 1} for each in members]
        registry.push_manifest("app", tag, {"schemaVersion": 2, "mediaType": kind, "manifests": manifests})
    for tag, kind in (
        ("docker", DOCKER_MANIFEST),
        ("oci", OCI_MANIFEST),
        ("list", DOCKER_LIST),
        ("index", OCI_INDEX),
        (docker, DOCKER_MANIFEST),
    ):
        answer = registry("GET", f"/v2/app/manifests/{tag}")
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert digest_of(answer.content) == answer.headers["docker-content-digest"]
        head = registry("HEAD", f"/v2/app/manifests/{tag}")
        assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))
        assert head.headers["docker-content-digest"] == answer.headers["docker-content-digest"]
    assert registry("GET", "/v2/app/manifests/absent").error == (404, "MANIFEST_UNKNOWN", "Requested image not found")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "MANIFEST_INVALID"),
        (b"\xff\xfe{}", "MANIFEST_INVALID"),
        (b"[" * 100_000, "MANIFEST_INVALID"),
        (b"[]", "MANIFEST_INVALID"),
        (b'{"schemaVersion": 1}', "MANIFEST_INVALID"),
        (b'{"schemaVersion": 2, "config": {}, "layers": []}', "MANIFEST_INVALID"),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:1", "size": 1}, "layers": []}', "DIGEST_INVALID"),
        (json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode(), "MANIFEST_INVALID"),
        (b" " * (5 << 20), "SIZE_INVALID"),
    ],
)
def test_a_manifest_that_is_none_is_refused(registry: Client, content: bytes, code: str) -> None:
    answer = registry("PUT", "/v2/app/manifests/v1", content, Content_Type=OCI_MANIFEST)
    assert answer.error[:2] == (400, code)
    assert registry("GET", "/v2/app/tags/list").document == {"name": "app", "tags": []}


def test_a_manifest_whose_parts_are_missing_is_refused(registry: Client) -> None:
    absent = digest_of(b"absent")
    part = {"digest": absent, "size": 6}
    document = {"schemaVersion": 2, "config": {"mediaType": OCI_CONFIG, **part}, "layers": []}
    answer = registry("PUT", "/v2/app/manifests/v1", json.dumps(document).encode(), Content_Type=OCI_MANIFEST)
    sentence = (
        f"Layers with digests '[{absent}]' required for pushing image into repository with name 'app' in the "
        "registry with id '000000000000' do not exist"
    )
    assert answer.error == (404, "MANIFEST_BLOB_UNKNOWN", sentence)
    index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, **part}]}
    answer = registry("PUT", "/v2/app/manifests/v1", json.dumps(index).encode(), Content_Type=OCI_INDEX)
    assert answer.error[:2] == (404, "MANIFEST_BLOB_UNKNOWN")


def test_a_layer_that_lives_elsewhere_need_not_be_here(registry: Client) -> None:
    foreign = {"mediaType": OCI_LAYER, "digest": digest_of(b"x"), "size": 1, "urls": ["https://example.com/layer"]}
    config = {"mediaType": OCI_CONFIG, "digest": registry.push_blob("app", b"{}"), "size": 2}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [foreign]}
    registry.push_manifest("app", "foreign", document)


def test_a_manifest_is_what_its_digest_says(registry: Client) -> None:
    registry.push_image("app", "v1")
    content = registry("GET", "/v2/app/manifests/v1").content
    wrong = digest_of(b"something else")
    answer = registry("PUT", f"/v2/app/manifests/{wrong}", content, Content_Type=OCI_MANIFEST)
    assert answer.error[:2] == (400, "DIGEST_INVALID")
    answer = registry("PUT", "/v2/app/manifests/-bad", content, Content_Type=OCI_MANIFEST)
    assert answer.error[:2] == (400, "TAG_INVALID")


def test_tags_have_pages(registry: Client) -> None:
    names = ["1.0", "B", "a", "latest", "z_9"]
    for name in names:
        registry.push_image("app", name, name.encode())
    assert registry("GET", "/v2/app/tags/list").document == {"name": "app", "tags": names}
    seen: list[str] = []
    path: str | None = "/v2/app/tags/list?n=2"
    while path is not None:
        answer = registry("GET", path)
        seen += answer.document["tags"]
        link = answer.headers.get("link")
        path = None if link is None else link[1 : link.index(">")]
    assert seen == names
    assert registry("GET", "/v2/app/tags/list?last=a").document["tags"] == ["latest", "z_9"]
    empty = registry("GET", "/v2/app/tags/list?n=0")
    assert (empty.document["tags"], empty.headers.get("link")) == ([], None)
    assert registry("GET", "/v2/app/tags/list?n=x").error[:2] == (400, "PAGINATION_NUMBER_INVALID")


def test_referrers(registry: Client) -> None:
    subject = registry.push_image("app", "v1")
    empty = registry("GET", f"/v2/app/referrers/{subject}")
    assert (empty.status, empty.headers["content-type"]) == (200, OCI_INDEX)
    assert empty.document["manifests"] == []
    about = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    signature = registry.push_image(
        "app", None, b"s", subject=about, artifactType="application/x.signature", annotations={"$time": "now"}
    )
    plain = registry.push_image("app", None, b"p", subject=about)
    found = {each["digest"]: each for each in registry("GET", f"/v2/app/referrers/{subject}").document["manifests"]}
    assert found.keys() == {signature, plain}
    size = len(registry("GET", f"/v2/app/manifests/{signature}").content)
    assert found[signature] == {
        "mediaType": OCI_MANIFEST,
        "digest": signature,
        "size": size,
        "artifactType": "application/x.signature",
        "annotations": {"$time": "now"},
    }
    assert found[plain]["artifactType"] == OCI_CONFIG
    answer = registry("GET", f"/v2/app/referrers/{subject}?artifactType=application/x.signature")
    assert [each["digest"] for each in answer.document["manifests"]] == [signature]
    assert answer.headers["oci-filters-applied"] == "artifactType"
    content = registry("GET", f"/v2/app/manifests/{signature}").content
    again = registry("PUT", f"/v2/app/manifests/{signature}", content, Content_Type=OCI_MANIFEST)
    assert again.headers["oci-subject"] == subject


def test_deletes(registry: Client) -> None:
    digest = registry.push_image("app", "v1")
    registry.push_image("app", "v2")
    assert registry("DELETE", "/v2/app/manifests/v1").status == 202
    assert registry("GET", "/v2/app/manifests/v1").status == 404
    assert registry("GET", "/v2/app/manifests/v2").status == 200
    layer = digest_of(b"layer")
    assert registry("DELETE", f"/v2/app/blobs/{layer}").error[:2] == (405, "UNSUPPORTED")
    assert registry("DELETE", f"/v2/app/manifests/{digest}").status == 202
    assert registry("GET", "/v2/app/tags/list").document["tags"] == []
    assert registry("DELETE", f"/v2/app/manifests/{digest}").error[:2] == (404, "MANIFEST_UNKNOWN")
    assert registry("DELETE", f"/v2/app/blobs/{layer}").status == 202
    assert registry("HEAD", f"/v2/app/blobs/{layer}").status == 404


def test_what_a_registry_does_not_do_is_refused(registry: Client) -> None:
    assert registry("POST", "/v2/app/manifests/v1").error[:2] == (405, "UNSUPPORTED")
    assert registry("GET", "/v2/_catalog").error[:2] == (404, "NAME_UNKNOWN")
    assert registry("GET", "/v2/App/tags/list").error[:2] == (400, "NAME_INVALID")
    assert registry("GET", f"/v2/{'a' * 300}/tags/list").error[:2] == (400, "NAME_INVALID")
    assert registry("GET", "/v2/..%2F../tags/list").error[:2] == (400, "NAME_INVALID")
    assert registry("GET", "/v2/absent/tags/list").error == (
        404,
        "NAME_UNKNOWN",
        "The repository with name 'absent' does not exist in the registry with id '000000000000'",
    )


STEPS = [
    ("POST", "/v2/app/blobs/uploads/", "InitiateLayerUpload"),
    ("GET", "/v2/app/blobs/uploads/x", "InitiateLayerUpload"),
    ("PATCH", "/v2/app/blobs/uploads/x", "UploadLayerPart"),
    ("PUT", f"/v2/app/blobs/uploads/x?digest={DIGEST}", "CompleteLayerUpload"),
    ("PUT", "/v2/app/manifests/v1", "PutImage"),
    ("GET", f"/v2/app/blobs/{DIGEST}", "GetDownloadUrlForLayer"),
    ("GET", "/v2/app/manifests/v1", "BatchGetImage"),
    ("GET", "/v2/app/tags/list", "ListImages"),
    ("GET", f"/v2/app/referrers/{DIGEST}", "BatchGetImage"),
    ("DELETE", "/v2/app/manifests/v1", "BatchDeleteImage"),
    ("DELETE", f"/v2/app/blobs/{DIGEST}", "BatchDeleteImage"),
]


def test_every_step_is_authorized_as_the_action_it_is(cloud: Daemon, registry: Client) -> None:
    keys = assume(cloud, "pusher")
    iam = cloud.client("iam")
    allowed: list[str] = []

    def allow(*actions: str) -> None:
        allowed.extend(f"ecr:{each}" for each in actions)
        iam.put_role_policy(RoleName="pusher", PolicyName="p", PolicyDocument=policy("Allow", allowed))

    allow("GetAuthorizationToken")
    pusher = Client.of(cloud, keys)
    for method, path, action in STEPS:
        sentence = (
            "User: arn:aws:sts::000000000000:assumed-role/pusher/test is not authorized to perform: "
            f"ecr:{action} on resource: {ARN} because no identity-based policy allows the ecr:{action} action"
        )
        assert pusher(method, path).error == (403, "DENIED", sentence)
        if method == "GET" and "/tags/" not in path:
            assert pusher("HEAD", path).status in (403, 405)
    assert pusher("HEAD", f"/v2/app/blobs/{DIGEST}").status == 403
    allow("BatchCheckLayerAvailability", *(action for _, _, action in STEPS))
    assert pusher("HEAD", f"/v2/app/blobs/{DIGEST}").status == 404
    for method, path, _ in STEPS:
        assert pusher(method, path).status not in (401, 403)


def test_other_regions_have_repositories_of_their_own(cloud: Daemon, registry: Client) -> None:
    there = cloud.client("ecr", region="eu-west-1")
    uri = there.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    assert uri == f"127.0.0.1:{cloud.port}/aws--eu-west-1/app"
    digest = registry.push_image("aws--eu-west-1/app", "v1")
    assert there.describe_images(repositoryName="app")["imageDetails"][0]["imageDigest"] == digest
    assert cloud.client("ecr").list_images(repositoryName="app")["imageIds"] == []
    keys = assume(cloud, "american")
    only = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    cloud.client("iam").put_role_policy(
        RoleName="american", PolicyName="p", PolicyDocument=policy("Allow", "ecr:*", Condition=only)
    )
    american = Client.of(cloud, keys)
    assert american("GET", "/v2/app/tags/list").status == 200
    assert american("GET", "/v2/aws--eu-west-1/app/tags/list").error[:2] == (403, "DENIED")


def test_a_repositorys_own_policy_lets_in_and_keeps_out(cloud: Daemon, registry: Client) -> None:
    ecr, keys = cloud.client("ecr"), assume(cloud, "guest")
    registry.push_image("app", "v1")
    cloud.client("iam").put_role_policy(
        RoleName="guest", PolicyName="login", PolicyDocument=policy("Allow", "ecr:GetAuthorizationToken")
    )
    guest = Client.of(cloud, keys)
    assert guest("GET", "/v2/app/manifests/v1").status == 403
    role = {"AWS": "arn:aws:iam::000000000000:role/guest"}

    def set_policy(effect: str) -> None:
        statement: dict[str, Any] = {"Effect": effect, "Principal": role, "Action": "ecr:BatchGetImage"}
        ecr.set_repository_policy(
            repositoryName="app", policyText=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        )

    set_policy("Allow")
    assert guest("GET", "/v2/app/manifests/v1").status == 200
    cloud.client("iam").attach_role_policy(
        RoleName="guest", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess"
    )
    set_policy("Deny")
    assert "with an explicit deny in a resource-based policy" in guest("GET", "/v2/app/manifests/v1").error[2]


def test_a_token_narrows_as_its_session_does(cloud: Daemon, registry: Client) -> None:
    assume(cloud, "builder")
    cloud.client("iam").attach_role_policy(
        RoleName="builder", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess"
    )
    narrow = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::000000000000:role/builder",
        RoleSessionName="narrow",
        Policy=policy("Allow", ["ecr:GetAuthorizationToken", "ecr:ListImages"]),
    )["Credentials"]
    narrowed = Client.of(cloud, narrow)
    assert narrowed("GET", "/v2/app/tags/list").status == 200
    assert "no session policy allows the ecr:PutImage" in narrowed("PUT", "/v2/app/manifests/v1").error[2]


@contextmanager
def sending_part(registry: Client, location: str, part: bytes) -> Iterator[None]:
    """Announce all of CONTENT, send a part of it, and go away at the end."""
    head = (
        f"PATCH {location} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {registry.authorization}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", registry.port), timeout=10) as sock:
        sock.sendall(head.encode() + part)
        yield


def wait_for_range(registry: Client, location: str, wanted: str) -> None:
    deadline = time.monotonic() + 10
    while registry("GET", location).headers["range"] != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_cut_connection_loses_nothing_that_came(registry: Client) -> None:
    location = begin(registry)
    with sending_part(registry, location, CONTENT[:70_000]):
        pass
    wait_for_range(registry, location, "0-69999")
    assert registry("HEAD", f"/v2/app/blobs/{DIGEST}").status == 404
    answer = registry("PATCH", location, CONTENT[70_000:], Content_Range="70000-99999")
    assert registry("PUT", f"{answer.headers['location']}?digest={DIGEST}").status == 201
    assert registry("GET", f"/v2/app/blobs/{DIGEST}").content == CONTENT


def test_a_killed_daemon_loses_nothing_that_came(own_cloud: Daemon) -> None:
    own_cloud.client("ecr").create_repository(repositoryName="app")
    registry = Client.of(own_cloud)
    pushed = registry.push_image("app", "before")
    location = begin(registry)
    with sending_part(registry, location, CONTENT[:70_000]):
        wait_for_range(registry, location, "0-69999")
        own_cloud.kill()
    own_cloud.start()
    # the token, the image and the upload are still there; of the layer nothing is seen
    assert registry("GET", "/v2/app/manifests/before").headers["docker-content-digest"] == pushed
    assert registry("HEAD", f"/v2/app/blobs/{DIGEST}").status == 404
    assert registry("GET", location).headers["range"] == "0-69999"
    answer = registry("PATCH", location, CONTENT[70_000:], Content_Range="70000-99999")
    assert registry("PUT", f"{answer.headers['location']}?digest={DIGEST}").status == 201
    assert registry("GET", f"/v2/app/blobs/{DIGEST}").content == CONTENT


def age(own_cloud: Daemon, days: float) -> None:
    """Make everything on the registry's disk look older."""
    moment = time.time() - days * 86_400
    for path in (own_cloud.data_dir / "registry").rglob("*"):
        os.utime(path, (moment, moment))


def files(own_cloud: Daemon, kind: str) -> set[str]:
    return {path.name for path in (own_cloud.data_dir / "registry" / kind).rglob("*") if path.is_file()}


def test_what_nothing_refers_to_is_collected(own_cloud: Daemon) -> None:
    ecr = own_cloud.client("ecr")
    ecr.create_repository(repositoryName="app")
    ecr.create_repository(repositoryName="gone")
    registry = Client.of(own_cloud)
    kept = registry.push_image("app", "kept", b"kept")
    deleted = registry.push_image("app", "deleted", b"deleted")
    registry.push_image("gone", "v1", b"gone")
    alone = registry.push_blob("app", b"never in an image")
    old = begin(registry)
    registry("PATCH", old, b"abandoned")
    registry("DELETE", f"/v2/app/manifests/{deleted}")
    ecr.delete_repository(repositoryName="gone", force=True)
    age(own_cloud, 2)
    fresh = registry.push_blob("app", b"just pushed")
    running = begin(registry)
    registry("PATCH", running, b"going on")
    own_cloud.kill()
    own_cloud.start()  # the collector looks at everything once at the start
    wanted = {digest_of(b"kept"), digest_of(b"just pushed")}
    config = registry("GET", f"/v2/app/manifests/{kept}").document["config"]["digest"]
    wanted.add(config)
    deadline = time.monotonic() + 10
    while files(own_cloud, "blobs") != {digest.removeprefix("sha256:") for digest in wanted}:
        assert time.monotonic() < deadline, files(own_cloud, "blobs")
        time.sleep(0.02)
    assert registry("GET", "/v2/app/manifests/kept").status == 200
    assert registry("HEAD", f"/v2/app/blobs/{fresh}").status == 200
    assert registry("HEAD", f"/v2/app/blobs/{alone}").status == 404
    assert registry("GET", running).headers["range"] == "0-7"
    assert registry("GET", old).error[:2] == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_reset_leaves_no_content(cloud: Daemon, registry: Client) -> None:
    registry.push_image("app", "v1")
    location = begin(registry)
    cloud.reset()
    assert files(cloud, "blobs") | files(cloud, "uploads") == set()
    assert registry("GET", "/v2/").status == 401
    assert Client.of(cloud)("PATCH", location, b"x").error[:2] == (404, "NAME_UNKNOWN")
