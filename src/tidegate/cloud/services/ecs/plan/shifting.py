"""Blue/green, linear and canary deployments: all the new tasks beside the old ones, then the requests shift. Pure.

The stages are AWS's:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html

The old tasks are kept whole until the end, so that a rollback is nothing but the requests going back. Requests are
never sent to tasks none of which is healthy while others are: should all new ones be lost in the middle, the old ones
get everything, and the other way round once the new ones are complete. A first deployment has nobody to be compared
with, so it neither steps nor bakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.cloud.services.ecs.plan.shared import by_worth, count, due, earliest, ended, taken_back
from tidegate.cloud.services.ecs.plan.values import (
    Cause,
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Shift,
    Stage,
    Step,
    Stop,
    Why,
)

SETTLE = timedelta(seconds=1)  # that long the load balancer may take until nothing goes where nothing is sent any more
_LONGEST_STAGE = timedelta(hours=24)
_ALL, _NOTHING = 100.0, 0.0
# stages that nothing is waited for in
_PASSED = {
    Stage.PRE_SCALE_UP: Stage.SCALE_UP,
    Stage.POST_SCALE_UP: Stage.TEST_TRAFFIC_SHIFT,
    Stage.POST_TEST_TRAFFIC_SHIFT: Stage.PRODUCTION_TRAFFIC_SHIFT,
    Stage.POST_PRODUCTION_TRAFFIC_SHIFT: Stage.BAKE_TIME,
}
_ORDER = {stage: number for number, stage in enumerate(Stage)}


def shifting(service: Service, shift: Shift, now: datetime) -> Plan:
    """Decide the next step of a service whose requests are shifted."""
    over = ended(service, None if shift.rolling_back else shift.source)
    if over is None and shift.stage is Stage.SCALE_UP and now >= shift.since + _LONGEST_STAGE:
        over = taken_back(Cause.TIME, None if shift.rolling_back else shift.source, rollback=True)
    if over is not None and service.primary.rollout is Rollout.IN_PROGRESS:
        return over
    look = _Look(service, shift, now)
    if service.primary.rollout is Rollout.FAILED:
        return look.at_rest()
    return look.back() if shift.rolling_back else look.forward()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is to be done so that one deployment has as many tasks as are desired."""

    start: int
    stop: tuple[Stop, ...]
    again: datetime | None


class _Look:
    """One look at a shift: the new tasks (`own`), the old ones (`old`), and those of neither."""

    def __init__(self, service: Service, shift: Shift, now: datetime) -> None:
        self._service = service
        self._now = now
        alone = shift.source is None
        self._shift = replace(shift, steps=(Step(_ALL),), bake=timedelta(0), step=0) if alone else shift
        primary = service.primary.id
        self._own = [task for task in service.tasks if task.deployment == primary]
        self._old = [task for task in service.tasks if task.deployment == shift.source]
        self._others = [task for task in service.tasks if task.deployment not in (primary, shift.source)]
        self._healthy = count(self._own, Condition.HEALTHY)
        self._healthy_old = count(self._old, Condition.HEALTHY)

    def forward(self) -> Plan:
        """Decide on the way to the primary deployment."""
        shift, stage = self._shift, self._shift.stage
        if stage is Stage.RECONCILE_SERVICE:
            return self._reconcile()
        nothing = _Kept(0, (), None)
        target = self._kept(self._service.primary) if _ORDER[stage] >= _ORDER[Stage.SCALE_UP] else nothing
        source = self._kept_source()
        test = _ALL if _ORDER[stage] >= _ORDER[Stage.TEST_TRAFFIC_SHIFT] else None
        production = self._asked()
        moved = self._at(shift.production, production)
        then, step, again = self._next(moved, test)
        stops = (*target.stop, *source.stop)
        clean = stage is Stage.CLEAN_UP
        if clean:
            settled = self._steady_since() + SETTLE
            again = None if self._now >= settled else settled
            leave = moved and production == _ALL and self._now >= settled
            source = nothing
            stops = (*target.stop, *(self._leaving() if leave else ()))
        left = len(self._old) + len(self._others) + self._ending()
        whole = len(self._own) == self._service.desired == self._healthy
        completed = clean and not left and whole and not stops
        return Plan(
            start=target.start,
            restart=source.start,
            stop=stops,
            arrived=completed,
            completed=completed,
            retired=self._gone() if clean else (),
            steady=completed,
            again=earliest(again, target.again, source.again),
            stage=then,
            step=step,
            moved=moved,
            production=production,
            test=test,
        )

    def back(self) -> Plan:
        """Decide on the way back: the requests first, at once; then the tasks that they were taken from."""
        shift, desired = self._shift, self._service.desired
        target = self._kept(self._service.primary)
        rest = [*self._old, *self._others]
        enough = self._healthy >= min(max(1, self._service.minimum), desired)
        forced = self._healthy > 0 and not count(rest, Condition.HEALTHY)
        asked = _ALL if enough or forced else None
        moved = asked == _ALL and self._at(shift.production, _ALL) and self._at(shift.test, _ALL)
        stops, again, then = target.stop, target.again, None
        if moved and shift.stage is not Stage.CLEAN_UP:
            then = Stage.CLEAN_UP
        elif moved:
            settled = self._steady_since() + SETTLE
            if self._now >= settled:
                stops = (*stops, *(Stop(task.id, Why.FAILED) for task in rest if not task.protected))
            else:
                again = earliest(again, settled)
        left = len(rest) + self._ending()
        whole = len(self._own) == desired == self._healthy
        completed = moved and not left and whole and not stops
        return Plan(
            start=target.start,
            stop=stops,
            arrived=completed,
            completed=completed,
            retired=self._gone() if moved else (),
            steady=completed,
            again=again,
            stage=then,
            moved=moved,
            production=asked,
            test=asked,
        )

    def at_rest(self) -> Plan:
        """Decide for a deployment that was ended where it was: what serves goes on serving."""
        source = self._kept_source()
        useless = tuple(Stop(task.id, Why.FAILED) for task in self._own if task.condition is not Condition.HEALTHY)
        asked = None
        if self._healthy_old and not self._healthy:
            asked = _NOTHING
        elif self._healthy and not self._healthy_old:
            asked = _ALL
        return Plan(
            restart=source.start, stop=(*useless, *source.stop), again=source.again, production=asked, test=asked
        )

    def _reconcile(self) -> Plan:
        """Have one deployment serve alone: what another one has begun is taken back before the next begins."""
        source = self._kept_source()
        served = self._healthy_old > 0 or self._service.desired == 0
        asked = _NOTHING if self._shift.source is not None and self._others and served else None
        free = self._shift.source is None or (asked is not None and self._at(self._shift.production, _NOTHING))
        others = tuple(Stop(task.id, Why.REPLACED) for task in self._others if free and not task.protected)
        ending = sum(each.ending for each in self._rest())
        clear = not self._others and not ending
        return Plan(
            restart=source.start,
            stop=(*source.stop, *others),
            retired=self._gone(),
            again=source.again,
            stage=Stage.PRE_SCALE_UP if clear else None,
            production=asked,
            test=asked,
        )

    def _next(self, moved: bool, test: float | None) -> tuple[Stage | None, int | None, datetime | None]:
        """Return the next stage, or the next step of the shift, or when to look again."""
        shift = self._shift
        if shift.stage in _PASSED:
            return _PASSED[shift.stage], None, None
        if shift.stage is Stage.SCALE_UP:
            return (Stage.POST_SCALE_UP if self._healthy >= self._service.desired else None), None, None
        if shift.stage is Stage.TEST_TRAFFIC_SHIFT:
            return (Stage.POST_TEST_TRAFFIC_SHIFT if self._at(shift.test, test) else None), None, None
        if shift.stage is Stage.PRODUCTION_TRAFFIC_SHIFT:
            return self._next_step(moved)
        if shift.stage is Stage.BAKE_TIME:
            baked = shift.since + shift.bake
            return (Stage.CLEAN_UP, None, None) if self._now >= baked else (None, None, baked)
        return None, None, None

    def _next_step(self, moved: bool) -> tuple[Stage | None, int | None, datetime | None]:
        shift = self._shift
        step = shift.steps[shift.step]
        if not moved or self._asked() != step.percent:
            return None, None, None
        baked = self._steady_since() + step.bake
        if self._now < baked:
            return None, None, baked
        if shift.step + 1 < len(shift.steps):
            return None, shift.step + 1, None
        return Stage.POST_PRODUCTION_TRAFFIC_SHIFT, None, None

    def _steady_since(self) -> datetime:
        """Return since when the requests go where this stage, or step, wants them."""
        return max(self._shift.since, self._shift.moved_at or self._now)

    def _asked(self) -> float | None:
        """Return which percentage of the requests the new tasks are to get."""
        stage, alone = self._shift.stage, self._shift.source is None
        ready = _ORDER[stage] >= _ORDER[Stage.POST_SCALE_UP]
        if alone and not ready:
            return None  # whatever the rule says: there is nobody else to send requests to
        if self._healthy_old and not self._healthy:
            return _NOTHING
        if ready and self._healthy and not self._healthy_old:
            return _ALL
        if _ORDER[stage] < _ORDER[Stage.PRODUCTION_TRAFFIC_SHIFT]:
            return _NOTHING
        return self._shift.steps[self._shift.step].percent if stage is Stage.PRODUCTION_TRAFFIC_SHIFT else _ALL

    def _kept_source(self) -> _Kept:
        found = next((each for each in self._service.deployments if each.id == self._shift.source), None)
        return _Kept(0, (), None) if found is None else self._kept(found)

    def _kept(self, deployment: Deployment) -> _Kept:
        """Return how a deployment comes to have as many tasks as are desired, or stays so."""
        tasks = self._own if deployment.primary else self._old
        desired, coming = self._service.desired, deployment.primary and deployment.rollout is Rollout.IN_PROGRESS
        unhealthy = [task for task in tasks if task.condition is Condition.UNHEALTHY]
        # a new version that does not become healthy is no use; of one that has served the replacement comes first
        most = len(unhealthy) if coming else count(tasks, Condition.HEALTHY) + len(unhealthy) - desired
        stops = [Stop(task.id, Why.UNHEALTHY) for task in unhealthy[: max(0, most)]]
        gone = {stop.task for stop in stops}
        left = [task for task in sorted(tasks, key=by_worth) if task.id not in gone]
        free = [task for task in left if not task.protected]
        spare = max(0, len(left) - (len(unhealthy) - len(stops)) - desired)
        stops += [Stop(task.id, Why.SCALED_IN) for task in free if task.condition is not Condition.UNHEALTHY][:spare]
        wanted = desired - (len(tasks) - len(unhealthy))
        if wanted <= 0:
            return _Kept(0, tuple(stops), None)
        later = due(deployment, self._now)
        return _Kept(wanted if later is None else 0, tuple(stops), later)

    def _leaving(self) -> Sequence[Stop]:
        return [Stop(task.id, Why.REPLACED) for task in (*self._old, *self._others) if not task.protected]

    def _rest(self) -> list[Deployment]:
        known = (self._service.primary.id, self._shift.source)
        return [each for each in self._service.deployments if each.id not in known]

    def _ending(self) -> int:
        return sum(each.ending for each in self._service.deployments if not each.primary)

    def _gone(self) -> tuple[str, ...]:
        """Return the deployments of which nothing is left; the source only once it has been left."""
        live = {task.deployment for task in self._service.tasks}
        kept = self._shift.source if self._shift.stage is not Stage.CLEAN_UP else None
        return tuple(
            each.id
            for each in self._service.deployments
            if not each.primary and each.id not in live and not each.ending and each.id != kept
        )

    @staticmethod
    def _at(actual: Sequence[float], asked: float | None) -> bool:
        return asked is not None and all(each == asked for each in actual)
