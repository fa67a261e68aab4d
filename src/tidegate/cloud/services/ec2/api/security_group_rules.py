"""The rules of security groups: by permission, by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    checked_group,
    describe,
    ec2_operation,
    find_group,
    new_tags,
)
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import GROUP, RULE, not_found
from tidegate.cloud.services.ec2.rules import (
    Draft,
    from_permissions,
    from_request,
    identity,
    peer_of,
    protocol_and_ports,
    wording,
)
from tidegate.cloud.services.ec2.services import prefix_lists

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_MOST_RULES = 60  # of one direction of one group
RULE_FILTERS = Filters({"group-id": at("GroupId"), "security-group-rule-id": at("SecurityGroupRuleId")})


class SecurityGroupRulesApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html and siblings."""

    @ec2_operation("security-group/{GroupId}", "security-group-rule/*")
    async def authorize_security_group_ingress(
        self, context: Context, request: t.AuthorizeSecurityGroupIngressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Let something in."""
        return self._authorize(context, request, "AuthorizeSecurityGroupIngress", egress=False)

    @ec2_operation("security-group/{GroupId}", "security-group-rule/*")
    async def authorize_security_group_egress(
        self, context: Context, request: t.AuthorizeSecurityGroupEgressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Let something out."""
        return self._authorize(context, request, "AuthorizeSecurityGroupEgress", egress=True)

    @ec2_operation("security-group/{GroupId}")
    async def revoke_security_group_ingress(
        self, context: Context, request: t.RevokeSecurityGroupIngressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Let something in no more."""
        return self._revoke(context, request, egress=False)

    @ec2_operation("security-group/{GroupId}")
    async def revoke_security_group_egress(
        self, context: Context, request: t.RevokeSecurityGroupEgressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Let something out no more."""
        return self._revoke(context, request, egress=True)

    @ec2_operation()
    async def describe_security_group_rules(
        self, context: Context, request: t.DescribeSecurityGroupRulesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List rules, each with its id."""
        rules = self.model.rules.values(context.region)
        return describe(RULE, rules, request, RULE_FILTERS, ids="SecurityGroupRuleIds", answer="SecurityGroupRules")

    @ec2_operation("security-group/{GroupId}")
    async def modify_security_group_rules(
        self, context: Context, request: t.ModifySecurityGroupRulesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change what rules let through; their ids and tags stay."""
        region = context.region
        group: t.SecurityGroupTypeDef = checked_group(self.model, region, request["GroupId"])
        rules: dict[str, Any] = {each["SecurityGroupRuleId"]: each for each in self._rules(region, group)}
        for update in request["SecurityGroupRules"]:
            old = rules.get(update["SecurityGroupRuleId"])
            if old is None:
                raise not_found(RULE, [update["SecurityGroupRuleId"]])
            wanted = update.get("SecurityGroupRule", {})
            draft = from_request(wanted, self.model.account, egress=old["IsEgress"])
            self._check_peer(region, group, draft)
            if peer_of(draft).keys() != peer_of(old).keys():
                raise ServiceError(
                    "InvalidParameterValue", "The type of the source or destination of a rule cannot be changed"
                )
            rules[old["SecurityGroupRuleId"]] = {**_without(old, "Description"), **draft}
        if len({identity(rule) for rule in rules.values()}) < len(rules):
            raise ServiceError("InvalidPermission.Duplicate", "Two of the rules would be the same rule")
        with self.model.store.transaction():
            for rule_id, rule in rules.items():
                self.model.rules.update((region, group["GroupId"], rule_id), _replace_with(rule))
        return {"Return": True}

    @ec2_operation("security-group/{GroupId}")
    async def update_security_group_rule_descriptions_ingress(
        self, context: Context, request: t.UpdateSecurityGroupRuleDescriptionsIngressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change what is written beside rules for what comes in."""
        return self._describe_anew(context, request, egress=False)

    @ec2_operation("security-group/{GroupId}")
    async def update_security_group_rule_descriptions_egress(
        self, context: Context, request: t.UpdateSecurityGroupRuleDescriptionsEgressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change what is written beside rules for what goes out."""
        return self._describe_anew(context, request, egress=True)

    def _authorize(self, context: Context, request: Mapping[str, Any], name: str, *, egress: bool) -> Mapping[str, Any]:
        region = context.region
        group: t.SecurityGroupTypeDef = find_group(self.model, context, request)
        drafts = self._drafts(context, group, request, egress=egress)
        if not drafts:
            raise ServiceError("MissingParameter", "The request must contain the parameter ipPermissions")
        known = {identity(rule) for rule in self._rules(region, group)}
        for draft in drafts:
            self._check_peer(region, group, draft)
            if identity(draft) in known:
                raise ServiceError(
                    "InvalidPermission.Duplicate", f'the specified rule "{wording(draft)}" already exists'
                )
            known.add(identity(draft))
        if sum(each[0] is egress for each in known) > _MOST_RULES:
            raise ServiceError(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            )
        tags: Any = new_tags(self, context, request, RULE, name)
        made: list[Any] = []
        with self.model.store.transaction():
            for draft in drafts:
                rule_id = self.network.new_id(RULE)
                rule: Any = {
                    "SecurityGroupRuleId": rule_id,
                    "SecurityGroupRuleArn": self.network.arn(RULE, region, rule_id),
                    "GroupId": group["GroupId"],
                    "GroupOwnerId": self.model.account,
                    **draft,
                    "Tags": tags,
                }
                self.model.rules.put((region, group["GroupId"], rule_id), rule)
                made.append(rule)
        return {"Return": True, "SecurityGroupRules": made}

    def _revoke(self, context: Context, request: Mapping[str, Any], *, egress: bool) -> Mapping[str, Any]:
        region = context.region
        group: t.SecurityGroupTypeDef = find_group(self.model, context, request)
        rules = [rule for rule in self._rules(region, group) if rule["IsEgress"] is egress]
        if request.get("SecurityGroupRuleIds"):
            by_id = {rule["SecurityGroupRuleId"]: rule for rule in rules}
            missing = [each for each in request["SecurityGroupRuleIds"] if each not in by_id]
            if missing:
                raise not_found(RULE, missing)
            gone = [by_id[each] for each in request["SecurityGroupRuleIds"]]
        else:
            drafts = self._drafts(context, group, request, egress=egress)
            if not drafts:
                raise ServiceError(
                    "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided."
                )
            by_identity = {identity(rule): rule for rule in rules}
            if any(identity(draft) not in by_identity for draft in drafts):
                raise ServiceError(
                    "InvalidPermission.NotFound", "The specified rule does not exist in this security group."
                )
            gone = [by_identity[identity(draft)] for draft in drafts]
        with self.model.store.transaction():
            for rule in gone:
                self.model.rules.delete(region, group["GroupId"], rule["SecurityGroupRuleId"])
        return {
            "Return": True,
            "UnknownIpPermissions": [],
            "RevokedSecurityGroupRules": [_revoked(each) for each in gone],
        }

    def _describe_anew(self, context: Context, request: Mapping[str, Any], *, egress: bool) -> Mapping[str, Any]:
        region = context.region
        group: t.SecurityGroupTypeDef = find_group(self.model, context, request)
        rules: list[Any] = [rule for rule in self._rules(region, group) if rule["IsEgress"] is egress]
        wanted: dict[str, str | None] = {}
        for each in request.get("SecurityGroupRuleDescriptions", ()):
            if each.get("SecurityGroupRuleId") not in {rule["SecurityGroupRuleId"] for rule in rules}:
                raise not_found(RULE, [each.get("SecurityGroupRuleId", "")])
            wanted[each["SecurityGroupRuleId"]] = each.get("Description")
        by_identity = {identity(rule): rule["SecurityGroupRuleId"] for rule in rules}
        for draft in self._drafts(context, group, request, egress=egress):
            if identity(draft) not in by_identity:
                raise ServiceError(
                    "InvalidPermission.NotFound", "The specified rule does not exist in this security group."
                )
            wanted[by_identity[identity(draft)]] = draft.get("Description")
        if not wanted:
            raise ServiceError(
                "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleDescriptions' should be provided."
            )
        with self.model.store.transaction():
            for rule in rules:
                if rule["SecurityGroupRuleId"] in wanted:
                    text = wanted[rule["SecurityGroupRuleId"]]
                    changed = {**_without(rule, "Description"), **({"Description": text} if text else {})}
                    self.model.rules.put((region, group["GroupId"], rule["SecurityGroupRuleId"]), changed)  # type: ignore[arg-type]
        return {"Return": True}

    def _drafts(
        self, context: Context, group: t.SecurityGroupTypeDef, request: Mapping[str, Any], *, egress: bool
    ) -> list[Draft]:
        """Return the rules that a request writes, as permissions or, one of them, plainly."""
        permissions = [dict(each) for each in request.get("IpPermissions", ())]
        if not permissions and (request.get("CidrIp") or request.get("SourceSecurityGroupName")):
            plain: dict[str, Any] = {
                name: request[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in request
            }
            if request.get("CidrIp"):
                plain["IpRanges"] = [{"CidrIp": request["CidrIp"]}]
            else:
                owner = request.get("SourceSecurityGroupOwnerId", self.model.account)
                plain.setdefault("IpProtocol", "-1")
                plain["UserIdGroupPairs"] = [{"GroupName": request["SourceSecurityGroupName"], "UserId": owner}]
            permissions = [plain]
        for permission in permissions:
            protocol_and_ports(permission, egress=egress)
            pairs = permission.get("UserIdGroupPairs") or ()
            permission["UserIdGroupPairs"] = [self._named(context, group, each) for each in pairs]
        return from_permissions(permissions, self.model.account, egress=egress)

    def _named(self, context: Context, group: t.SecurityGroupTypeDef, pair: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a pair that names its group by id."""
        if pair.get("GroupId"):
            return pair
        for other in self.model.in_vpc(GROUP, context.region, group["VpcId"]):
            if other["GroupName"] == pair.get("GroupName"):
                return {**pair, "GroupId": other["GroupId"]}
        raise ServiceError("InvalidGroup.NotFound", f"The security group '{pair.get('GroupName')}' does not exist")

    def _check_peer(self, region: str, group: t.SecurityGroupTypeDef, draft: Draft) -> None:
        if "ReferencedGroupInfo" in draft:
            peer = checked_group(self.model, region, draft["ReferencedGroupInfo"]["GroupId"])
            if peer["VpcId"] != group["VpcId"]:
                raise ServiceError(
                    "InvalidGroup.NotFound",
                    f"You have specified two resources that belong to different networks: {peer['GroupId']}",
                )
        if "PrefixListId" in draft and draft["PrefixListId"] not in {
            each["PrefixListId"] for each in prefix_lists(region)
        }:
            raise ServiceError(
                "InvalidPrefixListID.NotFound", f"The prefix list ID '{draft['PrefixListId']}' does not exist"
            )

    def _rules(self, region: str, group: t.SecurityGroupTypeDef) -> list[t.SecurityGroupRuleTypeDef]:
        return self.model.rules_of(region, group["GroupId"])


def _without(rule: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name not in names}


def _replace_with(new: Mapping[str, Any]) -> Any:
    def change(rule: Any) -> None:
        rule.clear()
        rule.update(new)

    return change


def _revoked(rule: t.SecurityGroupRuleTypeDef) -> dict[str, Any]:
    revoked = _without(rule, "ReferencedGroupInfo", "Tags", "GroupOwnerId", "SecurityGroupRuleArn")
    if "ReferencedGroupInfo" in rule:
        revoked["ReferencedGroupId"] = rule["ReferencedGroupInfo"]["GroupId"]
    return revoked
