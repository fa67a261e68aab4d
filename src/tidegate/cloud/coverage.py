"""What a service of the local cloud leaves out, and why; what it records and does no more with.

The `coverage.py` of a service says it. The refusal of an operation names the reason; `docs/coverage.md` is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Operations that are not offered, named as in the service's model, separated by spaces.

    `why` ends the sentence "tidegate local does not offer ecs:CreateDaemon: ...". `concerns` is whether they belong to
    the job (containers on Fargate, delivered by a pipeline) all the same: such are counted as missing.
    """

    why: str
    operations: str
    concerns: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far a service goes.

    `recorded` maps operations, named and separated in the same way, to what nothing here does with what they are told;
    all others are real. `without_effect` maps parameters (members of shapes in the model, separated by spaces) that are
    checked, kept and described to why nothing comes of them. `whole` is whether each operation of the model is built or
    listed as left out.
    """

    left_out: tuple[LeftOut, ...] = ()
    recorded: Mapping[str, str] = field(default_factory=dict)
    without_effect: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False

    def leaves_out(self, operation: str) -> LeftOut | None:
        """Return where an operation is listed as left out; its name is the model's, or in snake case."""
        return next((each for each in self.left_out if _among(operation, each.operations)), None)

    def why(self, operation: str) -> str | None:
        """Return why an operation is left out; None where nothing is said of it."""
        found = self.leaves_out(operation)
        return None if found is None else found.why

    def only_recorded(self, operation: str) -> str | None:
        """Return what nothing is done with; None for what is real."""
        return next((what for names, what in self.recorded.items() if _among(operation, names)), None)


NOTHING_SAID = Coverage()


def _among(operation: str, operations: str) -> bool:
    return operation.replace("_", "").lower() in operations.lower().split()
