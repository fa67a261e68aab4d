"""The proof of the roles: what each lets do is recorded on a local cloud; then every right is taken away in turn.

Without a right the part that uses it is run again, and has to fail with a text that names the action.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tidegate.deploy.attempts import Attempts
from tidegate.deploy.local_cloud import LocalCloud
from tidegate.deploy.progress import Pace, Progress
from tidegate.deploy.project import Project
from tidegate.deploy.rehearsal import Rehearsal
from tidegate.judge.rehearsal import actions
from tidegate.judge.roles import (
    Access,
    Proof,
    Removal,
    Right,
    Role,
    denied,
    expanded,
    is_wild,
    rights,
    used,
    without,
)
from tidegate.manifest import Manifest
from tidegate.template.stacks import all_stacks

_ROLE = "AWS::IAM::Role"
_OUTCOMES = {True: "is needed", False: "is not seen to be needed"}


class RoleProof:
    """Proves the roles of a rehearsal; `cloud` is the local cloud that it runs on, and that nobody else uses."""

    def __init__(self, rehearsal: Rehearsal, cloud: LocalCloud, progress: Progress) -> None:
        self._rehearsal = rehearsal
        self._cloud = cloud
        self._progress = progress
        self._attempts = Attempts(rehearsal, self.accesses)

    def run(self, manifest: Manifest, chosen: Callable[[Right], bool] = lambda right: True) -> Proof:
        """Return the proof; `manifest` is the one that is rehearsed, as its user wrote it.

        Only the rights that are `chosen` are taken away.
        """
        self._rehearsal.up()
        self._attempts.all()
        roles = list(self._roles())
        every = rights(roles)
        accesses = self.accesses()
        found = used(every, accesses)
        wild = {each: expanded(each, accesses) for each in every if is_wild(each)}
        taken = [each for each in every if each in found and not is_wild(each) and chosen(each)]
        removals = []
        for number, right in enumerate(taken, 1):
            began, title = Pace.now(), f"removal {number} of {len(taken)}"
            self._progress.step(title, right.where)
            removals.append(self._remove(right))
            self._progress.done(title, f"{right.where} {_OUTCOMES[removals[-1].proven]}", Pace.now() - began)
        if removals:
            self._attempts.all()  # every role is as it was
        return Proof(every, frozenset(found), removals, self._elsewhere(manifest), wild)

    def _elsewhere(self, manifest: Manifest) -> list[str]:
        """Return what roles of a manifest may do that is no part of its rehearsal."""
        environment = self._rehearsal.projects[0].environment
        rehearsed = actions(self._rehearsal.manifest, environment)
        return sorted(f"{title} {action}" for title, action in actions(manifest, environment) - rehearsed)

    def accesses(self) -> list[Access]:
        """Return what roles did and what they were denied."""
        return [
            Access(
                each["role"],
                each["action"],
                each["last"],
                each.get("policy"),
                each.get("statement"),
                each.get("why", ""),
            )
            for each in self._cloud.accesses()
        ]

    def _roles(self) -> Iterator[Role]:
        for project, stack in self._stacks():
            session = project.session if stack.environment else project.home
            session = session.at(stack.place.region)
            pages = (
                session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
            )
            for page in pages:
                for each in page["StackResourceSummaries"]:
                    if each["ResourceType"] == _ROLE:
                        yield self._role(project, each["LogicalResourceId"], stack.name, each["PhysicalResourceId"])

    def _stacks(self) -> Iterator[tuple[Project, Any]]:
        projects = {project.environment: project for project in self._rehearsal.projects}
        first = self._rehearsal.projects[0]
        for stack in all_stacks(first.manifest, first.stages):
            yield projects.get(stack.environment or "", first), stack

    def _role(self, project: Project, title: str, stack: str, name: str) -> Role:
        iam = project.session.client("iam")
        role = iam.get_role(RoleName=name)["Role"]
        trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        policies = {
            each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]
            for each in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        return Role(title, stack, name, role["Arn"], trusted.get("Service", "AWS"), policies)

    def _remove(self, right: Right) -> Removal:
        """Take a right away, run what uses it, and give it back."""
        iam = self._rehearsal.projects[0].session.client("iam")
        place = {"RoleName": right.role.name, "PolicyName": right.policy}
        rest, whole = without(right), right.role.policies[right.policy]
        since = self._attempts.moment()
        if rest is None:
            iam.delete_role_policy(**place)
        else:
            iam.put_role_policy(**place, PolicyDocument=json.dumps(rest))
        try:
            text = self._attempts.of(right, since)
        finally:
            iam.put_role_policy(**place, PolicyDocument=json.dumps(whole))
        return Removal(right, text, denied(right, self.accesses(), since) or "")
