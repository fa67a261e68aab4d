"""Replication backfills: copies of what was there before replication was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecr.api.shared import invalid, paged
from tidegate.cloud.services.ecr.model import BackfillRecord, EcrModel
from tidegate.cloud.services.ecr.replication import destinations

_MOST_RUNNING = 10
_PAGE = 50
_UNDER_WAY = ("IN_PROGRESS", "STOPPING")


class BackfillsApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_StartReplicationBackfill.html and its siblings."""

    def __init__(self, model: EcrModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation()
    async def start_replication_backfill(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have the images copied to one destination that the replication configuration has them copied to."""
        self._expect_own(context, request)
        destination = request["destination"]
        region, rules = destination["region"], self.model.settings_of(context.region)["rules"]
        if destination not in [each for rule in rules for each in rule["destinations"]]:
            raise invalid("destination", "The destination is not in the registry's replication configuration")
        running = [each for each in self.model.backfills.values(context.region) if each["status"] in _UNDER_WAY]
        if any(each["destination"] == region for each in running):
            raise ServiceError(
                "ReplicationBackfillInProgressException",
                f"A replication backfill to the region '{region}' is already in progress in the registry with id "
                f"'{context.account}'",
            )
        if len(running) >= _MOST_RUNNING:
            raise ServiceError(
                "LimitExceededException", f"A registry can have at most {_MOST_RUNNING} backfills in progress."
            )
        key = (context.region, self._clock.new_id())
        record: BackfillRecord = {
            "destination": region,
            "status": "IN_PROGRESS",
            "started": self._clock.now(),
            "ended": None,
            "waiting": self._images(context.region, region),
            "running": [],
            "results": [],
        }
        self.model.backfills.put(key, record)
        return {**self._shown(context, key[1], record, "startedAt"), "registryId": context.account}

    @operation()
    async def stop_replication_backfill(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin no further copy; those that have begun are completed."""
        backfill, record = self._expected(context, request)
        if record["status"] != "IN_PROGRESS":
            raise ServiceError(
                "ReplicationBackfillInvalidStatusException",
                f"The replication backfill '{backfill}' cannot be stopped: its status is {record['status']}",
            )
        record["status"] = "STOPPING"
        self.model.backfills.put((context.region, backfill), record)
        return {**self._shown(context, backfill, record, "startedAt"), "registryId": context.account}

    @operation()
    async def list_replication_backfills(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the backfills of the last 90 days."""
        self._expect_own(context, request)
        backfills = [
            self._shown(context, key[1], record, "progress", "startedAt", "endedAt")
            for key, record in self.model.backfills.items(context.region)
        ]
        found = paged(request, backfills, lambda each: str(each["replicationBackfillId"]), "backfills", most=_PAGE)
        return {"registryId": context.account, **found}

    @operation()
    async def describe_replication_backfill_results(
        self, context: Context, request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return how far a backfill is, and when it has ended what has become of each image."""
        backfill, record = self._expected(context, request)
        wanted = request.get("resultStatusFilter")
        results = [each for each in record["results"] if wanted in (None, each["status"])]
        found = paged(request, [] if record["ended"] is None else results, _place, "results")
        shown = self._shown(context, backfill, record, "progress", "startedAt", "endedAt")
        return {"registryId": context.account, **shown, **found}

    def _images(self, region: str, destination: str) -> list[tuple[str, str, str]]:
        rules = self.model.settings_of(region)["rules"]
        return [
            (key[1], key[2], tag)
            for key, image in self.model.images.items(region)
            if destination in destinations(rules, key[1])
            for tag in image["tags"] or [""]
        ]

    def _expect_own(self, context: Context, request: Mapping[str, Any]) -> None:
        if request.get("registryId", context.account) != context.account:
            raise not_offered("a replication backfill of the registry of another account")

    def _expected(self, context: Context, request: Mapping[str, Any]) -> tuple[str, BackfillRecord]:
        self._expect_own(context, request)
        backfill = request["replicationBackfillId"].lower()
        record = self.model.backfills.get(context.region, backfill)
        if record is None:
            raise ServiceError(
                "ReplicationBackfillNotFoundException",
                f"The replication backfill '{backfill}' does not exist in the registry with id '{context.account}'",
            )
        return backfill, record

    def _shown(self, context: Context, backfill: str, record: BackfillRecord, *members: str) -> dict[str, Any]:
        failed = [each for each in record["results"] if each["status"] == "FAILED"]
        optional = {
            "progress": {
                "totalReplicationCount": sum(len(record[part]) for part in ("waiting", "running", "results")),
                "completedReplicationCount": len(record["results"]) - len(failed),
                "failedReplicationCount": len(failed),
                "failureCodes": sorted({each["failureCode"] for each in failed}),
            },
            "startedAt": record["started"],
            "endedAt": record["ended"],
        }
        return {
            "replicationBackfillId": backfill,
            "destination": {"region": record["destination"], "registryId": context.account},
            "status": record["status"],
            **{name: optional[name] for name in members if optional[name] is not None},
        }


def _place(result: Mapping[str, Any]) -> str:
    image = result["imageId"]
    return f"{result['repositoryName']} {image['imageDigest']} {image.get('imageTag', '')}"
