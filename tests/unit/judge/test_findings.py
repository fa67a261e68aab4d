"""Buildspecs, build contexts and trials: what is found in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.judge import buildspec, context
from tidegate.judge.finding import Finding, ordered
from tidegate.judge.trial import Listener, Observed, findings, listeners
from tidegate.manifest import parse
from tidegate.template.buildspec import BUILDSPEC

SERVICE = parse("app: shop\nservices: {web: {port: 8080, health: {path: /up}}}\n").services["web"]
WORKER = parse("app: shop\nservices: {worker: {}}\n").services["worker"]


def test_the_buildspec_that_init_writes_is_well() -> None:
    assert buildspec.faults(BUILDSPEC, ["web", "api"]) == []


def spec(
    command: str = "docker push $REPOSITORY_URI:1", name: str = "web", files: str = "imagedefinitions.json"
) -> str:
    written = f'printf \'[{{"name":"{name}","imageUri":"%s"}}]\' $REPOSITORY_URI:1 > imagedefinitions.json'
    commands = "\n".join(f"      - {json.dumps(each)}" for each in (command, written))
    return f"version: 0.2\nphases:\n  build:\n    commands:\n{commands}\nartifacts:\n  files: [{files}]\n"


@pytest.mark.parametrize(
    ("text", "services", "told"),
    [
        ("version: [", ["web"], "not YAML"),
        ("version: 0.2\n", ["web"], "it has no phases"),
        ("version: 1\nphases: {build: {commands: [docker push $REPOSITORY_URI]}}\n", ["web"], "version is 1"),
        ("version: 0.2\nphases: {biuld: {commands: [x]}}\n", ["web"], "there is no phase biuld"),
        (spec(command="docker build ."), ["web"], "no command pushes an image"),
        (spec(name="my-app"), ["web"], "names the container my-app, but it is called web"),
        (spec(name="web"), ["web", "api"], "always names the container web"),
        (spec(files="other.json"), ["web"], "is not among the artifacts"),
    ],
)
def test_faults_of_buildspecs(text: str, services: list[str], told: str) -> None:
    found = buildspec.faults(text, services)
    assert any(each.level == "fault" and told in each.what for each in found), found
    assert all(each.fix for each in found)


def test_a_buildspec_of_ones_own_is_left_alone() -> None:
    assert buildspec.faults(spec(), ["web"]) == []
    scripted = "version: 0.2\nphases: {build: {commands: [make image]}}\nartifacts: {files: ['**/*']}\n"
    assert {each.level for each in buildspec.faults(scripted, ["web"])} == {"warning"}
    old = buildspec.faults(
        spec(command="$(aws ecr get-login --no-include-email); docker push $REPOSITORY_URI"), ["web"]
    )
    assert [each.level for each in old] == ["warning"]


@given(st.text())
def test_any_buildspec_is_judged(text: str) -> None:
    buildspec.faults(text, ["web"])


def test_what_goes_into_an_image_unseen() -> None:
    whole, some = "FROM a\nCOPY . /app\n", "FROM a\nCOPY app.py .\n"
    assert context.faults(some, None, [".git", ".env"]) == []
    secret, bulk = context.faults(whole, None, [".git", ".env", ".env.example", "app.py"])
    assert (secret.level, ".env with it" in secret.what) == ("warning", True)
    assert ".git is sent" in bulk.what
    assert context.faults(whole, ".git\n.env*\n!.env.example\n", [".git", ".env", ".env.example"]) == []
    assert context.faults(whole, "**/node_modules\n/.git/\n", [".git", "node_modules", "app.py"]) == []
    assert [each.level for each in context.faults(whole, None, ["app.py"])] == ["note"]
    assert context.faults("FROM a\nCOPY --chown=1 ./ /app\n", None, [".git"]) != []


@pytest.mark.parametrize(
    ("observed", "level", "what", "fix"),
    [
        (Observed(started=1.0), "fine", "it answers /up 1.0 s", ""),
        (Observed(started=20.0), "note", "it answers /up 20.0 s", ""),
        (Observed(started=45.0), "fault", "health.grace is 30 s", "health: {grace: 91}"),
        (Observed(status=404), "fault", "/up answers 404, and the health check wants 200-299", "a page that there is"),
        (Observed(status=302), "fault", "answers 302", "health.codes: 200-299,302"),
        (Observed(status=401), "fault", "answers 401", "no password"),
        (Observed(status=400), "fault", "answers 400", "allow any host"),
        (Observed(status=500), "fault", "answers 500", "its log says why"),
        (Observed(listeners=[Listener(3000, False)]), "fault", "it listens on 3000", "port: 3000"),
        (Observed(listeners=[Listener(8080, True)]), "fault", "127.0.0.1:8080 alone", "listen on 0.0.0.0:8080"),
        (Observed(listeners=[Listener(8080, False)]), "fault", "does not answer /up within 2 s", "health.path"),
        (Observed(waited=40), "fault", "nothing answers on port 8080 within 40 s", "listen on 0.0.0.0:8080"),
        (Observed(exit_code=1, lines=["x", "boom", ""]), "fault", "exit code 1 and last wrote: boom", "docker run"),
        (Observed(exit_code=1, lines=["PermissionError: [Errno 13]"]), "fault", "exit code 1", "COPY --chown"),
        (
            Observed(exit_code=127, lines=['exec: "/bin/sh": no such file or directory']),
            "fault",
            "127",
            "not in the image",
        ),
        (Observed(exit_code=137, out_of_memory=True), "fault", "more than its memory of 512 MiB", "memory: 1024"),
        (Observed(started=1, stopped=30, killed=True), "warning", "no notice of SIGTERM: after 30 s", "process 1"),
        (Observed(started=1, stopped=0.5), "fine", "it ends 0.5 s after SIGTERM, of 30 s", ""),
    ],
)
def test_what_a_trial_means(observed: Observed, level: str, what: str, fix: str) -> None:
    found = findings("web", SERVICE, observed)
    assert any(each.level == level and what in each.what and fix in each.fix for each in found), found


def test_a_worker_only_has_to_stay() -> None:
    assert [each.level for each in findings("worker", WORKER, Observed())] == ["fine"]
    assert findings("worker", WORKER, Observed(exit_code=0))[0].level == "fault"


def test_what_was_tried_without_its_secrets_proves_nothing() -> None:
    found = findings("web", SERVICE, Observed(exit_code=1), hindered="tried without its secrets")
    assert [each.level for each in found] == ["warning"]
    assert "tried without its secrets" in found[0].what


def test_where_programs_listen() -> None:
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:0BB8 00000000:0000 0A 00000000:00000000
   2: 020011AC:1F90 010011AC:90B4 06 00000000:00000000
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
"""
    assert listeners(table) == [Listener(8080, False), Listener(3000, True), Listener(80, True)]
    assert listeners("") == []


def test_the_worst_come_first() -> None:
    found = [Finding("fine", "a", ""), Finding("fault", "b", ""), Finding("note", "c", ""), Finding("fault", "d", "")]
    assert [each.topic for each in ordered(found)] == ["b", "d", "c", "a"]
