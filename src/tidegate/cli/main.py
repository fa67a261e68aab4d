"""The program: gathers the commands, and turns errors into `what: why` and an exit code."""

from __future__ import annotations

import sys

import typer

from tidegate.cli import local
from tidegate.cli.output import report
from tidegate.deploy.errors import UserError

app = typer.Typer(
    help="Every push on a chosen branch, built, tested and live on AWS Fargate; rehearsed on this machine first.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(local.app, name="local")


def main() -> None:
    """Run the program."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except UserError as error:
        if debug:
            raise
        report(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
