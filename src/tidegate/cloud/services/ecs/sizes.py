"""The sizes that Fargate offers, and the ways of writing them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidegate.cloud.errors import ServiceError

_GIB = 1024

# CPU units -> memory in MiB
FARGATE_SIZES: Mapping[int, tuple[int, ...]] = {
    256: (512, _GIB, 2 * _GIB),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}

_CPU = re.compile(r"^\s*(?P<number>\d*\.?\d+)\s*(?P<unit>vcpu)?\s*$", re.IGNORECASE)
_MEMORY = re.compile(r"^\s*(?P<number>\d*\.?\d+)\s*(?P<unit>gb)?\s*$", re.IGNORECASE)


def cpu_units(text: str) -> int:
    """Return CPU units of `256`, `.25 vCPU` or `1 vCPU`; raise ClientException."""
    match = _CPU.match(text)
    if match is None or (match["unit"] is None and "." in match["number"]):
        raise ServiceError("ClientException", f"Invalid 'cpu' setting for task: {text}")
    return round(float(match["number"]) * 1024) if match["unit"] else int(match["number"])


def memory_mib(text: str) -> int:
    """Return MiB of `512`, `0.5GB` or `1 GB`; raise ClientException."""
    match = _MEMORY.match(text)
    if match is None or (match["unit"] is None and "." in match["number"]):
        raise ServiceError("ClientException", f"Invalid 'memory' setting for task: {text}")
    return round(float(match["number"]) * _GIB) if match["unit"] else int(match["number"])


def check_size(cpu: str | None, memory: str | None) -> tuple[int, int]:
    """Return a task's CPU units and MiB; raise ClientException where Fargate has no such size."""
    if cpu is None:
        raise ServiceError("ClientException", "Fargate requires that 'cpu' be defined at the task level.")
    if memory is None:
        raise ServiceError("ClientException", "Fargate requires that 'memory' be defined at the task level.")
    units, mib = cpu_units(cpu), memory_mib(memory)
    if mib not in FARGATE_SIZES.get(units, ()):
        raise ServiceError(
            "ClientException", f"No Fargate configuration exists for given values: {units} CPU, {mib} memory."
        )
    return units, mib
