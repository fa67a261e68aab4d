"""The sizes that Fargate has, and the spellings that people know for them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_GIB = 1024
# CPU units -> MiB
FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (512, _GIB, 2 * _GIB),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
_UNITS = {"": 1.0, "mb": 1.0, "mib": 1.0, "gb": float(_GIB), "gib": float(_GIB), "vcpu": 1024.0}
_SIZE = re.compile(r"^\s*(\d+|\d*\.\d+)\s*([a-z]*)\s*$", re.IGNORECASE)


def unfitting_cpu(cpu: int) -> str | None:
    """Say why there is no Fargate task of this many CPU units; None where there is."""
    if cpu in FARGATE_SIZES:
        return None
    sizes = ", ".join(map(str, FARGATE_SIZES))
    return f"{cpu} is not a Fargate size; use one of {sizes} (1024 are 1 vCPU)"


def unfitting_memory(cpu: int, memory: int) -> str | None:
    """Say why this much memory does not go with a Fargate size of CPU; None where it does."""
    fitting = FARGATE_SIZES[cpu]
    if memory in fitting:
        return None
    some = ", ".join(map(str, fitting)) if len(fitting) < 8 else f"{fitting[0]} to {fitting[-1]}"
    return f"{memory} does not go with cpu {cpu} on Fargate; use {some} (MiB)"


def _units(value: Any) -> Any:
    return _parsed(value, ("", "vcpu"), "CPU: write 256 or .25 vCPU")


def _mebibytes(value: Any) -> Any:
    return _parsed(value, ("", "mb", "mib", "gb", "gib"), "memory: write 512 or 0.5GB")


def _parsed(value: Any, units: tuple[str, ...], hint: str) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    unit = "" if match is None else match[2].lower()
    if match is None or unit not in units:
        raise ValueError(f"{value!r} is no amount of {hint}")
    number = float(match[1]) * _UNITS[unit]
    if not number.is_integer():
        raise ValueError(f"{value!r} is no amount of {hint}")
    return int(number)


Cpu = Annotated[int, BeforeValidator(_units, json_schema_input_type=int | str)]
Memory = Annotated[int, BeforeValidator(_mebibytes, json_schema_input_type=int | str)]
