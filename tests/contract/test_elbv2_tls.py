"""Encrypted listeners as browsers, curl, WebSocket and gRPC clients meet them; and how they are told to be."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web

from tests.contract.test_acm import own_certificate
from tests.contract.test_ec2 import refusal
from tests.contract.test_elbv2 import FIXED, Network, certificate, to
from tests.contract.test_elbv2_traffic import QUICK, Front, started, target
from tests.daemon import Daemon
from tests.http2_endpoint import Http2Endpoint
from tests.http_endpoint import until

NAME = "www.example.com"


class SecureFront(Front):
    """A load balancer whose listener encrypts."""

    def __init__(self, cloud: Daemon) -> None:
        super().__init__(cloud)
        self.ca = str(cloud.document["ca"])

    async def listen_securely(self, actions: Any, arn: str, port: int = 443, **more: Any) -> None:
        request = {"LoadBalancerArn": self.arn, "Protocol": "HTTPS", "Port": port, "DefaultActions": actions}
        answer = await self.call("create_listener", **request, Certificates=[{"CertificateArn": arn}], **more)
        self.listener = answer["Listeners"][0]["ListenerArn"]
        await self.accepts()

    async def accepts(self) -> None:
        async def hears() -> bool:
            try:
                await asyncio.to_thread(self.handshake)
            except ssl.SSLError:
                return True  # somebody is there, and wants something else
            except OSError:
                return False
            return True

        await until(hears)

    async def place(self) -> tuple[str, int]:
        (found,) = (await self.call("describe_load_balancers", LoadBalancerArns=[self.arn]))["LoadBalancers"]
        address, _, port = found["DNSName"].partition(":")
        return address, int(port or 443)

    def handshake(self, name: str = NAME, **settings: Any) -> tuple[set[str], str, str | None]:
        """Return the names in the certificate that is shown, the TLS version, and the protocol that was agreed on."""
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False
        context.set_alpn_protocols(settings.pop("alpn", ["h2", "http/1.1"]))
        for key, value in settings.items():
            setattr(context, key, value)
        (found,) = self.network.elb.describe_load_balancers(LoadBalancerArns=[self.arn])["LoadBalancers"]
        address, _, port = found["DNSName"].partition(":")
        with (
            socket.create_connection((address, int(port or 443)), 5) as sock,
            context.wrap_socket(sock, server_hostname=name) as secure,
        ):
            shown: Any = secure.getpeercert()
            names = {value for _, value in shown["subjectAltName"]}
            return names, str(secure.version()), secure.selected_alpn_protocol()

    async def names(self, name: str = NAME, **settings: Any) -> set[str]:
        return (await asyncio.to_thread(self.handshake, name, **settings))[0]

    async def curl(self, path: str = "/", *arguments: str, name: str = NAME) -> str:
        address, port = await self.place()
        command = ["curl", "-sS", "--cacert", self.ca, "--connect-to", f"{name}:443:{address}:{port}", *arguments]
        result = await asyncio.to_thread(
            subprocess.run, [*command, f"https://{name}{path}"], capture_output=True, text=True, check=True, timeout=20
        )
        return str(result.stdout)


@pytest.fixture
def front(cloud: Daemon) -> SecureFront:
    return SecureFront(cloud)


@asynccontextmanager
async def serving(runner: web.AppRunner, **more: Any) -> AsyncIterator[int]:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **more)
    await site.start()
    try:
        assert site._server is not None
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


async def test_https_with_http2_and_a_redirect_to_it(front: SecureFront) -> None:
    group = front.network.group(**QUICK)
    on = {"Key": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "Value": "true"}
    await front.call("modify_load_balancer_attributes", LoadBalancerArn=front.arn, Attributes=[on])
    async with started("one") as (one,):
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        policy = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
        await front.listen_securely(to(group), certificate(front.network), SslPolicy=policy)
        await front.until_states(group, "healthy")
        answer = await front.curl("/a?b=c", "--http2", "-w", "\n%{http_version} %{ssl_verify_result}")
        body, _, about = answer.rpartition("\n")
        assert about == "2 0"
        seen = json.loads(body)
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in seen["headers"])}
        assert seen["path"] == "/a?b=c"
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-amzn-tls-version"] == "TLSv1.3"
        assert headers["x-amzn-tls-cipher-suite"].startswith("TLS_")
        assert "1.1 0" in await front.curl("/", "--http1.1", "-w", "\n%{http_version} %{ssl_verify_result}")
    _, port = await front.place()
    redirect = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"}
    request = {"LoadBalancerArn": front.arn, "Protocol": "HTTP", "Port": 80}
    await front.call("create_listener", **request, DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}])
    address, _ = await front.place()

    async def leads_on() -> bool:
        async with aiohttp.ClientSession() as session:
            try:
                url = f"http://{address}/a/b?c=d"
                async with session.get(url, headers={"Host": NAME}, allow_redirects=False) as answer:
                    return (answer.status, answer.headers["Location"]) == (301, f"https://{NAME}:{port}/a/b?c=d")
            except aiohttp.ClientError:
                return False

    if port == 443:  # else the redirecting listener is not at its own port either
        await until(leads_on)


async def test_every_placeholder_of_a_redirect(front: SecureFront) -> None:
    parts = {"Protocol": "#{protocol}", "Host": "to.#{host}", "Port": "#{port}", "Path": "/x/#{path}/#{host}/#{port}",
             "Query": "#{query}&from=#{protocol}"}  # fmt: skip
    action = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", **parts}}
    await front.listen_securely([action], certificate(front.network))
    _, port = await front.place()
    location = await front.curl("/a/b?c=d", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    assert location == f"302 https://to.{NAME}:{port}/x/a/b/{NAME}/{port}?c=d&from=https"


async def test_certificates_are_chosen_by_name(front: SecureFront) -> None:
    default = certificate(front.network)
    shop, wild = certificate(front.network, "shop.test"), certificate(front.network, "*.wild.test")
    await front.listen_securely(FIXED, default)
    more = {"ListenerArn": front.listener, "Certificates": [{"CertificateArn": each} for each in (shop, wild)]}
    added = await front.call("add_listener_certificates", **more)
    assert [each["IsDefault"] for each in added["Certificates"]] == [False, False]
    await front.call("add_listener_certificates", **more)
    listed = (await front.call("describe_listener_certificates", ListenerArn=front.listener))["Certificates"]
    assert {each["CertificateArn"]: each["IsDefault"] for each in listed} == {default: True, shop: False, wild: False}

    async def shows(name: str, wanted: str) -> bool:
        return wanted in await front.names(name)

    await until(lambda: shows("shop.test", "shop.test"))
    assert await shows("a.wild.test", "*.wild.test")
    assert await shows("unknown.test", NAME)
    detail = (await asyncio.to_thread(front.network.acm.describe_certificate, CertificateArn=shop))["Certificate"]
    assert (detail["InUseBy"], detail["RenewalEligibility"]) == ([front.arn], "ELIGIBLE")
    code, message = refusal(front.network.acm.delete_certificate, CertificateArn=shop)
    assert (code, "is in use" in message) == ("ResourceInUseException", True)
    gone = {"ListenerArn": front.listener, "Certificates": [{"CertificateArn": shop}]}
    await front.call("remove_listener_certificates", **gone)
    await until(lambda: shows("shop.test", NAME))
    await asyncio.to_thread(front.network.acm.delete_certificate, CertificateArn=shop)
    default_one = {"ListenerArn": front.listener, "Certificates": [{"CertificateArn": default}]}
    assert refusal(front.network.elb.remove_listener_certificates, **default_one)[0] == "OperationNotPermitted"


async def test_security_policies_bind(front: SecureFront) -> None:
    old: dict[str, Any] = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    await front.listen_securely(FIXED, certificate(front.network), SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06")
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(lambda: front.handshake(**old))
    assert (await asyncio.to_thread(front.handshake))[1:] == ("TLSv1.3", "h2")
    await front.call("modify_listener", ListenerArn=front.listener, SslPolicy="ELBSecurityPolicy-FS-1-2-Res-2020-10")

    async def version() -> str:
        return (await asyncio.to_thread(front.handshake))[1]

    async def is_older() -> bool:
        return await version() == "TLSv1.2"

    await until(is_older)
    off = [{"Key": "routing.http2.enabled", "Value": "false"}]
    await front.call("modify_load_balancer_attributes", LoadBalancerArn=front.arn, Attributes=off)

    async def has_no_http2() -> bool:
        return (await asyncio.to_thread(front.handshake))[2] == "http/1.1"

    await until(has_no_http2)


async def test_a_new_certificate_is_shown_without_a_change_of_the_listener(front: SecureFront, tmp_path: Path) -> None:
    acm = front.network.acm
    body, key, _ = own_certificate(tmp_path / "one", "old.test")
    arn = acm.import_certificate(Certificate=body, PrivateKey=key)["CertificateArn"]
    await front.listen_securely(FIXED, arn)

    async def shown(authority: Path) -> set[str]:
        front.ca = str(authority)
        try:
            return await front.names("x.test")
        except ssl.SSLError:
            return set()

    assert await shown(tmp_path / "one" / "ca.pem") == {"old.test"}
    body, key, _ = own_certificate(tmp_path / "two", "new.test")
    acm.import_certificate(CertificateArn=arn, Certificate=body, PrivateKey=key)

    async def is_new() -> bool:
        return await shown(tmp_path / "two" / "ca.pem") == {"new.test"}

    await until(is_new)


async def test_from_http_to_https_and_back(front: SecureFront) -> None:
    front.listener = await asyncio.to_thread(front.network.listener, front.arn, FIXED, 8443)
    arn = certificate(front.network)
    secure = {"ListenerArn": front.listener, "Protocol": "HTTPS", "Certificates": [{"CertificateArn": arn}]}
    (changed,) = (await front.call("modify_listener", **secure))["Listeners"]
    assert (changed["Protocol"], changed["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-2016-08")
    address = (await front.url()).removeprefix("http://").partition(":")[0]

    def speaks() -> str | None:
        context = ssl.create_default_context(cafile=front.ca)
        try:
            with (
                socket.create_connection((address, 8443), 5) as sock,
                context.wrap_socket(sock, server_hostname=NAME) as secure,
            ):
                return secure.version()
        except ssl.SSLError:
            return "none"
        except OSError:
            return None

    async def speaks_tls() -> bool:
        return await asyncio.to_thread(speaks) == "TLSv1.2"

    await until(speaks_tls)
    (changed,) = (await front.call("modify_listener", ListenerArn=front.listener, Protocol="HTTP"))["Listeners"]
    assert not {"Certificates", "SslPolicy", "MutualAuthentication"} & changed.keys()

    async def speaks_plainly() -> bool:
        return await asyncio.to_thread(speaks) == "none"

    await until(speaks_plainly)


async def test_web_sockets(front: SecureFront) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            return web.Response(text="fine")
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            await channel.send_str(f"{request.headers['X-Forwarded-Proto']} {message.data}")
        return channel

    app = web.Application()
    app.router.add_route("GET", "/{any:.*}", echo)
    group = front.network.group(**QUICK)
    async with serving(web.AppRunner(app)) as port, aiohttp.ClientSession() as session:
        await front.call("register_targets", TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
        await front.listen_securely(to(group), certificate(front.network))
        await front.until_states(group, "healthy")
        address, own = await front.place()
        context = ssl.create_default_context(cafile=front.ca)
        async with session.ws_connect(f"wss://{address}:{own}/channel", ssl=context, server_hostname=NAME) as channel:
            connection: Any = channel.get_extra_info("socket")
            for number in range(3):
                await channel.send_str(str(number))
                assert await channel.receive_str(timeout=5) == f"https {number}"
        await until(lambda: connection.fileno() < 0)


async def test_targets_that_encrypt(front: SecureFront, tmp_path: Path) -> None:
    """Who they are is not asked: any certificate will do."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"scheme": request.scheme, "path": request.path})

    app = web.Application()
    app.router.add_route("GET", "/{any:.*}", answer)
    body, key, _ = own_certificate(tmp_path, "somebody.test")
    (tmp_path / "pair.pem").write_bytes(key + body)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    group = front.network.group(Protocol="HTTPS", HealthCheckProtocol="HTTPS", **QUICK)
    async with serving(web.AppRunner(app), ssl_context=context) as port:
        await front.call("register_targets", TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
        await front.listen_securely(to(group), certificate(front.network))
        await front.until_states(group, "healthy")
        assert json.loads(await front.curl("/secret")) == {"scheme": "https", "path": "/secret"}


async def test_targets_of_http2(front: SecureFront) -> None:
    group = front.network.group(ProtocolVersion="HTTP2", **QUICK)
    endpoint = await Http2Endpoint("two").start()
    try:
        await front.call(
            "register_targets", TargetGroupArn=group, Targets=[{"Id": endpoint.host, "Port": endpoint.port}]
        )
        code, message = refusal(front.network.listener, balancer=front.arn, actions=to(group))
        assert (code, message) == (
            "InvalidConfigurationRequest",
            "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'HTTP2'",
        )
        await front.listen_securely(to(group), certificate(front.network))
        await front.until_states(group, "healthy")
        answer = json.loads(await front.curl("/x", "--http1.1"))
        assert (answer["name"], answer["headers"][":path"]) == ("two", "/x")
    finally:
        await endpoint.stop()


async def test_grpc(front: SecureFront) -> None:
    async def say(request: bytes, context: Any) -> bytes:
        if request == b"fail":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        return b"you said " + request

    methods = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    group = front.network.group(ProtocolVersion="GRPC", **QUICK)
    (shown,) = (await front.call("describe_target_groups", TargetGroupArns=[group]))["TargetGroups"]
    assert (shown["HealthCheckPath"], shown["Matcher"]) == ("/AWS.ALB/healthcheck", {"GrpcCode": "12"})
    try:
        await front.call("register_targets", TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": port}])
        await front.listen_securely(to(group), certificate(front.network))
        await front.until_states(group, "healthy")
        address, own = await front.place()
        trusted = grpc.ssl_channel_credentials(await asyncio.to_thread(Path(front.ca).read_bytes))
        options = (("grpc.ssl_target_name_override", NAME),)
        async with grpc.aio.secure_channel(f"{address}:{own}", trusted, options) as channel:
            call = channel.unary_unary("/test.Echo/Say")
            assert await call(b"hello") == b"you said hello"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"fail")
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    finally:
        await server.stop(None)


async def test_a_killed_daemon_leaves_encrypted_listeners_serving(own_cloud: Daemon) -> None:
    front = SecureFront(own_cloud)
    await front.listen_securely(FIXED, certificate(front.network))
    own_cloud.kill()
    place = (own_cloud.data_dir / "envoy" / "listeners.json").read_text()
    socket_address = json.loads(place)["resources"][0]["address"]["socket_address"]
    context = ssl.create_default_context(cafile=front.ca)
    where = (socket_address["address"], socket_address["port_value"])
    with socket.create_connection(where, 5) as sock, context.wrap_socket(sock, server_hostname=NAME):
        pass
    await asyncio.to_thread(own_cloud.start)
    front.network = Network(own_cloud)
    assert await front.curl() == "fixed"


def test_what_listeners_are_told(cloud: Daemon) -> None:
    network = Network(cloud)
    elb, arn = network.elb, network.balancer()["LoadBalancerArn"]
    listed = {"Certificates": [{"CertificateArn": certificate(network)}]}

    def create(**request: Any) -> tuple[str, str]:
        base = {"LoadBalancerArn": arn, "Protocol": "HTTPS", "Port": 443, "DefaultActions": FIXED}
        return refusal(elb.create_listener, **{**base, **request})

    assert create() == ("ValidationError", "A certificate must be specified for HTTPS listeners")
    assert create(**listed, Protocol="HTTP")[0] == "ValidationError"
    assert create(**listed, SslPolicy="ELBSecurityPolicy-None")[0] == "SSLPolicyNotFound"
    assert create(**listed, SslPolicy="ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04")[0] == "NotImplemented"
    assert create(Certificates=[{"CertificateArn": f"{listed['Certificates'][0]['CertificateArn'][:-1]}x"}])[0] == (
        "CertificateNotFound"
    )
    cloud.client("route53").create_hosted_zone(Name="example.org", CallerReference="1")
    pending = network.acm.request_certificate(DomainName="example.org", ValidationMethod="DNS")["CertificateArn"]
    assert create(Certificates=[{"CertificateArn": pending}])[0] == "UnsupportedCertificate"
    made = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTPS", Port=443, DefaultActions=FIXED, **listed)
    again = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTPS", Port=443, DefaultActions=FIXED, **listed)
    assert made["Listeners"] == again["Listeners"]
    assert create(**listed, SslPolicy="ELBSecurityPolicy-FS-2018-06")[0] == "DuplicateListener"
    renamed = {"Key": "routing.http.request.x_amzn_tls_version.header_name", "Value": "X-Version"}
    listener = made["Listeners"][0]["ListenerArn"]
    assert renamed in elb.modify_listener_attributes(ListenerArn=listener, Attributes=[renamed])["Attributes"]
    plain = network.listener(arn, FIXED)
    assert refusal(elb.add_listener_certificates, ListenerArn=plain, **listed)[0] == "InvalidConfigurationRequest"
    assert refusal(elb.modify_listener_attributes, ListenerArn=plain, Attributes=[renamed])[0] == (
        "InvalidConfigurationRequest"
    )
    policies = elb.describe_ssl_policies(LoadBalancerType="application")["SslPolicies"]
    assert "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" in {each["Name"] for each in policies}
