"""A small HTTP service: it says which version it is, tells whether it is well, and ends when asked to."""

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1"
PORT = 8080


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the version and `/health` with ok."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve one request."""
        body = b"ok\n" if self.path == "/health" else f"hello, version {VERSION}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *arguments: object) -> None:
        """Write the access log, but not the load balancer's checks."""
        if self.path != "/health":
            print(self.address_string(), form % arguments, flush=True)


class Server(ThreadingHTTPServer):
    """A server that takes a crowd of new connections at once."""

    request_queue_size = 256


def main() -> None:
    """Serve until SIGTERM; requests that have begun are finished."""
    server = Server(("", PORT), Handler)
    # shutdown() waits for the loop that serve_forever() runs, so it must not be called from within it
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"version {VERSION} listens on {PORT}", flush=True)
    server.serve_forever()
    print("ended", flush=True)


if __name__ == "__main__":
    main()
