"""Lifecycle hooks that pause a deployment until somebody has it go on, or go back. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html. A hook at a stage keeps a
deployment from leaving it; one at PRE_PRODUCTION_TRAFFIC_SHIFT from each step of the shift. All hooks of a stage pause
at once, and all must be continued. While a deployment is paused its service is looked after as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.cloud.services.ecs.plan.rolling import rolling
from tidegate.cloud.services.ecs.plan.shared import earliest, taken_back
from tidegate.cloud.services.ecs.plan.shifting import shifting
from tidegate.cloud.services.ecs.plan.values import (
    Answer,
    Begin,
    Cause,
    Plan,
    Point,
    Rollout,
    Service,
    Shift,
    Stage,
)

PRE_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
ROLLING_STAGES = (Stage.RECONCILE_SERVICE.value, Stage.PRE_SCALE_UP.value, Stage.POST_SCALE_UP.value)
STAGES = (*ROLLING_STAGES, Stage.POST_TEST_TRAFFIC_SHIFT.value, PRE_SHIFT, Stage.POST_PRODUCTION_TRAFFIC_SHIFT.value)


def shifting_by_stages(service: Service, shift: Shift, now: datetime) -> Plan:
    """Decide the next step of a service whose requests are shifted, with hooks that may hold it."""
    decided = shifting(service, shift, now)
    if not service.hooks or decided.failed or (decided.stage is None and decided.step is None):
        return decided
    points = [Point(shift.stage.value)] if decided.stage is not None else []
    if decided.stage is Stage.PRODUCTION_TRAFFIC_SHIFT:
        points.append(Point(PRE_SHIFT))
    if decided.step is not None:
        points.append(Point(PRE_SHIFT, decided.step))
    held = _held(service, points, now)
    if held.roll_back:
        return _given_up(held, shift.source)
    if held.at is None:
        return replace(decided, timed_out=held.timed_out)
    return replace(
        decided,
        stage=None,
        step=None,
        begin=held.begin,
        timed_out=held.timed_out,
        again=earliest(decided.again, held.again),
    )


def rolling_by_stages(service: Service, now: datetime) -> Plan:
    """Decide the next step of a service whose tasks are replaced a few at a time, with hooks that may hold it.

    Its stages are PRE_SCALE_UP (RECONCILE_SERVICE before it where several revisions run), before which no task is
    replaced, and POST_SCALE_UP, when all of them were.
    """
    decided = rolling(service, now)
    if not service.hooks or decided.failed or service.primary.rollout is not Rollout.IN_PROGRESS:
        return decided
    several = len(service.deployments) > 2
    before = [Point(Stage.RECONCILE_SERVICE.value)] if several else []
    held = _held(service, [*before, Point(Stage.PRE_SCALE_UP.value)], now)
    stage, paused = Stage.SCALE_UP, Plan()
    if held.at is not None:
        stage, paused = Stage(held.at.stage), _as_it_was(service, now)
    elif decided.arrived and not held.roll_back:
        stage, paused = Stage.POST_SCALE_UP, replace(decided, arrived=False, completed=False, retired=(), steady=False)
        after = _held(service, [Point(Stage.POST_SCALE_UP.value)], now)
        held = replace(after, timed_out=(*held.timed_out, *after.timed_out))
    if held.roll_back:
        target = service.last_completed
        return _given_up(held, target if target != service.primary.id else None)
    if held.at is None:
        return replace(decided, stage=stage, timed_out=held.timed_out)
    again = earliest(paused.again if stage is not Stage.POST_SCALE_UP else None, held.again)
    return replace(paused, stage=stage, begin=held.begin, timed_out=held.timed_out, again=again)


@dataclass(frozen=True, slots=True)
class _Held:
    """What keeps a deployment from going on. `at` is where it waits; None: nowhere."""

    at: Point | None = None
    begin: tuple[Begin, ...] = ()
    timed_out: tuple[str, ...] = ()
    roll_back: bool = False
    again: datetime | None = None


def _held(service: Service, points: Sequence[Point], now: datetime) -> _Held:
    """Return where a deployment that would pass these points, one after the other, has to wait."""
    timed_out: list[str] = []
    for point in points:
        known = {pause.hook: pause for pause in service.pauses if pause.at == point}
        overdue = [each for each in known.values() if each.answer is Answer.AWAITED and now >= each.expires]
        timed_out += [each.id for each in overdue]
        refused = any(each.answer is Answer.ROLL_BACK for each in known.values())
        if refused or any(service.hooks[each.hook].roll_back for each in overdue):
            return _Held(point, timed_out=tuple(timed_out), roll_back=True)
        begin = [
            Begin(number, point)
            for number, hook in enumerate(service.hooks)
            if point.stage in hook.stages and number not in known
        ]
        waiting = [each for each in known.values() if each.answer is Answer.AWAITED and each not in overdue]
        if begin or waiting:
            ends = [*(each.expires for each in waiting), *(now + service.hooks[each.hook].patience for each in begin)]
            return _Held(point, tuple(begin), tuple(timed_out), again=min(ends))
    return _Held(timed_out=tuple(timed_out))


def _given_up(held: _Held, target: str | None) -> Plan:
    return replace(taken_back(Cause.HOOK, target, rollback=True), timed_out=held.timed_out, stage=None)


def _as_it_was(service: Service, now: datetime) -> Plan:
    """Look after the deployment that serves while the new one may not begin."""
    source = next((each for each in service.deployments if each.id == service.last_completed), None)
    if source is None or source.primary:
        return Plan()
    alone = replace(
        service,
        deployments=(replace(source, primary=True, rollout=Rollout.COMPLETED),),
        tasks=tuple(task for task in service.tasks if task.deployment == source.id),
        requested=None,
    )
    kept = rolling(alone, now)
    return Plan(restart=kept.start, stop=kept.stop, again=kept.again)
