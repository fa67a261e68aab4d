"""Dockerfiles: how they are read, and what is found in them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.judge.dockerfile import DockerfileError, filled, parse
from tidegate.judge.dockerfile_faults import faults, mirrored, on_docker_hub

GOOD = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.12
FROM public.ecr.aws/docker/library/python:${VERSION}-slim AS base
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir \\
    # the locked ones
    -r requirements.txt

FROM base
COPY . .
USER 1000
EXPOSE 8080
CMD ["python", "app.py"]
"""


def found(text: str, port: int | None = 8080, **more: Any) -> list[tuple[str, str]]:
    return [(each.level, f"{each.what} -> {each.fix}") for each in faults(text, topic="Dockerfile", port=port, **more)]


def levels(text: str, port: int | None = 8080, **more: Any) -> set[str]:
    return {level for level, _ in found(text, port, **more)}


def with_command(line: str, base: str = "public.ecr.aws/docker/library/python:3.12") -> str:
    return f"FROM {base}\nUSER 1000\nEXPOSE 8080\n{line}\n"


def test_a_good_one_has_no_fault() -> None:
    assert found(GOOD) == []


def test_stages_arguments_continuations_comments() -> None:
    dockerfile = parse(GOOD, {"VERSION": "3.13"})
    assert [(each.base, each.name, each.line) for each in dockerfile.stages] == [
        ("public.ecr.aws/docker/library/python:3.13-slim", "base", 3),
        ("base", None, 10),
    ]
    assert dockerfile.stages[0].instructions[2].text == "pip install --no-cache-dir -r requirements.txt"
    assert [stage.base for stage in dockerfile.chain()] == ["base", "public.ecr.aws/docker/library/python:3.13-slim"]
    assert dockerfile.last("WORKDIR") is not None
    assert dockerfile.last("CMD", "base") is None


def test_here_documents_and_other_escapes() -> None:
    text = '# escape=`\nFROM a:1\nRUN <<EOF\nFROM is no instruction here\nEOF\nRUN one `\n  two\nCMD ["x"]\n'
    assert [each.text for each in parse(text).stages[0].instructions] == ["<<EOF", "one two", '["x"]']


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "it has no FROM"),
        ("RUN x\nFROM a", 1, "RUN comes before any FROM"),
        ("FROM a\nRNU x", 2, "there is no instruction RNU"),
        ("FROM a b", 1, "FROM reads"),
        ("FROM", 1, "FROM reads"),
    ],
)
def test_what_cannot_be_read_names_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(DockerfileError, match=why) as caught:
        parse(text)
    assert caught.value.line == line
    assert levels(text) == {"fault"}


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DockerfileError):
        parse(text)
    faults(text, topic="Dockerfile", port=80)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}-x", "1-x"),
        ("${B:-2}", "2"),
        ("${A:+3}", "3"),
        ("$C", "$C"),
        ("${C:+3}", ""),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert filled(text, {"A": "1", "B": ""}) == value


@pytest.mark.parametrize(
    ("image", "hub", "better"),
    [
        ("python:3.12", True, "public.ecr.aws/docker/library/python:3.12"),
        ("docker.io/library/node:22", True, "public.ecr.aws/docker/library/node:22"),
        ("bitnami/nginx:1", True, "bitnami/nginx:1"),
        ("public.ecr.aws/docker/library/python:3.12", False, ""),
        ("localhost:5000/x:1", False, ""),
        ("gcr.io/distroless/static:nonroot", False, ""),
    ],
)
def test_what_comes_from_docker_hub(image: str, hub: bool, better: str) -> None:
    assert on_docker_hub(image) == hub
    if hub:
        assert mirrored(image) == better
        assert any("toomanyrequests" in each for _, each in found(f'FROM {image}\nCMD ["x"]\nEXPOSE 8080\nUSER 1\n'))


@pytest.mark.parametrize(
    ("line", "level", "fix"),
    [
        ("CMD python app.py", "warning", 'CMD ["python", "app.py"]'),
        ("ENTRYPOINT ./run --port 8080", "warning", 'ENTRYPOINT ["./run", "--port", "8080"]'),
        ("CMD flask db upgrade && gunicorn app:app", "warning", "CMD flask db upgrade && exec gunicorn app:app"),
        ("CMD python app.py --port $PORT", "warning", "CMD exec python app.py --port $PORT"),
        ('CMD ["npm", "start"]', "warning", "run node server.js"),
        ('CMD ["yarn", "run", "serve"]', "warning", "run node server.js"),
        ("CMD exec npm start", "warning", "run node server.js"),
        ('CMD ["sh", "-c", "migrate && serve"]', "warning", "put exec before the last command"),
        ('CMD ["/bin/bash", "start.sh"]', "note", "let its last line be: exec"),
        ("CMD ['python', 'app.py']", "fault", "use double quotes"),
        ('ENTRYPOINT ["tini", "--", "npm", "start"]', "warning", "run node server.js"),
    ],
)
def test_who_is_process_one(line: str, level: str, fix: str) -> None:
    told = [each for each in found(with_command(line)) if fix in each[1]]
    assert [each[0] for each in told] == [level], found(with_command(line))


@pytest.mark.parametrize(
    "line",
    [
        'CMD ["python", "app.py"]',
        "CMD exec python app.py --port $PORT",
        'CMD ["sh", "-c", "migrate && exec serve"]',
        'ENTRYPOINT ["/sbin/tini", "--", "node", "server.js"]',
        'ENTRYPOINT ["dumb-init", "python"]\nCMD ["app.py"]',
        "CMD migrate && exec serve",
    ],
)
def test_what_hears_sigterm_is_not_complained_of(line: str) -> None:
    assert found(with_command(line)) == []


def test_the_last_command_counts_and_those_of_other_stages_do_not() -> None:
    text = 'FROM a.b/c:1 AS build\nCMD npm start\nFROM a.b/d:1\nCMD npm start\nCMD ["x"]\nEXPOSE 8080\nUSER 1\n'
    assert found(text) == []
    assert levels(text, target="build") >= {"warning"}
    assert found(text, target="nothing")[0][1].startswith("there is no stage nothing; there are build")


@pytest.mark.parametrize(
    ("exposed", "port", "level", "told"),
    [
        ("EXPOSE 3000", 8080, "warning", "it exposes 3000, but tidegate.yml says port: 8080"),
        ("EXPOSE 3000/udp", 8080, "note", ""),
        ("", 8080, "note", "it says nowhere on which port"),
        ("EXPOSE 8080", None, "warning", "but the service has no port"),
        ("EXPOSE 8000-8100", 8080, None, ""),
        ("EXPOSE 3000 8080/tcp", 8080, None, ""),
        ("ENV PORT=8080\nEXPOSE $PORT", 8080, None, ""),
        ("EXPOSE $UNKNOWN", 8080, None, ""),
        ("", None, None, ""),
    ],
)
def test_ports(exposed: str, port: int | None, level: str | None, told: str) -> None:
    text = f'FROM a.b/c:1\nUSER 1\n{exposed}\nCMD ["x"]\n'
    all_found = found(text, port)
    if level is None:
        assert all_found == []
    elif told:
        assert any(each[0] == level and told in each[1] for each in all_found), all_found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM scratch\nCOPY x /x\nCMD /x\nEXPOSE 8080\nUSER 1\n", "scratch has no shell: the container cannot start"),
        ("FROM gcr.io/distroless/base:nonroot\nENTRYPOINT /x --y\nEXPOSE 8080\n", 'ENTRYPOINT ["/x", "--y"]'),
        ("FROM scratch\nCOPY x /x\nEXPOSE 8080\nUSER 1\n", "it has neither CMD nor ENTRYPOINT"),
    ],
)
def test_images_without_a_shell(text: str, told: str) -> None:
    assert any(level == "fault" and told in each for level, each in found(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('FROM a.b/c\nUSER 1\nEXPOSE 8080\nCMD ["x"]\n', "a.b/c is another image every other day"),
        ('FROM a.b/c:latest\nUSER 1\nEXPOSE 8080\nCMD ["x"]\n', "name a version"),
        ('FROM a.b/c:1\nEXPOSE 8080\nCMD ["x"]\n', "runs as root"),
        ('FROM a.b/c:1\nUSER root\nEXPOSE 8080\nCMD ["x"]\n', "runs as root"),
        ('FROM a.b/c:1\nUSER 1\nEXPOSE 8080\nHEALTHCHECK CMD curl localhost\nCMD ["x"]\n', "no notice of HEALTHCHECK"),
        ('FROM a.b/c:1\nUSER 1\nEXPOSE 8080\nSTOPSIGNAL SIGKILL\nCMD ["x"]\n', "STOPSIGNAL SIGKILL ends the program"),
        ('FROM $BASE\nUSER 1\nEXPOSE 8080\nCMD ["x"]\n', "only build.args tell"),
    ],
)
def test_other_remarks(text: str, told: str) -> None:
    assert any(told in each for _, each in found(text)), found(text)


def test_an_image_by_its_digest_needs_no_version() -> None:
    assert found(f'FROM a.b/c@sha256:{"0" * 64}\nUSER 1\nEXPOSE 8080\nCMD ["x"]\n') == []
