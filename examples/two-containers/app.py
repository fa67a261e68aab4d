"""Answers with the first line of what the container beside it has."""

import signal
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BESIDE = "http://127.0.0.1:9000"


class Handler(BaseHTTPRequestHandler):
    """Passes on a licence's first line: `/BSD`, `/GPL-3`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve one request."""
        with urllib.request.urlopen(BESIDE + (self.path if self.path != "/" else "/BSD"), timeout=5) as response:
            answer = response.readline()
        self.send_response(200)
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
