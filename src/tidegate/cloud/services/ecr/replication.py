"""Replication, queued: what a push or a deletion means for other regions, written with it.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.services.ecr.model import EcrModel, ReplicationRecord


def destinations(rules: Sequence[Mapping[str, Any]], name: str, *, deletes: bool = False) -> list[str]:
    """Return the regions that a repository's images are copied to; with `deletes` those that follow its deletions."""
    regions: set[str] = set()
    for rule in rules:
        filters = rule.get("repositoryFilters")
        if filters and not any(name.startswith(each["filter"]) for each in filters):
            continue
        if not deletes or rule.get("deleteReplication", {}).get("enabled"):
            regions.update(each["region"] for each in rule["destinations"])
    return sorted(regions)


class Replications:
    """Writes down what is to be done elsewhere, in the transaction of its cause; a controller does it."""

    def __init__(self, model: EcrModel) -> None:
        self._model = model

    def pushed(self, region: str, name: str, digest: str, tag: str | None) -> None:
        """Have an image copied, with its new tag if it has one."""
        for destination in destinations(self._model.settings_of(region)["rules"], name):
            self.copied(region, name, digest, tag, destination)

    def copied(self, region: str, name: str, digest: str, tag: str | None, destination: str) -> None:
        """Have an image copied to one region, with a tag if it has one."""
        record = self._record(region, name, digest, destination)
        record["copy"] = True
        if tag is not None:
            record["tags"] = [*(each for each in record["tags"] if each != tag), tag]
        self._model.replications.put((region, name, digest, destination), record)

    def untagged(self, region: str, name: str, digest: str, tag: str) -> None:
        """Have a tag removed from the copies."""
        for destination in self._following(region, name):
            record = self._record(region, name, digest, destination)
            record["untagged"] = [*(each for each in record["untagged"] if each != tag), tag]
            self._model.replications.put((region, name, digest, destination), record)

    def removed(self, region: str, name: str, digest: str) -> None:
        """Have the copies of an image removed where that is wished; forget the others."""
        for key, _ in self._model.replications.items(region, name, digest):
            self._model.replications.delete(*key)
        for destination in self._following(region, name):
            record = self._record(region, name, digest, destination)
            record["deletes"] = True
            self._model.replications.put((region, name, digest, destination), record)

    def _following(self, region: str, name: str) -> list[str]:
        return destinations(self._model.settings_of(region)["rules"], name, deletes=True)

    def _record(self, region: str, name: str, digest: str, destination: str) -> ReplicationRecord:
        """Return what is still to be done there, to be added to."""
        fresh: ReplicationRecord = {
            "status": "IN_PROGRESS",
            "failure": None,
            "copy": False,
            "tags": [],
            "untagged": [],
            "deletes": False,
        }
        known = self._model.replications.get(region, name, digest, destination)
        return known if known is not None and known["status"] == "IN_PROGRESS" else fresh
