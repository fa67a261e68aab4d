"""AWS calls a second and how long the slowest take, beside moto's server, an emulator that keeps everything in memory.

Looks, lists and writes, by 1 and by 16 clients at once. The requests are made and signed by boto3 beforehand and sent
as they are, so that boto3's own time, longer than either server's, hides nothing. Both take turns. Ours verifies each
signature, decides by IAM's policies, and answers a write once it is on the disk; moto does none of these.

    python -m benchmarks.api [rounds [seconds]]
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Never
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from tests.daemon import free_port

from benchmarks.cloud import local_cloud
from benchmarks.load import measure
from benchmarks.local_cloud import cpu
from benchmarks.report import show

_GOAL = 3.0
_CLIENTS = (1, 16)
_THINGS = 20  # of each kind that is listed
_DIFFERENT = 200  # requests that take turns
_OBJECT = b"x" * 1024
_BUCKET = "benchmark-objects"
_TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}'
)
_PROGRAMS = Path(sys.executable).parent

Parameters = Mapping[str, Any]
# what is asked: service, operation of boto3, parameters of the request of a number
CALLS: dict[str, tuple[str, str, Callable[[int], Parameters]]] = {
    "ecs DescribeClusters": ("ecs", "describe_clusters", lambda number: {"clusters": [f"c{number % _THINGS}"]}),
    "ecs ListClusters": ("ecs", "list_clusters", lambda _: {}),
    "iam ListRoles": ("iam", "list_roles", lambda _: {}),
    "ssm GetParameter": ("ssm", "get_parameter", lambda number: {"Name": f"/p/{number % _THINGS}"}),
    "ssm PutParameter": (
        "ssm",
        "put_parameter",
        lambda number: {"Name": f"/p/{number}", "Value": "some value", "Type": "String", "Overwrite": True},
    ),
    "s3 GetObject": ("s3", "get_object", lambda number: {"Bucket": _BUCKET, "Key": f"k/{number % _THINGS}"}),
    "s3 PutObject": (
        "s3",
        "put_object",
        lambda number: {"Bucket": _BUCKET, "Key": f"k/{number}", "Body": _OBJECT},
    ),
}


class _SignedError(Exception):
    """Not an error: takes a request out of boto3 where it would be sent."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__()
        self.request = request


class Answers(NamedTuple):
    """Answers a second, milliseconds that 99 of 100 took at most, milliseconds of the server's CPU for each."""

    rate: float
    p99: float
    cpu: float


class Server(NamedTuple):
    """One of the two."""

    port: int
    pid: int
    access_key: str
    secret: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def fill(self) -> None:
        """Make what the calls ask for."""
        ecs, iam, ssm, s3 = (self.client(name) for name in ("ecs", "iam", "ssm", "s3"))
        s3.create_bucket(Bucket=_BUCKET)
        for number in range(_THINGS):
            ecs.create_cluster(clusterName=f"c{number}")
            iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=_TRUST)
            ssm.put_parameter(Name=f"/p/{number}", Value="some value", Type="String")
            s3.put_object(Bucket=_BUCKET, Key=f"k/{number}", Body=_OBJECT)

    def load(self, name: str, clients: int, seconds: float) -> Answers:
        """Send requests of a kind from so many clients at once."""
        requests, before = self.requests(name), cpu(self.pid)
        taken = measure(self.port, requests, clients, seconds)
        return Answers(taken.rate, taken.p99, 1000 * (cpu(self.pid) - before) / taken.answers)

    def requests(self, name: str) -> list[bytes]:
        """Return requests of a kind, signed now: they are good for five minutes."""
        service, operation, parameters = CALLS[name]
        client, made = self.client(service), []
        client.meta.events.register("before-send", _take_out)
        for number in range(_DIFFERENT):
            try:
                getattr(client, operation)(**parameters(number))
            except _SignedError as signed:
                made.append(_raw(signed.request))
        return made


def _take_out(request: AWSPreparedRequest, **_: object) -> Never:
    raise _SignedError(request)


def _raw(request: AWSPreparedRequest) -> bytes:
    """Return a request as it goes over the wire."""
    address = urlsplit(request.url)
    given: Any = request.body or b""
    body: bytes = given.encode() if isinstance(given, str) else given if isinstance(given, bytes) else given.read()
    headers = {"Host": address.netloc, "Content-Length": str(len(body))}
    for name, value in request.headers.items():
        if name.lower() not in ("expect", "content-length", "host"):  # the body comes at once
            headers[name] = value.decode() if isinstance(value, bytes) else str(value)
    target = address.path + (f"?{address.query}" if address.query else "")
    head = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(head).encode() + body


@contextlib.contextmanager
def ours() -> Iterator[Server]:
    """Run a local cloud."""
    with local_cloud() as cloud:
        assert cloud.process is not None
        yield Server(cloud.port, cloud.process.pid, cloud.document["access_key"], cloud.document["secret"])


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    """Run moto's server."""
    port = free_port()
    command = [str(_PROGRAMS / "moto_server"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, "moto's server ended"
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.05)
        yield Server(port, process.pid, "AKIAIOSFODNN7EXAMPLE", "secret")
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        urllib3.request("GET", f"http://127.0.0.1:{port}/moto-api/", retries=False, timeout=5)
    except urllib3.exceptions.HTTPError:
        return False
    return True


def compare(name: str, clients: int, us: Server, peer: Server, rounds: int, seconds: float) -> None:
    """Have both answer in turns, and print what came of it."""
    mine, theirs = list[Answers](), list[Answers]()
    for number in range(rounds + 1):
        pair = [each.load(name, clients, seconds) for each in (us, peer)]
        if number:  # the first round loads modules and models
            mine.append(pair[0])
            theirs.append(pair[1])
    of = f"{name} by {clients} client{'s' if clients > 1 else ''}"
    rates = [one.rate / other.rate for one, other in zip(mine, theirs, strict=True)]
    slowest = [one.p99 / other.p99 for one, other in zip(mine, theirs, strict=True)]
    detail = (
        f"{_median(mine, 'rate'):.0f}, moto server {_median(theirs, 'rate'):.0f}; "
        f"CPU of each {_median(mine, 'cpu'):.2f} ms, {_median(theirs, 'cpu'):.2f} ms"
    )
    _show(f"{of}, calls a second", detail, rates, goal=f"at least {_GOAL}", met=lambda ratio: ratio >= _GOAL)
    detail = f"{_median(mine, 'p99'):.1f} ms, moto server {_median(theirs, 'p99'):.1f} ms"
    _show(f"{of}, p99", detail, slowest, goal="below 1", met=lambda ratio: ratio < 1)


def _median(rounds: Sequence[Answers], what: str) -> float:
    return float(statistics.median(getattr(each, what) for each in rounds))


def _show(name: str, detail: str, ratios: Sequence[float], *, goal: str, met: Callable[[float], bool]) -> None:
    ratio = statistics.median(ratios)
    show(name, detail, ratio, goal=goal, met=met(ratio), spread=(min(ratios), max(ratios)))


def main() -> None:
    """Measure and print."""
    given = sys.argv[1:]
    rounds, seconds = int(given[0]) if given else 5, float(given[1]) if len(given) > 1 else 1.0
    with ours() as us, moto() as peer:
        us.fill()
        peer.fill()
        for name in CALLS:
            for clients in _CLIENTS:
                compare(name, clients, us, peer, rounds, seconds)


if __name__ == "__main__":
    main()
