"""The program: runs a command, and turns errors into `what: why` and an exit code.

It imports next to nothing until it can answer for Ctrl-C, so that no moment of a command shows a traceback.
"""

from __future__ import annotations

import sys

from tidegate.cli.output import report, stopped
from tidegate.deploy.errors import UserError

_INTERRUPTED = 130  # what typer ends with on Ctrl-C


def main() -> None:
    """Run the program."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        if sys.argv[1:2] == ["git-credential"]:  # what git starts and waits for goes without typer, too
            from tidegate.cli.git_credential import git_credential

            git_credential()
            return
        from tidegate.cli.commands import app

        app()
    except UserError as error:
        if debug:
            raise
        report(error)
        sys.exit(1)
    except KeyboardInterrupt:
        report(stopped())
        sys.exit(1)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        report(stopped())
        sys.exit(1)
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
