"""Network load balancers: connections are passed on as they come, or out of TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.contract.test_elbv2 import ARN, FIXED, Network, certificate, to
from tests.contract.test_elbv2_tls import NAME
from tests.contract.test_elbv2_traffic import QUICK, Front, started, target
from tests.daemon import Daemon
from tests.http_endpoint import until
from tests.tcp_server import Talk, TcpServer

TCP: dict[str, Any] = {"Protocol": "TCP", "Port": 7, **QUICK}


class NetworkFront(Front):
    """A network load balancer with one listener."""

    def __init__(self, cloud: Daemon) -> None:
        super().__init__(cloud)
        self.arn = self.network.balancer("net", Type="network")["LoadBalancerArn"]

    async def listen_at(self, actions: Any, port: int, protocol: str = "TCP", **more: Any) -> None:
        request = {"LoadBalancerArn": self.arn, "Protocol": protocol, "Port": port, "DefaultActions": actions}
        answer = await self.call("create_listener", **request, **more)
        self.listener, self.port = answer["Listeners"][0]["ListenerArn"], port

        async def listens() -> bool:
            try:
                _, writer = await self.connect()
            except OSError:
                return False
            writer.close()
            return True

        await until(listens)

    async def connect(self, **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        (found,) = (await self.call("describe_load_balancers", LoadBalancerArns=[self.arn]))["LoadBalancers"]
        address, _, port = found["DNSName"].partition(":")
        return await asyncio.open_connection(address, int(port or self.port), **more)

    async def says(self, **more: Any) -> bytes:
        """Return what a connection begins with."""
        try:
            reader, writer = await self.connect(**more)
        except OSError:
            return b""
        try:
            return await asyncio.wait_for(reader.read(200), 1)
        except (OSError, TimeoutError):
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def talking(*talks: Talk) -> AsyncIterator[list[dict[str, Any]]]:
    """Serve plain TCP, each in its own way, and say where."""
    servers = [TcpServer(talk) for talk in talks]
    try:
        yield [{"Id": "127.0.0.1", "Port": await each.start()} for each in servers]
    finally:
        for each in servers:
            await each.stop()


def greeting(text: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        writer.close()

    return talk


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, until the other side has no more to say; then say so."""
    count = 0
    try:
        while data := await reader.read(65536):
            count += len(data)
            writer.write(data)
            await writer.drain()
        writer.write(b"%d bytes" % count)
    except ConnectionError:
        pass
    writer.close()


@pytest.fixture
def front(cloud: Daemon) -> NetworkFront:
    return NetworkFront(cloud)


async def test_connections_pass_as_they_come(front: NetworkFront) -> None:
    group = front.network.group(**TCP)
    async with talking(echo) as targets:
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        await front.listen_at(to(group), 7000)
        await front.until_states(group, "healthy")
        reader, writer = await front.connect()
        writer.write(b"\0binary\xff")
        assert await reader.readexactly(8) == b"\0binary\xff"
        # a target that is deregistered keeps the connection that it has, and gets no new one
        await front.call("deregister_targets", TargetGroupArn=group, Targets=targets)

        async def gets_no_connection() -> bool:
            return await front.says() == b""

        await until(gets_no_connection)
        assert (await front.health(group))[0][0] == "draining"
        writer.write(b"more")
        writer.write_eof()
        assert await reader.read() == b"more12 bytes"
        writer.close()

        async def is_gone() -> bool:
            return await front.health(group) == []

        await until(is_gone)


async def test_weights_between_target_groups(front: NetworkFront) -> None:
    groups = [front.network.group(name, **TCP) for name in ("blue", "green")]
    async with talking(greeting(b"blue"), greeting(b"green")) as targets:
        for group, each in zip(groups, targets, strict=True):
            await front.call("register_targets", TargetGroupArn=group, Targets=[each])

        def forward(blue: int, green: int) -> Any:
            weights = zip(groups, (blue, green), strict=True)
            listed = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights]
            return [{"Type": "forward", "ForwardConfig": {"TargetGroups": listed}}]

        await front.listen_at(forward(1, 1), 7001)
        for group in groups:
            await front.until_states(group, "healthy")
        assert {await front.says() for _ in range(40)} == {b"blue", b"green"}
        await front.call("modify_listener", ListenerArn=front.listener, DefaultActions=forward(0, 1))

        async def is_green() -> bool:
            return {await front.says() for _ in range(10)} == {b"green"}

        await until(is_green)


async def test_tls_ends_at_the_listener(front: NetworkFront) -> None:
    group = front.network.group(**TCP)
    context = ssl.create_default_context(cafile=front.cloud.document["ca"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with talking(greeting(b"plain")) as targets:
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        more = {"Certificates": [{"CertificateArn": certificate(front.network)}], "AlpnPolicy": ["HTTP2Preferred"]}
        await front.listen_at(to(group), 7443, "TLS", **more)
        await front.until_states(group, "healthy")
        assert await front.says(ssl=context, server_hostname=NAME) == b"plain"
        _, writer = await front.connect(ssl=context, server_hostname=NAME)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        writer.close()
        (changed,) = (await front.call("modify_listener", ListenerArn=front.listener, Protocol="TCP"))["Listeners"]
        assert not {"Certificates", "SslPolicy", "AlpnPolicy"} & changed.keys()

        async def is_plain() -> bool:
            return await front.says() == b"plain"

        await until(is_plain)


async def test_the_clients_address_goes_before(front: NetworkFront) -> None:
    """The second version of the proxy protocol: https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt."""
    group = front.network.group(**TCP)
    heads: list[bytes] = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(28))
        writer.close()

    on = [{"Key": "proxy_protocol_v2.enabled", "Value": "true"}]
    await front.call("modify_target_group_attributes", TargetGroupArn=group, Attributes=on)
    async with talking(remember) as targets:
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        await front.listen_at(to(group), 7002)
        await front.until_states(group, "healthy")
        _, writer = await front.connect()
        port = writer.get_extra_info("sockname")[1]
        signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"

        def has_come() -> bool:
            return any(
                head.startswith(signature + socket.inet_aton("127.0.0.1")) and head[24:26] == port.to_bytes(2, "big")
                for head in heads
            )

        await until(has_come)
        writer.close()


async def test_one_client_stays_with_one_target(front: NetworkFront) -> None:
    group = front.network.group(**TCP)
    on = [{"Key": "stickiness.enabled", "Value": "true"}]
    await front.call("modify_target_group_attributes", TargetGroupArn=group, Attributes=on)
    async with talking(*(greeting(b"%d" % number) for number in range(3))) as targets:
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        await front.listen_at(to(group), 7003)
        await front.until_states(group, *["healthy"] * 3)
        assert len({await front.says() for _ in range(20)}) == 1


async def test_health_checks(front: NetworkFront) -> None:
    """Over TCP a connection is enough; over HTTP it takes an answer."""
    plain = front.network.group("plain", **TCP)
    asked = front.network.group("asked", **TCP, HealthCheckProtocol="HTTP", HealthCheckPath="/health")
    (shown,) = (await front.call("describe_target_groups", TargetGroupArns=[asked]))["TargetGroups"]
    assert (shown["Matcher"], shown["HealthCheckPath"]) == ({"HttpCode": "200-399"}, "/health")
    both = [{"TargetGroupArn": each, "Weight": 1} for each in (plain, asked)]
    async with started("one") as (one,), started("gone") as (gone,):
        await gone.stop()
        for group in (plain, asked):
            await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await front.call("register_targets", TargetGroupArn=plain, Targets=[target(gone)])
        await front.listen_at([{"Type": "forward", "ForwardConfig": {"TargetGroups": both}}], 7004)
        await front.until_states(asked, "healthy")
        assert "/health" in one.seen

        async def is_healthy() -> bool:
            return (await front.health(plain, one))[0][0] == "healthy"

        await until(is_healthy)
        assert (await front.health(plain, gone))[0][0] == "initial"


def test_a_network_load_balancer_reads_as_made(cloud: Daemon) -> None:
    network = Network(cloud)
    elb = network.elb
    made = elb.create_load_balancer(Name="one", Type="network", Subnets=network.subnets[:1])["LoadBalancers"][0]
    assert made["LoadBalancerArn"].startswith(f"{ARN}loadbalancer/net/one/")
    assert (made["Type"], made["CanonicalHostedZoneId"]) == ("network", "Z26RNL4JYFTOTI")
    assert "SecurityGroups" not in made
    elb.get_waiter("load_balancer_available").wait(Names=["one"])
    arn = made["LoadBalancerArn"]
    default = network.ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    assert refusal(elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=[default])[0] == (
        "InvalidConfigurationRequest"
    )
    with_groups = network.balancer("two", Type="network", SecurityGroups=[default])
    assert with_groups["SecurityGroups"] == [default]
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "load_balancing.cross_zone.enabled", "Value": "false"} in attributes
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "30"}]
    assert refusal(elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=idle)[0] == "ValidationError"


def test_what_does_not_go_together(cloud: Daemon) -> None:
    network = Network(cloud)
    elb, arn = network.elb, network.balancer("net", Type="network")["LoadBalancerArn"]
    http, tcp = network.group(), network.group("tcp", **TCP)

    def create(**request: Any) -> tuple[str, str]:
        base = {"LoadBalancerArn": arn, "Protocol": "TCP", "Port": 7, "DefaultActions": to(tcp)}
        return refusal(elb.create_listener, **{**base, **request})

    assert create(DefaultActions=to(http))[0] == "IncompatibleProtocols"
    assert create(DefaultActions=FIXED)[0] == "InvalidLoadBalancerAction"
    assert create(Protocol="HTTP")[0] == "ValidationError"
    assert create(Protocol="UDP")[0] == "NotImplemented"
    assert create(Protocol="TLS") == ("ValidationError", "A certificate must be specified for TLS listeners")
    issued = {"Certificates": [{"CertificateArn": certificate(network)}]}
    assert create(Protocol="TLS", AlpnPolicy=["HTTP3"], **issued)[0] == "ALPNPolicyNotSupported"
    assert refusal(network.listener, balancer=network.balancer()["LoadBalancerArn"], actions=to(tcp))[0] == (
        "IncompatibleProtocols"
    )
    listener = elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=7, DefaultActions=to(tcp))
    listener_arn = listener["Listeners"][0]["ListenerArn"]
    condition = {"Field": "path-pattern", "Values": ["/a"]}
    rule = {"ListenerArn": listener_arn, "Priority": 1, "Conditions": [condition], "Actions": to(tcp)}
    assert refusal(elb.create_rule, **rule)[0] == "InvalidConfigurationRequest"
    idle = [{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
    assert elb.modify_listener_attributes(ListenerArn=listener_arn, Attributes=idle)["Attributes"] == idle
    kept = [{"Key": "preserve_client_ip.enabled", "Value": "true"}]
    assert refusal(elb.modify_target_group_attributes, TargetGroupArn=tcp, Attributes=kept)[0] == "NotImplemented"


@pytest.mark.slow
async def test_metrics_of_a_network_load_balancer(front: NetworkFront) -> None:
    """What is published every 20 seconds."""
    group = front.network.group(**TCP)
    cloudwatch = front.cloud.client("cloudwatch")
    balancer = {"Name": "LoadBalancer", "Value": front.arn.partition(":loadbalancer/")[2]}
    of_group = {"Name": "TargetGroup", "Value": group.rpartition(":")[2]}

    def best(name: str, *dimensions: Any, statistic: str = "Maximum") -> float:
        now = datetime.now(UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/NetworkELB", MetricName=name, Dimensions=list(dimensions), Statistics=[statistic],
            StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=1), Period=3600,
        )["Datapoints"]  # fmt: skip
        return float(max((point[statistic] for point in points), default=0))

    async with talking(echo) as targets:
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        await front.listen_at(to(group), 7000)
        await front.until_states(group, "healthy")
        reader, writer = await front.connect()
        writer.write(b"x" * 1000)
        assert await reader.readexactly(1000) == b"x" * 1000

        def told() -> bool:
            return best("ProcessedBytes", balancer, statistic="Sum") >= 2000

        await until(told, within=60)
        assert best("NewFlowCount_TCP", balancer, statistic="Sum") >= 1
        assert best("ActiveFlowCount", balancer) >= 1
        assert best("HealthyHostCount", balancer, of_group) == 1
        assert best("UnHealthyHostCount", balancer, of_group) == 0
        writer.close()
