"""Rules: put, describe, list, enable, disable, delete, tag; and the one bus that they are on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.schedule import At, InvalidScheduleError
from tidegate.cloud.schedule import parse as parse_schedule
from tidegate.cloud.services.events.api.shared import BUS, check_bus, find_rule, paged, rule_arn
from tidegate.cloud.services.events.model import EventsModel, RuleRecord
from tidegate.cloud.services.events.pattern import InvalidPatternError, parse

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t

_STATES = ("ENABLED", "DISABLED")


class RulesApi:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html and its siblings."""

    def __init__(self, model: EventsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=rule_arn)
    async def put_rule(self, context: Context, request: t.PutRuleRequestTypeDef) -> Mapping[str, Any]:
        """Create a rule, or give an existing one another pattern or schedule; its targets and tags stay."""
        check_bus(self.model, context, request.get("EventBusName"))
        name, state = request["Name"], request.get("State", "ENABLED")
        if not request.get("EventPattern") and not request.get("ScheduleExpression"):
            raise ServiceError(
                "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."
            )
        if request.get("EventPattern"):
            checked_pattern(request["EventPattern"])
        if request.get("ScheduleExpression"):
            _check_schedule(request["ScheduleExpression"])
        if state not in _STATES:
            raise not_offered(f"events:PutRule State {state}")
        if "RoleArn" in request:
            passed = {"iam:PassedToService": "events.amazonaws.com"}
            self._calls.authorize(context, "iam:PassRole", request["RoleArn"], passed)
        arn = self.model.rule_arn(context.region, name)
        rule: t.RuleTypeDef = {
            "Name": name,
            "Arn": arn,
            "State": state,
            "EventBusName": BUS,
        }
        for member in ("EventPattern", "ScheduleExpression", "Description"):
            if request.get(member):
                rule[member] = request[member]
        if "RoleArn" in request:
            rule["RoleArn"] = request["RoleArn"]
        known = self.model.rules.get(context.region, name)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        record: RuleRecord = {"rule": rule, "tags": tags, "targets": {}}
        if known is not None:
            record = {**known, "rule": rule}
        if "ScheduleExpression" in rule and (known is None or _schedule(known["rule"]) != _schedule(rule)):
            record["since"] = self._clock.now()
            record.pop("told", None)
        if "ScheduleExpression" not in rule:
            record.pop("since", None)
        self.model.rules.put((context.region, name), record)
        return {"RuleArn": arn}

    @operation(resource=rule_arn)
    async def describe_rule(self, context: Context, request: t.DescribeRuleRequestTypeDef) -> Mapping[str, Any]:
        """Return a rule."""
        check_bus(self.model, context, request.get("EventBusName"))
        return {**find_rule(self.model, context, request["Name"])["rule"], "CreatedBy": self.model.account}

    @operation()
    async def list_rules(self, context: Context, request: t.ListRulesRequestTypeDef) -> Mapping[str, Any]:
        """List the rules whose names start with a prefix."""
        check_bus(self.model, context, request.get("EventBusName"))
        prefix = request.get("NamePrefix", "")
        rules = [record["rule"] for _, record in self.model.rules.items(context.region, starting=prefix)]
        return paged(request, rules, lambda rule: rule["Name"], "Rules")

    @operation(resource=rule_arn)
    async def enable_rule(self, context: Context, request: t.EnableRuleRequestTypeDef) -> None:
        """Let a rule match again."""
        check_bus(self.model, context, request.get("EventBusName"))
        record = find_rule(self.model, context, request["Name"])
        if record["rule"]["State"] != "ENABLED" and "since" in record:
            record["since"] = self._clock.now()
            record.pop("told", None)
        record["rule"]["State"] = "ENABLED"
        self.model.rules.put((context.region, request["Name"]), record)

    @operation(resource=rule_arn)
    async def disable_rule(self, context: Context, request: t.DisableRuleRequestTypeDef) -> None:
        """Let a rule match nothing."""
        check_bus(self.model, context, request.get("EventBusName"))
        record = find_rule(self.model, context, request["Name"])
        record["rule"]["State"] = "DISABLED"
        self.model.rules.put((context.region, request["Name"]), record)

    @operation(resource=rule_arn, refuse=("Force",))
    async def delete_rule(self, context: Context, request: t.DeleteRuleRequestTypeDef) -> None:
        """Delete a rule that has no targets; one that does not exist is no error."""
        check_bus(self.model, context, request.get("EventBusName"))
        record = self.model.rules.get(context.region, request["Name"])
        if record is not None and record["targets"]:
            raise ServiceError("ValidationException", "Rule can't be deleted since it has targets.")
        self.model.rules.delete(context.region, request["Name"])

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> None:
        """Put tags on a rule."""
        record = self._by_arn(context, request["ResourceARN"])
        record["tags"] |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        self.model.rules.put((context.region, record["rule"]["Name"]), record)

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> None:
        """Take tags off a rule."""
        record = self._by_arn(context, request["ResourceARN"])
        record["tags"] = {key: value for key, value in record["tags"].items() if key not in request["TagKeys"]}
        self.model.rules.put((context.region, record["rule"]["Name"]), record)

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a rule's tags."""
        tags = self._by_arn(context, request["ResourceARN"])["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    @operation(resource=lambda api, context, request: api.model.bus_arn(context.region))
    async def describe_event_bus(
        self, context: Context, request: t.DescribeEventBusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the default bus."""
        check_bus(self.model, context, request.get("Name"))
        return {"Name": BUS, "Arn": self.model.bus_arn(context.region)}

    @operation()
    async def list_event_buses(self, context: Context, request: t.ListEventBusesRequestTypeDef) -> Mapping[str, Any]:
        """List the one bus there is."""
        buses = [{"Name": BUS, "Arn": self.model.bus_arn(context.region)}]
        found = [each for each in buses if each["Name"].startswith(request.get("NamePrefix", ""))]
        return paged(request, found, lambda bus: bus["Name"], "EventBuses")

    def _by_arn(self, context: Context, arn: str) -> RuleRecord:
        name = arn.rpartition("/")[2]
        record = self.model.rules.get(context.region, name)
        if record is None or record["rule"]["Arn"] != arn:
            raise ServiceError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {BUS}.")
        return record


def _schedule(rule: t.RuleTypeDef) -> tuple[str | None, str | None]:
    return rule.get("ScheduleExpression"), rule.get("State")


def _check_schedule(text: str) -> None:
    """Raise ValidationException for what is neither `rate(…)` nor `cron(…)`; `at(…)` is the Scheduler's."""
    try:
        if not isinstance(parse_schedule(text), At):
            return
    except InvalidScheduleError:
        pass
    raise ServiceError("ValidationException", "Parameter ScheduleExpression is not valid.")


def checked_pattern(text: str) -> None:
    """Raise InvalidEventPatternException where a pattern cannot be used."""
    try:
        parse(text)
    except InvalidPatternError as error:
        raise ServiceError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from None
