"""Day two, typed by a user on one app that was brought up once: look back, go back, scale, hold, run, keep secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from tests.e2e.app import App
from tests.waiting import until

pytestmark = pytest.mark.slow

SECRET = "pa55-word that nobody sees"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("app"))
    app.start_cloud()
    try:
        app.run("up", "--yes")
        yield app
    finally:
        app.remove_cloud()


def document(app: App, *arguments: str) -> Any:
    return json.loads(app.run(*arguments, "--json").stdout)


def history(app: App) -> list[Any]:
    found: list[Any] = document(app, "history")["web"]
    return found


def aws(app: App, service: str) -> Any:
    cloud = app.cloud
    session = botocore.session.Session()
    session.set_credentials(cloud["access_key"], cloud["secret"])
    return session.create_client(service, cloud["region"], endpoint_url=cloud["endpoint"])


def test_back_to_the_release_before_and_an_up_keeps_it(app: App) -> None:
    assert "no release before this one has ever served" in app.error("rollback", "--yes")
    app.version(2)
    app.run("push")
    newest, *earlier = history(app)
    assert (newest["outcome"], newest["by"], newest["message"]) == ("live", "push", "version 2")
    assert app.git("rev-parse", "HEAD").startswith(newest["commit"])
    assert newest["digest"] in newest["image"]
    assert {each["message"] for each in earlier} == {"version 1"}

    assert "no terminal to ask on" in app.error("rollback")
    told = app.run("rollback", "--yes").stdout
    assert "web serves release 1 again" in told or "web serves release 2 again" in told
    assert app.answer() == "hello, version 1"
    copy = history(app)[0]
    assert (copy["outcome"], copy["by"]) == ("live", "rollback by administrator")
    assert copy["copy_of"] in (1, 2)

    app.run("up", "--yes")
    assert app.answer() == "hello, version 1"
    assert "no release before this one" in app.error("rollback", "--yes")
    assert f"web serves release {newest['number']} again" in app.run("rollback", str(newest["number"]), "--yes").stdout
    assert app.answer() == "hello, version 2"
    shown = app.run("history", "web").stdout
    assert f"= {newest['number']}" in shown
    assert "version 2" in shown


def test_a_release_that_cannot_be_gone_back_to(app: App) -> None:
    assert "web has none of this number in local" in app.error("rollback", "99", "--yes")
    assert "it is what runs" in app.error("rollback", str(history(app)[0]["number"]), "--yes")
    lost = next(each for each in history(app) if each["message"] == "version 1")
    answer = aws(app, "ecr").batch_delete_image(repositoryName="hello/web", imageIds=[{"imageDigest": lost["digest"]}])
    assert not answer["failures"]
    assert "the registry does not have its image" in app.error("rollback", str(lost["number"]), "--yes")
    assert next(each for each in history(app) if each["number"] == lost["number"])["image_gone"]
    assert app.answer() == "hello, version 2"


def test_scaled_until_the_next_up_which_shows_it(app: App) -> None:
    assert "nothing scales it" in app.error("scale", "web", "--max", "9")
    told = app.run("scale", "web", "--desired", "3").stdout
    assert "web in local has count: 3 (before: count: 2)" in told
    assert "write services.web: {count: 3}" in told
    assert app.status()["services"][0]["running"] == 3
    assert "DesiredCount: 3 → 2" in app.run("plan", code=2).stdout
    app.run("up", "--yes")
    assert app.status()["services"][0]["running"] == 2
    assert "Nothing to change." in app.run("plan").stdout


def test_scaled_within_bounds_that_were_moved_by_hand(app: App) -> None:
    app.edit("tidegate.yml", "^    count: 2", "    count: {min: 1, desired: 2, max: 3}")
    app.run("up", "--yes")
    assert "min <= desired <= max does not hold: 1, 4, 3" in app.error("scale", "web", "--desired", "4")
    assert "The next `tidegate up` leaves it so." in app.run("scale", "web", "--desired", "3").stdout
    assert "Nothing to change." not in app.run("scale", "web", "--max", "4").stdout
    assert "MaxCapacity: 4 → 3" in app.run("plan", code=2).stdout
    app.run("up", "--yes")
    assert app.status()["services"][0]["desired"] == 3
    app.edit("tidegate.yml", "^    count: .*", "    count: 2")


def test_the_pipeline_is_held_approved_refused_and_tried_again(app: App) -> None:
    codepipeline = aws(app, "codepipeline")  # to look often, and quickly

    def stage() -> Any:
        return codepipeline.get_pipeline_state(name="hello")["stageStates"][-1]

    def status() -> str:
        return str(stage().get("latestExecution", {}).get("status"))

    def waits() -> bool:
        return bool(stage()["actionStates"][0].get("latestExecution", {}).get("status") == "InProgress")

    with (app.work / "tidegate.yml").open("a") as file:
        file.write("pipeline: {stages: [{environment: local, approve: true}]}\n")
    app.run("up", "--yes")
    assert "nothing waits for an approval" in app.error("pipeline", "approve")
    assert "no stage has failed" in app.error("pipeline", "retry")

    assert "Nothing gets into the stage DeployLocal" in app.run("pipeline", "disable", "--reason", "a sale").stdout
    app.run("pipeline", "start", "--detach")
    until(lambda: bool(stage().get("inboundExecutions")), wanted=True)
    held = document(app, "pipeline", "status")["stages"][-1]
    assert (held["name"], held["reason"], len(held["waiting"])) == ("DeployLocal", "a sale", 1)
    assert "held by administrator: a sale" in app.run("pipeline", "status").stdout
    app.run("pipeline", "enable")
    until(waits, wanted=True)
    assert "it waits for somebody: tidegate pipeline approve" in app.run("pipeline", "status").stdout

    app.run("pipeline", "reject", "--message", "too slow")
    until(status, "Failed")
    assert "too slow" in app.run("pipeline", "status").stdout
    assert "runs again" in app.run("pipeline", "retry", "--detach").stdout
    until(waits, wanted=True)
    app.run("pipeline", "approve", "--message", "well then")
    until(status, "Succeeded")

    app.run("pipeline", "start", "--detach")
    until(waits, wanted=True)
    assert "Stopping: execution" in app.run("pipeline", "stop", "--abandon").stdout
    until(status, "Stopped")
    assert document(app, "pipeline", "status")["executions"][0]["status"] == "Stopped"
    app.edit("tidegate.yml", "^pipeline: .*\n", "")


def test_a_command_in_a_task_of_its_own(app: App) -> None:
    script = "import sys, os; print('migrated', os.getcwd()); print('--flag' in sys.argv); sys.exit(7)"
    done = app.run("run", "web", "--", "python3", "-c", script, "--flag", code=7)
    assert done.stdout == "migrated /app\nTrue\n"
    assert "exit code 7" in done.stderr
    assert app.run("run", "--", "python3", "-c", "print('only one service')").stdout == "only one service\n"
    long = app.begin("run", "web", "--", "python3", "-c", "import time; time.sleep(600)")
    long.until(": runs")
    long.interrupt()
    assert "the task was told to end" in long.error()
    assert "its task did not run" in app.error("run", "--", "/no/such/program")
    assert "what is to run?" in app.run("run", code=2).stderr


def test_secrets_are_written_read_by_tasks_and_never_shown(app: App) -> None:
    app.edit("tidegate.yml", "^    port: 8080", "    port: 8080\n    secrets: {PASSWORD: ssm:/hello/password}")
    assert "next: tidegate secrets set /hello/password" in app.error("up", "--yes")
    (missing,) = document(app, "secrets", "list")
    assert (missing["name"], missing["version"]) == ("/hello/password", None)

    told = typed(app, f"{SECRET}\n", "secrets", "set", "PASSWORD")
    assert "/hello/password is set, version 1" in told
    app.run("up", "--yes")
    script = f"import os; print(os.environ['PASSWORD'] == {SECRET!r})"
    assert app.run("run", "--", "python3", "-c", script).stdout == "True\n"
    assert "its value is empty" in typed(app, "\n", "secrets", "set", "PASSWORD", code=1)
    told = typed(app, f"{SECRET}2", "secrets", "set", "PASSWORD", "--restart")
    assert "version 2" in told
    assert "web has it after" in told
    assert "secrets: {API_KEY: ssm:/hello/local/API_KEY}" in typed(app, SECRET, "secrets", "set", "API_KEY")
    shown = app.run("secrets", "list").stdout
    assert "/hello/password  version 2" in shown
    assert "used by web as PASSWORD" in shown
    assert SECRET not in shown + told + app.run("secrets", "list", "--json").stdout

    assert "no terminal to ask on" in app.run("secrets", "rm", "PASSWORD", code=1).stderr
    assert "no new task will start" in app.run("secrets", "rm", "PASSWORD", "--yes").stderr
    app.run("secrets", "rm", "API_KEY", "--yes")
    assert "there is none" in app.error("secrets", "rm", "API_KEY", "--yes")
    app.edit("tidegate.yml", "^    secrets: .*\n", "")
    app.run("up", "--yes")


def typed(app: App, text: str, *arguments: str, code: int = 0) -> str:
    """Type a command with something on its standard input; return all that it says."""
    done = app.run(*arguments, code=code, given=text)
    return done.stdout + done.stderr


def test_a_deployment_that_will_not_work_out_is_stopped(app: App) -> None:
    assert "has no deployment under way" in app.run("stop").stdout
    app.edit("app.py", r"send_response\(200\)", "send_response(500)")  # it never gets well
    app.version(66)
    pushing = app.begin("push")
    pushing.until("DeployWeb: inprogress")
    told = app.run("stop").stdout
    assert "the release before it serves" in told
    assert "is abandoned" in told
    code, _ = pushing.end()
    assert code == 1
    assert app.answer() == "hello, version 2"
    assert history(app)[0]["outcome"] in ("stopped", "taken back")


def test_the_rest(app: App) -> None:
    assert app.run("open").stdout.strip() == app.url
    assert "write services.web.exec: true" in app.error("exec", "web")
    assert "tidegate.yml has none of this name; it has web" in app.error("history", "wbe")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tidegate history ", "web"),
        ("tidegate history --env ", "local\nproduction"),
        ("tidegate scale w", "web"),
        ("tidegate pipeline dis", "disable"),
    ],
)
def test_the_shell_completes(app: App, words: str, expected: str) -> None:
    done = app.run(_TIDEGATE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert done.stdout.split() == expected.split()


def test_the_shells_script_is_shown(app: App) -> None:
    assert "_TIDEGATE_COMPLETE=complete_bash" in app.run(_TIDEGATE_COMPLETE="source_bash").stdout
    assert "complete" in app.run("--show-completion", "bash").stdout
