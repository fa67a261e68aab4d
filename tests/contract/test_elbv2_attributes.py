"""What attributes and transforms do to requests: measured at the targets."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp import web

from tests.contract.test_ec2 import refusal
from tests.contract.test_elbv2 import FIXED, to
from tests.contract.test_elbv2_tls import serving
from tests.contract.test_elbv2_traffic import QUICK, Front, front, started, target
from tests.http_endpoint import until

__all__ = ["front"]


def pair(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}


async def heard(front: Front, head: str) -> str:
    """Return what a listener answers to a head that is sent as it stands."""
    address, _, port = (await front.url()).removeprefix("http://").partition(":")

    def ask() -> str:
        with socket.create_connection((address, int(port or 80)), 10) as sock:
            sock.sendall(head.encode() + b"\r\n")
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
            return answer.decode()

    return await asyncio.to_thread(ask)


async def test_what_becomes_of_headers(front: Front) -> None:
    group = front.network.group(**QUICK)
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await front.listen(to(group))
        await front.until_states(group, "healthy")
        port = (await front.url()).removeprefix("http://").partition(":")[2]
        head = "GET / HTTP/1.1\r\nHost: shop.test:8080\r\nX.Dot: 1\r\nX-Fine: 2\r\nX_Line: 3\r\nConnection: close\r\n"
        answer = await heard(front, head)
        assert (f"Host: shop.test{':8080' if port else ''}" in answer, "X.Dot: 1" in answer) == (True, True)
        host_is_kept = pair("routing.http.preserve_host_header.enabled", "true")
        dropped = pair("routing.http.drop_invalid_header_fields.enabled", "true")
        await front.call("modify_load_balancer_attributes", LoadBalancerArn=front.arn,
                         Attributes=[host_is_kept, dropped])  # fmt: skip

        async def acts() -> bool:
            answer = await heard(front, head)
            return "Host: shop.test:8080" in answer and "X.Dot" not in answer

        await until(acts)
        answer = await heard(front, head)
        assert ("X_Line" in answer, "X-Fine: 2" in answer) == (False, True)


async def test_a_port_that_is_no_standard_one_is_put_on(front: Front) -> None:
    group = front.network.group(**QUICK)
    address = (await front.url()).removeprefix("http://").partition(":")[0]
    async with started("one") as (one,), aiohttp.ClientSession() as session:
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await asyncio.to_thread(front.network.listener, front.arn, to(group), 8081)
        await front.until_states(group, "healthy")

        async def host(given: str) -> str:
            async with session.get(f"http://{address}:8081/", headers={"Host": given}) as response:
                lines = (await response.json(content_type=None))["headers"]
                return str(next(each for each in lines if each.startswith("Host")))

        assert await host("shop.test") == "Host: shop.test:8081"
        assert await host("shop.test:1") == "Host: shop.test:1"


async def test_transforms(front: Front) -> None:
    group = front.network.group(**QUICK)
    url = {"Type": "url-rewrite", "UrlRewriteConfig": {
        "Rewrites": [{"Regex": r"^/dp/([A-Z0-9]+)(\?(.*))?$", "Replace": "/product.php?id=$1&$3"}]}}  # fmt: skip
    host = {"Type": "host-header-rewrite", "HostHeaderRewriteConfig": {
        "Rewrites": [{"Regex": r"^shop-(.+)\.test$", "Replace": "internal.$1.example"}]}}  # fmt: skip
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await front.listen(to(group))
        await front.until_states(group, "healthy")
        matched = [{"Field": "path-pattern", "Values": ["/dp/*", "/bad"]}]
        rule = {"Priority": 1, "Conditions": matched, "Actions": to(group), "ListenerArn": front.listener}
        (made,) = (await front.call("create_rule", **rule, Transforms=[url, host]))["Rules"]
        assert made["Transforms"] == [url, host]

        async def told(path: str, name: str = "shop-a.test") -> tuple[str, str]:
            _, answer = await front.ask(path, Host=name)
            return answer["path"], next(each[6:] for each in answer["headers"] if each.startswith("Host: "))

        async def acts() -> bool:
            return (await told("/dp/B07?x=1"))[0] == "/product.php?id=B07&x=1"

        await until(acts)
        assert (await told("/dp/B07"))[0] == "/product.php?id=B07&"
        assert (await told("/dp/B07"))[1].startswith("internal.a.example")
        assert (await told("/dp/lower"))[0] == "/dp/lower", "what does not fit goes on as it came"
        assert (await told("/else"))[1].startswith("shop-a.test"), "the default rule has no transforms"
        broken = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/bad$", "Replace": "bad"}]}}
        (made,) = (await front.call("modify_rule", RuleArn=made["RuleArn"], Transforms=[broken]))["Rules"]
        assert made["Transforms"] == [broken]

        async def fails() -> bool:
            return (await front.ask("/bad"))[0].status == 500

        await until(fails)
        (made,) = (await front.call("modify_rule", RuleArn=made["RuleArn"], ResetTransforms=True))["Rules"]
        assert "Transforms" not in made
        no_group = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a$", "Replace": "/$1"}]}}
        for wrong in ([url, url], [no_group], [{"Type": "url-rewrite"}]):
            rule["Priority"] = 2
            assert refusal(front.network.elb.create_rule, **rule, Transforms=wrong)[0] == "ValidationError"


async def test_stickiness_by_the_cookie_of_an_application(front: Front) -> None:
    group = front.network.group(**QUICK)

    def app(name: str) -> web.AppRunner:
        async def answer(request: web.Request) -> web.Response:
            response = web.json_response({"name": name, "cookies": sorted(request.cookies)})
            if request.path == "/login":
                response.set_cookie("session", name)
            return response

        made = web.Application()
        made.router.add_route("GET", "/{any:.*}", answer)
        return web.AppRunner(made)

    settings = [pair("stickiness.enabled", "true"), pair("stickiness.type", "app_cookie")]
    change = front.network.elb.modify_target_group_attributes
    assert refusal(change, TargetGroupArn=group, Attributes=settings)[0] == "InvalidConfigurationRequest"
    settings.append(pair("stickiness.app_cookie.cookie_name", "session"))
    await front.call("modify_target_group_attributes", TargetGroupArn=group, Attributes=settings)
    async with serving(app("one")) as one, serving(app("two")) as two, serving(app("three")) as three:
        targets = [{"Id": "127.0.0.1", "Port": port} for port in (one, two, three)]
        await front.call("register_targets", TargetGroupArn=group, Targets=targets)
        await front.listen(to(group))
        await front.until_states(group, *["healthy"] * 3)
        url = await front.url()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False)) as session:

            async def name(path: str = "/") -> str:
                async with session.get(url + path) as response:
                    return str((await response.json())["name"])

            assert {await name() for _ in range(12)} == {"one", "two", "three"}, "nothing to follow yet"
            assert not list(session.cookie_jar)
            chosen = await name("/login")
            assert {each.key for each in session.cookie_jar} == {"session", "AWSALBAPP-0"}
            assert {await name() for _ in range(12)} == {chosen}
            session.cookie_jar.clear(lambda cookie: cookie.key == "session")
            assert len({await name() for _ in range(12)}) == 3, "without the application's cookie it does not count"


async def test_the_fewest_outstanding_requests(front: Front) -> None:
    group = front.network.group(**QUICK)
    algorithm = [pair("load_balancing.algorithm.type", "least_outstanding_requests")]
    await front.call("modify_target_group_attributes", TargetGroupArn=group, Attributes=algorithm)
    async with started("one", "two", "three", slowness=3.0) as endpoints:
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(each) for each in endpoints])
        await front.listen(to(group))
        await front.until_states(group, *["healthy"] * 3)
        waiting = []
        for busy in (1, 2):
            waiting.append(asyncio.create_task(front.ask("/slow")))
            await until(lambda busy=busy: sum(each.active for each in endpoints) == busy)
        (idle,) = (each.name for each in endpoints if not each.active)
        assert {(await front.ask("/"))[1]["name"] for _ in range(8)} == {idle}
        await asyncio.gather(*waiting)


async def test_what_is_refused_by_name(front: Front) -> None:
    elb, group = front.network.elb, front.network.group()
    for key, value in (
        ("routing.http.desync_mitigation_mode", "strictest"),
        ("waf.fail_open.enabled", "true"),
        ("ipv6.deny_all_igw_traffic", "true"),
        ("zonal_shift.config.enabled", "true"),
        ("health_check_logs.s3.enabled", "true"),
    ):
        call: Any = elb.modify_load_balancer_attributes
        code, message = refusal(call, LoadBalancerArn=front.arn, Attributes=[pair(key, value)])
        assert (code, key in message) == ("NotImplemented", True)
    for key, value in (
        ("load_balancing.algorithm.anomaly_mitigation", "on"),
        ("load_balancing.cross_zone.enabled", "false"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "2"),
    ):
        code, message = refusal(elb.modify_target_group_attributes, TargetGroupArn=group, Attributes=[pair(key, value)])
        assert (code, key in message) == ("NotImplemented", True)
    front.listener = front.network.listener(front.arn, FIXED)
