"""Answers with its version, and with a status that a bad version gets wrong."""

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1"
STATUS = 200


class Handler(BaseHTTPRequestHandler):
    """Answers `/health` always, everything else with STATUS: a health check cannot find every fault."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve one request."""
        answer = f"version {VERSION}\n".encode()
        self.send_response(200 if self.path == "/health" else STATUS)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, form: str, *arguments: object) -> None:
        """Write no access log: the load balancer has one."""


def main() -> None:
    """Serve until SIGTERM; requests that have begun are finished."""
    server = ThreadingHTTPServer(("", 8080), Handler)
    # shutdown() waits for the loop that serve_forever() runs, so it must not be called from within it
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
