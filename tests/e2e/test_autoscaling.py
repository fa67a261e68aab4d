"""The tour's example of scaling: out under load, in again afterwards. It takes ten minutes, most of them waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_tour import asked, brought
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


def test_out_under_load_and_in_again(tmp_path: Path) -> None:
    with brought(tmp_path, "scaling") as app:
        app.run("up", "--yes")

        def running() -> int:
            return int(app.status()["services"][0]["running"])

        assert running() == 1
        with asked(app.url, every=0.07) as answers:  # about twelve a second: 720 a minute, 300 of them are one task's
            assert wait_for(running, lambda number: number > 1, 300) == 3
            wait_for(lambda: len(answers), lambda number: number == 3, 60)
        wait_for(running, lambda number: number == 1, 900)
        assert not any(answer[:3].isdigit() for answer in answers), answers
