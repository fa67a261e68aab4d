"""The resolver of one network: answers for the zones in a file, and passes everything else on.

    python -m tidegate.cloud.planes.resolver.server ADDRESS FILE ASKED MADE

The file is read again when it was replaced, so that a change is seen by the next question. ASKED and MADE are the
network's range as its containers' addresses are written, and the one that it really has. https://www.rfc-editor.org/rfc/rfc1035
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tidegate.cloud.planes.resolver.upstream import PORT, Upstream
from tidegate.cloud.planes.resolver.view import Names, RecordSet, View, Zone, read

_SMALLEST = 512  # bytes that every client takes over UDP
_FREE_BIND = 15  # IP_FREEBIND: the network's address may come and go with its bridge
_IDLE = 10.0  # seconds that a connection may say nothing
_LARGEST = 0xFFFF


class Resolver:
    """Answers questions as they come over the wire."""

    def __init__(self, file: Path, asked: ipaddress.IPv4Network, made: ipaddress.IPv4Network) -> None:
        self._file = file
        self._asked, self._made = asked, made
        self._upstream = Upstream()
        self._known: tuple[int, Names] = (0, Names(View()))
        self._chance = random.SystemRandom()

    async def answer(self, wire: bytes, *, stream: bool) -> bytes | None:
        """Return the answer to a question; None where there is none."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        found = self._names().ask(question.name.to_text().lower(), kind, self._chance)
        if found is None:
            answer = await self._upstream.ask(wire, stream=stream)
            return answer or self._wire(_failure(query), query, stream=stream)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        self._show(response, found.sets)
        if found.elsewhere is not None:
            await self._follow(response, found.elsewhere, question.rdtype)
        elif not found.exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not found.sets or not found.exists:
            response.authority.append(_start(found.zone))
        return self._wire(response, query, stream=stream)

    def _names(self) -> Names:
        try:
            changed = self._file.stat().st_mtime_ns
            if changed != self._known[0]:
                self._known = (changed, Names(read(json.loads(self._file.read_text()))))
        except FileNotFoundError:
            self._known = (0, Names(View()))
        return self._known[1]

    def _show(self, response: dns.message.Message, sets: Iterable[RecordSet]) -> None:
        """Put sets into the answer, those of one name and type as one with the shortest TTL."""
        together: dict[tuple[str, str], list[RecordSet]] = {}
        for each in sets:
            together.setdefault((each.name, each.type), []).append(each)
        for (name, kind), members in together.items():
            values = [self._real(kind, value) for each in members for value in each.values]
            ttl = min(each.ttl for each in members)
            response.answer.append(dns.rrset.from_text(dns.name.from_text(name), ttl, "IN", kind, *values))

    def _real(self, kind: str, value: str) -> str:
        """Return where the container with an address really is."""
        if kind != "A":
            return value
        address = ipaddress.IPv4Address(value)
        if address not in self._asked:
            return value
        return str(self._made.network_address + (int(address) - int(self._asked.network_address)))

    async def _follow(self, response: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> None:
        """Add what others know of the name that a chain of aliases leads to."""
        wire = await self._upstream.ask(dns.message.make_query(name, kind).to_wire(), stream=False)
        if wire is None:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        found = dns.message.from_wire(wire)
        response.answer += found.answer
        response.set_rcode(found.rcode())

    def _wire(self, response: dns.message.Message, query: dns.message.Message, *, stream: bool) -> bytes:
        size = _LARGEST if stream else max(query.payload, _SMALLEST)
        return response.to_wire(max_size=size, prefer_truncation=True)


def _failure(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


def _start(zone: Zone) -> dns.rrset.RRset:
    return dns.rrset.from_text(dns.name.from_text(zone.name), zone.ttl, "IN", "SOA", zone.start)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is not a subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self._resolver.answer(data, stream=False)
        if answer is not None:
            self._transport.sendto(answer, addr)


async def _serve(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            async with asyncio.timeout(_IDLE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
            answer = await resolver.answer(wire, stream=True)
            if answer is None:
                break
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return  # the client has gone, or says nothing
    finally:
        writer.close()


def _bound(address: str, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.IPPROTO_IP, _FREE_BIND, 1)
    if kind is socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, PORT))
    sock.setblocking(False)
    return sock


async def run(address: str, resolver: Resolver) -> None:
    """Serve until the process is told to end."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    datagrams, streams = _bound(address, socket.SOCK_DGRAM), _bound(address, socket.SOCK_STREAM)
    await loop.create_datagram_endpoint(lambda: _Datagrams(resolver), sock=datagrams)
    server = await asyncio.start_server(lambda *ends: _serve(resolver, *ends), sock=streams)
    async with server:
        await end.wait()


def main(arguments: list[str]) -> int:
    """Run the resolver; what it cannot do is said in one line."""
    address, file, asked, made = arguments
    resolver = Resolver(Path(file), ipaddress.IPv4Network(asked), ipaddress.IPv4Network(made))
    try:
        asyncio.run(run(address, resolver))
    except OSError as error:
        sys.stderr.write(f"port {PORT} of {address}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
