"""A real daemon on a real port, for real clients."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tidegate.cloud.daemon import purge

_START_TIMEOUT = 20.0
_PROGRAMS = Path(sys.executable).parent


@dataclass
class Daemon:
    """A local cloud in a folder of its own; `start`, `kill` and `start` again as a fault would."""

    data_dir: Path
    port: int
    region: str = "us-east-1"
    account: str = "000000000000"
    module: str = "tidegate.cloud.daemon"
    process: subprocess.Popen[bytes] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # of its environment, beside those of the tests

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def registry(self) -> str:
        return str(self.document["registry"])

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self.launch()
        self.ready()

    def ready(self) -> None:
        """Wait until the daemon answers."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not (self.data_dir / "daemon.json").exists():
            assert self.process is not None
            assert self.process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, "the daemon did not start"
            time.sleep(0.01)
        self.document = json.loads((self.data_dir / "daemon.json").read_text())

    def launch(self, stderr: int | None = None) -> subprocess.Popen[bytes]:
        """Start the daemon and do not wait until it answers."""
        command = [sys.executable, "-m", *self.module.split(), "--data-dir", str(self.data_dir)]
        command += ["--port", str(self.port), "--account", self.account, "--region", self.region]
        (self.data_dir / "daemon.json").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            command, start_new_session=True, stderr=stderr, env={**os.environ, **self.variables}
        )
        return self.process

    def kill(self) -> None:
        """Kill the daemon alone, at once: what it started lives on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop the daemon and all that it runs."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def purge(self) -> None:
        """Stop it if it runs, and leave nothing of it on this machine."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.variables.items():
                environment.setenv(name, value)
            purge(self.data_dir)

    def reset(self) -> None:
        """Empty the local cloud."""
        request = urllib.request.Request(f"{self.endpoint}/_tidegate/reset", method="POST")
        request.add_header("Authorization", f"Bearer {self.document['token']}")
        urllib.request.urlopen(request, timeout=30).read()

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which any AWS client reaches this daemon and nothing of the user's."""
        return {
            "PATH": f"{_PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(self.data_dir),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.document["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.document["secret"],
            "AWS_DEFAULT_REGION": self.region,
            "AWS_PAGER": "",
        }

    def client(
        self, service: str, *, region: str | None = None, keys: dict[str, Any] | None = None, **settings: Any
    ) -> Any:
        """A boto3 client, the administrator's or that of temporary keys (as sts answers them)."""
        keys = keys or {"AccessKeyId": self.document["access_key"], "SecretAccessKey": self.document["secret"]}
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=region or self.region,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, **settings),
        )

    def aws(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the AWS CLI."""
        return subprocess.run(
            ["aws", *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
        )

    def aws_json(self, *arguments: str) -> Any:
        """Run the AWS CLI and return its answer."""
        output = self.aws(*arguments, "--output", "json").stdout
        return json.loads(output) if output.strip() else None


def free_port() -> int:
    """Return a port that nobody listens on now, and that the system gives to nobody in the meantime.

    What it gives by itself, to whoever connects, is from 32768 on.
    """
    while True:
        port = random.SystemRandom().randrange(10240, 32768)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
