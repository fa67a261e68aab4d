"""Load balancers are made real: interfaces in their subnets, listeners in Envoy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.planes.envoy import EnvoyPlane, RejectedError
from tidegate.cloud.planes.loopback import Loopback
from tidegate.cloud.services.elbv2.interfaces import Interfaces
from tidegate.cloud.services.elbv2.model import BalancerRecord, ElbModel, ListenerRecord, TargetRecord
from tidegate.cloud.services.elbv2.reconciler.config import Find, Reach, Translation, listener_name
from tidegate.cloud.store import Key

EVERYTHING: Key = ("all",)


class InterfacesReconciler:
    """Has each load balancer own its interfaces. Keys are `(region, ARN)`."""

    def __init__(self, model: ElbModel, calls: Calls) -> None:
        self._model = model
        self._interfaces = Interfaces(calls)

    async def reconcile(self, key: Key) -> float | None:
        """Converge one load balancer's interfaces."""
        region, arn = key
        record = self._model.balancers.get(region, arn)
        if record is None:
            await self._interfaces.release(region, arn)
            return None
        interfaces = await self._interfaces.ensure(region, record["balancer"])

        def change(record: BalancerRecord) -> None:
            record["interfaces"] = interfaces

        if self._model.balancers.update((region, arn), change) is None:
            await self._interfaces.release(region, arn)  # it was deleted meanwhile
        return None


class BalancersReconciler:
    """Has Envoy serve all load balancers. There is one key, for there is one Envoy."""

    def __init__(self, model: ElbModel, plane: EnvoyPlane, loopback: Loopback, reach: Reach, find: Find) -> None:
        self._model = model
        self._plane = plane
        self._loopback = loopback
        self._translation = Translation(model, reach, find)

    async def reconcile(self, key: Key) -> float | None:
        """Converge Envoy, then say which load balancers are active."""
        self._choose_ports()
        served = {name for (_, name) in self._listeners()}
        healthy = [key for key, each in self._model.targets.items() if each["state"] == "healthy"]
        try:
            await self._plane.apply(self._translation.config())
        except RejectedError as error:
            self._refused(error)
            raise
        for (region, arn), record in self._model.balancers.items():
            made = len(record["interfaces"]) == len(record["balancer"]["AvailabilityZones"])
            names = {each["listener"]["ListenerArn"] for each in self._model.listeners_of(region, arn)}
            if made and names <= served:
                self._model.balancers.update((region, arn), _in_state("active"))
        for each in healthy:
            self._model.targets.update(each, _routed)
        return None

    def _choose_ports(self) -> None:
        """Give each listener the port that it asks for where that can be had, or else another one."""
        for (region, arn), balancer in self._model.balancers.items():
            address = balancer["address"]
            for listener in self._model.listeners_of(region, arn):
                bound, wanted = listener["bound"], listener["listener"]["Port"]
                if bound is not None and self._plane.holds(address, bound):
                    continue
                taken = self._taken(address, arn, listener["listener"]["ListenerArn"])
                reserved = balancer["reserved"]
                port = self._loopback.free_port(address, bound or wanted, taken)
                if bound is None and port != wanted and reserved is not None and reserved not in taken:
                    port = self._loopback.free_port(address, reserved, taken)
                if port != bound:
                    self._model.listeners.update((region, listener["listener"]["ListenerArn"]), _on_port(port))

    def _taken(self, address: str, balancer_arn: str, listener_arn: str) -> set[int]:
        """Return the ports of an address that others have: other listeners, and what other balancers reserved."""
        sharing = {arn: each for (_, arn), each in self._model.balancers.items() if each["address"] == address}
        reserved = {each["reserved"] for arn, each in sharing.items() if arn != balancer_arn}
        bound = {
            each["bound"]
            for each in self._model.listeners.values()
            if each["listener"]["LoadBalancerArn"] in sharing and each["listener"]["ListenerArn"] != listener_arn
        }
        return {port for port in reserved | bound if port is not None}

    def _refused(self, error: RejectedError) -> None:
        """Have another port chosen for a listener that Envoy could not give its own; else say what is wrong."""
        for region, arn in self._listeners():
            reason = error.listeners.get(listener_name(arn))
            if reason is None:
                continue
            if "cannot bind" in reason:
                self._model.listeners.update((region, arn), _on_port(None))
            else:
                listener = self._model.listeners.get(region, arn)
                assert listener is not None
                balancer_arn = listener["listener"]["LoadBalancerArn"]
                self._model.balancers.update((region, balancer_arn), _in_state("failed", reason))

    def _listeners(self) -> list[tuple[str, str]]:
        return [(key[0], key[1]) for key, _ in self._model.listeners.items()]


def _routed(record: TargetRecord) -> None:
    if record["state"] == "healthy":
        record["routed"] = True


def _on_port(port: int | None) -> Callable[[ListenerRecord], None]:
    def change(record: ListenerRecord) -> None:
        record["bound"] = port

    return change


def _in_state(code: Any, reason: str | None = None) -> Callable[[BalancerRecord], None]:
    def change(record: BalancerRecord) -> None:
        record["balancer"]["State"] = {"Code": code, **({"Reason": reason} if reason else {})}

    return change
