"""A real Envoy between real clients and real endpoints."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.daemon import free_port
from tests.http_endpoint import HttpEndpoint, load, until
from tidegate.cloud.planes.envoy import (
    Answer,
    Choice,
    Cluster,
    Config,
    Endpoint,
    EnvoyPlane,
    Forward,
    Listener,
    Match,
    Redirect,
    RejectedError,
    Route,
    Session,
    State,
    Stick,
)

ADDRESS = "127.0.0.1"


class Balancer:
    """A plane with one listener."""

    def __init__(self, folder: Path) -> None:
        self.lost = 0
        self.port = free_port()
        self.url = f"http://{ADDRESS}:{self.port}"
        self.plane = EnvoyPlane(folder, self._on_lost)

    def _on_lost(self) -> None:
        self.lost += 1

    async def serve(self, clusters: tuple[Cluster, ...], *routes: Route, **more: Any) -> None:
        routes = routes or (to(clusters[0].name),)
        listener = Listener("front", ADDRESS, self.port, routes, **more)
        await self.plane.apply(Config((listener,), clusters, "awselb/2.0", "X-Amzn-Trace-Id"))

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[aiohttp.ClientResponse, Any]:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, URL(self.url + path, encoded=True), allow_redirects=False, **more) as response,
        ):
            text = await response.text()
            return response, (await response.json(content_type=None) if text.startswith("{") else text)


def to(cluster: str, match: Match | None = None) -> Route:
    return Route(match or Match(), Forward((Choice(cluster),)))


def members(*endpoints: HttpEndpoint, state: State = "healthy") -> tuple[Endpoint, ...]:
    return tuple(Endpoint(each.host, each.port, state) for each in endpoints)


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[Balancer]:
    balancer = Balancer(tmp_path)
    yield balancer
    await balancer.plane.close()


@pytest.fixture
async def endpoints() -> AsyncIterator[list[HttpEndpoint]]:
    started = [await HttpEndpoint(name).start() for name in ("one", "two", "three", "four")]
    yield started
    for each in started:
        await each.stop()


async def test_replacing_endpoints_fails_no_request(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    old, new = endpoints[:2], endpoints[2:]
    await balancer.serve((Cluster("app", members(*old)),))
    async with load(balancer.url, slow=3) as seen:
        for _ in range(2):
            await until(lambda: old[0].active)  # slow requests are on their way  # noqa: B023
            await balancer.serve((Cluster("app", members(*old, *new)),))
            await balancer.serve((Cluster("app", members(*old, state="draining") + members(*new)),))

            async def idle() -> bool:
                activity = await balancer.plane.activity("app")
                return not any(activity[each.host, each.port].requests for each in old)  # noqa: B023

            await until(idle)
            before = [each.requests for each in old]
            await balancer.serve((Cluster("app", members(*new)),))
            assert [each.requests for each in old] == before, "a draining endpoint was given a request"
            for each in old:
                await each.stop()
                await each.start()
            old, new = new, old
    assert seen.failures == []
    assert seen.answers > 200
    assert set(seen.names) == {"one", "two", "three", "four"}


async def test_an_endpoint_that_is_gone_costs_no_request(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    await endpoints[1].stop()
    await balancer.serve((Cluster("app", members(*endpoints[:2])),))
    async with load(balancer.url, slow=0) as seen:
        await until(lambda: seen.answers > 100)
    assert seen.failures == []


async def test_a_new_daemon_adopts_what_runs(balancer: Balancer, endpoints: list[HttpEndpoint], tmp_path: Path) -> None:
    await balancer.serve((Cluster("app", members(endpoints[0])), Cluster("old", members(endpoints[1]))))
    pid = (tmp_path / "envoy" / "envoy.pid").read_text()
    async with load(balancer.url, slow=1) as seen:
        await until(lambda: seen.answers > 20)
        # another plane on the folder, as after a kill of the daemon; what it wants differs in every way
        killed, balancer.plane = balancer.plane, EnvoyPlane(tmp_path, balancer._on_lost)
        assert balancer.plane.is_running()
        again = Listener("again", ADDRESS, free_port(), (to("app"),))
        front = Listener("front", ADDRESS, balancer.port, (to("new"),))
        await balancer.plane.apply(Config((front, again), (Cluster("new", members(endpoints[2])),)))
        await until(lambda: seen.names["three"] > 20)
    assert seen.failures == []
    assert (tmp_path / "envoy" / "envoy.pid").read_text() == pid
    assert [path.name for path in (tmp_path / "envoy" / "endpoints").iterdir()] == ["new.json"]
    await balancer.plane.close()
    await killed.close()


async def test_an_envoy_that_died_is_noticed_and_started_again(
    balancer: Balancer, endpoints: list[HttpEndpoint], tmp_path: Path
) -> None:
    await balancer.serve((Cluster("app", members(endpoints[0])),))
    os.kill(int((tmp_path / "envoy" / "envoy.pid").read_text()), signal.SIGKILL)
    await until(lambda: balancer.lost == 1)
    await balancer.serve((Cluster("app", members(endpoints[0])),))
    assert (await balancer.ask("/"))[0].status == 200


async def test_there_is_no_envoy_without_a_listener(balancer: Balancer) -> None:
    assert not balancer.plane.is_running()
    await balancer.serve((Cluster("app"),))
    assert balancer.plane.is_running()
    await balancer.plane.apply(Config())
    assert not balancer.plane.is_running()
    assert balancer.lost == 0
    assert await balancer.plane.activity("app") == {}


async def test_a_port_that_is_taken_is_an_error(
    balancer: Balancer, endpoints: list[HttpEndpoint], tmp_path: Path
) -> None:
    """Two local clouds never share a port, and the listeners beside the one that is refused serve on."""
    clusters = (Cluster("app", members(endpoints[0])),)
    await balancer.serve(clusters)
    other = EnvoyPlane(tmp_path / "other", balancer._on_lost)
    taken, free = (
        Listener("taken", ADDRESS, balancer.port, (to("app"),)),
        Listener("free", ADDRESS, free_port(), (to("app"),)),
    )
    try:
        for _ in range(2):
            with pytest.raises(RejectedError, match="Address already in use") as caught:
                await other.apply(Config((taken, free), clusters))
            assert list(caught.value.listeners) == ["taken"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{ADDRESS}:{free.port}/") as response:
            assert response.status == 200
        await other.apply(Config((replace(taken, port=free_port()), free), clusters))
    finally:
        await other.close()


async def test_what_an_endpoint_is_told(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    await balancer.serve((Cluster("app", members(endpoints[0])),))
    given = {"X-Forwarded-For": "203.0.113.9", "X-CaSe": "kept", "x-envoy-max-retries": "9", "X-Request-Id": "mine"}
    response, answer = await balancer.ask("/a/../b%2f//c?x=%20", headers=given)
    assert answer["path"] == "/a/../b%2f//c?x=%20"
    headers = dict(line.split(": ", 1) for line in answer["headers"])
    assert headers["Host"] == f"{ADDRESS}:{balancer.port}"
    assert headers["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert headers["X-Forwarded-Port"] == str(balancer.port)
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Request-Id"] == "mine"
    assert headers["X-CaSe"] == "kept"
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert [name for name in headers if "envoy" in name.lower() or "tidegate" in name.lower()] == []
    assert "Server" not in response.headers
    assert [name for name in response.headers if "envoy" in name.lower()] == []
    _, second = await balancer.ask("/")
    assert headers["X-Amzn-Trace-Id"] not in second["headers"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"forwarded_for": "append"}, "1.1.1.1, 127.0.0.1"),
        ({"forwarded_for": "preserve"}, "1.1.1.1"),
        ({"forwarded_for": "remove"}, None),
    ],
)
async def test_forwarded_for(
    balancer: Balancer, endpoints: list[HttpEndpoint], more: dict[str, Any], expected: str | None
) -> None:
    await balancer.serve((Cluster("app", members(endpoints[0])),), **more)
    _, answer = await balancer.ask("/", headers={"X-Forwarded-For": "1.1.1.1"})
    assert dict(line.split(": ", 1) for line in answer["headers"]).get("X-Forwarded-For") == expected


async def test_routes_in_their_order(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    def says(word: str, **match: Any) -> Route:
        return Route(Match(**match), Answer(200, f"{word} 100%", "text/x-word"))

    await balancer.serve(
        (Cluster("app", members(endpoints[0])),),
        says("path", path="/img/.*[.]png"),
        says("host", host="www[.].*"),
        says("method", methods=("PUT", "DELETE")),
        says("header", headers=(("X-Kind", "(?i:a.*|b)"),)),
        says("query", queries=("v=1[^&]*", "[^=&]*=on")),
        says("outside", path="/from", sources=(("10.0.0.0/8", "192.168.0.0/16"),)),
        says("inside", path="/from", sources=(("10.0.0.0/8", "127.0.0.0/8"),)),
        Route(Match(path="/empty"), Answer(204)),
        to("app"),
        response_headers=(("X-Frame-Options", "DENY%"),),
    )

    async def word(path: str, method: str = "GET", **headers: str) -> Any:
        response, answer = await balancer.ask(path, method, headers=headers)
        assert response.headers["X-Frame-Options"] == "DENY%"
        if response.headers.get("Content-Type") == "text/x-word":
            assert response.headers["Server"] == "awselb/2.0"
            assert answer.endswith(" 100%")
            return answer.split()[0]
        return answer["name"] if answer else response.status

    assert await word("/img/a/b.png?x=1") == "path"
    assert await word("/img/a.jpg") == "one"
    assert await word("/", Host="WWW.example.com:8080") == "host"
    assert await word("/", "DELETE") == "method"
    assert await word("/", **{"x-kind": "ABC"}) == "header"
    assert await word("/", **{"x-kind": "cb"}) == "one"
    assert await word("/?x=on&v=1.5") == "query"
    assert await word("/?v=1.5&xx") == "one"
    assert await word("/?xv=1&y=on") == "one"
    assert await word("/from") == "inside"
    assert await word("/empty") == 204


@pytest.mark.parametrize(
    ("redirect", "status", "location"),
    [
        (Redirect(301, "HTTPS", port="443"), 301, "https://shop.test:443/a/b?c=d"),
        (Redirect(302, host="www.#{host}", path="/old/#{path}", query="from=#{host}&#{query}"), 302,
         "http://www.shop.test:8080/old/a/b?from=shop.test&c=d"),
        (Redirect(301, path="/", query=""), 301, "http://shop.test:8080/"),
    ],
)  # fmt: skip
async def test_redirects(balancer: Balancer, redirect: Redirect, status: int, location: str) -> None:
    await balancer.serve((Cluster("app"),), Route(Match(), redirect))
    response, text = await balancer.ask("/a/b?c=d", headers={"Host": "shop.test:8080"})
    assert (response.status, response.headers["Location"]) == (status, location)
    assert response.headers["Server"] == "awselb/2.0"
    assert "<center><h1>30" in text


async def test_what_a_balancer_answers_by_itself(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    gone, slow = endpoints[:2]
    slow.slowness = 10.0
    await gone.stop()
    clusters = (Cluster("none"), Cluster("gone", members(gone)), Cluster("slow", members(slow)),
                Cluster("sick", members(slow, state="unhealthy")))  # fmt: skip
    routes = [to(name, Match(path=f"/{name}")) for name in ("none", "gone", "slow", "sick")]
    nobody = Route(Match(path="/nobody"), Forward((Choice("slow", 0),)))
    await balancer.serve(clusters, *routes, nobody, idle=1.0)
    pages = {"none": (503, "503 Service Temporarily Unavailable"), "gone": (502, "502 Bad Gateway"),
             "slow": (504, "504 Gateway Time-out"), "sick": (503, "503 Service Temporarily Unavailable"),
             "nobody": (503, "503 Service Temporarily Unavailable")}  # fmt: skip
    for name, (status, title) in pages.items():
        response, text = await balancer.ask(f"/{name}")
        assert (response.status, response.headers["Server"]) == (status, "awselb/2.0"), name
        assert f"<title>{title}</title>" in text


async def test_weights_and_cookies(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    clusters = (Cluster("a", members(*endpoints[:2])), Cluster("b", members(*endpoints[2:])))
    session = Session("AWSALB", 60)
    even = Forward((Choice("a", 1, session), Choice("b", 1, session)), Stick("AWSALBTG", 60))
    await balancer.serve(
        clusters, Route(Match(path="/even"), even), Route(Match(), Forward((Choice("a", 1), Choice("b", 0))))
    )
    assert {(await balancer.ask("/"))[1]["name"] for _ in range(20)} == {"one", "two"}
    assert {(await balancer.ask("/even"))[1]["name"] for _ in range(60)} == {"one", "two", "three", "four"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False)) as client:
        names = set()
        for _ in range(20):
            async with client.get(f"{balancer.url}/even") as response:
                names.add((await response.json(content_type=None))["name"])
    assert len(names) == 1, "one client stays with one endpoint"


async def test_web_sockets(balancer: Balancer) -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data * 2)
        return socket

    app = web.Application()
    app.add_routes([web.get("/ws", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, ADDRESS, port).start()
    try:
        await balancer.serve((Cluster("app", (Endpoint(ADDRESS, port),)),))
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{balancer.url}/ws") as socket:
            await socket.send_str("ab")
            assert await socket.receive_str() == "abab"
            assert (await balancer.plane.activity("app"))[ADDRESS, port].requests == 1
    finally:
        await runner.cleanup()


async def test_http_2_without_tls(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    await balancer.serve((Cluster("app", members(endpoints[0])),))
    reader, writer = await asyncio.open_connection(ADDRESS, balancer.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    frame = await reader.readexactly(9)
    assert frame[3] == 4, "the answer to SETTINGS is SETTINGS"
    writer.close()


async def test_counters(balancer: Balancer, endpoints: list[HttpEndpoint]) -> None:
    endpoints[0].status = 500
    await balancer.serve((Cluster("app", members(*endpoints[:2])),))
    for _ in range(4):
        await balancer.ask("/")
    counters = await balancer.plane.counters("app")
    assert counters["upstream_rq_total"] == 4
    assert counters["upstream_rq_5xx"] == endpoints[0].requests
    assert counters["membership_healthy"] == 2


async def test_long_expressions(balancer: Balancer) -> None:
    long = "|".join(f"(?i:[^&]*{'ab' * 60}{number})" for number in range(5))
    await balancer.serve((Cluster("app"),), Route(Match(path=f".*(?:{long})"), Answer(200)), to("app"))
    assert (await balancer.ask("/" + "ab" * 60 + "3"))[0].status == 200


async def test_a_deep_data_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    plane = EnvoyPlane(deep, lambda: None)
    try:
        await plane.apply(Config((Listener("front", ADDRESS, free_port(), (Route(Match(), Answer(200)),)),)))
        assert plane.is_running()
    finally:
        await plane.close()
