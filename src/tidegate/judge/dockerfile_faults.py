"""What is wrong with a Dockerfile for a service that is to be replaced without a lost request.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-considerations.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from tidegate.judge.dockerfile import Dockerfile, DockerfileError, Instruction, filled, parse
from tidegate.judge.finding import Finding

MIRROR = "public.ecr.aws/docker/library"
_SHELLS = ("sh", "bash", "ash", "dash", "zsh")
# programs that start the real one as a child and do not pass SIGTERM on
_DEAF = {"npm": "npm", "yarn": "yarn", "pnpm": "pnpm", "npx": "npx", "mvn": "mvn", "gradle": "gradle", "make": "make"}
_INIT = ("tini", "dumb-init", "catatonit", "s6-svscan")
_SHELLLESS = re.compile(r"(^|/)(scratch|distroless|static|chainguard)(/|:|$)|distroless")
_PORT = re.compile(r"^(\d+)(?:-(\d+))?(?:/(tcp|udp))?$")
_LATEST_FIX = "name a version, so that the same commit builds the same image"


def faults(
    text: str,
    *,
    topic: str,
    port: int | None,
    target: str | None = None,
    args: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what is wrong with a Dockerfile for a service that listens on `port` (None: a worker)."""
    try:
        dockerfile = parse(text, args)
    except DockerfileError as error:
        return [Finding("fault", topic, f"it cannot be read: {error}", f"mend line {error.line}, then git commit")]
    if target is not None and target.lower() not in [each.name for each in dockerfile.stages]:
        known = ", ".join(each.name for each in dockerfile.stages if each.name) or "none with a name"
        return [
            Finding("fault", topic, f"there is no stage {target}; there are {known}", "build.target, or FROM … AS …")
        ]
    stage = target.lower() if target is not None else None
    return [
        *_bases(dockerfile, topic),
        *_ports(dockerfile, stage, topic, port),
        *_process_one(dockerfile, stage, topic),
        *_shell(dockerfile, stage, topic),
        *_signal(dockerfile, stage, topic),
        *_user(dockerfile, stage, topic),
        *_health(dockerfile, stage, topic),
    ]


def on_docker_hub(image: str) -> bool:
    """Return whether an image comes from Docker Hub."""
    first, slash, _ = image.partition("/")
    return not slash or first == "docker.io" or not ("." in first or ":" in first or first == "localhost")


def mirrored(image: str) -> str:
    """Return where an official image of Docker Hub is to be had without its rate limit."""
    name = image.removeprefix("docker.io/").removeprefix("library/")
    return f"{MIRROR}/{name}" if "/" not in name else image


def _bases(dockerfile: Dockerfile, topic: str) -> Iterator[Finding]:
    stages = {each.name for each in dockerfile.stages}
    seen = set()
    for stage in dockerfile.stages:
        image = stage.base
        if image == "scratch" or image.lower() in stages or image in seen:
            continue
        seen.add(image)
        if "$" in image:
            yield Finding("note", topic, f"line {stage.line}: which image {image} is, only build.args tell", "")
            continue
        if on_docker_hub(image):
            better = mirrored(image)
            fix = f"FROM {better}" if better != image else "keep a copy in a registry of your own (ECR), and name that"
            what = (
                f"line {stage.line}: {image} comes from Docker Hub, which limits how often CodeBuild's shared "
                "addresses may pull (toomanyrequests)"
            )
            yield Finding("warning", topic, what, fix)
        if "@" not in image and (image.rpartition("/")[2].partition(":")[2] or "latest") == "latest":
            yield Finding("warning", topic, f"line {stage.line}: {image} is another image every other day", _LATEST_FIX)


def _ports(dockerfile: Dockerfile, target: str | None, topic: str, port: int | None) -> Iterator[Finding]:
    exposed = []
    for stage in dockerfile.chain(target):
        variables = _variables(stage.instructions)
        for instruction in stage.instructions:
            if instruction.name == "EXPOSE":
                exposed += [(instruction.line, filled(word, variables)) for word in instruction.text.split()]
    ports = {number for _, word in exposed for number in _numbers(word)}
    if any("$" in word for _, word in exposed):
        return
    if port is None and ports:
        told = ", ".join(map(str, sorted(ports)))
        fix = f"port: {min(ports)} in tidegate.yml, or no EXPOSE"
        yield Finding("warning", topic, f"it exposes {told}, but the service has no port: nothing reaches it", fix)
    elif port is not None and ports and port not in ports:
        told = ", ".join(map(str, sorted(ports)))
        what = f"line {exposed[0][0]}: it exposes {told}, but tidegate.yml says port: {port}"
        fix = f"port: {min(ports)} in tidegate.yml, or EXPOSE {port} where the program listens on that"
        yield Finding("warning", topic, what, fix)
    elif port is not None and not exposed:
        yield Finding("note", topic, "it says nowhere on which port the program listens", f"EXPOSE {port}")


def _numbers(word: str) -> Iterator[int]:
    match = _PORT.match(word)
    if match and match[3] != "udp":
        yield from range(int(match[1]), int(match[2] or match[1]) + 1)


def _variables(instructions: list[Instruction]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in instructions:
        if each.name in ("ENV", "ARG"):
            try:
                words = shlex.split(each.text)
            except ValueError:
                continue
            if each.name == "ENV" and len(words) > 1 and "=" not in words[0]:
                found[words[0]] = " ".join(words[1:])
            else:
                found |= dict(word.split("=", 1) for word in words if "=" in word)
    return found


def _process_one(dockerfile: Dockerfile, target: str | None, topic: str) -> Iterator[Finding]:
    """Find out who is process 1: that one gets SIGTERM, and has to end by it."""
    entrypoint, command = dockerfile.last("ENTRYPOINT", target), dockerfile.last("CMD", target)
    if entrypoint is None and command is None:
        base = dockerfile.chain(target)[-1].base
        level = "fault" if base == "scratch" else "note"
        what = "it has neither CMD nor ENTRYPOINT" + ("" if base == "scratch" else f": what runs is that of {base}")
        yield Finding(level, topic, what, 'CMD ["program", "argument"]')  # type: ignore[arg-type]
        return
    for each in (entrypoint, command):
        if each is not None and each.words is None and each.text.startswith("["):
            what = f"line {each.line}: {each.name} looks like the exec form, but is no JSON: a shell gets it as it is"
            yield Finding("fault", topic, what, 'use double quotes: ["program", "argument"]')
            return
    first = entrypoint or command
    assert first is not None
    if first.words is None:
        yield from _shell_form(first, topic)
        return
    words = [*first.words, *((command.words or []) if entrypoint is not None and command is not None else [])]
    while words and words[0].rpartition("/")[2] in _INIT:
        words = [word for number, word in enumerate(words[1:]) if number or word != "--"]
        words = words[1:] if words and words[0] in ("--", "-g") else words
    yield from _exec_form(first, words, topic)


def _shell_form(instruction: Instruction, topic: str) -> Iterator[Finding]:
    text = instruction.text
    last = re.split(r"&&|;|\|\|", text)[-1].strip()
    if last.startswith("exec "):
        yield from _exec_form(instruction, _split(last)[1:], topic)
        return
    simple = re.search(r"[;&|<>$`*?(]", text) is None
    form = json_form(_split(text)) if simple else f"{instruction.name} {text[: -len(last)]}exec {last}"
    fix = f"{instruction.name} {form}" if simple else form
    what = (
        f"line {instruction.line}: {instruction.name} is in the shell form: /bin/sh is process 1, and most do not "
        "pass SIGTERM on, so that every task is killed in the midst of its requests"
    )
    yield Finding("warning", topic, what, fix)


def _exec_form(instruction: Instruction, words: list[str], topic: str) -> Iterator[Finding]:
    if not words:
        return
    program = words[0].rpartition("/")[2]
    if program in _SHELLS and len(words) > 2 and words[1].startswith("-") and "c" in words[1]:
        script = words[2]
        if not re.split(r"&&|;|\|\|", script)[-1].strip().startswith("exec "):
            what = f"line {instruction.line}: {program} -c is process 1 and does not pass SIGTERM on"
            yield Finding("warning", topic, what, f"put exec before the last command of {shlex.quote(script)}")
    elif program in _SHELLS and len(words) > 1:
        what = f"line {instruction.line}: the script {words[1]} is process 1; a shell does not pass SIGTERM on"
        yield Finding("note", topic, what, "let its last line be: exec program …")
    elif program in _DEAF:
        better = (
            "node server.js: what the script `start` in package.json runs"
            if program in ("npm", "yarn", "pnpm")
            else ("the program itself")
        )
        what = (
            f"line {instruction.line}: {shlex.join(words)} makes {program} process 1, which starts the program as its "
            "child and does not end it cleanly by SIGTERM"
        )
        yield Finding("warning", topic, what, f"run {better}")


def _shell(dockerfile: Dockerfile, target: str | None, topic: str) -> Iterator[Finding]:
    """Find what needs a shell in an image that has none."""
    base = dockerfile.chain(target)[-1].base
    if not _SHELLLESS.search(base):
        return
    for name in ("ENTRYPOINT", "CMD"):
        found = dockerfile.last(name, target)
        if found is not None and found.words is None and not found.text.startswith("["):
            what = (
                f"line {found.line}: {name} is in the shell form, and {base} has no shell: the container cannot start"
            )
            yield Finding("fault", topic, what, f"{name} {json_form(_split(found.text))}")


def _signal(dockerfile: Dockerfile, target: str | None, topic: str) -> Iterator[Finding]:
    found = dockerfile.last("STOPSIGNAL", target)
    if found is not None and found.text.upper().removeprefix("SIG") in ("KILL", "9"):
        what = f"line {found.line}: STOPSIGNAL {found.text} ends the program in the midst of its requests"
        yield Finding("warning", topic, what, "no STOPSIGNAL, or STOPSIGNAL SIGTERM")


def _user(dockerfile: Dockerfile, target: str | None, topic: str) -> Iterator[Finding]:
    found = dockerfile.last("USER", target)
    base = dockerfile.chain(target)[-1].base
    if (found is None and "nonroot" not in base) or (found is not None and found.text.split(":")[0] in ("root", "0")):
        yield Finding("note", topic, "the program runs as root in its container", "USER 1000 after what root has to do")


def _health(dockerfile: Dockerfile, target: str | None, topic: str) -> Iterator[Finding]:
    found = dockerfile.last("HEALTHCHECK", target)
    if found is not None and found.text.upper() != "NONE":
        what = f"line {found.line}: ECS takes no notice of HEALTHCHECK; the load balancer asks health.path"
        yield Finding("note", topic, what, "say it in tidegate.yml: health: {path: …}")


def json_form(words: list[str]) -> str:
    """Return words as the exec form is written."""
    import json

    return json.dumps(words)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
