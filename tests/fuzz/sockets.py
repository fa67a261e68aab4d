"""Bytes that are no HTTP, or nearly."""

from __future__ import annotations

import asyncio
import random

_LINES = (
    b"GET / HTTP/1.1",
    b"POST / HTTP/1.1",
    b"PUT /bucket/key HTTP/1.1",
    b"GET /v2/ HTTP/1.1",
    b"GET /v1/repos/x/info/refs?service=git-upload-pack HTTP/1.1",
    b"GET /_tidegate/status HTTP/1.1",
    b"GET  /  HTTP/1.1",
    b"GET / HTTP/9.9",
    b"GET /\x00 HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0",
    b"G" * 70000,
    b"GET /" + b"a/" * 40000 + b" HTTP/1.1",
    b"CONNECT 127.0.0.1:22 HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET http://evil.example/ HTTP/1.1",
    b"GET /../../etc/passwd HTTP/1.1",
    b"GET /%00%ff%2e%2e/ HTTP/1.1",
    b"",
)
_HEADERS = (
    b"Host: 127.0.0.1",
    b"Host: evil.example",
    b"Host: ",
    b"Host: a\r\nHost: b",
    b"Content-Length: 10",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3",
    b"Transfer-Encoding: gzip, chunked",
    b"Expect: 100-continue",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
    b"X: " + b"y" * 70000,
    b"\r\n".join(b"X-%d: y" % number for number in range(2000)),
    b"X : y",
    b"X\x00: y",
    b": y",
    b"no colon",
    b" folded",
    b"Authorization: AWS4-HMAC-SHA256 \xff\xfe",
)
_BODIES = (
    b"",
    b"x",
    b"0123456789",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nx",
    b"-1\r\n\r\n",
    b"zz\r\n",
    b"\x00" * 5000,
)


def garbage(chance: random.Random) -> bytes:
    """Return what a broken client, or a hostile one, writes on a connection."""
    headers = chance.sample(_HEADERS, chance.randrange(5))
    end = chance.choice((b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n", b""))
    return chance.choice(_LINES) + b"\r\n" + b"\r\n".join(headers) + end + chance.choice(_BODIES)


async def write(port: int, content: bytes, patience: float) -> bytes:
    """Write to the daemon, say that this is all, and return what it says until it closes; `TimeoutError` if never."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        await writer.drain()
        writer.write_eof()
        return await asyncio.wait_for(reader.read(100_000), patience)
    except TimeoutError:
        raise
    except OSError:  # it has closed the connection already
        return b""
    finally:
        writer.close()
