"""What the local cloud offers of each service, and which test uses it: the text of docs/coverage.md.

A test uses an operation where it calls it on a client of boto3 (`ecs.run_task(...)`), pages through it, waits with a
waiter that asks it, runs it by the AWS CLI (`"ecs", "run-task"`), or names it to what calls it (`call("ecs",
"run_task")`).
"""

from __future__ import annotations

import ast
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from botocore import xform_name

from tidegate.cloud.coverage import Coverage
from tidegate.cloud.daemon import Cloud, Settings

TESTS = Path(__file__).parent
# services by the words that their clients go by in tests, where these are not their names
_WORDS = {
    "application-autoscaling": ("autoscaling", "scaling"),
    "codestar-connections": ("connections",),
    "codeconnections": ("connections",),
    "cloudformation": ("stacks", "cfn"),
    "cloudwatch": ("watch", "alarms"),
    "elbv2": ("elb", "balancers"),
    "secretsmanager": ("secrets",),
    "ec2": ("network", "vpc"),
    "acm": ("certificates",),
}
# what is given the name of an operation to call
_CALLERS = ("call", "one", "get_paginator", "generate_presigned_url")
_HEAD = """# Coverage

What the local cloud offers of each service, made from the code: an operation, whether it is *real* (what it says is so:
a task that runs is a container) or *recorded* (kept and described, nothing acts on it), and a test that uses it. What
is not offered answers 501 and says why.
"""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what its model knows, what is built, and what is said of the rest."""

    name: str
    known: dict[str, str]  # names in snake case to the model's
    built: list[str]
    coverage: Coverage

    @property
    def missing(self) -> list[str]:
        """The operations that belong to the job and are not built."""
        left_out = [each for each in self.known if (found := self.coverage.leaves_out(each)) and found.concerns]
        return sorted(set(left_out) - set(self.built))


@cache
def services() -> list[Service]:
    """Return the services of the local cloud."""
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Settings(Path(folder)))
        try:
            return [
                Service(
                    name,
                    {xform_name(each): each for each in cloud.models.service(name).operation_names},
                    built,
                    cloud.dispatcher.coverage[name],
                )
                for name, built in cloud.dispatcher.operations().items()
            ]
        finally:
            cloud.close()


def text() -> str:
    """Return docs/coverage.md."""
    return "\n".join([_HEAD, *_summary(), *(line for each in services() for line in _table(each))])


def untested() -> list[str]:
    """Return the built operations that no test uses."""
    return [f"{each.name} {name}" for each in services() for name in each.built if not uses()[each.name, name]]


@cache
def uses() -> dict[tuple[str, str], list[str]]:
    """Return the files under tests/ that use each operation."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    offering = defaultdict(list)
    for service in services():
        for name in service.built:
            offering[name].append(service.name)
    for path in sorted(TESTS.rglob("*.py"), key=lambda path: (not path.name.startswith("test_"), path)):
        source = path.read_text()
        for name, receiver in _calls(ast.parse(source)):
            for service_name in offering.get(name, ()):
                alone = len(offering[name]) == 1
                if alone or _speaks_of(service_name, receiver) or _speaks_of(service_name, path.stem):
                    found[service_name, name].append(str(path.relative_to(TESTS)))
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names of what is called, and what they are called on; with the AWS CLI, its service."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            words = [word for each in words for word in each.split()]
            for before, word in zip(["", *words], words, strict=False):
                if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", word):
                    yield word.replace("-", "_"), before
                elif _name(node.func) in _CALLERS:
                    yield word, f"{before} {ast.unparse(node.func)}"
            if isinstance(node.func, ast.Attribute):
                yield node.func.attr, ast.unparse(node.func.value)
        elif isinstance(node, ast.Attribute):
            yield node.attr, ast.unparse(node.value)  # `partial(ecs.run_task, ...)`


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _speaks_of(service: str, text: str) -> bool:
    return any(word in text.lower() for word in (service.replace("-", ""), service, *_WORDS.get(service, ())))


def _summary() -> Iterator[str]:
    yield "| service | operations | built | of the job, not built | share of the job | recorded only |"
    yield "|---|---|---|---|---|---|"
    for each in services():
        recorded = sum(1 for name in each.built if each.coverage.only_recorded(name))
        missing = len(each.missing)
        share = f"{len(each.built) / (len(each.built) + missing):.0%}" if each.coverage.whole else ""
        yield (
            f"| [{each.name}](#{each.name}) | {len(each.known)} | {len(each.built)} | "
            f"{missing if each.coverage.whole else ''} | {share} | {recorded or ''} |"
        )
    yield ""


def _table(service: Service) -> Iterator[str]:
    yield from (f"## {service.name}", "", "| operation | | test |", "|---|---|---|")
    for name, operation in sorted(service.known.items(), key=lambda item: item[1]):
        if name in service.built:
            what = service.coverage.only_recorded(name)
            kind = "real" if what is None else f"recorded: {what}"
            tests = uses()[service.name, name]
            yield f"| {operation} | {kind} | {_link(tests[0]) if tests else ''} |"
    yield ""
    for left_out in service.coverage.left_out:
        names = [each for each in left_out.operations.split() if xform_name(each) not in service.built]
        if names:
            job = "Of the job, not offered" if left_out.concerns else "Not offered"
            yield f"{job} ({left_out.why}): {', '.join(names)}."
            yield ""
    for parameters, why in service.coverage.without_effect.items():
        yield f"Kept, without effect ({why}): {', '.join(f'`{name}`' for name in parameters.split())}."
        yield ""
    if not service.coverage.whole:
        yield f"Not offered: the other {len(service.known) - len(service.built)} operations of the model."
        yield ""


def _link(path: str) -> str:
    return f"`{quote(path)}`"
