"""Access logs and connection logs are delivered: cut off every five minutes, made AWS's lines, put into the bucket.

A piece of a log keeps its name until it is delivered, and its key in the bucket follows from that: after a kill it is
written again in the same place, and nothing is lost or there twice.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.envoy import EnvoyPlane
from tidegate.cloud.services.elbv2.access_log import connection_entry, entry, path
from tidegate.cloud.services.elbv2.delivery import Delivery, DeniedError
from tidegate.cloud.services.elbv2.model import SERVICE, ElbModel, LogRecord
from tidegate.cloud.services.elbv2.reconciler.config import log_name
from tidegate.cloud.store import Key

PERIOD = 300.0  # seconds
_WRITTEN = 2.0  # seconds after which Envoy has written what it had to
_LAST_LOOK = 70.0  # seconds after a load balancer is gone: what its last requests left has been written then


class Logs:
    """The controller of `elbv2.logs`: one key `(region, load balancer's ARN, kind)` a log that is delivered."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, envoy: EnvoyPlane) -> None:
        self._model = model
        self._calls = calls
        self._delivery = Delivery(calls)
        self._clock = clock
        self._envoy = envoy
        self._due: dict[Key, float] = {}  # when it is time to deliver, on the monotonic clock

    def forget_all(self) -> None:
        """Forget when deliveries are due."""
        self._due.clear()

    async def reconcile(self, key: Key) -> float | None:
        """Deliver what is there if it is time, or if the load balancer logs no more."""
        record = self._model.logs.get(*key)
        if record is None:
            self._due.pop(key, None)
            return None
        region, arn, kind = key
        balancer = self._model.balancers.get(region, arn)
        ending = balancer is None or balancer["attributes"].get(f"{kind}.s3.enabled") != "true"
        wait = self._ending(key, record) if ending else self._going_on(key, record)
        if wait > 0:
            return wait
        name = log_name(arn, kind)
        mark = f"{self._clock.now():%Y%m%dT%H%MZ}-{self._clock.hex(8)}"
        for mark_of_piece, piece in await self._envoy.cut_log(name, mark):
            await self._deliver(key, record, mark_of_piece, piece, last=ending)
        if not ending:
            self._due[key] = self._clock.monotonic() + PERIOD
            return PERIOD
        if self._since_end(key) < _LAST_LOOK:
            self._due[key] = self._clock.monotonic() + _LAST_LOOK - self._since_end(key)
            return 0.0
        self._model.logs.delete(*key)
        self._envoy.remove_log(name)
        return None

    def _going_on(self, key: Key, record: LogRecord) -> float:
        """Return the seconds until the next delivery; after a start there is one at once."""
        if record["ended"] is not None:
            self._model.logs.put(key, {**record, "ended": None})
        moment = self._clock.monotonic()
        return self._due.setdefault(key, moment) - moment

    def _ending(self, key: Key, record: LogRecord) -> float:
        """Return the seconds until the next of the two looks at a log that ends: when Envoy has written, and later."""
        moment = self._clock.monotonic()
        if record["ended"] is None:
            self._model.logs.put(key, {**record, "ended": self._clock.now().timestamp()})
            self._due[key] = moment + _WRITTEN
        return self._due.setdefault(key, moment) - moment

    def _since_end(self, key: Key) -> float:
        record = self._model.logs.get(*key)
        ended = None if record is None else record["ended"]
        return _LAST_LOOK if ended is None else self._clock.now().timestamp() - ended

    async def _deliver(self, key: Key, record: LogRecord, mark: str, piece: Path, *, last: bool) -> None:
        """Deliver a piece. One that may not be written waits for the next time, if there is one."""
        _, arn, kind = key
        lines = [json.loads(each) for each in (await asyncio.to_thread(piece.read_text)).splitlines()]
        shown = {each["listener"]: await self._certificates(key[0], each) for each in lines}
        text = "".join(f"{self._line(kind, arn, each, shown[each['listener']])}\n" for each in lines)
        where = path(kind, record["prefix"], arn, record["address"], mark)
        body = await asyncio.to_thread(gzip.compress, text.encode())
        try:
            await self._delivery.put(arn, record["bucket"], where, body)
        except DeniedError:
            if not last:
                return
        await asyncio.to_thread(piece.unlink, missing_ok=True)

    def _line(self, kind: str, arn: str, line: Mapping[str, Any], certificates: Mapping[str, str]) -> str:
        if kind == "connection_logs":
            return connection_entry(line)
        names = ",".join(sorted((line["names"] or "").split(",")))
        return entry(line, arn.partition(":loadbalancer/")[2], certificates.get(names, line["certificate"]))

    async def _certificates(self, region: str, line: Mapping[str, Any]) -> dict[str, str]:
        """Return the certificates of a line's listener beside the default one, by the names in them."""
        listener = self._model.listeners.get(region, line["listener"])
        found = {}
        acm = self._calls.as_service(SERVICE, region)
        for arn in () if listener is None else listener.get("certificates", ()):
            certificate = (await acm("acm", "describe_certificate", CertificateArn=arn))["Certificate"]
            found[",".join(sorted(certificate["SubjectAlternativeNames"]))] = arn
        return found
