"""Approval, manual: waits for PutApprovalResult.

https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals.html
"""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.run import ActionRun, Later

_DAY = 86_400.0  # seconds; the action's own time comes first, or it is looked at once a day


class ManualApproval:
    """Asks for an approval; whoever gives it ends the action, or its time does."""

    async def advance(self, run: ActionRun) -> Later:
        """Tell the topic that is to be told, once; then wait."""
        topic = run.configuration.get("NotificationArn")
        if topic is not None and "told" not in run.progress:
            session = await run.session()
            try:
                await session(
                    "sns",
                    "publish",
                    TopicArn=topic,
                    Subject=f"APPROVAL NEEDED: AWS CodePipeline {run.pipeline} for action {run.action['name']}"[:100],
                    Message=json.dumps(_message(run)),
                )
            except ServiceError as error:
                if error.code != "NotImplemented":
                    raise
                run.keep(told=False, summary=f"Nobody was notified: {error.message}")
            else:
                run.keep(told=True)
        return Later(_DAY)


def _message(run: ActionRun) -> dict[str, Any]:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals-json-format.html"""
    action, link = run.action, console(run.region, f"codesuite/codepipeline/pipelines/{run.pipeline}/view")
    approval = {
        "pipelineName": run.pipeline,
        "stageName": action["stage"],
        "actionName": action["name"],
        "token": action["progress"]["token"],
        "expires": f"{action['deadline']:%Y-%m-%dT%H:%MZ}",
        "externalEntityLink": run.configuration.get("ExternalEntityLink"),
        "approvalReviewLink": f"{link}#/{action['stage']}/{action['name']}/approve/{action['progress']['token']}",
        "customData": run.configuration.get("CustomData"),
    }
    return {
        "region": run.region,
        "consoleLink": link,
        "approval": {name: value for name, value in approval.items() if value is not None},
    }
