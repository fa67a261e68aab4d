"""Load balancers as their users meet them: requests go in, and answers come out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.contract.test_elbv2 import FIXED, Network, to
from tests.daemon import Daemon
from tests.http_endpoint import HttpEndpoint, load, until
from tidegate.cloud.daemon import purge

QUICK: dict[str, Any] = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2}


class Front:
    """A load balancer with one listener; calls to AWS run beside the event loop, on which the endpoints are."""

    def __init__(self, cloud: Daemon) -> None:
        self.cloud = cloud
        self.network = Network(cloud)
        self.arn = self.network.balancer()["LoadBalancerArn"]
        self.listener = ""

    async def call(self, operation: str, **request: Any) -> Any:
        function: Callable[..., Any] = getattr(self.network.elb, operation)
        return await asyncio.to_thread(lambda: function(**request))

    async def listen(self, actions: Any, port: int = 80) -> None:
        self.listener = await asyncio.to_thread(self.network.listener, self.arn, actions, port)

        async def answers() -> bool:
            async with aiohttp.ClientSession() as session:
                try:
                    async with session.get(await self.url(), allow_redirects=False):
                        return True
                except aiohttp.ClientError:
                    return False

        await until(answers)

    async def url(self) -> str:
        (found,) = (await self.call("describe_load_balancers", LoadBalancerArns=[self.arn]))["LoadBalancers"]
        return f"http://{found['DNSName']}"

    async def health(self, group: str, *endpoints: HttpEndpoint) -> list[tuple[str, str | None, str | None]]:
        wanted = {"Targets": [target(each) for each in endpoints]} if endpoints else {}
        shown = (await self.call("describe_target_health", TargetGroupArn=group, **wanted))["TargetHealthDescriptions"]
        states = (each["TargetHealth"] for each in shown)
        return [(each["State"], each.get("Reason"), each.get("Description")) for each in states]

    async def until_states(self, group: str, *states: str, within: float = 20.0) -> None:
        async def reached() -> bool:
            return tuple(state for state, _, _ in await self.health(group)) == states

        await until(reached, within=within)

    async def ask(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, Any]:
        url = URL(await self.url() + path, encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=headers, allow_redirects=False) as response,
        ):
            text = await response.text()
            return response, (await response.json(content_type=None) if text.startswith("{") else text)


def target(endpoint: HttpEndpoint) -> dict[str, Any]:
    return {"Id": endpoint.host, "Port": endpoint.port}


@asynccontextmanager
async def started(*names: str, **more: Any) -> AsyncIterator[list[HttpEndpoint]]:
    endpoints = [await HttpEndpoint(name, **more).start() for name in names]
    try:
        yield endpoints
    finally:
        for each in endpoints:
            await each.stop()


@pytest.fixture
def front(cloud: Daemon) -> Front:
    return Front(cloud)


async def test_from_registration_to_the_last_request(front: Front) -> None:
    group = front.network.group(**QUICK)
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        assert (await front.health(group))[0][:2] == ("unused", "Target.NotInUse")
        await front.listen(to(group))
        await front.until_states(group, "healthy")
        _, answer = await front.ask("/hello?a=b")
        assert (answer["name"], answer["path"]) == ("one", "/hello?a=b")
        assert front.network.elb.get_waiter("target_in_service").wait(TargetGroupArn=group) is None
        slow = asyncio.create_task(front.ask("/slow"))
        await until(lambda: one.active == 1)
        await front.call("deregister_targets", TargetGroupArn=group, Targets=[target(one)])
        assert await front.health(group) == [
            ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
        ]

        async def gets_no_request() -> bool:
            return (await front.ask())[0].status == 503

        await until(gets_no_request)
        assert not slow.done()
        assert (await slow)[0].status == 200
        await until(
            lambda: front.network.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] == []
        )
        front.network.elb.get_waiter("target_deregistered").wait(TargetGroupArn=group, Targets=[target(one)])


async def test_a_target_is_found_soon_after_it_listens(front: Front) -> None:
    group = front.network.group()
    await front.listen(to(group))
    endpoint = await HttpEndpoint("late").start()
    await endpoint.stop()
    await front.call("register_targets", TargetGroupArn=group, Targets=[target(endpoint)])
    await until(lambda: front.network.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"])
    assert (await front.health(group))[0][0] == "initial"
    await endpoint.start()
    try:
        await front.until_states(group, "healthy", within=5.0)
    finally:
        await endpoint.stop()


async def test_replacing_targets_fails_no_request(front: Front) -> None:
    group = front.network.group()
    async with started("a", "b", "c", "d") as endpoints:
        old, new = endpoints[:2], endpoints[2:]
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(each) for each in old])
        await front.listen(to(group))
        await front.until_states(group, *["healthy"] * 2)
        async with load(await front.url(), slow=2) as seen:
            await until(lambda: any(each.active for each in old))
            await front.call("register_targets", TargetGroupArn=group, Targets=[target(each) for each in new])
            await front.until_states(group, *["healthy"] * 4)
            await front.call("deregister_targets", TargetGroupArn=group, Targets=[target(each) for each in old])
            await front.until_states(group, *["healthy"] * 2)
            for each in old:
                await each.stop()
            before = seen.answers
            await until(lambda: seen.answers > before + 50)
        assert seen.failures == []
        assert set(seen.names) == {"a", "b", "c", "d"}


async def test_why_targets_are_unhealthy(front: Front) -> None:
    """The balancer fails open: with no healthy target, requests go to the unhealthy ones."""
    network = front.network
    group = network.group(**QUICK, HealthCheckPath="/slow")
    other = network.group("closed", **QUICK)
    closed = network.ec2.create_security_group(GroupName="closed", Description="lets nothing in")["GroupId"]
    interface = network.ec2.create_network_interface(SubnetId=network.subnets[0], Groups=[closed])["NetworkInterface"]
    await front.listen(to(group))
    condition = {"Field": "path-pattern", "Values": ["/closed"]}
    await front.call("create_rule", ListenerArn=front.listener, Priority=1, Conditions=[condition], Actions=to(other))
    async with (
        started("broken", status=500, slowness=0.0) as (broken,),
        started("late", slowness=20.0) as (late,),
        started("gone") as (gone,),
    ):
        await gone.stop()
        for each in (broken, late, gone):
            await front.call("register_targets", TargetGroupArn=group, Targets=[target(each)])
        behind = {"Id": interface["PrivateIpAddress"], "Port": 80}
        await front.call("register_targets", TargetGroupArn=other, Targets=[behind])
        await until(lambda: broken.requests > 2)
        assert (await front.health(group, broken))[0] == (
            "initial",
            "Elb.InitialHealthChecking",
            "Initial health checks in progress",
        )
        await front.until_states(group, *["unhealthy"] * 3)
        assert await front.health(group, broken, late, gone) == [
            ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
            ("unhealthy", "Target.Timeout", "Request timed out"),
            ("unhealthy", "Target.FailedHealthChecks", "Health checks failed"),
        ]
        answers = {(await front.ask())[0].status for _ in range(9)}
        assert answers <= {200, 500, 502}
        assert 500 in answers
        await front.until_states(other, "unhealthy")
        assert await front.health(other) == [("unhealthy", "Target.Timeout", "Request timed out")]
        assert (await front.ask("/closed"))[0].status == 504


async def test_rules_route(front: Front) -> None:
    network = front.network
    await front.listen(FIXED)

    async def rule(priority: int, body: str, *conditions: dict[str, Any]) -> None:
        answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": body}}]
        request = {"ListenerArn": front.listener, "Priority": priority, "Conditions": conditions, "Actions": answer}
        await front.call("create_rule", **request)

    def header(name: str, *values: str) -> dict[str, Any]:
        return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": values}}

    query = [{"Key": "v*", "Value": "1?"}, {"Value": "on"}]
    await rule(10, "path", {"Field": "path-pattern", "Values": ["/img/*.png"]})
    await rule(20, "regex", {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]+/"]}})
    await rule(30, "host", {"Field": "host-header", "Values": ["*.example.com"]})
    await rule(40, "header", header("X-Kind", "a*"), header("X-Other", "b"))
    await rule(50, "query", {"Field": "query-string", "QueryStringConfig": {"Values": query}})
    await rule(60, "method", {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["PUT"]}})
    await rule(70, "outside", {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}})
    await rule(80, "inside", {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
               {"Field": "path-pattern", "Values": ["/here"]})  # fmt: skip

    async def word(path: str = "/", method: str = "GET", **headers: str) -> Any:
        return (await front.ask(path, method, **headers))[1]

    async def last_rule_is_there() -> bool:
        return bool(await word("/here") == "inside")

    await until(last_rule_is_there)
    assert await word("/img/a/b.png") == "path"
    assert await word("/IMG/a.png") == "fixed"
    assert await word("/v12/x") == "regex"
    assert await word(Host="WWW.Example.com") == "host"
    assert await word(Host="example.com") == "fixed"
    assert await word(**{"X-Kind": "ABC", "x-other": "B"}) == "header"
    assert await word(**{"X-Kind": "abc"}) == "fixed"
    assert await word("/?VERSION=12") == "query"
    assert await word("/?version=123") == "fixed"
    assert await word("/?x=1&debug=ON") == "query"
    assert await word("/", "PUT") == "method"
    rules = (await front.call("describe_rules", ListenerArn=front.listener))["Rules"]
    await front.call("delete_rule", RuleArn=rules[0]["RuleArn"])

    async def first_rule_is_gone() -> bool:
        return bool(await word("/img/a/b.png") == "fixed")

    await until(first_rule_is_gone)
    assert network.vpc


async def test_redirects_and_fixed_responses(front: Front) -> None:
    redirect = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}"}
    await front.listen([{"Type": "redirect", "RedirectConfig": redirect}])
    response, _ = await front.ask("/a/b?c=d", Host="shop.test")
    assert response.status == 301
    assert response.headers["Location"] == "https://shop.test:443/new/a/b?c=d"
    assert response.headers["Server"] == "awselb/2.0"
    fixed = {"StatusCode": "418", "ContentType": "application/json", "MessageBody": '{"short": "100%"}'}
    await front.call(
        "modify_listener",
        ListenerArn=front.listener,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": fixed}],
    )

    async def is_a_teapot() -> bool:
        return (await front.ask())[0].status == 418

    await until(is_a_teapot)
    response, body = await front.ask()
    assert response.headers["Content-Type"] == "application/json"
    assert body == {"short": "100%"}


async def test_weights_and_stickiness(front: Front) -> None:
    groups = [front.network.group(name) for name in ("blue", "green")]
    async with started("blue", "green") as endpoints:
        for group, endpoint in zip(groups, endpoints, strict=True):
            await front.call("register_targets", TargetGroupArn=group, Targets=[target(endpoint)])

        def forward(blue: int, green: int, **more: Any) -> list[dict[str, Any]]:
            weights = zip(groups, (blue, green), strict=True)
            config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights], **more}
            return [{"Type": "forward", "ForwardConfig": config}]

        await front.listen(forward(1, 1))
        for group in groups:
            await front.until_states(group, "healthy")

        async def names(count: int = 40) -> set[str]:
            return {(await front.ask())[1]["name"] for _ in range(count)}

        assert await names() == {"blue", "green"}
        await front.call("modify_listener", ListenerArn=front.listener, DefaultActions=forward(0, 1))

        async def only_green() -> bool:
            return await names(10) == {"green"}

        await until(only_green)
        sticky = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
        await front.call("modify_listener", ListenerArn=front.listener, DefaultActions=forward(1, 1, **sticky))

        async def marks() -> bool:
            return "AWSALBTG" in (await front.ask())[0].cookies

        await until(marks)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False)) as session:
            seen = set()
            for _ in range(20):
                async with session.get(await front.url()) as response:
                    seen.add((await response.json(content_type=None))["name"])
        assert len(seen) == 1


async def test_a_client_stays_with_its_target(front: Front) -> None:
    group = front.network.group()
    await front.call(
        "modify_target_group_attributes",
        TargetGroupArn=group,
        Attributes=[{"Key": "stickiness.enabled", "Value": "true"}],
    )
    async with started("one", "two", "three") as endpoints:
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(each) for each in endpoints])
        await front.listen(to(group))
        await front.until_states(group, *["healthy"] * 3)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False)) as session:
            names = []
            for _ in range(20):
                async with session.get(await front.url()) as response:
                    names.append((await response.json(content_type=None))["name"])
            assert len(set(names)) == 1
            assert [cookie.key for cookie in session.cookie_jar] == ["AWSALB", "AWSALBCORS"]


async def test_the_idle_time_out_acts(front: Front) -> None:
    await front.call(
        "modify_load_balancer_attributes",
        LoadBalancerArn=front.arn,
        Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "1"}],
    )
    group = front.network.group()
    async with started("slow", slowness=10.0) as (slow,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(slow)])
        await front.listen(to(group))
        await front.until_states(group, "healthy")
        assert (await front.ask("/slow"))[0].status == 504


async def test_a_port_that_is_taken(front: Front) -> None:
    address = (await front.url()).removeprefix("http://").partition(":")[0]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, 8080))
        taken.listen()
        await front.listen(FIXED, 8080)
        assert (await front.ask())[1] == "fixed"
        assert (await front.url()).startswith(f"http://{address}:18")


async def test_a_killed_daemon_leaves_its_balancers_serving(own_cloud: Daemon) -> None:
    front = Front(own_cloud)
    group = front.network.group(**QUICK)
    async with started("one", "two", "three") as (one, two, three):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one), target(two)])
        await front.listen(to(group))
        await front.until_states(group, "healthy", "healthy")
        pid = (own_cloud.data_dir / "envoy" / "envoy.pid").read_text()
        async with load(await front.url()) as seen:
            await until(lambda: seen.answers > 20)
            # killed in the middle of a replacement
            await front.call("register_targets", TargetGroupArn=group, Targets=[target(three)])
            await front.call("deregister_targets", TargetGroupArn=group, Targets=[target(one)])
            own_cloud.kill()
            before = seen.answers
            await until(lambda: seen.answers > before + 50)
            await asyncio.to_thread(own_cloud.start)
            front.network = Network(own_cloud)
            await front.until_states(group, "healthy", "healthy")
            await one.stop()
            await until(lambda: seen.names["three"] > 20)
        assert seen.failures == []
        assert (own_cloud.data_dir / "envoy" / "envoy.pid").read_text() == pid
        address = (await front.url()).removeprefix("http://")
        own_cloud.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.partition(":")[0], int(address.partition(":")[2] or 80)), 1).close()


async def test_an_empty_cloud_serves_nothing(front: Front) -> None:
    await front.listen(FIXED)
    url = URL(await front.url())
    front.cloud.reset()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(url.host), url.port or 80), 1).close()
    again = Front(front.cloud)
    await again.listen(FIXED)
    assert (await again.ask())[1] == "fixed"


async def test_a_purge_after_a_kill_leaves_nothing_behind(own_cloud: Daemon) -> None:
    front = Front(own_cloud)
    await front.listen(FIXED)
    url = URL(await front.url())
    own_cloud.kill()
    await asyncio.to_thread(purge, own_cloud.data_dir)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((str(url.host), url.port or 80), 1).close()
    assert not own_cloud.data_dir.exists()
