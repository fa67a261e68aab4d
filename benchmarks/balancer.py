"""Requests through the local cloud's application load balancer, beside nginx and haproxy before the same two tasks.

All three have two workers, keep their connections to the tasks, log nothing and tell the tasks the same (the client's
address, protocol and port, a trace id). They take turns: a machine that slows down slows down all of them. Twice: the
tasks are a small application in Python, as a user would run one, and they are nginx, which answers at once, so that it
is nothing but the balancers that is measured.

    python -m benchmarks.balancer [rounds [seconds]]
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.test_ecs_services import Balanced
from tests.daemon import free_port

from benchmarks import peers
from benchmarks.behind_balancer import addresses, balanced
from benchmarks.local_cloud import cpu
from benchmarks.report import show

_GOAL = 0.9
_CONNECTIONS = 32
_TASK = "tidegate/benchmark-answers:1"
_BODY = "hello, world " * 8
_WORKERS = 2  # as many as Envoy has: see `planes.envoy.process`

_TASK_CONFIGURATION = f"""
user root; worker_processes 1; daemon off; pid /tmp/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 1h;
  client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
  fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server {{ listen 8080 backlog=4096; location / {{ return 200 "{_BODY}"; }} }}
}}
"""
_NGINX = """
worker_processes {workers}; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream tasks {{ {servers} keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://tasks; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Amzn-Trace-Id "Root=1-$request_id";
    }}
  }}
}}
"""
_HAPROXY = """
global
  nbthread {workers}
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend front
  bind 127.0.0.1:{port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port {port}
  http-request set-header X-Amzn-Trace-Id Root=1-%[uuid()]
  default_backend tasks
backend tasks
  balance roundrobin
  http-reuse always
{servers}
"""


class Measured(NamedTuple):
    """One round: requests per second, milliseconds that 99 of 100 stay below, CPU microseconds of the balancer each."""

    rate: float
    p99: float
    cost: float
    failed: int


class Balancer(NamedTuple):
    """One of those that take turns: where it listens, and its processes."""

    name: str
    url: str
    pids: tuple[int, ...]


def make_task_image() -> None:
    """Make the image of the tasks: the peer's nginx with the libraries of this machine, and nothing else."""
    program = peers.program("nginx")
    assert program is not None
    listed = subprocess.run(["ldd", program], env=peers.environment(), capture_output=True, text=True, check=True)
    libraries = re.findall(r"(/\S+\.so\S*)", listed.stdout)
    (loader,) = [Path(each).name for each in libraries if Path(each).name.startswith("ld-")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for name in ("nginx", "etc", "tmp"):
            (root / name).mkdir(parents=True)
        for each in [program, *libraries]:
            shutil.copy(each, root / "nginx")
        (root / "nginx" / "nginx.conf").write_text(_TASK_CONFIGURATION)
        (root / "etc" / "passwd").write_text("root:x:0:0::/:/\n")
        (root / "etc" / "group").write_text("root:x:0:\n")
        (root / "tmp" / "empty").touch()
        command = [f"/nginx/{loader}", "--library-path", "/nginx", "/nginx/nginx", "-e", "/dev/null"]
        command += ["-c", "/nginx/nginx.conf"]
        (Path(folder) / "Dockerfile").write_text(f"FROM scratch\nCOPY root/ /\nCMD {json.dumps(command)}\n")
        subprocess.run(["docker", "build", "--quiet", "--tag", _TASK, folder], check=True, capture_output=True)


def start_service(service: Balanced, container: dict[str, Any]) -> list[str]:
    """Run two tasks of a container behind the load balancer, instead of those before; return their addresses."""
    definition = service.register(container, cpu="1024", memory="2048")
    if service.ecs.list_services(cluster="c")["serviceArns"]:
        service.update(taskDefinition=definition)
    else:
        service.create(definition)
    service.stable(timeout=120)
    return addresses(service)


@contextlib.contextmanager
def nginx(tasks: list[str], folder: Path) -> Iterator[Balancer]:
    """Run nginx before the tasks."""
    port, path = free_port(), folder / "nginx.conf"
    servers = " ".join(f"server {each};" for each in tasks)
    path.write_text(_NGINX.format(workers=_WORKERS, folder=folder, servers=servers, port=port))
    with _running("nginx", ["-c", str(path)], port) as balancer:
        yield balancer


@contextlib.contextmanager
def haproxy(tasks: list[str], folder: Path) -> Iterator[Balancer]:
    """Run haproxy before the tasks."""
    port, path = free_port(), folder / "haproxy.cfg"
    servers = "\n".join(f"  server s{number} {each}" for number, each in enumerate(tasks))
    path.write_text(_HAPROXY.format(workers=_WORKERS, servers=servers, port=port))
    with _running("haproxy", ["-f", str(path)], port) as balancer:
        yield balancer


@contextlib.contextmanager
def _running(name: str, arguments: list[str], port: int) -> Iterator[Balancer]:
    url = f"http://127.0.0.1:{port}/"
    command = [str(peers.program(name)), *arguments]
    process = subprocess.Popen(command, env=peers.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not _answers(url):
            assert process.poll() is None, f"{name} ended"
            assert time.monotonic() < deadline, f"{name} does not answer"
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Balancer(name, url, (process.pid, *map(int, children)))
    finally:
        process.terminate()
        process.wait()


def envoy(service: Balanced) -> Balancer:
    """Return the local cloud's own."""
    pid = int((service.cloud.data_dir / "envoy" / "envoy.pid").read_text())
    return Balancer("tidegate", service.url, (pid,))


def measure(balancer: Balancer, seconds: int, *, keep: bool) -> Measured:
    """Ask as fast as it answers, on connections that are kept or are new for every request."""
    command = [str(peers.program("wrk")), "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--latency"]
    command += [] if keep else ["-H", "Connection: close"]
    before = sum(map(cpu, balancer.pids))
    done = subprocess.run(
        [*command, balancer.url], env=peers.environment(), capture_output=True, text=True, check=True
    ).stdout
    spent = sum(map(cpu, balancer.pids)) - before
    requests = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done).groups()  # type: ignore[union-attr]
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    failed = sum(map(int, errors.groups())) if errors else 0
    failed += int(refused[1]) if refused else 0
    return Measured(rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], spent / requests * 1e6, failed)


def compare(tasks: str, balancers: list[Balancer], rounds: int, seconds: int, *, keep: bool) -> None:
    """Measure in turn and print ours beside each of the others."""
    found: dict[str, list[Measured]] = {each.name: [] for each in balancers}
    for _ in range(rounds):
        for each in balancers:
            found[each.name].append(measure(each, seconds, keep=keep))
    ours = found.pop(balancers[0].name)
    kind = "kept connections" if keep else "a connection each"
    for name, theirs in found.items():
        pairs = list(zip(ours, theirs, strict=True))
        rates = [mine.rate / other.rate for mine, other in pairs]
        delays = [other.p99 / mine.p99 for mine, other in pairs]
        detail = (
            f"{_median(ours, 'rate'):.0f} and {_median(theirs, 'rate'):.0f} requests a second, "
            f"{_median(ours, 'cost'):.0f} and {_median(theirs, 'cost'):.0f} us of CPU each, "
            f"{sum(each.failed for each in ours)} and {sum(each.failed for each in theirs)} failed"
        )
        _show(f"balancer, {tasks}, {kind}, requests a second beside {name}", detail, rates)
        detail = f"{_median(ours, 'p99'):.2f} and {_median(theirs, 'p99'):.2f} ms"
        _show(f"balancer, {tasks}, {kind}, p99 of {name} beside ours", detail, delays)


def _median(rounds: list[Measured], what: str) -> float:
    return float(statistics.median(getattr(each, what) for each in rounds))


def _show(name: str, detail: str, ratios: list[float]) -> None:
    ratio = statistics.median(ratios)
    show(name, detail, ratio, goal=f"at least {_GOAL}", met=ratio >= _GOAL, spread=(min(ratios), max(ratios)))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def main() -> None:
    """Measure and print."""
    rounds, seconds = (int(each) for each in (sys.argv[1:] + ["5", "3"][len(sys.argv) - 1 :])[:2])
    peers.ensure("nginx", "haproxy", "wrk")
    make_task_image()
    with balanced() as service:
        kinds = {
            "an application": service.server(VERSION=_BODY),
            "tasks that answer at once": {"name": "web", "image": _TASK, "portMappings": [{"containerPort": 8080}]},
        }
        for kind, container in kinds.items():
            tasks = start_service(service, container)
            with (
                tempfile.TemporaryDirectory() as folder,
                nginx(tasks, Path(folder)) as one,
                haproxy(tasks, Path(folder)) as other,
            ):
                for keep in (True, False):
                    compare(kind, [envoy(service), one, other], rounds, seconds, keep=keep)


if __name__ == "__main__":
    main()
