"""Commands that end in `-- CMD…`: what stands after the two dashes belongs to somebody else, options included."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

_KEY = "tidegate.trailing"


class WithCommand(TyperCommand):
    """A command that takes what follows `--` for a command line of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the two dashes."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[_KEY] = args[place + 1 :]
        return super().parse_args(ctx, args[:place])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Show the command in the usage line."""
        return [*super().collect_usage_pieces(ctx), "-- CMD..."]


def trailing(context: typer.Context) -> list[str]:
    """Return the words after the two dashes."""
    words: list[str] = context.meta[_KEY]
    return words
