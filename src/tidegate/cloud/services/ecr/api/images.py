"""Images: list, describe, get, put, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.api.shared import no_pages, paged, repository_arn, repository_tags
from tidegate.cloud.services.ecr.images import Failure, Images, PushedManifest, descriptor
from tidegate.cloud.services.ecr.model import EcrModel, ImageRecord

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_REFERRERS_PAGE = 20


class ManifestReader(Protocol):
    """Reads manifests."""

    def __call__(self, text: str, media_type: str | None, digest: str | None) -> PushedManifest:
        """Return what it says; raise InvalidParameterException or ImageDigestDoesNotMatchException."""


class ImagesApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html and its siblings."""

    def __init__(self, model: EcrModel, images: Images, read: ManifestReader) -> None:
        self.model = model
        self._images = images
        self._read = read

    @operation(resource=repository_arn, conditions=repository_tags)
    async def list_images(self, context: Context, request: t.ListImagesRequestTypeDef) -> Mapping[str, Any]:
        """Return the tags of a repository with the digests they point to, and the digests without a tag."""
        ids: list[t.ImageIdentifierTypeDef] = []
        for record in self._filtered(context, request):
            digest = record["detail"]["imageDigest"]
            ids += [{"imageDigest": digest, "imageTag": tag} for tag in record["tags"]] or [{"imageDigest": digest}]
        return paged(request, ids, lambda each: f"{each['imageDigest']} {each.get('imageTag', '')}", "imageIds")

    @operation(resource=repository_arn, conditions=repository_tags)
    async def describe_images(self, context: Context, request: t.DescribeImagesRequestTypeDef) -> Mapping[str, Any]:
        """Return what is known of a repository's images, or of some."""
        name = request["repositoryName"]
        if "imageIds" not in request:
            records = self._filtered(context, request)
            details = [self._detail(name, record) for record in records]
            return paged(request, details, lambda each: str(each["imageDigest"]), "imageDetails")
        no_pages(request, "imageIds")
        self.model.repository(context.region, name, request.get("registryId"))
        digests: dict[str, None] = {}
        for image_id in request["imageIds"]:
            try:
                digests[self._images.find(context.region, name, image_id)] = None
            except Failure as failure:
                raise refused(context.account, name, image_id, failure) from failure
        found = [self.model.images.get(context.region, name, digest) for digest in digests]
        return {"imageDetails": [self._detail(name, record) for record in found if record is not None]}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def batch_get_image(self, context: Context, request: t.BatchGetImageRequestTypeDef) -> Mapping[str, Any]:
        """Return manifests."""
        region, name = context.region, request["repositoryName"]
        self.model.repository(region, name, request.get("registryId"))
        images: list[t.ImageTypeDef] = []
        failures: list[t.ImageFailureTypeDef] = []
        for image_id in request["imageIds"]:
            try:
                digest = self._images.find(region, name, image_id)
                image = self._image(region, name, digest, image_id.get("imageTag"))
                if image["imageManifestMediaType"] not in request.get(
                    "acceptedMediaTypes", [image["imageManifestMediaType"]]
                ):
                    raise Failure("ImageNotFound", "Requested image has none of the accepted media types")
            except Failure as failure:
                failures.append(_failed(image_id, failure))
                continue
            self._images.pulled(region, name, digest, context.principal)
            images.append(image)
        return {"images": images, "failures": failures}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def batch_delete_image(
        self, context: Context, request: t.BatchDeleteImageRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete images: by digest with all their tags, by tag only that tag and with the last one the image."""
        region, name = context.region, request["repositoryName"]
        self.model.repository(region, name, request.get("registryId"))
        deleted: list[t.ImageIdentifierTypeDef] = []
        failures: list[t.ImageFailureTypeDef] = []
        for image_id in request["imageIds"]:
            try:
                digest = self._images.find(region, name, image_id)
                if "imageDigest" in image_id:
                    tags = self._images.remove(region, name, digest)
                    deleted += [{"imageDigest": digest, "imageTag": tag} for tag in tags] or [{"imageDigest": digest}]
                else:
                    self._images.untag(region, name, image_id["imageTag"])
                    deleted.append({"imageDigest": digest, "imageTag": image_id["imageTag"]})
            except Failure as failure:
                failures.append(_failed(image_id, failure))
        return {"imageIds": deleted, "failures": failures}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def put_image(self, context: Context, request: t.PutImageRequestTypeDef) -> Mapping[str, Any]:
        """Record a manifest whose layers are in the repository, or give an image another tag."""
        region, name, tag = context.region, request["repositoryName"], request.get("imageTag")
        self.model.repository(region, name, request.get("registryId"))
        manifest = self._read(
            request["imageManifest"], request.get("imageManifestMediaType"), request.get("imageDigest")
        )
        if not self._images.put(region, name, manifest, tag):
            tagged = "" if tag is None else f" and tag '{tag}'"
            raise ServiceError(
                "ImageAlreadyExistsException",
                f"Image with digest '{manifest.digest}'{tagged} already exists in the repository with name '{name}' "
                f"in registry with id '{context.account}'",
            )
        return {"image": self._image(region, name, manifest.digest, tag)}

    @operation(action="ecr:BatchGetImage", resource=repository_arn, conditions=repository_tags)
    async def list_image_referrers(
        self, context: Context, request: t.ListImageReferrersRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the artifacts that refer to an image: signatures, bills of materials, …"""
        wanted = request.get("filter", {})
        self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        records = self.model.images_of(context.region, request["repositoryName"]).values()
        subject = request["subjectId"]["imageDigest"]
        found = [
            {**descriptor(record), "artifactStatus": "ACTIVE"}
            for record in records
            if record["detail"].get("subjectManifestDigest") == subject
            and _active(wanted.get("artifactStatus"))
            and (record["artifact_type"] in wanted.get("artifactTypes", []) or not wanted.get("artifactTypes"))
        ]
        return paged(request, found, lambda each: str(each["digest"]), "referrers", most=_REFERRERS_PAGE)

    def _filtered(self, context: Context, request: Mapping[str, Any]) -> Iterable[ImageRecord]:
        """Return the images of the repository that the filter of a request lets through."""
        name, wanted = request["repositoryName"], request.get("filter", {})
        self.model.repository(context.region, name, request.get("registryId"))
        if not _active(wanted.get("imageStatus")):
            return []
        records = self.model.images_of(context.region, name).values()
        return [record for record in records if tag_status_fits(wanted.get("tagStatus"), record["tags"])]

    def _detail(self, name: str, record: ImageRecord) -> dict[str, Any]:
        detail = {"registryId": self.model.account, "repositoryName": name, **record["detail"], "imageStatus": "ACTIVE"}
        return {**detail, "imageTags": record["tags"]} if record["tags"] else detail

    def _image(self, region: str, name: str, digest: str, tag: str | None) -> t.ImageTypeDef:
        record, text = self.model.images.get(region, name, digest), self.model.manifests.get(region, name, digest)
        assert record is not None
        assert text is not None
        return {
            "registryId": self.model.account,
            "repositoryName": name,
            "imageId": {"imageDigest": digest, **({"imageTag": tag} if tag is not None else {})},
            "imageManifest": text,
            "imageManifestMediaType": record["detail"]["imageManifestMediaType"],
        }


def refused(account: str, name: str, image_id: t.ImageIdentifierTypeDef, failure: Failure) -> ServiceError:
    """Return the error of an operation on one image that could not be served."""
    if failure.code not in ("ImageNotFound", "ImageTagDoesNotMatchDigest"):
        return ServiceError("InvalidParameterException", failure.reason)
    quoted = {key: f"'{image_id[key]}'" if key in image_id else "'null'" for key in ("imageDigest", "imageTag")}
    return ServiceError(
        "ImageNotFoundException",
        f"The image with imageId {{imageDigest:{quoted['imageDigest']}, imageTag:{quoted['imageTag']}}} does not "
        f"exist within the repository with name '{name}' in the registry with id '{account}'",
    )


def tag_status_fits(wanted: str | None, tags: list[str]) -> bool:
    """Return whether an image with these tags is TAGGED, UNTAGGED or ANY."""
    return wanted in (None, "ANY") or (wanted == "TAGGED") is bool(tags)


def _active(wanted: str | None) -> bool:
    """Return whether active images are asked for; here, all are."""
    return wanted in (None, "ACTIVE", "ANY")


def _failed(image_id: t.ImageIdentifierTypeDef, failure: Failure) -> t.ImageFailureTypeDef:
    return {"imageId": image_id, "failureCode": failure.code, "failureReason": failure.reason}  # type: ignore[typeddict-item]
