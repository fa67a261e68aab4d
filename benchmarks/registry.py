"""Pushes and pulls of the local cloud's registry, beside the distribution's reference implementation.

Both are asked by the same client over plain HTTP, on the same disk, in turns; docker would measure its own compression.
A layer is pushed as docker does it (HEAD, POST, PATCH, PUT), several at once. Ours authorizes each step by IAM; the
peer asks nobody who he is.

    python -m benchmarks.registry [rounds]
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.daemon import free_port
from tests.registry import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

from benchmarks import peers
from benchmarks.cloud import local_cloud
from benchmarks.local_cloud import cpu, memory
from benchmarks.report import show

_GOAL = 1.0
_MEMORY_GOAL = 50  # megabytes
_AT_ONCE = 3  # layers: as many as docker pulls at once
_MEGABYTE = 1_000_000
_LAYERS, _GREAT = [20 * _MEGABYTE] * 10, [1000 * _MEGABYTE]
_MANIFESTS = 200
_PIECE = 1 << 20
_REPOSITORY = "benchmark"
_CONFIGURATION = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Registry(NamedTuple):
    """One of the two: where it listens, its process, and what its clients say who they are."""

    port: int
    pid: int
    authorization: dict[str, str]

    def connect(self) -> Connection:
        return Connection(self)


class Connection:
    """A connection that is kept."""

    def __init__(self, registry: Registry) -> None:
        self._headers = registry.authorization
        # in one segment with what follows: else the kernel waits with it for the server's word
        self._http = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=120, blocksize=_PIECE)
        self._http.connect()

    def __call__(
        self, method: str, path: str, body: object = None, expected: int = 200, **headers: str
    ) -> http.client.HTTPResponse:
        """Make a request; return the answer, whose body is still to be read."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._http.request(method, path, body, {**self._headers, **given})  # type: ignore[arg-type]
        answer = self._http.getresponse()
        assert answer.status == expected, (method, path, answer.status, answer.read()[:300])
        return answer

    def push(self, layer: Layer) -> None:
        self(*("HEAD", f"/v2/{_REPOSITORY}/blobs/{layer.digest}"), expected=404).read()
        answer = self("POST", f"/v2/{_REPOSITORY}/blobs/uploads/", expected=202, Content_Length="0")
        answer.read()
        with layer.path.open("rb") as file:
            answer = self(
                *("PATCH", _target(answer), file),
                expected=202,
                Content_Type="application/octet-stream",
                Content_Length=str(layer.size),
            )
        answer.read()
        target = _target(answer)
        end = f"{target}{'&' if '?' in target else '?'}digest={layer.digest}"
        self("PUT", end, expected=201, Content_Length="0").read()

    def pull(self, layer: Layer) -> None:
        answer = self("GET", f"/v2/{_REPOSITORY}/blobs/{layer.digest}")
        buffer, size = bytearray(_PIECE), 0
        while count := answer.readinto(buffer):
            size += count
        assert size == layer.size


class Layer(NamedTuple):
    """Content that no compression makes smaller."""

    path: Path
    size: int
    digest: str


def _target(answer: http.client.HTTPResponse) -> str:
    where = urlsplit(answer.headers["Location"])
    return where.path + (f"?{where.query}" if where.query else "")


def make(folder: Path, sizes: Sequence[int]) -> list[Path]:
    """Write files of random content."""
    paths = list[Path]()
    for size in sizes:
        path = folder / f"layer-{len(sizes)}-{len(paths)}"
        with path.open("wb") as file:
            for _ in range(0, size, _MEGABYTE):
                file.write(os.urandom(_MEGABYTE))
        paths.append(path)
    return paths


def renewed(paths: Sequence[Path]) -> list[Layer]:
    """Return the files as layers that no registry has yet: their first bytes are new."""
    layers = []
    for path in paths:
        with path.open("r+b") as file:
            file.write(os.urandom(16))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        layers.append(Layer(path, path.stat().st_size, f"sha256:{digest}"))
    return layers


@contextlib.contextmanager
def ours() -> Iterator[Registry]:
    """Run a local cloud with a repository."""
    with local_cloud() as cloud:
        ecr = cloud.client("ecr")
        ecr.create_repository(repositoryName=_REPOSITORY)
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        assert cloud.process is not None
        yield Registry(cloud.port, cloud.process.pid, {"Authorization": f"Basic {token}"})


@contextlib.contextmanager
def reference() -> Iterator[Registry]:
    """Run the distribution's registry."""
    with tempfile.TemporaryDirectory() as folder:
        port, path = free_port(), Path(folder) / "registry.yml"
        path.write_text(_CONFIGURATION.format(folder=folder, port=port))
        command = [str(peers.program("docker-registry")), "serve", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            registry, deadline = Registry(port, process.pid, {}), time.monotonic() + 20
            while not _answers(registry):
                assert process.poll() is None, "docker-registry ended"
                assert time.monotonic() < deadline, "docker-registry does not answer"
                time.sleep(0.05)
            yield registry
        finally:
            process.terminate()
            process.wait()


def _answers(registry: Registry) -> bool:
    try:
        registry.connect()("GET", "/v2/").read()
    except OSError:
        return False
    return True


class Cost(NamedTuple):
    """What something took: seconds, and seconds of the registry's CPU."""

    seconds: float
    cpu: float


def cost(registry: Registry, work: Callable[[], object]) -> Cost:
    """Return what it takes to do something, on a disk that has nothing else left to write."""
    os.sync()
    before, started = cpu(registry.pid), time.monotonic()
    work()
    return Cost(time.monotonic() - started, cpu(registry.pid) - before)


def with_each(registry: Registry, work: Callable[[Connection, Layer], None], layers: Sequence[Layer]) -> Cost:
    """Return what it takes to do something with all layers, some at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return cost(registry, lambda: list(pool.map(lambda layer: work(registry.connect(), layer), layers)))


class Peak:
    """The greatest memory of a process while something is done, above what it was before, in megabytes."""

    def __init__(self, pid: int) -> None:
        self.above = 0.0
        self._pid, self._before = pid, memory(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.above = max(self.above, memory(self._pid) - self._before)


class Figures:
    """What the rounds of both brought."""

    def __init__(self) -> None:
        self._costs: dict[str, list[tuple[Cost, Cost]]] = {}

    def add(self, name: str, mine: Cost, theirs: Cost) -> None:
        self._costs.setdefault(name, []).append((mine, theirs))

    def show(self, amounts: dict[str, tuple[float, str]]) -> None:
        """Print all, as so much of something a second."""
        for name, pairs in self._costs.items():
            amount, unit = amounts[name]
            ratios = [theirs.seconds / mine.seconds for mine, theirs in pairs]
            ratio = statistics.median(ratios)
            mine, theirs = (
                f"{amount / statistics.median(each.seconds for each in costs):.0f} {unit} a second"
                f" with {1000 / amount * statistics.median(each.cpu for each in costs):.2f} ms of CPU each"
                for costs in zip(*pairs, strict=True)
            )
            show(
                f"registry, {name}",
                f"{mine}, docker-registry {theirs}",
                ratio,
                goal=f"at least {_GOAL}",
                met=ratio >= _GOAL,
                spread=(min(ratios), max(ratios)),
            )


def layers_in_turns(
    name: str, figures: Figures, pair: tuple[Registry, Registry], paths: Sequence[Path], rounds: int
) -> list[tuple[float, float]]:
    """Push and pull in turns; return the memory that it took of both, in each round."""
    peaks = []
    for _ in range(rounds):
        layers = renewed(paths)
        with Peak(pair[0].pid) as mine, Peak(pair[1].pid) as theirs:
            for what, work in (("push", Connection.push), ("pull", Connection.pull)):
                figures.add(f"{what} of {name}", *(with_each(each, work, layers) for each in pair))
        peaks.append((mine.above, theirs.above))
    return peaks


def manifests_in_turns(figures: Figures, pair: tuple[Registry, Registry], folder: Path, rounds: int) -> None:
    """Push and pull small manifests, one after the other."""
    path = folder / "small"
    path.write_bytes(os.urandom(1000))
    (layer,) = renewed([path])
    for each in pair:
        each.connect().push(layer)
    blob = {"digest": layer.digest, "size": layer.size}
    for number in range(rounds):
        contents = [
            json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_MANIFEST,
                    "config": {"mediaType": OCI_CONFIG, **blob},
                    "layers": [{"mediaType": OCI_LAYER, **blob}],
                    "annotations": {"number": f"{number}-{each}"},
                }
            ).encode()
            for each in range(_MANIFESTS)
        ]

        def push(registry: Registry, contents: Sequence[bytes] = contents) -> None:
            connection = registry.connect()
            for each, content in enumerate(contents):
                target = f"/v2/{_REPOSITORY}/manifests/v{each}"
                connection("PUT", target, content, 201, Content_Type=OCI_MANIFEST).read()

        def pull(registry: Registry, contents: Sequence[bytes] = contents) -> None:
            connection = registry.connect()
            for each, content in enumerate(contents):
                answer = connection("GET", f"/v2/{_REPOSITORY}/manifests/v{each}", Accept=OCI_MANIFEST)
                assert answer.read() == content

        figures.add("push of manifests", *(cost(each, partial(push, each)) for each in pair))
        figures.add("pull of manifests", *(cost(each, partial(pull, each)) for each in pair))


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    peers.ensure("docker-registry")
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder, ours() as us, reference() as peer:
        pair = (us, peer)
        manifests_in_turns(figures, pair, Path(folder), rounds)
        layers_in_turns("10 layers of 20 MB", figures, pair, make(Path(folder), _LAYERS), rounds)
        peaks = layers_in_turns("a layer of 1 GB", figures, pair, make(Path(folder), _GREAT), rounds)
    amounts: dict[str, tuple[float, str]] = {}
    for what in ("push", "pull"):
        amounts[f"{what} of manifests"] = (_MANIFESTS, "manifests")
        amounts[f"{what} of 10 layers of 20 MB"] = (sum(_LAYERS) / _MEGABYTE, "MB")
        amounts[f"{what} of a layer of 1 GB"] = (sum(_GREAT) / _MEGABYTE, "MB")
    figures.show(amounts)
    mine, theirs = (max(each) for each in zip(*peaks, strict=True))
    show(
        "registry, memory above idle during a layer of 1 GB",
        f"{mine:.0f} MB, docker-registry {theirs:.0f} MB",
        mine / max(theirs, 1.0),
        goal=f"under {_MEMORY_GOAL} MB",
        met=mine < _MEMORY_GOAL,
    )


if __name__ == "__main__":
    main()
