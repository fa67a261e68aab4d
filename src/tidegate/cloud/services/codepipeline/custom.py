"""Custom action types, whose work is done by job workers outside, and their jobs. Records, and pure reads of them.

https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-create-custom-action.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from tidegate.cloud.services.codepipeline.action_types import ActionType, Bounds, TypeName
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

CUSTOM: Final = "Custom"  # the owner of custom action types

REVISION: Final = "REVISION"  # the type of a custom source action's revisions

QUEUED: Final = "Queued"
DISPATCHED: Final = "Dispatched"
RUNNING: Final = "InProgress"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
TIMED_OUT: Final = "TimedOut"

CUSTOM_TIMEOUT = 24 * 60  # minutes; https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
_PLACEHOLDER = re.compile(r"\{(?:Config:(?P<key>[^{}]+)|ExternalExecutionId)\}")


class CustomTypeRecord(TypedDict):
    """A custom action type as AWS shows it; one that is deleted is remembered."""

    type: t.ActionTypeTypeDef
    tags: list[t.TagTypeDef]
    deleted: bool


class JobRecord(TypedDict):
    """A piece of an action's work: one worker's, from the one answer to the other."""

    id: str
    status: str  # Queued, Dispatched, InProgress, Succeeded, Failed
    execution: list[str]  # pipeline, execution, action execution
    nonce: NotRequired[str]  # of the last poll that it was given out to
    continuation: NotRequired[str]


class CustomActions:
    """Custom action types by (region, category, provider, version); jobs by (region, id)."""

    def __init__(self, store: Store) -> None:
        self.types = Collection[CustomTypeRecord](store, "codepipeline.custom")
        self.jobs = Collection[JobRecord](store, "codepipeline.job")

    def find(self, region: str, kind: Mapping[str, Any]) -> CustomTypeRecord | None:
        """Return the custom type of an action type id, if there is one that is not deleted."""
        if kind["owner"] != CUSTOM:
            return None
        record = self.types.get(*type_key(region, kind))
        return None if record is None or record["deleted"] else record

    def jobs_of(self, region: str, pipeline: str) -> list[tuple[Key, JobRecord]]:
        """Return a pipeline's jobs with their keys."""
        return [(key, job) for key, job in self.jobs.items(region) if job["execution"][0] == pipeline]


def type_key(region: str, kind: Mapping[str, Any]) -> Key:
    """Return the key of a custom action type."""
    return (region, kind["category"], kind["provider"], kind["version"])


def is_custom(kind: Mapping[str, Any]) -> bool:
    """Return whether an action type id is that of a custom action."""
    return bool(kind["owner"] == CUSTOM)


def as_action_type(record: CustomTypeRecord) -> ActionType:
    """Return what a pipeline's declaration is held against."""
    kind = record["type"]
    inputs, outputs = kind["inputArtifactDetails"], kind["outputArtifactDetails"]
    return ActionType(
        TypeName(kind["id"]["category"], kind["id"]["provider"]),
        Bounds(inputs["minimumCount"], inputs["maximumCount"]),
        Bounds(outputs["minimumCount"], outputs["maximumCount"]),
        {each["name"]: each["required"] for each in kind.get("actionConfigurationProperties", [])},
        CUSTOM_TIMEOUT,
    )


def queryable(record: CustomTypeRecord) -> str | None:
    """Return the key of the configuration that jobs may be asked for by."""
    properties = record["type"].get("actionConfigurationProperties", [])
    return next((each["name"] for each in properties if each.get("queryable")), None)


def filled(template: str, configuration: Mapping[str, str], external_id: str = "") -> str:
    """Return a URL template with the values of `{Config:KEY}` and `{ExternalExecutionId}` in it."""
    return _PLACEHOLDER.sub(
        lambda match: external_id if match["key"] is None else configuration.get(match["key"], ""), template
    )
