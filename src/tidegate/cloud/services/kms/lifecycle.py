"""Rotation, as the operations and the loop do it: new material for a key, in every Region that it is in."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidegate.cloud.services.kms.model import KeyRecord, KmsModel


def rotate(model: KmsModel, record: KeyRecord, now: datetime, kind: str) -> None:
    """Give a primary key and its replicas new material; `kind` is AUTOMATIC or ON_DEMAND."""
    number = record["material"] + 1
    with model.transaction():
        model.put_material(record["id"], number)
        for region, each in (model.siblings(record) or {record["primary"]: record}).items():
            each["material"] = number
            each["rotated"] = [*each["rotated"], (now, kind)]
            if "rotation" in each and kind == "AUTOMATIC":
                each["rotation"]["due"] = now + timedelta(days=each["rotation"]["days"])
            model.keys.put((region, each["id"]), each)
