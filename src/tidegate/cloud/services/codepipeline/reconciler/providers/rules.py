"""Rules of stage conditions, one class each; that of CodeBuild is the action's.

https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta

from tidegate.cloud import schedule
from tidegate.cloud.documents import is_number
from tidegate.cloud.services.codepipeline.conditions import alarm_states, opens
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.model import BEFORE_ENTRY
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    ActionFailedError,
    ActionRun,
    Done,
    Later,
)


class VariableCheck:
    """Holds a variable against a value. A regular expression has to fit the whole of it, as Java's `matches` has it."""

    async def advance(self, run: ActionRun) -> Done:
        """Compare."""
        variable, value = run.configuration["Variable"], run.configuration["Value"]
        operator = run.configuration["Operator"]
        if not await self._holds(operator, variable, value):
            raise ActionFailedError(
                JOB_FAILED, f"The variable check failed: '{variable}' {operator} '{value}' is false"
            )
        return Done(summary=f"'{variable}' {operator} '{value}' is true")

    async def _holds(self, operator: str, variable: str, value: str) -> bool:
        match operator:
            case "EQ":
                return variable == value
            case "NE":
                return variable != value
            case "CONTAINS":
                return value in variable
            case "MATCHES":
                try:
                    return await asyncio.to_thread(re.fullmatch, value, variable) is not None
                except re.error as error:
                    raise ActionFailedError(
                        CONFIGURATION_ERROR, f"{value} is not a regular expression: {error}"
                    ) from error
        raise ActionFailedError(CONFIGURATION_ERROR, f"{operator} is not an operator of VariableCheck")


class DeploymentWindow:
    """Waits until the window is open; fails when its own time is over before that."""

    async def advance(self, run: ActionRun) -> Later | Done:
        """Look at the clock."""
        try:
            found = opens(run.configuration, run.now)
        except schedule.InvalidScheduleError as error:
            raise ActionFailedError(CONFIGURATION_ERROR, str(error)) from error
        cron = run.configuration["Cron"]
        if found is None:
            raise ActionFailedError(JOB_FAILED, f"The deployment window {cron} will not be open any more")
        if found == run.now:
            return Done(summary=f"The deployment window {cron} is open")
        if "opens" not in run.progress:
            run.keep(opens=found, summary=f"The deployment window {cron} opens at {found:%Y-%m-%dT%H:%M:%SZ}")
        return Later((found - run.now).total_seconds())


class CloudWatchAlarm:
    """Looks at an alarm. Before a stage it waits for the alarm to be over; after one, whether it goes off.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference-CloudWatchAlarm.html
    """

    async def advance(self, run: ActionRun) -> Later | Done:
        """Read the alarm's state, and tell whether there is time to wait for another."""
        session, name = await run.session(), run.configuration["AlarmName"]
        kinds = ["MetricAlarm", "CompositeAlarm"]
        answer = await session("cloudwatch", "describe_alarms", AlarmNames=[name], AlarmTypes=kinds)
        alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        if not alarms:
            raise ActionFailedError(CONFIGURATION_ERROR, f"The CloudWatch alarm {name} does not exist")
        state, minutes = alarms[0]["StateValue"], run.configuration.get("WaitTime", "0")
        if not is_number(minutes):
            raise ActionFailedError(CONFIGURATION_ERROR, f"WaitTime must be a number of minutes, not {minutes}")
        until = run.action["started"] + timedelta(minutes=int(minutes))
        entering = run.action.get("condition") == BEFORE_ENTRY
        if state in alarm_states(run.configuration):
            if not entering or run.now >= until:
                raise ActionFailedError(JOB_FAILED, f"The CloudWatch alarm {name} is in the state {state}")
        elif entering or run.now >= until:
            return Done(summary=f"The CloudWatch alarm {name} is in the state {state}")
        return self._wait(run, name, until)

    def _wait(self, run: ActionRun, name: str, until: datetime) -> Later:
        if "waits_for" not in run.progress:
            run.keep(
                waits_for=["cloudwatch.alarm", run.region, name],
                external_id=name,
                external_url=console(run.region, f"cloudwatch/home?region={run.region}#alarmsV2:alarm/{name}"),
            )
        return Later((until - run.now).total_seconds())
