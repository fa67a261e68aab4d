"""`tidegate plan`: what `up` would change, what a deployment will take, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, opened
from tidegate.cli.output import say, show_json

if TYPE_CHECKING:
    from tidegate.deploy.forecast import Forecast
    from tidegate.deploy.project import Project
    from tidegate.deploy.stacks import StackPlan
    from tidegate.deploy.up import Plans
    from tidegate.judge.changes import Detail, Shown
    from tidegate.judge.cost import Estimate
    from tidegate.judge.prediction import Prediction

_CHANGES = 2  # the exit code of a plan that is not empty
_SIGNS = {"Add": "+", "Modify": "~", "Replace": "±", "Remove": "-"}
_LOUD = "!"


def plan(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show what `up` would change, take and cost; change nothing. Exit 0: nothing to do, 2: changes.

    Example: tidegate plan --env production
    """
    from tidegate.deploy.up import Deployment

    with opened(folder, environment, region, profile, start=True) as project:
        deployment = Deployment(project)
        deployment.check()
        plans = deployment.plan()
        deployment.discard(plans)
        expected = expect(project, plans)
    if as_json:
        show_json(document(project, plans, expected))
    else:
        show(plans, expected)
    if not plans.empty:
        raise typer.Exit(_CHANGES)


def expect(project: Project, plans: Plans) -> Forecast:
    """Return what carrying plans out will take and cost."""
    from tidegate.deploy.forecast import forecast
    from tidegate.deploy.price_list import known

    return forecast(project, plans.all, known(os.environ, project.session.region))


def document(project: Project, plans: Plans, expected: Forecast) -> dict[str, Any]:
    """Return a plan for other programs."""
    return {
        "app": project.app,
        "environment": project.environment,
        "changes": not plans.empty,
        "stacks": [
            {"name": each.name, "exists": each.exists, "changes": [change.document() for change in changes(each)]}
            for each in plans.all
        ],
        "prediction": {name: each.document() for name, each in expected.predictions.items()},
        "cost": {
            "before": None if expected.before is None else expected.before.document(),
            "after": expected.after.document(),
        },
    }


def show(plans: Plans, expected: Forecast) -> None:
    """Print a plan for people: the changes, then what a push will take, then what it costs."""
    if plans.empty:
        say("Nothing to change.")
    else:
        for each in plans.all:
            for line in _stack(each):
                say(line)
        _warn(plans)
    say()
    for line in predicted(expected):
        say(line)
    say()
    for line in costs(expected.before, expected.after):
        say(line)


def changes(plan: StackPlan) -> list[Shown]:
    """Return the changes of a stack with what they mean."""
    import json

    from tidegate.judge.changes import shown

    after = json.loads(plan.body)["Resources"]
    before = plan.standing.body.get("Resources", {}) if plan.standing is not None else {}
    old = plan.standing.parameters if plan.standing is not None else {}
    parameters = {key: (old.get(key, ""), new) for key, new in plan.parameters.items() if old.get(key) != new}
    anew = [change.resource for change in plan.changes if change.action in ("Add", "Replace")]
    return [
        shown(
            change.action,
            change.resource,
            change.type,
            named=change.properties,
            forcing=change.forcing,
            before=before.get(change.resource, {}).get("Properties"),
            after=after.get(change.resource, {}).get("Properties"),
            parameters=parameters,
            anew=anew,
        )
        for change in plan.changes
    ]


def _stack(plan: StackPlan) -> Iterator[str]:
    if not plan.changes:
        yield f"{plan.name}: nothing to change"
        return
    yield f"{plan.name}:" + ("" if plan.exists else " new")
    for planned, change in zip(plan.changes, changes(plan), strict=True):
        kind = change.type.removeprefix("AWS::")
        word = " REPLACED" if change.loud and change.action == "Replace" else ""
        yield f"  {_LOUD if change.loud else _SIGNS[change.action]} {change.resource}  {kind}{word}"
        if planned.by_hand:
            yield "      somebody has changed it by hand since"
        for detail in change.details:
            yield f"      {_detail(detail)}"
        if change.why:
            yield f"      because {change.why}"
        if change.means:
            yield f"      → {change.means}"


def _detail(detail: Detail) -> str:
    forced = "  (forces the replacement)" if detail.replaces else ""
    if detail.before is None and detail.after is None:
        return f"{detail.path}{forced}"
    if detail.before is None:
        return f"{detail.path}: {detail.after}{'' if str(detail.after).startswith('that of') else ' (new)'}{forced}"
    if detail.after is None:
        return f"{detail.path}: {detail.before} (no more){forced}"
    return f"{detail.path}: {detail.before} → {detail.after}{forced}"


def _warn(plans: Plans) -> None:
    loud = [f"{each.name}/{change.resource}" for each in plans.all for change in changes(each) if change.loud]
    if loud:
        say()
        say(f"! Look twice: {', '.join(loud)} (marked !) interrupt or lose something.")


def predicted(expected: Forecast) -> Iterator[str]:
    """Yield what a push will take, in words."""
    name, slowest = expected.slowest
    if slowest.blocked:
        yield f"A deployment could never end: {slowest.advice}"
        return
    minutes = f"{slowest.total / 60:.1f} minutes"
    yield (
        f"Predicted from push to live on Fargate: {slowest.total:.0f} s ({minutes}), "
        f"the first answer after {slowest.first:.0f} s"
    )
    yield f"  {_phases(slowest)}"
    yield f"  {slowest.advice}"
    others = [f"{each} {found.total:.0f} s" for each, found in expected.predictions.items() if each != name]
    if others:
        yield f"  That is {name}; at the same time: {', '.join(others)}"


def _phases(prediction: Prediction) -> str:
    return ", ".join(f"{phase.name} {phase.seconds:.0f}" for phase in prediction.phases if phase.seconds >= 0.5)


def costs(before: Estimate | None, after: Estimate) -> Iterator[str]:
    """Yield what it costs, in words."""
    from tidegate.judge.cost import advice

    change = ""
    if before is not None and round(before.monthly, 2) != round(after.monthly, 2):
        change = f" (now {before.monthly:.2f} $, {after.monthly - before.monthly:+.2f} $)"
    yield f"Estimated cost on AWS: {after.monthly:.2f} $ a month{change}"
    if round(after.least, 2) != round(after.most, 2):
        yield f"  with autoscaling between {after.least:.2f} $ and {after.most:.2f} $"
    yield f"  {advice(after)}"
    yield f"  Prices of {after.prices.region}, {after.prices.date}; line by line, and what is assumed: tidegate cost"
