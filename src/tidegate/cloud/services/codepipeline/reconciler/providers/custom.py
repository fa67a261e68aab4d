"""A custom action: a job waits for a worker, who ends the action through the API.

https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-create-custom-action.html
"""

from __future__ import annotations

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.codepipeline.custom import QUEUED, JobRecord
from tidegate.cloud.services.codepipeline.model import CodePipelineModel
from tidegate.cloud.services.codepipeline.reconciler.run import ActionRun, Later

_DAY = 86_400.0  # seconds; the action's own time comes first


class CustomAction:
    """Puts a job where workers look for it, once."""

    def __init__(self, model: CodePipelineModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    async def advance(self, run: ActionRun) -> Later:
        """Make the job; then wait."""
        if "job" not in run.progress:
            job: JobRecord = {
                "id": self._clock.new_id(),
                "status": QUEUED,
                "execution": [run.pipeline, run.execution_id, run.id],
            }
            with self._model.store.transaction():
                self._model.custom.jobs.put((run.region, job["id"]), job)
                run.keep(job=job["id"])
        return Later(_DAY)
