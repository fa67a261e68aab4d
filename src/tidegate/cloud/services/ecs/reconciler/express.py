"""Makes express services real, and removes what was made, by the infrastructure role; each part is looked for first.

A part that is there is taken as it is, so a daemon that was killed in between goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs import express as parts
from tidegate.cloud.services.ecs.express import ExpressRecord, GatewayRecord, ResourceRecord
from tidegate.cloud.services.ecs.model import ACTIVE, COMPLETED, INACTIVE, EcsModel, primary
from tidegate.cloud.store import Key

_ECS = "ecs.amazonaws.com"
_SESSION = "ECSGateway"
_AGAIN = 10.0  # seconds after which what failed is tried again
_NOT_FOUND = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}]

R = TypeVar("R")


class _FailedError(Exception):
    """A part could not be made or removed; the record says why."""


class ExpressReconciler:
    """The controller of `ecs.express`."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._sharing = asyncio.Lock()  # of load balancers, which several services are behind

    async def reconcile(self, key: Key) -> float | None:
        """Make what is wanted and not made yet, keep to what the service does, or remove everything."""
        record = self._model.express.get(*key)
        if record is None or record["status"] == INACTIVE:
            return None
        gateway = self._model.express_gateways.get(key[0], record["gateway"])
        work = _Work(self._model, self._calls, self._clock, key, record)
        try:
            if record["status"] != ACTIVE:
                return await work.remove(gateway, self._sharing)
            assert gateway is not None
            if record["made"] < record["serial"]:
                await work.make(gateway, self._sharing)
            await work.follow()
        except _FailedError:
            return _AGAIN
        return None


class _Work:
    """On one service, once."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock, key: Key, record: ExpressRecord) -> None:
        self._model, self._calls, self._clock = model, calls, clock
        self._key, self._record = key, record
        self._ecs = calls.as_service(_ECS, key[0])

    async def make(self, gateway: GatewayRecord, sharing: asyncio.Lock) -> None:
        """Make the parts one after the other; raise `_FailedError` at the first that cannot be."""
        role = await self._role()
        record, wanted = self._record, self._record["wanted"]
        if not wanted["own"] and "awsLogsConfiguration" not in wanted["shown"]["primaryContainer"]:
            await self._part(parts.LOGS, self._log_group(role))
        async with sharing:
            shared_group = await self._part(parts.BALANCER_GROUP, self._group(role, record["gateway"], gateway["vpc"]))
            await self._part(parts.BALANCER_GROUP, self._let_in(role, shared_group, record["port"], None))
            address = await self._part(parts.BALANCER, self._balancer(role, gateway, shared_group))
        names = parts.target_group_names(record)
        first = await self._part(parts.FIRST_TARGETS, self._target_group(role, names[0], gateway["vpc"]))
        other = await self._part(parts.OTHER_TARGETS, self._target_group(role, names[1], gateway["vpc"]))
        groups = (first, other)
        listener = await self._part(parts.LISTENER, self._listener(role))
        rule = await self._part(parts.RULE, self._rule(role, listener, address, groups))
        own_group = await self._part(
            parts.SERVICE_GROUP, self._group(role, parts.service_group_name(record), gateway["vpc"])
        )
        await self._part(parts.SERVICE_GROUP, self._let_in(role, own_group, wanted["port"], shared_group))
        await self._part(parts.ALARM, self._alarm(role, groups))
        await self._part(parts.SERVICE, self._service(groups, rule, own_group, public=gateway["public"]))
        await self._part(parts.TARGET, self._scalable_target(role))
        await self._part(parts.POLICY, self._policy(role))
        serial, url = record["serial"], parts.endpoint(address, record["port"])

        def done(changed: ExpressRecord) -> None:
            changed["made"], changed["endpoint"] = serial, url
            if changed["serial"] == serial:
                changed["rolls"] = False
            changed.pop("reason", None)

        self._change(done)

    async def follow(self) -> None:
        """Note which service revision a configuration has become; have the scaling policy count where requests go."""
        service = self._model.services.get(*self._key)
        if service is None or not service["deployments"]:
            return
        current = primary(service)
        record = self._record
        if not record["revisions"] or record["revisions"][0].get("revision") != current["revision"]:
            known = [each for each in record["revisions"] if each.get("revision") == current["revision"]]
            fits = current["definition"] == record["wanted"]["shown"]["taskDefinitionArn"]
            now = known or ([{**record["wanted"], "revision": current["revision"]}] if fits else [])
            live = {each["revision"] for each in service["deployments"]}
            kept = [each for each in record["revisions"] if each.get("revision") in live - {current["revision"]}]

            def note(changed: ExpressRecord) -> None:
                changed["revisions"] = [*now, *kept]

            if [*now, *kept] != record["revisions"]:
                self._change(note)
        if current["rollout"] == COMPLETED and record.get("scaled_by") not in (None, self._label()):
            await self._part(parts.POLICY, self._policy(await self._role()))

    async def remove(self, gateway: GatewayRecord | None, sharing: asyncio.Lock) -> float | None:
        """Remove the parts, the service first; it ends the wait by its change."""
        role, record = await self._role(), self._record
        have = record["resources"]
        if record["made"] < record["serial"] and gateway is not None:
            await self._look(role, gateway["vpc"])
        if parts.TARGET in have:
            await self._gone(
                parts.TARGET, role("application-autoscaling", "deregister_scalable_target", **parts.scalable(record))
            )
        service = self._model.services.get(*self._key)
        if service is not None and service["service"]["status"] == ACTIVE and parts.SERVICE in have:
            named = {"cluster": record["cluster"], "service": record["name"]}
            await self._gone(parts.SERVICE, self._ecs("ecs", "delete_service", **named, force=True), keep=True)
        service = self._model.services.get(*self._key)
        if service is not None and service["service"]["status"] != INACTIVE and parts.SERVICE in have:
            return None
        arns = {name: each["arn"] for name, each in have.items()}
        if parts.RULE in have:
            await self._gone(parts.RULE, role("elbv2", "delete_rule", RuleArn=arns[parts.RULE]))
        if parts.LISTENER in have:
            await self._gone(parts.LISTENER, role("elbv2", "delete_listener", ListenerArn=arns[parts.LISTENER]))
        for name in (parts.FIRST_TARGETS, parts.OTHER_TARGETS):
            if name in have:
                await self._gone(name, role("elbv2", "delete_target_group", TargetGroupArn=arns[name]))
        if parts.ALARM in have:
            await self._gone(parts.ALARM, role("cloudwatch", "delete_alarms", AlarmNames=[have[parts.ALARM]["id"]]))
        if parts.SERVICE_GROUP in have:
            group = have[parts.SERVICE_GROUP]["id"]
            await self._gone(parts.SERVICE_GROUP, role("ec2", "delete_security_group", GroupId=group))
        async with sharing:
            await self._leave(role, gateway)

        def end(changed: ExpressRecord) -> None:
            changed["status"], changed["resources"], changed["revisions"] = INACTIVE, {}, []
            changed["updated_at"] = self._clock.now()
            for name in ("reason", "endpoint"):
                changed.pop(name, None)  # type: ignore[misc]

        self._change(end)
        return None

    async def _look(self, role: Caller, vpc: str) -> None:
        """Write down the parts that are there, and were made by one who was ended before it had written that down."""
        record, now = self._record, self._clock.now()
        found: dict[str, tuple[str, str]] = {}
        for balancer in (await role("elbv2", "describe_load_balancers"))["LoadBalancers"]:
            if balancer["LoadBalancerName"] != record["gateway"]:
                continue
            arn = balancer["LoadBalancerArn"]
            found[parts.BALANCER] = (arn, record["gateway"])
            for each in (await role("elbv2", "describe_listeners", LoadBalancerArn=arn))["Listeners"]:
                if each["Port"] == record["port"]:  # its rule goes with it
                    found[parts.LISTENER] = (each["ListenerArn"], each["ListenerArn"])
        names = dict(zip(parts.target_group_names(record), (parts.FIRST_TARGETS, parts.OTHER_TARGETS), strict=True))
        for each in (await role("elbv2", "describe_target_groups"))["TargetGroups"]:
            if each["TargetGroupName"] in names:
                found[names[each["TargetGroupName"]]] = (each["TargetGroupArn"], each["TargetGroupName"])
        groups = {record["gateway"]: parts.BALANCER_GROUP, parts.service_group_name(record): parts.SERVICE_GROUP}
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": list(groups)}]
        for each in (await role("ec2", "describe_security_groups", Filters=filters))["SecurityGroups"]:
            found[groups[each["GroupName"]]] = (self._arn("ec2", f"security-group/{each['GroupId']}"), each["GroupId"])
        alarm, scaled = parts.alarm_name(record), parts.scalable(record)["ResourceId"]
        service = self._model.services.get(*self._key)
        if service is not None and record["id"] in service["tokens"]:
            found[parts.SERVICE] = (record["arn"], record["name"])
            found[parts.TARGET] = (scaled, scaled)
        if parts.FIRST_TARGETS in found:
            found[parts.ALARM] = (self._arn("cloudwatch", f"alarm:{alarm}"), alarm)
        missing = {name: each for name, each in found.items() if name not in record["resources"]}

        def note(changed: ExpressRecord) -> None:
            for name, (arn, identifier) in missing.items():
                changed["resources"][name] = {"arn": arn, "id": identifier, "status": ACTIVE, "updated_at": now}

        if missing:
            self._change(note)

    async def _leave(self, role: Caller, gateway: GatewayRecord | None) -> None:
        """Leave the load balancer; the last one removes it."""
        have, name, region = self._record["resources"], self._record["gateway"], self._key[0]
        with self._model.store.transaction():
            others = [each for each in self._model.behind_gateway(region, name) if each["id"] != self._record["id"]]
            if gateway is not None and not others:
                self._model.express_gateways.put((region, name), {**gateway, "closing": True})
        if others:
            if parts.BALANCER_GROUP in have:
                port, group = self._record["port"], have[parts.BALANCER_GROUP]["id"]
                shut = role("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=[_opening(port, None)])
                await self._gone(parts.BALANCER_GROUP, shut)
            return
        if parts.BALANCER in have:
            arn = have[parts.BALANCER]["arn"]
            await self._gone(parts.BALANCER, role("elbv2", "delete_load_balancer", LoadBalancerArn=arn))
        if parts.BALANCER_GROUP in have:
            group = have[parts.BALANCER_GROUP]["id"]
            await self._gone(parts.BALANCER_GROUP, role("ec2", "delete_security_group", GroupId=group))
        self._model.express_gateways.delete(region, name)

    # the parts: each is looked for, or made by a call that does nothing where it is there

    async def _log_group(self, role: Caller) -> tuple[str, str, str]:
        record = self._record
        name = parts.log_group_name(record["cluster"], record["name"], record["id"])
        try:
            await role("logs", "create_log_group", logGroupName=name, tags=parts.MANAGED)
        except ServiceError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise
        return self._arn("logs", f"log-group:{name}"), name, name

    async def _group(self, role: Caller, name: str, vpc: str) -> tuple[str, str, str]:
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
        found = (await role("ec2", "describe_security_groups", Filters=filters))["SecurityGroups"]
        if found:
            group = found[0]["GroupId"]
        else:
            tagged = [{"ResourceType": "security-group", "Tags": parts.tags()}]
            made = await role(
                "ec2",
                "create_security_group",
                GroupName=name,
                Description="Managed by Amazon ECS",
                VpcId=vpc,
                TagSpecifications=tagged,
            )
            group = made["GroupId"]
        return self._arn("ec2", f"security-group/{group}"), group, group

    async def _let_in(self, role: Caller, group: str, port: int, source: str | None) -> tuple[str, str, str]:
        """Let a port of a security group in, from another group or from everywhere."""
        opening = _opening(port, source)
        try:
            tagged = [{"ResourceType": "security-group-rule", "Tags": parts.tags()}]
            await role(
                "ec2",
                "authorize_security_group_ingress",
                GroupId=group,
                IpPermissions=[opening],
                TagSpecifications=tagged,
            )
        except ServiceError as error:
            if error.code != "InvalidPermission.Duplicate":
                raise
        return self._arn("ec2", f"security-group/{group}"), group, group

    async def _balancer(self, role: Caller, gateway: GatewayRecord, group: str) -> tuple[str, str, str]:
        name = self._record["gateway"]
        try:
            found = (await role("elbv2", "describe_load_balancers", Names=[name]))["LoadBalancers"]
        except ServiceError as error:
            if error.code != "LoadBalancerNotFound":
                raise
            made = await role(
                "elbv2",
                "create_load_balancer",
                Name=name,
                Subnets=gateway["subnets"],
                SecurityGroups=[group],
                Scheme="internet-facing" if gateway["public"] else "internal",
                Tags=parts.tags(),
            )
            found = made["LoadBalancers"]
        return found[0]["LoadBalancerArn"], name, found[0]["DNSName"]

    async def _target_group(self, role: Caller, name: str, vpc: str) -> tuple[str, str, str]:
        """Find or make a target group. The one that the next tasks come into has targets checked at the wanted path."""
        wanted = self._record["wanted"]
        path = wanted["shown"]["healthCheckPath"]
        try:
            found = (await role("elbv2", "describe_target_groups", Names=[name]))["TargetGroups"][0]
        except ServiceError as error:
            if error.code != "TargetGroupNotFound":
                raise
            made = await role(
                "elbv2", "create_target_group", **parts.target_group(name, vpc, wanted), Tags=parts.tags()
            )
            found = made["TargetGroups"][0]
        arn = found["TargetGroupArn"]
        if found["HealthCheckPath"] != path and self._record["rolls"] and not self._serves(arn):
            # no action of the infrastructure role's managed policy: ECS does it itself
            await self._ecs("elbv2", "modify_target_group", TargetGroupArn=arn, HealthCheckPath=path)
        return arn, name, arn

    async def _listener(self, role: Caller) -> tuple[str, str, str]:
        balancer, port = self._record["resources"][parts.BALANCER]["arn"], self._record["port"]
        made = await role(
            "elbv2",
            "create_listener",
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=port,
            DefaultActions=_NOT_FOUND,
            Tags=parts.tags(),
        )
        arn = made["Listeners"][0]["ListenerArn"]
        return arn, arn, arn

    async def _rule(self, role: Caller, listener: str, address: str, groups: tuple[str, str]) -> tuple[str, str, str]:
        rules = (await role("elbv2", "describe_rules", ListenerArn=listener))["Rules"]
        found = [each["RuleArn"] for each in rules if not each["IsDefault"]]
        if not found:
            wanted = parts.rule(self._record, address, groups)
            made = await role("elbv2", "create_rule", ListenerArn=listener, **wanted, Tags=parts.tags())
            found = [made["Rules"][0]["RuleArn"]]
        return found[0], found[0], found[0]

    async def _alarm(self, role: Caller, groups: tuple[str, str]) -> tuple[str, str, str]:
        name = parts.alarm_name(self._record)
        if parts.ALARM not in self._record["resources"]:
            balancer = self._record["resources"][parts.BALANCER]["arn"]
            await role("cloudwatch", "put_metric_alarm", **parts.alarm(self._record, balancer, groups))
        return self._arn("cloudwatch", f"alarm:{name}"), name, name

    async def _service(
        self, groups: tuple[str, str], rule: str, own_group: str, *, public: bool
    ) -> tuple[str, str, str]:
        """Create the service, or have it roll where the wanted configuration needs other tasks."""
        record = self._record
        network = parts.network(record, own_group, public=public)
        present = self._model.services.get(*self._key)
        if present is None or present["service"]["status"] == INACTIVE:
            wanted = {**parts.service(record, groups, rule, own_group), "networkConfiguration": network}
            await self._ecs("ecs", "create_service", **wanted)
        elif record["rolls"] and primary(present)["created_at"] < record["updated_at"]:
            await self._ecs(
                "ecs",
                "update_service",
                cluster=record["cluster"],
                service=record["name"],
                taskDefinition=record["wanted"]["shown"]["taskDefinitionArn"],
                networkConfiguration=network,
                loadBalancers=[parts.balancer(record, groups, rule)],
                forceNewDeployment=True,
            )

        def manage(service: Any) -> None:
            service["service"]["resourceManagementType"] = "ECS"

        self._model.services.update(self._key, manage)
        return record["arn"], record["name"], record["arn"]

    async def _scalable_target(self, role: Caller) -> tuple[str, str, str]:
        scaling = self._record["wanted"]["shown"]["scalingTarget"]
        made = await role(
            "application-autoscaling",
            "register_scalable_target",
            MinCapacity=scaling["minTaskCount"],
            MaxCapacity=scaling["maxTaskCount"],
            Tags=parts.MANAGED,
            **parts.scalable(self._record),
        )
        return made["ScalableTargetARN"], parts.scalable(self._record)["ResourceId"], made["ScalableTargetARN"]

    async def _policy(self, role: Caller) -> tuple[str, str, str]:
        label = self._label()
        made = await role("application-autoscaling", "put_scaling_policy", **parts.scaling_policy(self._record, label))

        def note(changed: ExpressRecord) -> None:
            changed["scaled_by"] = label

        self._change(note)
        return made["PolicyARN"], parts.policy_name(self._record), made["PolicyARN"]

    def _serves(self, group: str) -> bool:
        """Return whether the tasks of the service are in a target group, those that the next ones take over from."""
        service = self._model.services.get(*self._key)
        return service is not None and bool(service["deployments"]) and self._current_group() == group

    def _current_group(self) -> str:
        service, have = self._model.services.get(*self._key), self._record["resources"]
        alternate = service is not None and bool(service["deployments"]) and primary(service)["alternate"]
        return have[parts.OTHER_TARGETS if alternate else parts.FIRST_TARGETS]["arn"]

    def _label(self) -> str:
        return parts.resource_label(self._record["resources"][parts.BALANCER]["arn"], self._current_group())

    # what is written down

    async def _role(self) -> Caller:
        try:
            return await self._calls.as_role(
                self._record["role"], _ECS, _SESSION, self._key[0], source=self._record["arn"]
            )
        except ServiceError as error:
            self._fail(f"Unable to assume the infrastructure role {self._record['role']}: {error.message}", None)
            raise _FailedError from error

    async def _part(self, name: str, made: Awaitable[tuple[str, str, str]]) -> str:
        """Have a part made and write down which it is; return what others name it by."""
        arn, identifier, result = await self._tried(name, "create or update", made)
        resource: ResourceRecord = {"arn": arn, "id": identifier, "status": ACTIVE, "updated_at": self._clock.now()}

        def note(changed: ExpressRecord) -> None:
            changed["resources"][name] = resource

        if {**self._record["resources"].get(name, {}), "updated_at": None} != {**resource, "updated_at": None}:
            self._change(note)
        return result

    async def _gone(self, name: str, removed: Awaitable[Any], *, keep: bool = False) -> None:
        """Have a part removed, which may be gone already, and forget it."""

        async def unless_gone() -> None:
            try:
                await removed
            except ServiceError as error:
                if "NotFound" not in error.code and error.code != "ResourceNotFound":
                    raise

        await self._tried(name, "delete", unless_gone())

        def forget(changed: ExpressRecord) -> None:
            changed["resources"].pop(name, None)

        if not keep:
            self._change(forget)

    async def _tried(self, name: str, what: str, work: Awaitable[R]) -> R:
        try:
            return await work
        except ServiceError as error:
            self._fail(f"Unable to {what} the {name}: {error.message}", name)
            raise _FailedError from error

    def _fail(self, why: str, name: str | None) -> None:
        def note(changed: ExpressRecord) -> None:
            changed["reason"] = why
            if name in changed["resources"]:
                failed = changed["resources"][name]
                failed["status"], failed["reason"] = "FAILED", why

        if self._record.get("reason") != why:  # or else it would bring us here again at once
            self._change(note)

    def _change(self, change: Callable[[ExpressRecord], None]) -> None:
        self._model.express.update(self._key, change)
        change(self._record)

    def _arn(self, service: str, resource: str) -> str:
        region, account = self._record["arn"].split(":")[3:5]
        return f"arn:aws:{service}:{region}:{account}:{resource}"


def _opening(port: int, source: str | None) -> Mapping[str, Any]:
    """Return the permission for a port, from a security group or (None) from everywhere."""
    by: Mapping[str, Iterable[Any]] = (
        {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]} if source is None else {"UserIdGroupPairs": [{"GroupId": source}]}
    )
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **by}
