"""The program: runs a command, and turns errors into `what: why` and an exit code.

It imports next to nothing until it can answer for Ctrl-C, so that no moment of a command shows a traceback.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from tidegate.cli.output import report, stopped, told
from tidegate.deploy.errors import UserError

_INTERRUPTED = 130  # what typer ends with on Ctrl-C


def main() -> None:
    """Run the program."""
    signal.signal(signal.SIGINT, _interrupt)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some takes longer than all else it does
    gc.set_threshold(50_000)  # most of what a command makes is modules, which stay
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
        _fail(error)
    except KeyboardInterrupt:
        _fail(stopped())
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _fail(stopped())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is done
        raise
    except Exception as error:
        if debug:
            raise
        _fail(_unexpected(error))


def _fail(error: UserError) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left that Ctrl-C could stop
    report(error)
    sys.exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _leave)
    raise KeyboardInterrupt


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: who presses Ctrl-C again does not want to wait until threads have got their answers."""
    os.write(sys.stderr.fileno(), told(stopped()).encode())
    os._exit(1)


def _unexpected(error: Exception) -> UserError:
    """Turn what nobody foresaw into a sentence; what AWS refuses says so itself."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        operation = getattr(error, "operation_name", "AWS")
        return UserError(operation, response["Error"].get("Message", str(error)), "the same command with --debug")
    return UserError(type(error).__name__, str(error), "the same command with --debug shows where")
