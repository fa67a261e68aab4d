"""A hundred rolling deployments in a row under steady load: not one request may fail, not one connection be cut.

Requests come on kept connections and on new ones all the time. During every fifth deployment there are also requests
that take five seconds, and WebSocket connections that stay: as on AWS, a target that is deregistered keeps both until
they end, or until its deregistration delay is over, and only then a connection may be cut.

    python -m benchmarks.rolling [deployments]
"""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from load import Load
from tests.contract.test_ecs_services import Balanced
from tests.fargate import until
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from benchmarks.behind_balancer import balanced

_DELAY = 8.0  # seconds of deregistration delay: longer than the longest request
_LONG = 5.0  # seconds of a long request
_EVERY = 5  # of that many deployments one has long requests and connections
_SOCKETS, _LONG_ONES = 4, 4
_LOOK = 0.2  # seconds between two looks at the targets
_RESETS = ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "ConnectionAbortedError")

# Answers its VERSION; /long after five seconds; echoes WebSocket messages (RFC 6455) after its host name. On SIGTERM it
# takes nothing new, and ends what it has begun.
_SERVER = """
import asyncio, base64, hashlib, os, signal, socket
VERSION, HOST = os.environ["VERSION"].encode(), socket.gethostname().encode()
async def frames(reader, writer):
    while True:
        first, second = await reader.readexactly(2)
        length = second & 127
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[n % 4] for n, b in enumerate(await reader.readexactly(length)))
        if first & 15 == 8:
            writer.write(bytes([136, len(data)]) + data)
            return
        if first & 15 == 9:
            writer.write(bytes([138, len(data)]) + data)
        elif first & 15 == 1:
            data = HOST + b" " + data
            writer.write(bytes([129, len(data)]) + data)
        await writer.drain()
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\\r\\n")[1:])}
            if "sec-websocket-key" in headers:
                magic = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                accept = base64.b64encode(hashlib.sha1(magic.encode()).digest())
                writer.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                             b"Sec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
                return await frames(reader, writer)
            if head.split()[1] == "/long":
                await asyncio.sleep(5)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(VERSION) + VERSION)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def main():
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    server = await asyncio.start_server(serve, "", 8080, backlog=512)
    await ending.wait()
    server.close()
asyncio.run(main())
"""


class Draining:
    """Since when each task's host name has been seen draining, by somebody who looks all the time."""

    def __init__(self, service: Balanced) -> None:
        self._service = service
        self._since: dict[str, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def is_over(self, host: str) -> bool:
        """Return whether a task has been draining for as long as the deregistration delay."""
        return time.monotonic() - self._since.get(host, time.monotonic()) >= _DELAY - 3 * _LOOK

    def __enter__(self) -> Draining:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _look(self) -> None:
        elb = self._service.cloud.client("elbv2")
        while not self._ending.wait(_LOOK):
            found = elb.describe_target_health(TargetGroupArn=self._service.target_group)["TargetHealthDescriptions"]
            for each in found:
                if each["TargetHealth"]["State"] == "draining":
                    self._since.setdefault("ip-" + each["Target"]["Id"].replace(".", "-"), time.monotonic())


class Long:
    """Long requests and connections, for as long as this context is open."""

    def __init__(self, url: str, draining: Draining) -> None:
        self._url = url
        self._draining = draining
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        work = [self._ask] * _LONG_ONES + [self._talk] * _SOCKETS
        self._threads = [threading.Thread(target=each) for each in work]

    def __enter__(self) -> Long:
        for each in self._threads:
            each.start()
        until(lambda: self.counts["messages"] >= 2 * _SOCKETS or self.failures)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for each in self._threads:
            each.join()

    def _note(self, what: str, failure: str | None = None) -> None:
        with self._lock:
            self.counts[what] += 1
            if failure is not None:
                self.failures[failure] += 1

    def _ask(self) -> None:
        parts = urlsplit(self._url)
        assert parts.hostname is not None
        while not self._ending.is_set():
            connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)
            try:
                connection.request("GET", "/long")
                response = connection.getresponse()
                response.read()
                self._note("long requests", None if response.status == 200 else f"long: {response.status}")
            except (OSError, http.client.HTTPException) as error:
                self._note("long requests", f"{type(error).__name__} of a long request: {error}")
            finally:
                connection.close()

    def _talk(self) -> None:
        """Keep a connection for as long as it is served, and say something ten times a second."""
        while not self._ending.is_set():
            host = "nobody yet"
            try:
                with connect(self._url.replace("http:", "ws:"), open_timeout=20, close_timeout=1) as socket:
                    self._note("connections")
                    while not self._ending.wait(0.1):
                        socket.send("hello")
                        host, _, text = str(socket.recv(timeout=20)).partition(" ")
                        self._note("messages", None if text == "hello" else "another message came back")
            except (OSError, ConnectionClosed, WebSocketException) as error:
                if isinstance(error, ConnectionClosed) and self._draining.is_over(host):
                    self._note("cut after their drain")
                else:
                    self._note("cut", f"{type(error).__name__} of a connection to {host}: {error}")


def deploy(service: Balanced, number: int, load: Load) -> float:
    """Deploy a version and wait until nothing of the one before is left; return the seconds."""
    definition = service.register(
        {**service.server(VERSION=f"v{number}"), "command": ["python3", "-c", _SERVER], "stopTimeout": 10}
    )
    started = time.monotonic()
    service.update(taskDefinition=definition)
    service.stable(timeout=120)
    seconds = time.monotonic() - started
    load.wait_for(f"v{number}")
    return seconds


def run(service: Balanced, deployments: int) -> tuple[list[float], list[float], Load, Counter[str], Counter[str]]:
    """Deploy again and again; return the seconds (plain ones, with long requests), and what was seen."""
    service.elb.modify_target_group_attributes(
        TargetGroupArn=service.target_group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(int(_DELAY))}],
    )
    first: dict[str, Any] = {**service.server(VERSION="v0"), "command": ["python3", "-c", _SERVER], "stopTimeout": 10}
    service.create(service.register(first), breaker=False)
    service.stable()
    plain, long = [], []
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    with Draining(service) as draining, Load(service.url, workers=4) as load:
        load.wait_for("v0")
        for number in range(1, deployments + 1):
            if number % _EVERY:
                plain.append(deploy(service, number, load))
                continue
            with Long(service.url, draining) as more:
                long.append(deploy(service, number, load))
            counts += more.counts
            failures += more.failures
    return plain, long, load, counts, failures


def main() -> None:
    """Measure and print."""
    deployments = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with balanced() as service:
        started = time.monotonic()
        plain, long, load, counts, failures = run(service, deployments)
        seconds = time.monotonic() - started
    failures += load.failures
    resets = sum(number for why, number in failures.items() if why.startswith((*_RESETS, "ConnectionClosed")))
    print(
        f"{deployments} rolling deployments: {load.sent} requests, {load.sent / seconds:.0f} a second; "
        + ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    )
    for what, number in (("failed", failures.total()), ("cut or reset", resets)):
        print(f"{what}: {number}, goal 0: {'MISSED' if number else 'met'}")
    for why, number in failures.most_common(10):
        print(f"    {number} x {why}")
    for what, times in (
        ("", plain),
        (f", with requests and connections longer than its drain of {_DELAY:.0f} s", long),
    ):
        if times:
            print(f"seconds of a deployment{what}: median {statistics.median(times):.1f}, worst {max(times):.1f}")


if __name__ == "__main__":
    main()
