"""The program: gathers the commands, and turns errors into `what: why` and an exit code."""

from __future__ import annotations

import sys

import typer

from tidegate.cli import down, git_credential, init, local, logs, push, status, up
from tidegate.cli.output import report
from tidegate.deploy.errors import UserError

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
app.command("git-credential", hidden=True)(git_credential.git_credential)


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
    except Exception as error:
        if debug:
            raise
        report(_unexpected(error))
        sys.exit(1)


def _unexpected(error: Exception) -> UserError:
    """Turn what nobody foresaw into a sentence; what AWS refuses says so itself."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        operation = getattr(error, "operation_name", "AWS")
        return UserError(operation, response["Error"].get("Message", str(error)), "the same command with --debug")
    return UserError(type(error).__name__, str(error), "the same command with --debug shows where")
