"""At least 50,000 hostile requests to a daemon: no 5xx but the named 501, no traceback, no hang, no growth.

`make fuzz`; TIDEGATE_FUZZ_REQUESTS and TIDEGATE_FUZZ_SEED choose how many and which.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore import xform_name
from botocore.model import OperationModel
from botocore.parsers import create_parser
from yarl import URL

from tests.daemon import Daemon, free_port
from tests.fuzz.resources import made
from tests.fuzz.sockets import garbage, write
from tests.fuzz.values import ESCAPE, Values
from tests.fuzz.wire import BREAKS, Request, Signer, broken, encoded
from tidegate.cloud.daemon import Cloud, Settings

pytestmark = pytest.mark.fuzz

REQUESTS = int(os.environ.get("TIDEGATE_FUZZ_REQUESTS", "50000"))
SEED = int(os.environ.get("TIDEGATE_FUZZ_SEED", "1"))
FAULTS = ("none", "none", "missing", "wrong", "huge", "hostile", "hostile")
AT_ONCE = 16
_LONG_PATH = 65_536  # what the HTTP parser takes; it refuses more before S3 can, with a body that HEAD must not have
PATIENCE = 30.0  # seconds for an answer
GROWTH = 200.0  # MB, of what stays after everything was removed
# what these say makes the daemon wait, or answers with a stream
_LONG = {("logs", "StartLiveTail")}


class Fuzz:
    """One run: what was sent, what came back, and what must not have."""

    def __init__(self, daemon: Daemon, operations: list[tuple[OperationModel, bool]]) -> None:
        self.daemon = daemon
        self.chance = random.Random(SEED)
        self.values = Values(self.chance)
        self.signer = Signer(daemon.endpoint, daemon.region, daemon.document["access_key"], daemon.document["secret"])
        self.operations = [each for each, _ in operations]
        self.built = [each for each, built in operations if built]
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.slowest = (0.0, "")
        self.sent = 0

    async def run(self, number: int) -> None:
        """Send this many requests, a few at once."""
        first = iter(self.operations)  # each one at least once
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:

            async def work() -> None:
                while self.sent < number and len(self.wrong) < 500:
                    self.sent += 1
                    if self.chance.random() < 0.04:
                        await self._garbage()
                    else:
                        await self._request(session, next(first, None) or self.chance.choice(self.built))

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _request(self, session: aiohttp.ClientSession, operation: OperationModel) -> None:
        fault = self.chance.choice(FAULTS)
        request = encoded(operation, self.values.request(operation.input_shape, fault), cbor=self.chance.random() < 0.3)
        if request is None:
            request = Request("POST", "/", {}, b"")
        chosen = self.chance.random()
        if chosen < 0.15:
            fault = self.chance.choice(BREAKS)
            request = broken(request, fault, self.chance)
        service = operation.service_model.signing_name
        if 0.15 <= chosen < 0.23:
            fault = "signature"
            request = self.signer.badly_signed(request, service, self.chance)
        else:
            request = self.signer.signed(request, service)
        await self._send(session, request, operation, fault)

    async def _send(
        self, session: aiohttp.ClientSession, request: Request, operation: OperationModel, fault: str
    ) -> None:
        what = f"{operation.service_model.service_name}:{operation.name} ({fault})"
        url = URL(self.daemon.endpoint + request.path, encoded=True)
        started = time.monotonic()
        try:
            async with session.request(
                request.method, url, headers=request.headers, data=io.BytesIO(request.body)
            ) as answer:
                content = await answer.read()
                self._judge(what, answer.status, content, request, fault)
                if answer.status == 200 and fault in FAULTS:  # else it may have become another operation
                    self._learn(operation, answer, content)
        except ValueError:
            self.statuses["not sendable"] += 1  # a header that the client's own HTTP library refuses
        except TimeoutError:
            self.wrong.append(f"{what}: no answer in {PATIENCE:.0f} s: {request}"[:3000])
        except aiohttp.ClientError as error:
            self.statuses["connection closed"] += 1
            if fault not in ("signature", *BREAKS) and len(request.path) < _LONG_PATH:
                self.wrong.append(f"{what}: {error!r}: {request}"[:3000])
        self.slowest = max(self.slowest, (time.monotonic() - started, what))

    def _judge(self, what: str, status: int, content: bytes, request: Request, fault: str) -> None:
        self.statuses[str(status)] += 1
        names = (b"tidegate local does not offer", b"<Header>")  # S3 has a sentence of its own for headers
        named = status == 501 and (request.method == "HEAD" or any(each in content for each in names))
        if (status >= 500 and not named) or b"Traceback" in content or b"<html" in content.lower():
            self.wrong.append(f"{what}: {status} {content[:600]!r} to {request}"[:3000])
        if fault == "signature" and status < 400:
            self.wrong.append(f"{what}: {status} in spite of its signature, {request.headers}"[:3000])

    def _learn(self, operation: OperationModel, answer: aiohttp.ClientResponse, content: bytes) -> None:
        if operation.has_streaming_output or operation.has_event_stream_output or operation.output_shape is None:
            return
        is_cbor = answer.headers.get("smithy-protocol") == "rpc-v2-cbor"
        protocol = "smithy-rpc-v2-cbor" if is_cbor else operation.service_model.resolved_protocol
        if protocol == "smithy-rpc-v2-cbor" and not is_cbor:
            protocol = "json"
        headers = {key.lower(): value for key, value in answer.headers.items()}
        parsed = create_parser(protocol).parse(
            {"status_code": 200, "headers": headers, "body": content}, operation.output_shape
        )
        parsed.pop("ResponseMetadata", None)
        self.values.learn(parsed)

    async def _garbage(self) -> None:
        content = garbage(self.chance)
        try:
            answer = await write(self.daemon.port, content, PATIENCE)
        except TimeoutError:
            self.wrong.append(f"the connection stays open after {content[:300]!r}")
            return
        status = re.match(rb"HTTP/1.1 (\d\d\d)", answer)
        self.statuses[f"no HTTP: {status[1].decode() if status else 'closed'}"] += 1
        if (status and status[1] >= b"500" and b"does not offer" not in answer) or b"Traceback" in answer:
            self.wrong.append(f"{content[:300]!r}: {answer[:600]!r}")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path, free_port())
    made.start()
    yield made
    made.purge()


def _operations(folder: Path) -> list[tuple[OperationModel, bool]]:
    """Return every operation of every service's model, and whether it is built."""
    cloud = Cloud(Settings(folder))
    found = []
    for service, built in cloud.dispatcher.operations().items():
        model = cloud.models.service(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            if (service, name) not in _LONG:
                found.append((operation, xform_name(name) in built))
    cloud.close()
    return found


def _size(process: int) -> tuple[float, int]:
    """Return a process's memory in MB and how many files it holds open."""
    status = Path(f"/proc/{process}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+)", status)
    assert resident is not None
    return int(resident[1]) / 1024, len(list(Path(f"/proc/{process}/fd").iterdir()))


def _raised(log: str) -> Counter[str]:
    """Return the exceptions in a log, by where they were raised and what they say, and how often."""
    found: Counter[str] = Counter()
    for text in re.findall(r"^Traceback .*?(?=^\d{4}-|\Z)", log, re.MULTILINE | re.DOTALL):
        lines = text.strip().splitlines()
        places = [line.strip() for line in lines if line.startswith("  File ") and "tidegate" in line]
        found["\n    ".join([re.sub(r"\b[0-9a-f-]{36}\b|'.*'", "…", lines[-1]), *places[-3:]])] += 1
    return found


def test_no_request_breaks_it(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory, capsys: Any) -> None:
    assert daemon.process is not None
    fuzz = Fuzz(daemon, _operations(tmp_path_factory.mktemp("models")))
    asyncio.run(fuzz.run(REQUESTS // 5))
    daemon.reset()
    fuzz.sent = 0
    for answer in made(daemon):
        fuzz.values.learn({key: value for key, value in answer.items() if key != "ResponseMetadata"})
    memory, files = _size(daemon.process.pid)
    started = time.monotonic()
    asyncio.run(fuzz.run(REQUESTS))
    took = time.monotonic() - started
    daemon.reset()
    memory_after, files_after = _size(daemon.process.pid)
    log = "".join(path.read_text(errors="replace") for path in sorted(daemon.data_dir.glob("daemon.log*")))
    with capsys.disabled():
        print(f"\nfuzz: seed {SEED}, {fuzz.sent} requests, {len(fuzz.operations)} operations, {took:.0f} s")
        print("  answers:", ", ".join(f"{what}: {number}" for what, number in fuzz.statuses.most_common()))
        print(f"  slowest: {fuzz.slowest[0]:.1f} s, {fuzz.slowest[1]}")
        print(f"  memory {memory:.0f} -> {memory_after:.0f} MB, open files {files} -> {files_after}")
    raised = _raised(log)
    told = [f"{number} x {text}" for text, number in raised.most_common()]
    assert not told + fuzz.wrong, "\n\n".join(told + fuzz.wrong)
    assert not Path(ESCAPE).exists()
    assert memory_after < memory + GROWTH
    assert files_after < files + 30
    assert daemon.client("sts").get_caller_identity()["Account"] == daemon.account
