"""The builds that CodePipeline runs for its own actions (Commands): the request says all, no project does.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Commands.html
"""

from __future__ import annotations

from tidegate.cloud.call import Context
from tidegate.cloud.services.codebuild.model import CODEPIPELINE, ProjectRecord, managed_pipeline

_LONGEST, _LONGEST_QUEUED = 55, 480  # minutes


def managed_project(context: Context, name: str) -> ProjectRecord | None:
    """Return what stands in a project's place for a build that CodePipeline manages; None for any other build."""
    if context.principal.service != CODEPIPELINE or managed_pipeline(name) is None:
        return None
    return {
        "builds": 0,
        "project": {
            "name": name,
            "source": {"type": "CODEPIPELINE"},
            "artifacts": {"type": "CODEPIPELINE"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "serviceRole": "",
            "timeoutInMinutes": _LONGEST,
            "queuedTimeoutInMinutes": _LONGEST_QUEUED,
            "encryptionKey": context.arn("kms", "alias/aws/s3"),
        },
    }
