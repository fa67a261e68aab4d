"""A task's network: an interface with an address, and the pod that holds it on the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.docker.endpoint import ADDRESS
from tidegate.cloud.planes.docker.networks import Networks
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.values import ContainerError, PodSpec
from tidegate.cloud.planes.resolver import Resolvers
from tidegate.cloud.services.ecs.model import pod_name
from tidegate.cloud.services.ecs.reconciler.launch import TaskFailedError
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

# boto3 asks Cloud Map's DiscoverInstances of the endpoint's host with `data-` before it
_HOSTS = {f"data-{ADDRESS}": ADDRESS}


class TaskNetwork:
    """Gives tasks their networks, and takes them back. Everything can be asked twice."""

    def __init__(self, calls: Calls, pods: Pods, networks: Networks, resolvers: Resolvers) -> None:
        self._calls = calls
        self._pods = pods
        self._networks = networks
        self._resolvers = resolvers

    def resolves(self, vpc: str) -> bool:
        """Return whether a VPC has names of its own, which its tasks ask a resolver for."""
        return self._resolvers.knows(vpc)

    async def interface(self, region: str, arn: str, network: t.AwsVpcConfigurationOutputTypeDef) -> Mapping[str, Any]:
        """Return a task's network interface (EC2's NetworkInterface), made now where it has none yet."""
        caller = self._calls.as_service("ecs.amazonaws.com", region)
        filters = [{"Name": "description", "Values": [arn]}]
        found = (await caller("ec2", "describe_network_interfaces", Filters=filters))["NetworkInterfaces"]
        if found:
            interface: Mapping[str, Any] = found[0]
            return interface
        subnets = network["subnets"]
        chosen = subnets[int(arn[-8:], 16) % len(subnets)]  # spread by the task's random id
        request: dict[str, Any] = {"SubnetId": chosen, "Description": arn}
        if network.get("securityGroups"):
            request["Groups"] = network["securityGroups"]
        try:
            interface = (await caller("ec2", "create_network_interface", **request))["NetworkInterface"]
        except ServiceError as error:
            raise TaskFailedError(
                f"Unexpected EC2 error while attempting to Create Network Interface: {error.code}: {error.message}"
            ) from error
        return interface

    async def create(
        self,
        key: Key,
        vpc: str,
        address: str,
        ports: tuple[int, ...],
        group: str,
    ) -> PodSpec:
        """Make the pod of a task at an address of a VPC."""
        caller = self._calls.as_service("ecs.amazonaws.com", key[0])
        vpcs = await caller("ec2", "describe_vpcs", VpcIds=[vpc])
        network = await self._networks.ensure(vpc, vpcs["Vpcs"][0]["CidrBlock"])
        spec = PodSpec(
            name=pod_name(key),
            network=vpc,
            address=address,
            hostname=f"ip-{address.replace('.', '-')}",
            ports=ports,
            hosts=_HOSTS,
            resolvers=await self._resolvers.ensure(vpc, network.gateway, network.asked, network.made),
            labels={"dev.tidegate.task": group},
        )
        with _failures():
            await self._pods.create(spec, network)
        return spec

    async def open(self, spec: PodSpec) -> None:
        """Make the network namespace of a pod that was created."""
        with _failures():
            await self._pods.open(spec)

    async def close(self, key: Key, interface: str | None) -> None:
        """Remove a task's pod with everything in it, and its network interface (an id) where it has one."""
        await self._pods.remove(pod_name(key))
        if interface is None:
            return
        caller = self._calls.as_service("ecs.amazonaws.com", key[0])
        try:
            await caller("ec2", "delete_network_interface", NetworkInterfaceId=interface)
        except ServiceError as error:
            if error.code != "InvalidNetworkInterfaceID.NotFound":
                raise


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except ContainerError as error:
        why = f"ResourceInitializationError: failed to configure the task's network: {error}"
        raise TaskFailedError(why) from error
