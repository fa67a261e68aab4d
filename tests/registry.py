"""A plain client of the registry's protocol, and small images to push with it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.daemon import Daemon

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        (error,) = json.loads(self.content)["errors"]
        return self.status, error["code"], error["message"]

    @property
    def document(self) -> Any:
        return json.loads(self.content)


@dataclass
class Client:
    """Speaks HTTP to the registry with the credentials of somebody."""

    port: int
    authorization: str | None

    @classmethod
    def of(cls, cloud: Daemon, keys: dict[str, Any] | None = None) -> Client:
        """A client that is logged in, as the administrator or with temporary keys."""
        (data,) = cloud.client("ecr", keys=keys).get_authorization_token()["authorizationData"]
        return cls(cloud.port, f"Basic {data['authorizationToken']}")

    def __call__(self, method: str, path: str, body: bytes | Iterator[bytes] = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.authorization is not None:
            named.setdefault("Authorization", self.authorization)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, response.read())

    def push_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        answer = self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    def push_image(
        self, repository: str, reference: str | None, layer: bytes = b"layer", *, docker: bool = False, **members: Any
    ) -> str:
        """Push an image of one layer, tagged with `reference` or (None) by its digest; return the digest."""
        config_type, layer_type = (DOCKER_CONFIG, DOCKER_LAYER) if docker else (OCI_CONFIG, OCI_LAYER)
        config = json.dumps({"architecture": "amd64", "os": "linux", "layer": layer.decode("latin-1")}).encode()
        parts = [(config_type, config), (layer_type, layer)]
        descriptors = [
            {"mediaType": kind, "digest": self.push_blob(repository, content), "size": len(content)}
            for kind, content in parts
        ]
        document = {"schemaVersion": 2, "config": descriptors[0], "layers": descriptors[1:], **members}
        kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
        return self.push_manifest(repository, reference, {"mediaType": kind, **document})

    def push_manifest(self, repository: str, reference: str | None, document: dict[str, Any]) -> str:
        content = json.dumps(document).encode()
        digest = digest_of(content)
        answer = self(
            "PUT", f"/v2/{repository}/manifests/{reference or digest}", content, Content_Type=document["mediaType"]
        )
        assert answer.status == 201, answer
        assert answer.headers["docker-content-digest"] == digest
        return digest


def password_of(client: Client) -> str:
    assert client.authorization is not None
    return base64.b64decode(client.authorization.removeprefix("Basic ")).decode().removeprefix("AWS:")
