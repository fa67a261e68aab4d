"""Pushes and deletions reach the event bus, also those that a killed daemon had not handed on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.registry import DOCKER_LIST
from tidegate.cloud.call import Context, operation
from tidegate.cloud.daemon import Cloud, Settings
from tidegate.cloud.planes.registry import read_manifest
from tidegate.cloud.services.ecr.images import Images
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.reconciler import EventController
from tidegate.cloud.store import Key

ARN = "arn:aws:ecr:us-east-1:000000000000:repository/app"


class Bus:
    """An event bus that keeps what it is told, and by whom."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.callers: set[str | None] = set()

    @operation()
    async def put_events(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.callers.add(context.principal.service)
        self.entries += request["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in request["Entries"]]}


class House:
    """ECR's model with the repository `app`, in an assembled local cloud that does not run."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(Settings(folder))
        self.model = EcrModel(self.cloud.parts.store, "000000000000", "us-east-1", "127.0.0.1:4650")
        self.images = Images(self.model, self.cloud.parts.clock)
        self.model.repositories.put(
            ("us-east-1", "app"),
            {"repository": {"repositoryName": "app", "imageTagMutability": "MUTABLE"}, "tags": [], "policy": None},
        )

    def push(self, tag: str) -> str:
        content = json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {"tag": tag}}).encode()
        manifest = read_manifest(content, DOCKER_LIST)
        self.images.put("us-east-1", "app", manifest, tag)
        return manifest.digest

    async def hand_on(self) -> None:
        controller = EventController(self.model, self.cloud.parts.calls)
        for key in self.waiting:
            await controller.reconcile(key)

    @property
    def waiting(self) -> list[Key]:
        return [key for key, _ in self.model.events.items()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.cloud.parts.store.close()


async def test_pushes_and_deletions_are_events(house: House) -> None:
    bus = Bus()
    house.cloud.dispatcher.register("events", bus)
    first = house.push("v1")
    house.images.remove("us-east-1", "app", first)
    assert len(house.waiting) == 2
    await house.hand_on()
    assert house.waiting == []
    assert bus.callers == {"ecr.amazonaws.com"}
    assert all(
        (entry["Source"], entry["DetailType"], entry["Resources"]) == ("aws.ecr", "ECR Image Action", [ARN])
        for entry in bus.entries
    )
    details = sorted((json.loads(entry["Detail"]) for entry in bus.entries), key=lambda each: str(each["action-type"]))
    assert details == [
        {
            "result": "SUCCESS",
            "repository-name": "app",
            "image-digest": first,
            "action-type": action,
            "image-tag": "v1",
        }
        for action in ("DELETE", "PUSH")
    ]


async def test_a_copy_is_an_event_of_its_own_region(house: House) -> None:
    bus = Bus()
    house.cloud.dispatcher.register("events", bus)
    manifest = read_manifest(json.dumps({"schemaVersion": 2, "manifests": []}).encode(), DOCKER_LIST)
    house.images.put("us-east-1", "app", manifest, "v1", source="eu-west-1")
    await house.hand_on()
    (entry,) = bus.entries
    detail = json.loads(entry["Detail"])
    assert entry["DetailType"] == "ECR Replication Action"
    assert (detail["action-type"], detail["source-region"]) == ("REPLICATE", "eu-west-1")


async def test_what_changes_nothing_is_no_event(house: House) -> None:
    house.push("v1")
    assert len(house.waiting) == 1
    house.push("v1")
    assert len(house.waiting) == 1


async def test_without_a_bus_nothing_waits(house: House) -> None:
    house.push("v1")
    await house.hand_on()
    assert house.waiting == []
