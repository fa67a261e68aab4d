"""The smallest program that holds a network namespace: an ELF file of a few instructions, in an image of its own.

It asks the kernel to wait for a signal, for ever (`pause(2)`), so that a pod keeps its address while its
containers come and go. No registry has to be in reach for it.
"""

from __future__ import annotations

import io
import struct
import tarfile

_BASE = 0x400000
_HEADERS = 64 + 56  # ELF header and one program header
_PROGRAMS = {  # machine as the engine names it: ELF's number for it, and a loop around pause
    "x86_64": (62, bytes.fromhex("b822000000 0f05 ebf7")),  # mov eax, 34; syscall; jmp
    # arm64 has no pause: ppoll(NULL, 0, NULL, NULL) waits as long
    "aarch64": (
        183,
        bytes.fromhex(
            "000080d2 010080d2 020080d2 030080d2 040080d2"  # x0 to x4 = 0
            "280980d2 010000d4 f9ffff17"  # x8 = 73; svc 0; b to the start
        ),
    ),
}


def image_archive(machine: str) -> bytes:
    """Return the image's one layer as a tar archive, for the engine's machine (`x86_64`, `aarch64`)."""
    program = _elf(*_PROGRAMS[machine])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    return archive.getvalue()


def _elf(machine: int, code: bytes) -> bytes:
    """Return a static 64-bit little-endian executable (System V ABI, ELF-64 object file format)."""
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return identity + header + segment + code
