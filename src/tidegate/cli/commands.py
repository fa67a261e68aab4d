"""The commands, gathered."""

from __future__ import annotations

import typer

from tidegate.cli import down, init, local, logs, push, status, up

app = typer.Typer(
    help="Every push on a chosen branch, built, tested and live on AWS Fargate; rehearsed on this machine first.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(init.init)
app.command()(up.plan)
app.command()(up.up)
app.command()(push.push)
app.command()(status.status)
app.command()(logs.logs)
app.command()(down.down)
app.add_typer(local.app, name="local")
