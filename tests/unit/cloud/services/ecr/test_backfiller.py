"""A backfill goes on a few copies at a time, and begins none once it is to stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.cloud.services.ecr.test_events import House
from tidegate.cloud.services.ecr.backfiller import BackfillController
from tidegate.cloud.services.ecr.model import BackfillRecord

KEY = ("us-east-1", "1")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.cloud.parts.store.close()


def put(house: House, images: list[tuple[str, str, str]]) -> None:
    record: BackfillRecord = {
        "destination": "eu-west-1",
        "status": "IN_PROGRESS",
        "started": house.cloud.parts.clock.now(),
        "ended": None,
        "waiting": images,
        "running": [],
        "results": [],
    }
    house.model.backfills.put(KEY, record)


def read(house: House) -> BackfillRecord:
    record = house.model.backfills.get(*KEY)
    assert record is not None
    return record


def finish(house: House, failure: str | None = None) -> None:
    """Do what the controller of replication does."""
    for key, record in house.model.replications.items():
        record["status"], record["failure"] = ("COMPLETE" if failure is None else "FAILED"), failure
        house.model.replications.put(key, record)


async def test_no_copy_is_begun_once_it_is_to_stop(house: House) -> None:
    put(house, [("app", house.push(f"v{number}"), f"v{number}") for number in range(60)])
    controller = BackfillController(house.model, house.cloud.parts.clock)
    assert await controller.reconcile(KEY) is not None
    assert (len(read(house)["running"]), len(read(house)["waiting"])) == (50, 10)
    house.model.backfills.put(KEY, {**read(house), "status": "STOPPING"})
    assert await controller.reconcile(KEY) is not None  # those that have begun are waited for
    finish(house)
    assert await controller.reconcile(KEY) is None
    stopped = read(house)
    assert (stopped["status"], len(stopped["results"]), len(stopped["waiting"])) == ("STOPPED", 50, 10)
    assert len(house.model.replications.items()) == 50


async def test_what_becomes_of_each_image_is_told(house: House) -> None:
    lost = house.push("lost")
    put(house, [("app", house.push("v1"), "v1"), ("app", lost, "lost")])
    house.images.remove("us-east-1", "app", lost)
    controller = BackfillController(house.model, house.cloud.parts.clock)
    await controller.reconcile(KEY)
    finish(house, "AccessDenied")
    await controller.reconcile(KEY)
    record = read(house)
    assert record["status"] == "COMPLETE"
    assert sorted(each["failureCode"] for each in record["results"]) == ["AccessDenied", "ImageNotFound"]
    assert record["ended"] is not None
    left = await controller.reconcile(KEY)
    assert left is not None  # it is kept for 90 days
    house.model.backfills.put(KEY, {**record, "ended": record["ended"] - timedelta(days=90)})
    assert await controller.reconcile(KEY) is None
    assert house.model.backfills.get(*KEY) is None
