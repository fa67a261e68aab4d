"""How many calls of AWS's APIs the commands make: for a first `up`, an `up` that changes nothing, a push and a look.

Counted by who signs them, on a local cloud of its own. The floor of each is what the job asks for at the least: one
call for each thing that has to be made or known, none for waiting.

    python -m benchmarks.calls
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.e2e.app import App

from benchmarks.report import show

_CALL = re.compile(r"tidegate\.access \S+ arn:aws:iam::\d{12}:user/administrator (\S+:\w+) ")
# looks at what is under way: how many depends on how long that takes
_WAITS = {
    "cloudformation:DescribeStackEvents",
    "codebuild:BatchGetBuilds",
    "codepipeline:ListActionExecutions",
    "codepipeline:GetPipelineExecution",
}
# Each of the four stacks: what stands, a change set, what it says, carried out or deleted, its outputs. Then who one
# is, what the pipeline deploys to, what runs (2), the image before and after its build and its address, the build found
# or begun (2), the pipeline's first execution.
_FLOORS = {"up, first": 28, "up, no change": 21, "plan": 21, "status": 6}


def calls(app: App, since: int) -> Counter[str]:
    """Return the administrator's calls that the daemon's log tells of from a position on."""
    text = (app.data_dir / "daemon.log").read_text()[since:]
    return Counter(match[1] for match in _CALL.finditer(text))


def main() -> None:
    """Count and print."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        app.start_cloud()
        try:
            for name, command in (
                ("up, first", ["up", "--yes"]),
                ("up, no change", ["up", "--yes"]),
                ("plan", ["plan"]),
                ("status", ["status"]),
            ):
                position = len((app.data_dir / "daemon.log").read_text())
                app.run(*command)
                made = calls(app, position)
                waits = sum(number for call, number in made.items() if call in _WAITS)
                floor, total = _FLOORS[name], made.total() - waits
                details = ", ".join(f"{call} {number}" for call, number in made.most_common())
                detail = f"{total} calls, floor {floor}, and {waits} looks at what was under way"
                show(f"calls of {name}", detail, total / floor, goal="at most 1.5", met=total <= 1.5 * floor)
                if "-v" in sys.argv:
                    print(f"    {details}")
        finally:
            app.remove_cloud()


if __name__ == "__main__":
    main()
