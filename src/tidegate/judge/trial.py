"""What a container did when it was tried, and what that means for a service behind a load balancer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tidegate.judge.finding import Finding, Level
from tidegate.manifest import Service

_KILLED = 137  # 128 + SIGKILL
_LISTEN = "0A"  # /proc/net/tcp's word for LISTEN
_REFUSED = ("permission denied", "permissionerror", "eacces", "operation not permitted")
_SLOW_START = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a program listens: on all addresses, or on the loopback interface alone."""

    port: int
    loopback: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What a container did.

    `status` is the last answer of the health path (0: it answered, but not in HTTP; None: nothing), `started` the
    seconds until the first answer that counts, `exit_code` that of a program that ended by itself, `stopped` the
    seconds from SIGTERM to its end, `killed` whether that needed SIGKILL.
    """

    status: int | None = None
    started: float | None = None
    listeners: Sequence[Listener] = ()
    exit_code: int | None = None
    out_of_memory: bool = False
    lines: Sequence[str] = field(default_factory=tuple)
    stopped: float | None = None
    killed: bool = False
    waited: float = 0.0


def findings(topic: str, service: Service, observed: Observed, *, hindered: str = "") -> list[Finding]:
    """Return what a trial means. `hindered` says what was missing, so that a failure proves nothing."""
    worst: Level = "warning" if hindered else "fault"
    but = f" ({hindered})" if hindered else ""
    return [*_serves(topic, service, observed, worst, but), *_ends(topic, service, observed)]


def _serves(topic: str, service: Service, observed: Observed, worst: Level, but: str) -> Iterator[Finding]:
    if observed.exit_code is not None:
        yield _ended(topic, service, observed, worst, but)
        return
    if service.port is None:
        yield Finding("fine", topic, "the container runs and stays")
        return
    path, codes = service.health.path, service.health.codes
    if observed.started is not None:
        what = f"it answers {path} {observed.started:.1f} s after its start"
        if observed.started > service.health.grace:
            yield Finding(
                worst, topic, f"{what}, and health.grace is {service.health.grace} s", _grace(observed.started)
            )
        elif observed.started > _SLOW_START:
            yield Finding("note", topic, f"{what}: every deployment waits for that", "")
        else:
            yield Finding("fine", topic, what)
        return
    if observed.status:
        what = (
            f"{path} answers {observed.status}, and the health check wants {codes}: no task would ever be healthy{but}"
        )
        yield Finding(worst, topic, what, _path(observed.status, service))
        return
    yield _silent(topic, service, observed, worst, but)


def _ended(topic: str, service: Service, observed: Observed, worst: Level, but: str) -> Finding:
    last = next((line.strip() for line in reversed(observed.lines) if line.strip()), "")
    wrote = f" and last wrote: {last}" if last else " and wrote nothing"
    if observed.out_of_memory:
        what = f"it needs more than its memory of {service.memory} MiB, and is killed{but}"
        return Finding(worst, topic, what, f"memory: {service.memory * 2} in tidegate.yml")
    text = "\n".join(observed.lines).lower()
    if any(word in text for word in _REFUSED):
        fix = "COPY --chown=USER … in the Dockerfile, or chmod what it has to read, and listen on a port above 1023"
    elif "no such file or directory" in text and ("exec" in text or "sh" in text):
        fix = "the program, or the shell that is to start it, is not in the image: name one that is"
    elif "exec format error" in text:
        fix = "arch in tidegate.yml is that of the image: build it for that processor"
    else:
        fix = f"docker run --rm IMAGE shows it; the program has to stay{'' if service.port else ' (a worker, too)'}"
    return Finding(worst, topic, f"the container ends with exit code {observed.exit_code}{wrote}{but}", fix)


def _silent(topic: str, service: Service, observed: Observed, worst: Level, but: str) -> Finding:
    port = service.port
    own = [each for each in observed.listeners if each.port == port]
    if own and all(each.loopback for each in own):
        what = f"it listens on 127.0.0.1:{port} alone, where the load balancer does not reach it{but}"
        return Finding(worst, topic, what, f"listen on 0.0.0.0:{port}")
    if own:
        what = f"it listens on {port}, but does not answer {service.health.path} within {service.health.timeout} s{but}"
        return Finding(worst, topic, what, "health.path: a page that answers at once; or a longer health.timeout")
    others = sorted({each.port for each in observed.listeners})
    if others:
        told = ", ".join(map(str, others))
        what = f"it listens on {told}, and tidegate.yml says port: {port}{but}"
        return Finding(worst, topic, what, f"port: {others[0]} in tidegate.yml, or have the program listen on {port}")
    what = f"nothing answers on port {port} within {observed.waited:.0f} s of its start{but}"
    return Finding(worst, topic, what, f"listen on 0.0.0.0:{port}; if it needs longer, health.grace")


def _ends(topic: str, service: Service, observed: Observed) -> Iterator[Finding]:
    allowed = service.deployment.stop_timeout
    if observed.stopped is None:
        return
    if observed.killed:
        what = (
            f"it takes no notice of SIGTERM: after {allowed} s (deployment.stop_timeout) it is killed, with the "
            "requests that are open, in every deployment"
        )
        yield Finding("warning", topic, what, "end on SIGTERM; let the program be process 1 (the exec form of CMD)")
    else:
        yield Finding("fine", topic, f"it ends {observed.stopped:.1f} s after SIGTERM, of {allowed} s that it may take")


def _grace(started: float) -> str:
    return f"health: {{grace: {int(started * 2) + 1}}}"


def _path(status: int, service: Service) -> str:
    if 300 <= status < 400:
        return f"health.path: the page that it redirects to, or health.codes: {service.health.codes},{status}"
    if status == 404:
        return "health.path: a page that there is"
    if status in (401, 403):
        return "health.path: a page that asks for no password"
    if status == 400:
        return "the load balancer sends the task's address as Host: allow any host for health.path"
    return "health.path: a page that answers well while the program is well; its log says why it does not"


def listeners(table: str) -> list[Listener]:
    """Return where a container's programs listen, from /proc/net/tcp and tcp6 (proc(5))."""
    found = []
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == _LISTEN and ":" in words[1]:
            address, _, port = words[1].rpartition(":")
            loopback = address in ("0100007F", "00000000000000000000000001000000") or address.endswith(
                "FFFF00000100007F"
            )
            found.append(Listener(int(port, 16), loopback))
    return found
