"""The images that CodeBuild has itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.services.codebuild.images import CURATED, IMAGES

_HERE = "it stands for the build environment on this machine"


class ImagesApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ListCuratedEnvironmentImages.html"""

    @operation()
    async def list_curated_environment_images(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """List CodeBuild's own images by platform."""
        del context, request
        return {
            "platforms": [
                {"platform": platform, "languages": [{"language": "BASE", "images": _described(images)}]}
                for platform, images in CURATED.items()
            ]
        }


def _described(images: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": f"{IMAGES}{name}", "description": f"{what}: {_HERE}", "versions": [f"{IMAGES}{name}"]}
        for name, what in images.items()
    ]
