"""Envoy's configuration from the records: which listener routes what, and which target gets traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidegate.cloud.planes.envoy import (
    Action,
    Answer,
    Choice,
    Cluster,
    Config,
    Endpoint,
    Fail,
    Forward,
    Listener,
    Match,
    Redirect,
    Route,
    Session,
    Stick,
)
from tidegate.cloud.services.elbv2.attributes import ADDED_HEADERS
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

# (VPC, address, port) of a registered target -> the host and port at which this process and Envoy reach it
Reach = Callable[[str, str, int], tuple[str, int]]

_SERVER = "awselb/2.0"
_TRACE_HEADER = "X-Amzn-Trace-Id"
_SESSION_COOKIE, _GROUP_COOKIE = "AWSALB", "AWSALBTG"
_STATUSES = {"HTTP_301": 301, "HTTP_302": 302}


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

    def __init__(self, model: ElbModel, reach: Reach) -> None:
        self._model = model
        self._reach = reach

    def config(self) -> Config:
        """Return what Envoy has to be like: every listener that has a port, every group that one forwards to."""
        listeners: list[Listener] = []
        clusters: dict[str, Cluster] = {}
        for (region, balancer_arn), balancer in self._model.balancers.items():
            for record in self._model.listeners_of(region, balancer_arn):
                if record["bound"] is None:
                    continue
                rules = [each["rule"] for each in self._model.rules_of(region, record["listener"]["ListenerArn"])]
                routes = [
                    *((self._match(each["Conditions"]), each["Actions"]) for each in rules),
                    (Match(), record["listener"]["DefaultActions"]),
                ]
                listeners.append(
                    self._listener(
                        balancer,
                        record,
                        tuple(Route(match, self._action(region, actions)) for match, actions in routes),
                    )
                )
                for arn in sorted(arn for _, actions in routes for arn in groups_in(actions)):
                    group = self._model.groups.get(region, arn)
                    if group is not None:
                        clusters[arn] = self._cluster(region, group)
        return Config(
            tuple(sorted(listeners, key=lambda each: each.name)),
            tuple(sorted(clusters.values(), key=lambda each: each.name)),
            _SERVER,
            _TRACE_HEADER,
        )

    def _listener(self, balancer: BalancerRecord, record: ListenerRecord, routes: tuple[Route, ...]) -> Listener:
        of_balancer, own = balancer["attributes"], record["attributes"]
        mode: Any = of_balancer["routing.http.xff_header_processing.mode"]
        assert record["bound"] is not None
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
            show_server=own["routing.http.response.server.enabled"] == "true",
            response_headers=tuple((name, own[key]) for key, name in ADDED_HEADERS.items() if own[key]),
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
        return Cluster(
            name=cluster_name(arn),
            endpoints=tuple(
                Endpoint(*self._reach(vpc_id, each["target"]["Id"], each["target"]["Port"]), state=traffic[name])
                for name, each in sorted(targets.items())
            ),
            algorithm=algorithms[attributes["load_balancing.algorithm.type"]],
            slow_start=float(attributes["slow_start.duration_seconds"]),
        )

    def _action(self, region: str, actions: Iterable[Mapping[str, Any]]) -> Action:
        (action,) = actions
        match action["Type"]:
            case "forward":
                return self._forward(region, action["ForwardConfig"])
            case "redirect":
                given = action["RedirectConfig"]
                status = _STATUSES[given["StatusCode"]]
                return Redirect(status, given["Protocol"], given["Host"], given["Port"], given["Path"], given["Query"])
            case _:
                given = action["FixedResponseConfig"]
                body, kind = given.get("MessageBody", ""), given.get("ContentType", "text/plain")
                return Answer(int(given["StatusCode"]), body, kind)

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
        stick = Stick(_GROUP_COOKIE, stickiness["DurationSeconds"]) if stickiness["Enabled"] else None
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


def _session(group: GroupRecord) -> Session | None:
    attributes = group["attributes"]
    if attributes["stickiness.enabled"] != "true":
        return None
    return Session(_SESSION_COOKIE, int(attributes["stickiness.lb_cookie.duration_seconds"]))


def _any_of(config: Mapping[str, Any]) -> str:
    """Return the expression for values, any of which fits: patterns the whole text, expressions a part of it."""
    patterns = [glob(each) for each in config.get("Values", ())]
    patterns += [f".*(?:{each}).*" for each in config.get("RegexValues", ())]
    return "|".join(f"(?:{each})" for each in patterns)


def _pair(value: Mapping[str, str]) -> str:
    """Return the expression for one `key=value` of a query; without a key, any key."""
    key = glob(value["Key"], any_character="[^&=]") if value.get("Key") else "[^&=]*"
    return f"(?i:{key}={glob(value['Value'], any_character='[^&]')})"
