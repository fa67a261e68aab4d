"""A deleted secret goes when its window is over, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidegate.cloud.clock import Clock
from tidegate.cloud.encryption import DataKey
from tidegate.cloud.services.secretsmanager.model import SecretRecord, SecretsModel, Value
from tidegate.cloud.services.secretsmanager.reconciler import Deletion
from tidegate.cloud.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ("us-east-1", "s")


class SetClock(Clock):
    time = NOW

    def now(self) -> datetime:
        return self.time


async def test_it_goes_after_the_window(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.db"), SetClock()
    model = SecretsModel(store, "000000000000", DataKey(tmp_path / "key"))
    record: SecretRecord = {
        "name": "s",
        "arn": model.arn("us-east-1", "s", "abcdef"),
        "created": NOW,
        "changed": NOW,
        "tags": [],
        "versions": {"v": {"stages": ["AWSCURRENT"], "created": NOW}},
    }
    model.put_value("us-east-1", record, "v", Value("SecretString", b"x"))
    model.put("us-east-1", record)
    deletion = Deletion(model, clock)
    assert (model.doomed(), await deletion.reconcile(KEY)) == ([], None)
    record["deletion"] = NOW + timedelta(days=7)
    model.put("us-east-1", record)
    assert (model.doomed(), await deletion.reconcile(KEY)) == ([KEY], 7 * 86_400)
    clock.time = NOW + timedelta(days=7) - timedelta(seconds=1)
    assert await deletion.reconcile(KEY) == 1.0
    assert model.value("us-east-1", record, "v").content == b"x"
    clock.time = NOW + timedelta(days=7)
    assert await deletion.reconcile(KEY) is None
    assert model.secrets.get(*KEY) is None
    assert store.items("secretsmanager.value") == []
    store.close()
