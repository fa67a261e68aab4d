"""Source, ECR: an image by its tag, told of in imageDetail.json. A push starts the pipeline by a rule of EventBridge.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECR.html
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    ActionFailedError,
    ActionRun,
    Done,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_FILE = "imageDetail.json"


class EcrSource:
    """Takes the image that a tag names, or the one that the execution was started for."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def advance(self, run: ActionRun) -> Done:
        """Find the digest, then store the file; a digest that was found once stays the one."""
        session = await run.session()
        name, tag = run.configuration["RepositoryName"], run.configuration.get("ImageTag", "latest")
        given = run.progress.get("revision") or run.pinned.get("IMAGE_DIGEST")
        try:
            wanted = {"imageDigest": given} if given else {"imageTag": tag}
            image = (await session("ecr", "describe_images", repositoryName=name, imageIds=[wanted]))["imageDetails"][0]
            repository = (await session("ecr", "describe_repositories", repositoryNames=[name]))["repositories"][0]
        except ServiceError as error:
            if is_denied(error):
                raise
            why = f"The image {name}:{given or tag} cannot be had: {error.message} ({error.code})"
            raise ActionFailedError(CONFIGURATION_ERROR, why) from error
        digest = image["imageDigest"]
        if "revision" not in run.progress:
            run.keep(revision=digest, external_id=digest)
            run.see(digest)
        variables = {
            "RegistryId": repository["registryId"],
            "RepositoryName": name,
            "ImageTag": tag,
            "ImageDigest": digest,
            "ImageURI": f"{repository['repositoryUri']}@{digest}",
        }
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            detail = {
                "ImageSizeInBytes": str(image.get("imageSizeInBytes", 0)),
                "ImageDigest": digest,
                "Version": "1.0",
                "ImagePushedAt": f"{image['imagePushedAt']}",
                "RegistryId": repository["registryId"],
                "RepositoryName": name,
                "ImageURI": variables["ImageURI"],
                "ImageTags": image.get("imageTags", []),
            }
            archive.writestr(_FILE, json.dumps(detail))
        (output,) = run.outputs
        await self._artifacts.store(session, run.outputs[output], content.getvalue(), run.encryption_key)
        described: t.ArtifactRevisionTypeDef = {
            "name": output,
            "revisionId": digest,
            "revisionChangeIdentifier": digest,
            "revisionSummary": f"The image {name}:{tag}",
            "created": image["imagePushedAt"],
            "revisionUrl": console(run.region, f"ecr/home?region={run.region}#/repositories/{name}"),
        }
        return Done(variables, summary=described["revisionSummary"], revision=described)
