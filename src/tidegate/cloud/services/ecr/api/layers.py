"""Layers, for clients that push and pull through the API instead of the registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.api.shared import repository_arn, repository_tags
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.tokens import Tokens

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_PART_SIZE = 10 << 20  # bytes that clients are asked to send at a time
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Content(Protocol):
    """The layers' bytes. `address` is the repository's name in the registry."""

    def start(self, address: str) -> str:
        """Begin an upload and return its id."""

    def size(self, address: str, upload: str) -> int:
        """Return how many bytes have come; raise UploadNotFoundException."""

    async def append(self, address: str, upload: str, part: bytes) -> int:
        """Add a part and return the new size."""

    async def finish(self, address: str, upload: str, digest: str) -> int:
        """Make a layer of the upload and return its size; raise InvalidLayerException."""


class LayersApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_InitiateLayerUpload.html and its siblings."""

    def __init__(self, model: EcrModel, content: Content, tokens: Tokens) -> None:
        self.model = model
        self._content = content
        self._tokens = tokens

    @operation(resource=repository_arn, conditions=repository_tags)
    async def batch_check_layer_availability(
        self, context: Context, request: t.BatchCheckLayerAvailabilityRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which layers the repository has."""
        self._address(context, request)
        layers: list[t.LayerTypeDef] = []
        failures: list[t.LayerFailureTypeDef] = []
        for digest in request["layerDigests"]:
            if not _DIGEST.fullmatch(digest):
                failures.append(
                    {
                        "layerDigest": digest,
                        "failureCode": "InvalidLayerDigest",
                        "failureReason": "The layer digest is not a valid digest",
                    }
                )
                continue
            layer = self.model.layers.get(context.region, request["repositoryName"], digest)
            if layer is None:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            else:
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": layer["size"]})
        return {"layers": layers, "failures": failures}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def initiate_layer_upload(
        self, context: Context, request: t.InitiateLayerUploadRequestTypeDef
    ) -> Mapping[str, Any]:
        """Begin to upload a layer."""
        return {"uploadId": self._content.start(self._address(context, request)), "partSize": _PART_SIZE}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def upload_layer_part(self, context: Context, request: t.UploadLayerPartRequestTypeDef) -> Mapping[str, Any]:
        """Add a part to a layer: the next bytes."""
        address, upload, part = self._address(context, request), request["uploadId"], request["layerPartBlob"]
        assert isinstance(part, bytes)
        size = self._content.size(address, upload)
        if request["partFirstByte"] != size or request["partLastByte"] - size + 1 != len(part):
            raise ServiceError(
                "InvalidLayerPartException",
                "The layer part size is not valid, or the first byte specified is not consecutive to the last byte of "
                "a previous layer part upload.",
                registryId=context.account,
                repositoryName=request["repositoryName"],
                uploadId=upload,
                lastValidByteReceived=max(size - 1, 0),
            )
        return {
            **self._named(context, request),
            "uploadId": upload,
            "lastByteReceived": await self._content.append(address, upload, part) - 1,
        }

    @operation(resource=repository_arn, conditions=repository_tags)
    async def complete_layer_upload(
        self, context: Context, request: t.CompleteLayerUploadRequestTypeDef
    ) -> Mapping[str, Any]:
        """Make a layer of what was uploaded."""
        address, upload, name = self._address(context, request), request["uploadId"], request["repositoryName"]
        digest = request["layerDigests"][0]
        if len(request["layerDigests"]) > 1 or not _DIGEST.fullmatch(digest):
            raise ServiceError("InvalidParameterException", "Exactly one sha256 or sha512 layer digest is required")
        if self._content.size(address, upload) == 0:
            raise ServiceError(
                "EmptyUploadException", f"The upload with id '{upload}' does not contain any layer parts"
            )
        if self.model.layers.get(context.region, name, digest) is not None:
            raise ServiceError(
                "LayerAlreadyExistsException",
                f"Layer with digest '{digest}' already exists in the repository with name '{name}' in the registry "
                f"with id '{context.account}'",
            )
        size = await self._content.finish(address, upload, digest)
        self._address(context, request)  # it may have been deleted meanwhile
        self.model.layers.put((context.region, name, digest), {"size": size})
        return {**self._named(context, request), "uploadId": upload, "layerDigest": digest}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def get_download_url_for_layer(
        self, context: Context, request: t.GetDownloadUrlForLayerRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return an address that the layer can be fetched from for an hour, without further credentials."""
        address, digest = self._address(context, request), request["layerDigest"]
        if self.model.layers.get(context.region, request["repositoryName"], digest) is None:
            raise ServiceError(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist in the repository with name "
                f"'{request['repositoryName']}' in the registry with id '{context.account}'",
            )
        token = self._tokens.for_layer(context.principal, address, digest)
        url = f"http://{self.model.registry}/v2/{address}/blobs/{digest}?token={token}"
        return {"downloadUrl": url, "layerDigest": digest}

    def _address(self, context: Context, request: Mapping[str, Any]) -> str:
        """Return what the request's repository is called in the registry; raise RepositoryNotFoundException."""
        self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        return self.model.address(context.region, request["repositoryName"])

    def _named(self, context: Context, request: Mapping[str, Any]) -> dict[str, str]:
        return {"registryId": context.account, "repositoryName": request["repositoryName"]}
