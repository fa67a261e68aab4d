"""README and guide say what the program does: commands, options, manifests, error messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tidegate.cli.commands import app
from tidegate.cloud.daemon import Cloud, Settings
from tidegate.judge import prediction
from tidegate.judge.prices import shipped
from tidegate.manifest import parse
from tidegate.manifest.model import FARGATE_SIZES

ROOT = Path(__file__).parents[2]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guide.md"
TROUBLESHOOTING, PREDICTIONS = ROOT / "docs" / "troubleshooting.md", ROOT / "docs" / "predictions.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERYWHERE = {"--help", "--debug"}


def commands(group: Any = None, name: str = "tidegate") -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name."""
    tree: Any = group or typer.main.get_command(app)
    for word, command in tree.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def code(text: str) -> Iterator[str]:
    """Yield the code of a page: fenced and indented blocks line by line, and what stands between backticks."""
    fenced = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        yield from block.splitlines()
    rest = fenced.sub("", text)
    yield from re.findall(r"^ {4}(.*)$", rest, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", rest)


def typed(text: str) -> Iterator[list[str]]:
    """Yield the words of every `tidegate …` that a page has somebody type."""
    for line in code(text):
        for words in re.findall(r"(?:^|[$&(] ?)tidegate((?: [\w./:-]+)+)", line.partition(" #")[0]):
            yield words.partition(" -- ")[0].split()  # what follows is somebody else's command


def faults(lines: Iterable[list[str]]) -> list[str]:
    """Return those of the commands that do not exist, or do not have these options."""
    known = {name: {option for each in found.params for option in each.opts} for name, found in commands()}
    groups = {name.rpartition(" ")[0] for name in known}
    wrong = []
    for words in lines:
        group = f"tidegate {words[0]}"
        name = f"{group} {words[1]}" if group in groups and len(words) > 1 else group
        options = {word for word in words if word.startswith("-")}
        if (name not in known and name not in groups) or not options <= known.get(name, set()) | EVERYWHERE:
            wrong.append(" ".join(words))
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    assert faults(typed(page.read_text())) == []


def test_every_next_command_of_an_error_exists() -> None:
    steps = [
        text
        for path in (ROOT / "src" / "tidegate").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError"
        for argument in node.args[2:]
        for text in _texts(argument)
    ]
    named = [words.split() for text in steps for words in re.findall(r"\btidegate((?: [\w-]+)+)", text)]
    assert len(named) > 10
    assert faults(named) == []


def test_every_command_is_in_the_guide() -> None:
    rows = set(re.findall(r"^\| `(tidegate [a-z -]+)` \|", GUIDE.read_text(), re.MULTILINE))
    assert rows == {name for name, command in commands() if not command.hidden}


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = {match[1] for line in code(page.read_text()) if (match := re.match(r"make ([a-z]+)\b", line))}
        assert named <= targets, page.name


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_manifest_in_the_docs_is_one() -> None:
    block = re.compile(r"^```yaml\n(app:.*?)^```", re.MULTILINE | re.DOTALL)
    shown = [text for page in PAGES for text in block.findall(page.read_text())]
    assert len(shown) > 1
    for text in shown:
        for environment in parse(text).environment_names:
            parse(text, environment)


def test_the_sizes_in_the_guide_are_fargates() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
    assert [int(cpu) for cpu, _ in rows] == list(FARGATE_SIZES)
    for cpu, text in rows:
        first, *more = [int(number) for number in re.findall(r"\d+", text)]
        expected = range(first, more[0] + 1, more[1]) if "steps" in text else (first, *more)
        assert FARGATE_SIZES[int(cpu)] == tuple(expected)


@pytest.mark.parametrize("page", [GUIDE, TROUBLESHOOTING], ids=lambda page: page.name)
def test_every_error_in_the_docs_is_said(page: Path) -> None:
    section = page.read_text().partition("# Troubleshooting")[2]
    named = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(named) > 20
    said = {text for path in (ROOT / "src").rglob("*.py") for text in _texts(ast.parse(path.read_text()))}
    assert [each for each in named if not any(each in text for text in said)] == []


def test_predictions_rest_on_what_the_docs_say() -> None:
    text = PREDICTIONS.read_text()
    for name, value in re.findall(r"^\| `([A-Z_]+)` \| ([\d.]+) \|", text, re.MULTILINE):
        assert getattr(prediction, name) == float(value), name
    told = dict(re.findall(r"^\| ([a-z ]+) \| (\d+) \|", text, re.MULTILINE))
    found = prediction.predict(prediction.Settings())
    assert told == {phase.name: f"{phase.seconds:.0f}" for phase in found.phases}
    assert (
        f"Together {found.total:.0f} s; the new version answers its first request after about {found.first:.0f} s"
        in text
    )


def test_prices_are_what_the_docs_say() -> None:
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \| ([\d.]+) \| ([\w -]+) \|", PREDICTIONS.read_text(), re.MULTILINE)
    assert {name: (float(price), unit) for name, price, unit in rows} == {
        name: (each.price, each.unit) for name, each in shipped().prices.items()
    }


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield every text of a module, formatted ones with … for what is put in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def test_the_number_of_services_in_the_readme(tmp_path: Path) -> None:
    cloud = Cloud(Settings(tmp_path))
    number = len(cloud.dispatcher.operations())
    cloud.close()
    assert f"| AWS services | the {number} of this path |" in README.read_text()
