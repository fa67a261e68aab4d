"""The commands, gathered."""

from __future__ import annotations

import typer

from tidegate.cli import (
    cost,
    doctor,
    down,
    eject,
    history,
    init,
    local,
    logs,
    pipeline,
    plan,
    push,
    rollback,
    run,
    scale,
    secrets,
    status,
    stop,
    up,
)
from tidegate.cli import exec as exec_
from tidegate.cli import open as open_
from tidegate.cli.trailing import WithCommand

app = typer.Typer(
    help="Every push on a chosen branch, built, tested and live on AWS Fargate; rehearsed on this machine first.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(init.init)
app.command()(plan.plan)
app.command()(up.up)
app.command()(push.push)
app.command()(status.status)
app.command()(logs.logs)
app.command("open")(open_.open_service)
app.command()(history.history)
app.command()(rollback.rollback)
app.command()(stop.stop)
app.command()(scale.scale)
app.command(cls=WithCommand)(run.run)
app.command("exec", cls=WithCommand)(exec_.execute)
app.command()(down.down)
app.command()(doctor.doctor)
app.command()(cost.cost)
app.command()(eject.eject)
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(secrets.app, name="secrets")
app.add_typer(local.app, name="local")
