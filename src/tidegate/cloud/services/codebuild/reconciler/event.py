"""The event of a build's change of state, as EventBridge is told of it.

https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications-ref.html
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.codebuild.model import BuildRecord

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t


def event_detail(record: BuildRecord) -> str:
    """Return the event's detail, as JSON."""
    build = record["build"]
    environment = build["environment"]
    return json.dumps(
        {
            "build-status": build["buildStatus"],
            "project-name": build["projectName"],
            "build-id": build["arn"],
            "current-phase": build["currentPhase"],
            "current-phase-context": "[]",
            "version": "1",
            "additional-information": {
                "artifact": {"location": build.get("artifacts", {}).get("location", "")},
                "environment": {
                    "image": environment["image"],
                    "privileged-mode": environment.get("privilegedMode", False),
                    "compute-type": environment["computeType"],
                    "type": environment["type"],
                    "environment-variables": environment.get("environmentVariables", []),
                },
                "timeout-in-minutes": build["timeoutInMinutes"],
                "build-complete": build["buildComplete"],
                "initiator": build["initiator"],
                "build-start-time": _stamp(build["startTime"]),
                "source": {"type": build["source"]["type"], "location": build["source"].get("location", "")},
                "source-version": build.get("sourceVersion", ""),
                "logs": {
                    "group-name": build.get("logs", {}).get("groupName"),
                    "stream-name": build.get("logs", {}).get("streamName"),
                },
                "phases": [_phase(each) for each in build["phases"]],
            },
        }
    )


def _phase(phase: t.BuildPhaseTypeDef) -> dict[str, Any]:
    detail: dict[str, Any] = {"phase-type": phase["phaseType"], "start-time": _stamp(phase["startTime"])}
    if "phaseStatus" in phase:
        contexts = [f"{each.get('statusCode', '')}: {each.get('message', '')}" for each in phase["contexts"]]
        detail |= {
            "phase-status": phase["phaseStatus"],
            "end-time": _stamp(phase["endTime"]),
            "duration-in-seconds": phase["durationInSeconds"],
            "phase-context": contexts,
        }
    return detail


def _stamp(moment: datetime) -> str:
    return f"{moment:%b %d, %Y %I:%M:%S %p}"
