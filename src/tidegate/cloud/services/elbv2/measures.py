"""What Envoy's counters mean for a load balancer's metrics: the difference of two readings, in AWS's words. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html

Envoy counts an answer that it had to make itself, for no target gave one, among those of the target group. How many
these are follows from how many requests were sent to targets and came back: the rest. As counters are not read all at
the same instant, a difference may be one too small or too large while requests go on; what was said too much is taken
off the next time (`Carry`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CLASSES = ("2", "3", "4", "5")

Counters = Mapping[str, int]
Times = Mapping[float, int]  # milliseconds -> how often


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of one cluster or one listener (names without their beginning), and a cluster's times."""

    counters: Counters = field(default_factory=dict)
    times: Times = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """What went on at a target group: requests that had a target, answers of targets by class, times in seconds."""

    requests: int
    codes: Mapping[str, int]
    times: Mapping[float, int]
    unanswered: int  # requests that the load balancer had to answer in a target's place
    refused: int  # connections that targets did not take
    connections: int  # that are open now
    opened: int


@dataclass(frozen=True, slots=True)
class Front:
    """What went on at a load balancer's listeners."""

    codes: Mapping[str, int]  # all answers
    connections: int  # that are open now
    opened: int
    received: int  # bytes
    sent: int


@dataclass(frozen=True, slots=True)
class Flows:
    """What went on at listeners of connections of one protocol."""

    active: int = 0  # connections that are open now
    new: int = 0
    processed: int = 0  # bytes, both ways
    failed_handshakes: int = 0  # with clients


@dataclass(slots=True)
class Carry:
    """What was said too much, by what it is: less is said the next time."""

    owed: dict[str, int] = field(default_factory=dict)

    def settle(self, name: str, difference: int) -> int:
        """Return what to say of a difference: never less than nothing."""
        due = difference - self.owed.pop(name, 0)
        if due < 0:
            self.owed[name] = -due
        return max(0, due)


def split(counters: Counters, times: Mapping[str, Times], prefix: str) -> Reading:
    """Return the reading of what is called `prefix`: `cluster.tg-1`, `http.l-1`."""
    start = prefix + "."
    own = {name.removeprefix(start): value for name, value in counters.items() if name.startswith(start)}
    return Reading(own, times.get(f"{prefix}.upstream_rq_time", {}))


def group(before: Reading, now: Reading, carry: Carry) -> Group:
    """Return what went on at a target group between two readings."""
    if restarted(before, now):
        before = Reading()
    old, new = before.counters, now.counters

    def more(name: str) -> int:
        return max(0, new.get(name, 0) - old.get(name, 0))

    unanswered = carry.settle("unanswered", _unanswered(new) - _unanswered(old))
    codes = {each: more(f"upstream_rq_{each}xx") for each in CLASSES}
    codes["5"] = carry.settle("5", codes["5"] - unanswered)
    times = {value / 1000: count - before.times.get(value, 0) for value, count in now.times.items()}
    return Group(
        requests=carry.settle("requests", more("upstream_rq_completed") - more("upstream_cx_none_healthy")),
        codes=codes,
        times={value: count for value, count in times.items() if count > 0},
        unanswered=unanswered,
        refused=more("upstream_cx_connect_fail"),
        connections=new.get("upstream_cx_active", 0),
        opened=more("upstream_cx_total"),
    )


def front(readings: Iterable[tuple[Reading, Reading]]) -> Front:
    """Return what went on at listeners, each with the reading before and the one now."""
    pairs = [(Reading(), now) if restarted(before, now) else (before, now) for before, now in readings]

    def more(name: str) -> int:
        return sum(max(0, now.counters.get(name, 0) - before.counters.get(name, 0)) for before, now in pairs)

    return Front(
        codes={each: more(f"downstream_rq_{each}xx") for each in CLASSES},
        connections=sum(now.counters.get("downstream_cx_active", 0) for _, now in pairs),
        opened=more("downstream_cx_total"),
        received=more("downstream_cx_rx_bytes_total"),
        sent=more("downstream_cx_tx_bytes_total"),
    )


def flows(before: Counters, now: Counters, listeners: Iterable[str]) -> Flows:
    """Return what went on at listeners between two readings of all that was counted."""
    found = Flows()
    for name in listeners:
        opened = more(before, now, f"listener.{name}.downstream_cx_total")
        sent = [more(before, now, f"tcp.{name}.downstream_cx_{way}_bytes_total") for way in ("rx", "tx")]
        failed = more(before, now, f"listener.{name}.ssl.connection_error")
        found = Flows(
            found.active + now.get(f"listener.{name}.downstream_cx_active", 0),
            found.new + opened,
            found.processed + sum(sent),
            found.failed_handshakes + failed,
        )
    return found


def more(before: Counters, now: Counters, name: str) -> int:
    """Return by how much a counter grew; one that has become less began anew with another Envoy."""
    was, value = before.get(name, 0), now.get(name, 0)
    return value - was if value >= was else value


def own_answers(at_front: Front, groups: Iterable[Group], fixed: frozenset[str], carry: Carry) -> dict[str, int]:
    """Return how many answers by class the load balancer made itself, other than fixed responses.

    `fixed` are the classes of its fixed responses: of these nothing tells the two apart, so only the requests that no
    target answered count.
    """
    known = list(groups)
    result = {}
    for each in ("3", "4", "5"):
        if each not in fixed:
            result[each] = carry.settle(each, at_front.codes[each] - sum(one.codes[each] for one in known))
        elif each == "5":
            result[each] = sum(one.unanswered for one in known)
    return result


def restarted(before: Reading, now: Reading) -> bool:
    """Return whether Envoy was started anew between two readings: what it counts has become less."""
    names = ("upstream_rq_completed", "upstream_cx_total", "downstream_cx_total", "downstream_rq_completed")
    return any(now.counters.get(name, 0) < before.counters.get(name, 0) for name in names)


def _unanswered(counters: Counters) -> int:
    """Return how many requests, since Envoy started, no target answered."""
    sent = counters.get("upstream_rq_total", 0) - counters.get("upstream_rq_active", 0)
    broken = counters.get("upstream_rq_rx_reset", 0) + counters.get("upstream_rq_tx_reset", 0)
    return max(0, counters.get("upstream_rq_completed", 0) - (sent - broken))
