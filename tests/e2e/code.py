"""The code of an application that any manifest of `tests/manifests.py` can describe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE = "tidegate/python:3.11"
_SERVER = """
import http.server, os, signal, sys, threading, time
if os.environ.get("CRASH"):
    sys.exit("this version cannot start")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ.get("ADDED", "first").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, form, *args):
        pass
print("started", flush=True)
if os.environ.get("PORT"):
    server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()
"""


def write_code(folder: Path, document: Mapping[str, Any]) -> None:
    """Write a server, a Dockerfile for each service, a Makefile and the buildspec into a folder."""
    (folder / "server.py").write_text(_SERVER)
    (folder / "Makefile").write_text("test lint:\n\ttrue\n")
    for service in document["services"].values():
        build = service.get("build", {})
        dockerfile, context = build.get("dockerfile", "Dockerfile"), build.get("context", ".")
        lines = [f"FROM {BASE} AS {build.get('target', 'app')}", "COPY server.py /server.py"]
        lines.append('CMD ["python3", "-u", "/server.py"]')
        for path, content in ((dockerfile, "\n".join(lines) + "\n"), (f"{context}/server.py", _SERVER)):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    buildspec = Path(__file__).parents[2] / "examples" / "hello" / "buildspec.yml"
    (folder / "buildspec.yml").write_text(buildspec.read_text())
