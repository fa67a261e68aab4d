"""`tidegate pipeline`: what stands between a push and the services, and having it go, wait or try again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, opened
from tidegate.cli.output import say, show_json

if TYPE_CHECKING:
    from tidegate.deploy.pipeline import PipelineState, StageState

app = typer.Typer(
    help="The pipeline: status, start, approve, reject, retry, stop, disable, enable.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Stage = Annotated[
    str | None, typer.Option("--stage", help="The stage. Default: the one that is meant, if only one can be.")
]
Gate = Annotated[
    str | None, typer.Option("--stage", help="The stage. Default: the one that deploys to the environment.")
]
Message = Annotated[str, typer.Option("--message", "-m", help="What others are to read about it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")]
_SIGNS = {"Succeeded": "✓", "InProgress": "…", "": " ", "Stopping": "…"}


@app.command()
def status(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show the stages, what is in them and what waits for whom. Example: tidegate pipeline status --json"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        state = Pipeline(project).state()
    if as_json:
        show_json(state.document())
    else:
        _show(state)


@app.command()
def start(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    detach: Detach = False,
) -> None:
    """Run it with the newest commit of its branch and follow it to its end. Example: tidegate pipeline start"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        pipeline = Pipeline(project)
        execution = pipeline.start()
        if not detach:
            pipeline.follow(execution)
    say(f"Execution {execution[:8]} of the pipeline {'has begun' if detach else 'has succeeded'}.")


@app.command()
def approve(
    stage: Stage = None,
    message: Message = "",
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Let through what waits for an approval. Example: tidegate pipeline approve --message tried"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        say(f"Approved: {Pipeline(project).answer(stage, message, approved=True)}. To watch: tidegate pipeline status")


@app.command()
def reject(
    stage: Stage = None,
    message: Message = "",
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Refuse what waits for an approval: its execution fails. Example: tidegate pipeline reject -m slow"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        say(f"Rejected: {Pipeline(project).answer(stage, message, approved=False)}. Its execution has failed.")


@app.command()
def retry(
    stage: Stage = None,
    everything: Annotated[bool, typer.Option("--all", help="All actions of the stage, not only what failed.")] = False,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    detach: Detach = False,
) -> None:
    """Run what has failed again, in the same execution, and follow it. Example: tidegate pipeline retry"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        pipeline = Pipeline(project)
        where, execution = pipeline.retry(stage, everything=everything)
        if not detach:
            pipeline.follow(execution)
    say(f"{where} of execution {execution[:8]} {'runs again' if detach else 'has succeeded now'}.")


@app.command()
def stop(
    message: Message = "tidegate pipeline stop",
    abandon: Annotated[
        bool, typer.Option("--abandon", help="At once, leaving its running actions to themselves.")
    ] = False,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Stop what is under way, once its running actions have ended. Example: tidegate pipeline stop --abandon"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        stopped = Pipeline(project).stop(message, abandon=abandon)
    say(f"Stopping: execution {', '.join(each[:8] for each in stopped)}" if stopped else "Nothing is under way.")


@app.command()
def disable(
    stage: Gate = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for others to read.")] = "held by tidegate",
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Let nothing into a stage until it is enabled again. Example: tidegate pipeline disable --reason sale"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        held = Pipeline(project).hold(stage, reason)
    say(f"Nothing gets into the stage {held} now. To let it: tidegate pipeline enable --stage {held}")


@app.command()
def enable(
    stage: Gate = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Let into a stage again; what waits goes on. Example: tidegate pipeline enable --stage DeployProduction"""
    from tidegate.deploy.pipeline import Pipeline

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        say(f"The stage {Pipeline(project).release(stage)} is open again: what waited before it goes on.")


def _show(state: PipelineState) -> None:
    say(f"pipeline {state.name}")
    commits = {each.id: f"{each.commit} {each.message}".strip() for each in state.executions}
    for stage in state.stages:
        _show_stage(stage, commits)
    say("executions")
    for run in state.executions:
        sign = _SIGNS.get(run.status, "✗")
        say(f"  {sign} {run.id[:8]}  {run.started.astimezone():%Y-%m-%d %H:%M:%S}  {run.status:<10} {commits[run.id]}")


def _show_stage(stage: StageState, commits: dict[str, str]) -> None:
    what = commits.get(stage.execution, stage.execution[:8])
    say(f"  {_SIGNS.get(stage.status, '✗')} {stage.name:<16} {stage.status or '-':<11} {what}".rstrip())
    if not stage.enabled:
        by = f" by {stage.held_by.rpartition('/')[2]}" if stage.held_by else ""
        say(f"      held{by}: {stage.reason}")
    for each in stage.waiting:
        say(f"      waits before it: {commits.get(each, each[:8])}")
    for action in stage.actions:
        why = action.why or (action.summary if action.status == "InProgress" else "")
        say(f"      {action.name:<14} {action.status or '-'}{f': {why}' if why else ''}")
        if action.token:
            say("      it waits for somebody: tidegate pipeline approve, or tidegate pipeline reject")
