"""What the docker plane is told and what it tells: plain frozen values.

A *pod* is a group of containers that share one network namespace, one address and one life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class EngineError(Exception):
    """The container engine cannot be reached, or refused; the message says `what: why`."""


class RefusedError(EngineError):
    """The engine refused a request; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"container engine: {message}")
        self.status = status
        self.message = message


class NotFoundError(RefusedError):
    """The engine has no such thing (any more)."""


class ImageError(Exception):
    """An image cannot be had; the message is the engine's, or the registry's, own."""


class ContainerError(Exception):
    """A container cannot be created or started: a command that does not exist, a user that the image lacks."""


class NoImageError(ContainerError):
    """The engine does not have the container's image any more."""


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """User and password for a registry."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class HealthProbe:
    """A command that the engine runs in a container; times in seconds."""

    command: tuple[str, ...]  # ("CMD", …) or ("CMD-SHELL", "…")
    interval: int
    timeout: int
    retries: int
    start_period: int


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a pod. None leaves what the image says; memory in bytes, `cpus` in cores."""

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    user: str | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    read_only: bool = False
    init: bool = False
    tty: bool = False
    stdin: bool = False
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)  # path in the container -> mount options
    volumes: tuple[tuple[str, str, bool], ...] = ()  # volume, path in the container, read only
    labels: Mapping[str, str] = field(default_factory=dict)
    probe: HealthProbe | None = None
    shared_processes: bool = False  # sees the processes of the pod's other containers that do so
    log_buffer: str | None = None  # output that may wait for the engine ("10m"), the oldest is lost; None: all is taken


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod: on which network, with which address there, and the ports others must reach.

    `resolvers` are whom it asks for names, one after the other; without any it is whom the engine thinks best.
    """

    name: str
    network: str
    address: str
    hostname: str
    ports: tuple[int, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)  # further names -> addresses
    resolvers: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class Phase(Enum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container as the engine sees it. `health` is starting, healthy, unhealthy, or None without a probe."""

    name: str
    id: str
    phase: Phase
    image_id: str
    exit_code: int | None = None
    out_of_memory: bool = False
    error: str = ""
    health: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a container wrote, when, and to which stream (`stdout`, `stderr`)."""

    time: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container used: CPU seconds since its start, memory in bytes at the moment."""

    cpu_seconds: float
    memory: int
