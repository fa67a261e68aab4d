"""Says how a request reached the load balancer."""

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers with the scheme that the client used."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve one request."""
        answer = f"reached by {self.headers.get('X-Forwarded-Proto', 'nobody')}\n".encode()
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
