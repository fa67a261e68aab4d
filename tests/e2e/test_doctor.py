"""`tidegate doctor` on applications with faults that were put into them: each is found, and its fix is named.

Each fault is in a service of its own, and all services are looked at by one command.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.app import App

SETTINGS = "port: 8080, health: {path: /health, grace: 3}, deployment: {stop_timeout: 2}"


class Seed(NamedTuple):
    """A fault: what is changed (file, pattern, replacement), and what is said of it."""

    name: str
    file: str
    pattern: str
    replacement: str
    level: str
    what: str
    fix: str
    trial: bool = True


SEEDS = [
    Seed(
        "no SIGTERM handling",
        "app.py",
        r"^    signal\.signal.*$",
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "warning",
        "it takes no notice of SIGTERM: after 2 s",
        "end on SIGTERM",
    ),
    Seed("another port", "app.py", "^PORT = 8080", "PORT = 3000", "fault", "it listens on 3000", "port: 3000"),
    Seed(
        "loopback only",
        "app.py",
        r'Server\(\(""',
        'Server(("127.0.0.1"',
        "fault",
        "127.0.0.1:8080 alone",
        "listen on 0.0.0.0:8080",
    ),
    Seed(
        "health path that is not there",
        "app.py",
        r"^        self\.send_response\(200\)",
        '        self.send_response(404 if self.path == "/health" else 200)',
        "fault",
        "/health answers 404",
        "health.path: a page that there is",
    ),
    Seed(
        "health path that redirects",
        "app.py",
        r"^        self\.send_response\(200\)",
        '        self.send_response(302 if self.path == "/health" else 200)',
        "fault",
        "/health answers 302",
        "health.codes",
    ),
    Seed(
        "file that only root may read",
        "Dockerfile",
        "^COPY app.py .$",
        "COPY app.py .\nRUN chmod 600 app.py\nUSER 1000",
        "fault",
        "ermission denied",
        "COPY --chown",
    ),
    Seed(
        "program that ends",
        "app.py",
        "^def main",
        "raise SystemExit('no database')\n\n\ndef main",
        "fault",
        "ends with exit code 1 and last wrote: no database",
        "docker run",
    ),
    Seed(
        "program that is not there",
        "Dockerfile",
        "^CMD .*$",
        'CMD ["/no/such/program"]',
        "fault",
        "ends with exit code",
        "not in the image",
    ),
    Seed(
        "image that cannot be built",
        "Dockerfile",
        "^COPY app.py .$",
        "COPY application.py .",
        "fault",
        "the image cannot be built",
        "docker build",
    ),
    Seed("no EXPOSE", "Dockerfile", "^EXPOSE 8080$", "", "note", "says nowhere on which port", "EXPOSE 8080", False),
    Seed(
        "EXPOSE of another port",
        "Dockerfile",
        "^EXPOSE 8080$",
        "EXPOSE 9000",
        "warning",
        "it exposes 9000, but tidegate.yml says port: 8080",
        "port: 9000",
        False,
    ),
    Seed(
        "shell form",
        "Dockerfile",
        "^CMD .*$",
        "CMD python3 -u app.py",
        "warning",
        "/bin/sh is process 1",
        'CMD ["python3", "-u", "app.py"]',
        False,
    ),
    Seed(
        "npm start",
        "Dockerfile",
        "^CMD .*$",
        'CMD ["npm", "start"]',
        "warning",
        "makes npm process 1",
        "run node server.js",
        False,
    ),
    Seed(
        "instruction that there is not",
        "Dockerfile",
        "^WORKDIR",
        "WROKDIR",
        "fault",
        "there is no instruction WROKDIR",
        "mend line 4",
        False,
    ),
    Seed(
        "Docker Hub",
        "Dockerfile",
        "^FROM .*$",
        "FROM python:3.12-slim",
        "warning",
        "toomanyrequests",
        "FROM public.ecr.aws/docker/library/python:3.12-slim",
        False,
    ),
    Seed(
        "container of another name",
        "buildspec.yml",
        r'"name":"%s","imageUri":"%s"(.*)\$CONTAINER_NAME ',
        r'"name":"app","imageUri":"%s"\1',
        "fault",
        "names the container app, but it is called",
        "$CONTAINER_NAME",
        False,
    ),
    Seed(
        "artifact that is not listed",
        "buildspec.yml",
        "^    - imagedefinitions.json$",
        "    - image.json",
        "fault",
        "imagedefinitions.json is not among the artifacts",
        "artifacts: {files: [imagedefinitions.json]}",
        False,
    ),
    Seed(
        "build that pushes nothing",
        "buildspec.yml",
        r"docker push --quiet",
        "echo",
        "fault",
        "no command pushes an image",
        "docker push",
        False,
    ),
    Seed(
        "secret in the image",
        "Dockerfile",
        "^COPY app.py .$",
        "COPY . .\nCOPY app.py .",
        "warning",
        ".env with it",
        "put into .dockerignore: .env",
        False,
    ),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("doctor"))
    (app.work / "tidegate.yml").write_text(f"app: hello\nservices:\n  web: {{{SETTINGS}}}\n")
    app.commit("well")
    yield app
    app.remove_cloud()


@pytest.fixture
def app(shared: App) -> App:
    """The application, well and committed."""
    shared.git("reset", "--quiet", "--hard", "HEAD")
    shared.git("clean", "--quiet", "--force", "-d")
    return shared


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What is found in services that have one fault each: those that show when they run, and those that do not."""
    return [
        finding
        for trial in (True, False)
        for finding in findings(
            seeded(tmp_path_factory.mktemp("seeded"), [seed for seed in SEEDS if seed.trial == trial]),
            *([] if trial else ["--no-trial"]),
            code=1,
        )
    ]


def seeded(folder: Path, seeds: list[Seed]) -> App:
    app = App(folder)
    lines = ["app: hello", "services:"]
    for seed in seeds:
        service = named(seed)
        place = app.work / service
        place.mkdir()
        for name in ("app.py", "Dockerfile"):
            (place / name).write_text((app.work / name).read_text())
        (place / ".env").write_text("PASSWORD=x\n")
        file = app.work / seed.file if seed.file == "buildspec.yml" else place / seed.file
        text, number = re.subn(seed.pattern, seed.replacement, file.read_text(), flags=re.MULTILINE)
        assert number, seed.name
        file.write_text(text)
        build = f"build: {{dockerfile: {service}/Dockerfile, context: {service}}}"
        lines.append(f"  {service}: {{{build}, routes: [{{path: /{service}/*}}], {SETTINGS}}}")
    (app.work / "tidegate.yml").write_text("\n".join([*lines, ""]))
    app.commit("faults")
    return app


def named(seed: Seed) -> str:
    return "-".join(re.findall("[a-z]+", seed.name.lower()))[:30].rstrip("-")


def findings(app: App, *arguments: str, code: int | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(app.run("doctor", "--json", *arguments, code=code).stdout)
    return found


@pytest.mark.parametrize("seed", SEEDS, ids=[seed.name for seed in SEEDS])
def test_a_fault_that_was_put_in_is_found_and_its_fix_is_named(found: list[dict[str, Any]], seed: Seed) -> None:
    topics = (named(seed), f"{named(seed)}/Dockerfile", "buildspec.yml", ".dockerignore")
    told = [each for each in found if seed.what in each["what"] and each["topic"] in topics]
    assert [each["level"] for each in told] == [seed.level], found
    assert seed.fix in told[0]["fix"]


def test_nothing_of_a_trial_stays(found: list[dict[str, Any]]) -> None:
    assert found
    command = ["docker", "images", "--quiet", "tidegate-doctor/*"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_a_sidecar_whose_image_has_no_shell(app: App, tmp_path: Path) -> None:
    empty = "tidegate-doctor-test/empty:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    subprocess.run(["docker", "build", "--quiet", "--tag", empty, str(tmp_path)], check=True, capture_output=True)
    try:
        sidecar = f"{{image: {empty!r}, health: [CMD-SHELL, 'test -f /x']}}"
        app.edit("tidegate.yml", "^  web: {", f"  web: {{sidecars: {{proxy: {sidecar}}}, ")
        told = [each for each in findings(app, code=1) if "has none: never healthy" in each["what"]]
    finally:
        subprocess.run(["docker", "image", "rm", "--force", empty], check=True, capture_output=True)
    assert [each["level"] for each in told] == ["fault"]
    assert "health: [CMD, /program" in told[0]["fix"]


def test_what_is_missing_altogether(app: App, tmp_path: Path) -> None:
    app.edit("tidegate.yml", "port: 8080", "prot: 8080")
    (found,) = findings(app, code=1)
    assert "did you mean port?" in found["what"]

    outside = App(tmp_path)
    told = outside.run("doctor", "--directory", str(tmp_path), code=1).stdout
    assert "✗" in told
    assert "it is not a git repository" in told
    assert "fix: git init" in told


def test_a_well_application_on_a_cloud_that_runs(app: App) -> None:
    app.start_cloud()
    try:
        told = app.run("doctor", DOCKER_HOST="").stdout
        assert "Nothing would fail" in told
        assert "✓ account: arn:aws:iam::000000000000:user/administrator" in told
        assert "✓ web: it answers /health" in told
        assert "✓ templates: cfn-lint finds nothing in 4 stacks" in told

        app.edit("tidegate.yml", "^  web: {", "  web: {secrets: {KEY: 'ssm:/hello/key'}, ")
        missing = [each for each in findings(app, "--no-trial", code=1) if each["level"] == "fault"]
        assert [each["topic"] for each in missing] == ["services.web.secrets.KEY"]
    finally:
        app.run("local", "stop")
