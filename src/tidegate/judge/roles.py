"""Roles, action by action: what they may do, what of it was used, and what is kept although no run uses it.

A *right* is one action of one statement of a role's policy. A role has no right too many where every right was used,
and none too few where the pipeline ran; and each is needed where the pipeline fails without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

_WILD = frozenset("*?")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its logical id and stack, its name and ARN, who assumes it, its inline policies."""

    title: str
    stack: str
    name: str
    arn: str
    service: str  # who assumes it (`codebuild.amazonaws.com`); `AWS` where that is another role
    policies: Mapping[str, Mapping[str, Any]] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Right:
    """One action of one statement of a role's policy."""

    role: Role
    policy: str
    statement: int
    action: str

    @property
    def where(self) -> str:
        """Return the right as people read it: `shop-image BuildRole s3:GetObject`."""
        return f"{self.role.stack} {self.role.title} {self.action}"

    @property
    def document(self) -> dict[str, Any]:
        """Return the right for programs."""
        return {
            "role": self.role.name,
            "title": self.role.title,
            "stack": self.role.stack,
            "policy": self.policy,
            "statement": self.statement,
            "action": self.action,
        }


@dataclass(frozen=True, slots=True)
class Access:
    """What a role did by a statement, or with `why` what it was denied; `last` is in seconds since 1970."""

    role: str
    action: str
    last: float
    policy: str | None = None
    statement: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a right is kept that no run here uses (`unused`), or whose lack lets the pipeline succeed."""

    action: str
    titles: frozenset[str]
    why: str


_PIPELINE, _BUILD, _EXECUTION, _SHIFT = "PipelineRole", "BuildRole", "ExecutionRole", "ShiftRole"
_ANY = frozenset({_PIPELINE, _BUILD, "TestRole", "DeployRole", _EXECUTION, _SHIFT})

# AWS asks for these, and a run that goes well on the local cloud does not use them
UNUSED = (
    Kept(
        "s3:GetObjectVersion",
        _ANY,
        "AWS lists it beside s3:GetObject for the roles of CodePipeline and CodeBuild; a bucket without versions "
        "never asks for it",
    ),
    Kept(
        "s3:GetBucketVersioning",
        frozenset({_PIPELINE}),
        "every policy that AWS writes for this role has it, and no page says for which bucket",
    ),
    Kept("s3:GetBucketAcl", frozenset({_PIPELINE}), "AWS lists it for CodePipeline's S3 source"),
    Kept("s3:GetBucketLocation", frozenset({_PIPELINE}), "AWS lists it for CodePipeline's S3 source"),
    Kept(
        "codecommit:CancelUploadArchive",
        frozenset({_PIPELINE}),
        "CodePipeline cancels an archive only where an execution is stopped while it is made",
    ),
    Kept(
        "ecr:BatchCheckLayerAvailability",
        frozenset({_EXECUTION}),
        "AWS's own policy for this role has it; the registry's protocol asks for it when an image is pushed",
    ),
    Kept(
        "ecr:GetDownloadUrlForLayer",
        frozenset({_BUILD}),
        "the last image gives its layers to a build; a build on this machine has them already",
    ),
    Kept(
        "s3:GetObject",
        frozenset({_BUILD}),
        "AWS lists it for a source in S3; a build that is told the version asks for s3:GetObjectVersion",
    ),
    Kept("logs:PutLogEvents", frozenset({_EXECUTION}), "a container that writes nothing does not use it"),
    *(
        Kept(
            f"elasticloadbalancing:Describe{noun}",
            frozenset({_SHIFT}),
            "AWS's own policy for this role has it; the local cloud's ECS looks by itself, and changes by the role",
        )
        for noun in ("Listeners", "Rules", "TargetGroups", "TargetHealth")
    ),
)
# a lack of these is borne: it is seen in the denial, not in the pipeline
BORNE = (
    Kept("logs:PutLogEvents", _ANY, "without it nothing fails: the log is lost, and the denial is all that tells"),
    Kept(
        "elasticloadbalancing:DeregisterTargets",
        frozenset({_SHIFT}),
        "without it ECS takes the task out by its own role; AWS's policy for this role has it",
    ),
)


def rights(roles: Iterable[Role]) -> list[Right]:
    """Return every right that roles have."""
    return [
        Right(role, name, number, action)
        for role in roles
        for name, document in sorted(role.policies.items())
        for number, statement in enumerate(_many(document["Statement"]))
        if statement["Effect"] == "Allow"
        for action in _many(statement["Action"])
    ]


def without(right: Right) -> dict[str, Any] | None:
    """Return the policy of a right without it, None where nothing is left of the policy."""
    document = json.loads(json.dumps(right.role.policies[right.policy]))
    statements = _many(document["Statement"])
    statement = statements[right.statement]
    statement["Action"] = [each for each in _many(statement["Action"]) if each != right.action]
    document["Statement"] = [each for each in statements if each["Action"]]
    return document if document["Statement"] else None


def is_wild(right: Right) -> bool:
    """Return whether a right stands for several actions."""
    return bool(_WILD & set(right.action))


def expanded(right: Right, accesses: Iterable[Access]) -> list[str]:
    """Return the actions for which a right that stands for several was used."""
    place = (right.role.arn, right.policy, right.statement)
    return sorted(
        {
            each.action
            for each in accesses
            if (each.role, each.policy, each.statement) == place
            and fnmatchcase(each.action.lower(), right.action.lower())
        }
    )


def used(every: Sequence[Right], accesses: Iterable[Access]) -> set[Right]:
    """Return the rights that let a role do something."""
    found = {
        (each.role, each.policy, each.statement, each.action.lower()) for each in accesses if each.policy is not None
    }
    return {each for each in every if (each.role.arn, each.policy, each.statement, each.action.lower()) in found}


def kept(right: Right, table: Iterable[Kept]) -> str | None:
    """Return why a table keeps a right, None where it does not."""
    return next((each.why for each in table if each.action == right.action and right.role.title in each.titles), None)


def denied(right: Right, accesses: Iterable[Access], since: float) -> str | None:
    """Return the sentence with which a right was denied since then, None where it was not."""
    for each in accesses:
        if each.role == right.role.arn and each.action == right.action and each.why and each.last > since:
            return each.why
    return None


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of taking one right away: what failed and whether that names the action."""

    right: Right
    text: str = ""
    denial: str = ""

    @property
    def failed(self) -> bool:
        """Return whether something failed."""
        return bool(self.text)

    @property
    def named(self) -> bool:
        """Return whether what failed names the action."""
        return self.right.action in self.text

    @property
    def proven(self) -> bool:
        """Return whether the right is needed: denied, it is named by what failed, or its lack is borne."""
        return bool(self.denial) and (self.named or kept(self.right, BORNE) is not None)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about roles."""

    rights: Sequence[Right]
    used: frozenset[Right]
    removals: Sequence[Removal]
    elsewhere: Sequence[str] = ()  # rights of the manifest that cannot be rehearsed on one machine
    wild: Mapping[Right, Sequence[str]] = field(default_factory=dict)  # what those that stand for several were used for

    @property
    def statements(self) -> int:
        """Return the number of statements."""
        return len({(each.role.arn, each.policy, each.statement) for each in self.rights})

    @property
    def kept(self) -> list[tuple[Right, str]]:
        """Return the rights that AWS needs and no run used, each with the reason."""
        unused = [each for each in self.rights if each not in self.used]
        return [(each, why) for each in unused if (why := kept(each, UNUSED)) is not None]

    @property
    def superfluous(self) -> list[Right]:
        """Return the rights that nothing used and nothing keeps, and those that stand for several actions."""
        return [each for each in self.rights if is_wild(each) or (each not in self.used and kept(each, UNUSED) is None)]

    @property
    def borne(self) -> list[tuple[Right, str]]:
        """Return the rights whose lack is borne, each with the reason."""
        found = [each.right for each in self.removals if each.proven and not each.named]
        return [(each, kept(each, BORNE) or "") for each in found]

    @property
    def unproven(self) -> list[Removal]:
        """Return the removals after which nothing failed that names the action."""
        return [each for each in self.removals if not each.proven]

    @property
    def sound(self) -> bool:
        """Return whether no right is superfluous and each removal fails."""
        return not self.superfluous and not self.unproven

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "roles": len({each.role.arn for each in self.rights}),
            "statements": self.statements,
            "actions": len(self.rights),
            "used": len(self.used),
            "superfluous": [
                {**each.document, **({"instead": list(self.wild[each])} if each in self.wild else {})}
                for each in self.superfluous
            ],
            "kept": [{**right.document, "why": why} for right, why in self.kept],
            "removals": [
                {**each.right.document, "failed": each.failed, "named": each.named, "text": each.text or each.denial}
                for each in self.removals
            ],
            "unproven": [each.right.document for each in self.unproven],
            "borne": [{**right.document, "why": why} for right, why in self.borne],
            "elsewhere": list(self.elsewhere),
        }


def told(proof: Proof) -> list[str]:
    """Return a proof as lines for people."""
    lines = [
        f"! superfluous: {each.where}"
        + (f", of which is used: {', '.join(proof.wild[each]) or 'nothing'}" if each in proof.wild else "")
        for each in proof.superfluous
    ]
    for each in proof.unproven:
        what = f"fails, but does not name it: {each.text}" if each.failed else "does not fail"
        lines.append(f"! without {each.right.where}: {what}")
    for right, why in proof.kept:
        lines.append(f"· kept, not used here: {right.where}: {why}")
    for right, why in proof.borne:
        lines.append(f"· borne: {right.where}: {why}")
    lines += [f"· not rehearsed, for it needs another region or account: {each}" for each in proof.elsewhere]
    roles = len({each.role.arn for each in proof.rights})
    return [
        *lines,
        "",
        f"roles         {roles}",
        f"statements    {proof.statements}",
        f"actions       {len(proof.rights)}",
        f"used          {len(proof.used)}",
        f"kept          {len(proof.kept)}",
        f"superfluous   {len(proof.superfluous)}",
        f"removals      {len(proof.removals)}, of which not seen to fail: {len(proof.unproven)}",
    ]


def _many(node: Any) -> list[Any]:
    return list(node) if isinstance(node, (list, tuple)) else [node]
