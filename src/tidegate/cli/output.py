"""What every command prints alike: errors, notes, JSON."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

from tidegate.deploy.errors import UserError


def say(text: str = "") -> None:
    """Print a line for the user, whole: two threads may have something to say at the same moment."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a line beside the output proper (standard error)."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def show_json(document: Any) -> None:
    """Print a document for other programs."""
    say(json.dumps(document, indent=2, default=str))


def report(error: UserError) -> None:
    """Print an error."""
    note(told(error).rstrip("\n"))


def told(error: UserError) -> str:
    """Return an error as it is printed: `what: why`, then the next command."""
    next_step = f"  next: {error.next_step}\n" if error.next_step else ""
    return f"error: {error.what}: {error.why}\n{next_step}"


def stopped() -> UserError:
    """Return what is said after Ctrl-C: nothing is lost, and what to type to go on."""
    command = shlex.join(["tidegate", *sys.argv[1:]])
    return UserError("stopped", "what had begun goes on by itself or waits", command)
