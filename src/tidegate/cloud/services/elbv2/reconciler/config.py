"""Envoy's configuration from the records: which listener routes what, and which target gets traffic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidegate.cloud.planes.envoy import (
    Action,
    Answer,
    Certificate,
    Choice,
    Clients,
    Cluster,
    Config,
    Endpoint,
    Fail,
    Forward,
    Listener,
    Log,
    Match,
    Redirect,
    Rewrite,
    Route,
    Session,
    Stick,
    TcpListener,
    Tls,
)
from tidegate.cloud.services.elbv2.attributes import ADDED_HEADERS, CIPHER_HEADER, CLIENT_HEADERS, VERSION_HEADER
from tidegate.cloud.services.elbv2.model import (
    BalancerRecord,
    ElbModel,
    GroupRecord,
    ListenerRecord,
    TargetRecord,
    groups_in,
    short_id,
)
from tidegate.cloud.services.elbv2.plan import Member, cut_off, glob, routing
from tidegate.cloud.services.elbv2.policies import POLICIES
from tidegate.cloud.services.elbv2.protocols import of_network
from tidegate.cloud.services.elbv2.trust import refused

# (VPC, address, port) of a registered target -> the host and port at which this process and Envoy reach it
Reach = Callable[[str, str, int], tuple[str, int]]
# the id of a certificate -> where it is with its chain, and its key; None where there is none
Find = Callable[[str], Certificate | None]

_SERVER = "awselb/2.0"
_TRACE_HEADER = "X-Amzn-Trace-Id"
_SESSION_COOKIE, _GROUP_COOKIE, _APP_COOKIE = "AWSALB", "AWSALBTG", "AWSALBAPP-0"
_CORS = "CORS"  # what the names of the cookies for requests of other sites end with
_STATUSES = {"HTTP_301": 301, "HTTP_302": 302}
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/listener-alpn.html
_ALPN: dict[str, tuple[str, ...]] = {
    "HTTP1Only": ("http/1.1", "http/1.0"),
    "HTTP2Only": ("h2",),
    "HTTP2Optional": ("http/1.1", "http/1.0", "h2"),
    "HTTP2Preferred": ("h2", "http/1.1", "http/1.0"),
    "None": (),
}


def cluster_name(group_arn: str) -> str:
    """Return what a target group is called in Envoy."""
    return f"tg-{short_id(group_arn)}"


def listener_name(listener_arn: str) -> str:
    """Return what a listener is called in Envoy."""
    return f"l-{short_id(listener_arn)}"


def members_of(targets: Mapping[str, TargetRecord]) -> dict[str, Member]:
    """Return targets as routing sees them."""
    return {name: Member(each["state"], each.get("blocked", False)) for name, each in targets.items()}


class Translation:
    """Reads one state of the records."""

    def __init__(self, model: ElbModel, reach: Reach, find: Find) -> None:
        self._model = model
        self._reach = reach
        self._find = find

    def config(self) -> Config:
        """Return what Envoy has to be like: every listener that has a port, every group that one forwards to."""
        listeners: list[Listener | TcpListener] = []
        clusters: dict[str, Cluster] = {}
        for (region, balancer_arn), balancer in self._model.balancers.items():
            for record in self._model.listeners_of(region, balancer_arn):
                tls = self._tls(region, balancer, record)
                if record["bound"] is None or (tls is None and record["listener"].get("Certificates")):
                    continue
                rules: list[Any] = [
                    each["rule"] for each in self._model.rules_of(region, record["listener"]["ListenerArn"])
                ]
                default: Any = {"Actions": record["listener"]["DefaultActions"], "Priority": "0"}
                routes = [*rules, default]
                if balancer["balancer"]["Type"] == "network":
                    listeners.append(self._tcp_listener(region, balancer, record, tls))
                else:
                    chosen = tuple(self._route(region, balancer_arn, each) for each in routes)
                    listeners.append(self._listener(balancer, record, tls, chosen))
                for arn in sorted(arn for each in routes for arn in groups_in(each["Actions"])):
                    group = self._model.groups.get(region, arn)
                    if group is not None:
                        clusters[arn] = self._cluster(region, group)
        return Config(
            tuple(sorted(listeners, key=lambda each: each.name)),
            tuple(sorted(clusters.values(), key=lambda each: each.name)),
            _SERVER,
            _TRACE_HEADER,
        )

    def _route(self, region: str, balancer_arn: str, rule: Mapping[str, Any]) -> Route:
        rewrites = {
            each["Type"]: _rewrite(config["Rewrites"][0])
            for each in rule.get("Transforms", ())
            for config in (each.get("HostHeaderRewriteConfig") or each.get("UrlRewriteConfig"),)
        }
        return Route(
            self._match(rule.get("Conditions", ())),
            self._action(region, balancer_arn, rule["Actions"]),
            host=rewrites.get("host-header-rewrite"),
            url=rewrites.get("url-rewrite"),
            name=f"{rule['Priority']} {rule['Actions'][-1]['Type']}",
        )

    def _tls(self, region: str, balancer: BalancerRecord, record: ListenerRecord) -> Tls | None:
        """Return how a listener encrypts; None where it does not, or has no certificate to show yet."""
        listener: Any = record["listener"]
        named = [each["CertificateArn"] for each in listener.get("Certificates", ())]
        found = [self._find(short_id(arn)) for arn in dict.fromkeys([*named, *record.get("certificates", ())])]
        certificates = tuple(each for each in found if each is not None)
        if not named or not certificates:
            return None
        policy = POLICIES[listener["SslPolicy"]]
        if listener["Protocol"] == "TLS":
            protocols = _ALPN[next(iter(listener.get("AlpnPolicy", ())), "None")]
        else:
            http2 = balancer["attributes"]["routing.http2.enabled"] == "true"
            protocols = ("h2", "http/1.1") if http2 else ("http/1.1",)
        return Tls(
            certificates,
            policy.versions[0],
            policy.versions[-1],
            policy.offered_ciphers,
            protocols,
            policy.curves,
            self._clients(region, listener.get("MutualAuthentication", {})),
        )

    def _clients(self, region: str, given: Mapping[str, Any]) -> Clients | None:
        """Return how a listener asks clients for certificates; None where it does not."""
        if given.get("Mode", "off") == "off":
            return None
        store = self._model.trust_stores.get(region, given.get("TrustStoreArn", ""))
        if store is None:
            return Clients()
        revoked = tuple(each["content"] for each in self._model.revoking(region, store["store"]["TrustStoreArn"]))
        found = refused(store["bundle"], revoked)
        expired = given["IgnoreClientCertificateExpiry"]
        return Clients(store["bundle"], found.certificates, found.issuers, expired)

    def _tcp_listener(
        self, region: str, balancer: BalancerRecord, record: ListenerRecord, tls: Tls | None
    ) -> TcpListener:
        actions: Any = record["listener"]["DefaultActions"]
        groups = actions[0]["ForwardConfig"]["TargetGroups"]
        found = [self._model.groups.get(region, each["TargetGroupArn"]) for each in groups]
        assert record["bound"] is not None
        return TcpListener(
            name=listener_name(record["listener"]["ListenerArn"]),
            address=balancer["address"],
            port=record["bound"],
            choices=tuple(Choice(cluster_name(each["TargetGroupArn"]), each["Weight"]) for each in groups),
            idle=float(record["attributes"].get("tcp.idle_timeout.seconds", "350")),
            tls=tls,
            by_source=any(each is not None and _by_source(each) for each in found),
        )

    def _listener(
        self, balancer: BalancerRecord, record: ListenerRecord, tls: Tls | None, routes: tuple[Route, ...]
    ) -> Listener:
        of_balancer, own = balancer["attributes"], record["attributes"]
        mode: Any = of_balancer["routing.http.xff_header_processing.mode"]
        assert record["bound"] is not None
        told = tls is not None and of_balancer["routing.http.x_amzn_tls_version_and_cipher_suite.enabled"] == "true"
        return Listener(
            name=listener_name(record["listener"]["ListenerArn"]),
            address=balancer["address"],
            port=record["bound"],
            routes=routes,
            idle=float(of_balancer["idle_timeout.timeout_seconds"]),
            lifetime=float(of_balancer["client_keep_alive.seconds"]),
            http2=of_balancer["routing.http2.enabled"] == "true",
            drop_invalid_headers=of_balancer["routing.http.drop_invalid_header_fields.enabled"] == "true",
            forwarded_for=mode,
            client_port=of_balancer["routing.http.xff_client_port.enabled"] == "true",
            keep_host=of_balancer["routing.http.preserve_host_header.enabled"] == "true",
            show_server=own["routing.http.response.server.enabled"] == "true",
            response_headers=tuple((name, own[key]) for key, name in ADDED_HEADERS.items() if own[key]),
            tls=tls,
            version_header=(own[VERSION_HEADER] or "X-Amzn-Tls-Version") if told else None,
            cipher_header=(own[CIPHER_HEADER] or "X-Amzn-Tls-Cipher-Suite") if told else None,
            client_headers=_client_headers(own, tls),
            request_log=_log("access_logs", balancer, record),
            connection_log=_log("connection_logs", balancer, record),
        )

    def _cluster(self, region: str, group: GroupRecord) -> Cluster:
        arn, vpc_id = group["group"]["TargetGroupArn"], group["group"]["VpcId"]
        targets = self._targets(region, arn)
        attributes = group["attributes"]
        minimum = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
        percentage = attributes[f"{minimum}percentage"]
        traffic = routing(
            members_of(targets),
            int(attributes[f"{minimum}count"]),
            None if percentage == "off" else int(percentage),
        )
        algorithms: dict[str, Any] = {
            "round_robin": "round_robin",
            "least_outstanding_requests": "least_request",
            "weighted_random": "random",
        }
        settings = group["group"]
        version = settings.get("ProtocolVersion", "HTTP1")
        network = of_network({**settings})
        return Cluster(
            name=cluster_name(arn),
            endpoints=tuple(
                Endpoint(
                    *self._reach(vpc_id, each["target"]["Id"], each["target"]["Port"]), state=traffic[name], label=name
                )
                for name, each in sorted(targets.items())
                # the slow start of a target begins when it is here: with its first passed check, not before
                if each["state"] != "initial" or traffic[name] == "healthy"
            ),
            algorithm=algorithms[attributes.get("load_balancing.algorithm.type", "round_robin")],
            slow_start=float(attributes.get("slow_start.duration_seconds", "0")),
            protocol="tcp" if network else "http1" if version == "HTTP1" else "http2",
            tls=settings["Protocol"] in ("HTTPS", "TLS"),
            proxy_protocol=attributes.get("proxy_protocol_v2.enabled") == "true",
            by_source=network and _by_source(group),
            label=arn,
        )

    def _action(self, region: str, balancer_arn: str, actions: Iterable[Mapping[str, Any]]) -> Action:
        (action,) = actions
        match action["Type"]:
            case "forward":
                return self._forward(region, action["ForwardConfig"])
            case "redirect":
                given = action["RedirectConfig"]
                status, port = _STATUSES[given["StatusCode"]], given["Port"]
                if given["Host"] == "#{host}":
                    port = self._moved(region, balancer_arn, port)
                return Redirect(status, given["Protocol"], given["Host"], port, given["Path"], given["Query"])
            case _:
                given = action["FixedResponseConfig"]
                body, kind = given.get("MessageBody", ""), given.get("ContentType", "text/plain")
                return Answer(int(given["StatusCode"]), body, kind)

    def _moved(self, region: str, balancer_arn: str, port: str) -> str:
        """Return the port that a listener of the balancer really has, for the one that it should have."""
        for each in self._model.listeners_of(region, balancer_arn):
            if str(each["listener"]["Port"]) == port and each["bound"] is not None:
                return str(each["bound"])
        return port

    def _forward(self, region: str, config: Mapping[str, Any]) -> Action:
        choices = []
        for each in config["TargetGroups"]:
            arn = each["TargetGroupArn"]
            group = self._model.groups.get(region, arn)
            choices.append(Choice(cluster_name(arn), each["Weight"], None if group is None else _session(group)))
        weighted = [each["TargetGroupArn"] for each in config["TargetGroups"] if each["Weight"]]
        if weighted and all(cut_off(members_of(self._targets(region, arn))) for arn in weighted):
            return Fail(504)  # requests would wait for a connection that security groups never let through
        stickiness = config["TargetGroupStickinessConfig"]
        stick = (
            Stick(_GROUP_COOKIE, stickiness["DurationSeconds"], _GROUP_COOKIE + _CORS)
            if stickiness["Enabled"]
            else None
        )
        return Forward(tuple(choices), stick)

    def _match(self, conditions: Iterable[Mapping[str, Any]]) -> Match:
        path, host = None, None
        methods: tuple[str, ...] = ()
        headers: list[tuple[str, str]] = []
        queries: list[str] = []
        sources: list[tuple[str, ...]] = []
        for each in conditions:
            match each["Field"]:
                case "path-pattern":
                    path = _any_of(each["PathPatternConfig"])
                case "host-header":
                    host = _any_of(each["HostHeaderConfig"])
                case "http-request-method":
                    methods = tuple(each["HttpRequestMethodConfig"]["Values"])
                case "http-header":
                    config = each["HttpHeaderConfig"]
                    headers.append((config["HttpHeaderName"].lower(), f"(?i:{_any_of(config)})"))
                case "query-string":
                    queries.append("|".join(map(_pair, each["QueryStringConfig"]["Values"])))
                case _:
                    sources.append(tuple(each["SourceIpConfig"]["Values"]))
        return Match(path, host, methods, tuple(headers), tuple(queries), tuple(sources))

    def _targets(self, region: str, group_arn: str) -> dict[str, TargetRecord]:
        return {key[2]: record for key, record in self._model.targets_of(region, group_arn)}


def log_name(balancer_arn: str, kind: str) -> str:
    """Return what the log of a kind of a load balancer is called."""
    return f"{kind}-{short_id(balancer_arn)}"


def _log(kind: str, balancer: BalancerRecord, record: ListenerRecord) -> Log | None:
    """Return what a listener writes of its requests or connections; None where nobody asked for it."""
    if balancer["attributes"].get(f"{kind}.s3.enabled") != "true":
        return None
    listener: Any = record["listener"]
    secure = listener["Protocol"] == "HTTPS"
    fields = {
        "listener": listener["ListenerArn"],
        "port": str(listener["Port"]),
        "port_plain": "" if secure else "true",
        "scheme": "https" if secure else "http",
        "certificate": listener["Certificates"][0]["CertificateArn"] if secure else "",
    }
    return Log(log_name(balancer["balancer"]["LoadBalancerArn"], kind), tuple(fields.items()))


def _client_headers(attributes: Mapping[str, str], tls: Tls | None) -> tuple[tuple[str, str], ...]:
    """Return the headers that tell of a client's certificate: the whole chain where it is only passed through."""
    if tls is None or tls.clients is None:
        return ()
    through = tls.clients.authorities is None
    headers = ((what, attributes.get(key) or name) for key, (what, name) in CLIENT_HEADERS.items())
    return tuple((what, name) for what, name in headers if (what == "chain") is through)


def _by_source(group: GroupRecord) -> bool:
    return group["attributes"]["stickiness.enabled"] == "true"


def _session(group: GroupRecord) -> Session | None:
    attributes = group["attributes"]
    if attributes["stickiness.enabled"] != "true":
        return None
    if attributes["stickiness.type"] == "app_cookie":
        seconds = int(attributes["stickiness.app_cookie.duration_seconds"])
        return Session(_APP_COOKIE, seconds, follows=attributes["stickiness.app_cookie.cookie_name"])
    seconds = int(attributes["stickiness.lb_cookie.duration_seconds"])
    return Session(_SESSION_COOKIE, seconds, _SESSION_COOKIE + _CORS)


def _rewrite(given: Mapping[str, str]) -> Rewrite:
    """Return a transform in RE2's words: a group is `\\1` there, where AWS has `$1`."""
    replacement = given["Replace"].replace("\\", "\\\\")
    return Rewrite(given["Regex"], re.sub(r"\$([0-9])", r"\\\1", replacement))


def _any_of(config: Mapping[str, Any]) -> str:
    """Return the expression for values, any of which fits: patterns the whole text, expressions a part of it."""
    patterns = [glob(each) for each in config.get("Values", ())]
    patterns += [f".*(?:{each}).*" for each in config.get("RegexValues", ())]
    return "|".join(f"(?:{each})" for each in patterns)


def _pair(value: Mapping[str, str]) -> str:
    """Return the expression for one `key=value` of a query; without a key, any key."""
    key = glob(value["Key"], any_character="[^&=]") if value.get("Key") else "[^&=]*"
    return f"(?i:{key}={glob(value['Value'], any_character='[^&]')})"
