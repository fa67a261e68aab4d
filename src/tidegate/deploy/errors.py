"""How a deployment fails for its user: what, why, and the next command to type."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend.

    `what` names the thing, `why` the reason, `next_step` the next command or edit. The command line prints
    `what: why` and then the next step, and exits with 1.
    """

    def __init__(self, what: str, why: str, next_step: str = "") -> None:
        super().__init__(f"{what}: {why}")
        self.what = what
        self.why = why
        self.next_step = next_step
