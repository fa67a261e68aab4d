"""Which statement let which role do what: what IAM calls last accessed, down to the statement; and what was denied.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.iam.model import AccessRecord, IamModel

_FRESH = timedelta(minutes=1)  # what is used again and again is not written again and again


@dataclass(frozen=True, slots=True)
class Grant:
    """A statement of a policy (its name, or the ARN of a managed one), and the one of its resources that fits."""

    policy: str
    statement: int
    resource: str


class Accesses:
    """Writes down what roles do. What is allowed has the time of its last use to the minute, a denial exactly."""

    def __init__(self, model: IamModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def allowed(self, role: str, action: str, resource: str, grant: Grant) -> None:
        """Note that a statement has let a role (its ARN) do an action on a resource."""
        key = (role, grant.policy, str(grant.statement), action, grant.resource)
        known, now = self._model.accesses.get(*key), self._clock.now()
        if known is None or now - known["last"] > _FRESH:
            record: AccessRecord = {
                "role": role,
                "action": action,
                "resource": resource,
                "last": now,
                "policy": grant.policy,
                "statement": grant.statement,
                "granted": grant.resource,
            }
            self._model.accesses.put(key, record)

    def denied(self, role: str, action: str, resource: str, why: str) -> None:
        """Note that a role was not let do an action; `why` is the sentence with which it was refused."""
        record: AccessRecord = {
            "role": role,
            "action": action,
            "resource": resource,
            "last": self._clock.now(),
            "why": why,
        }
        self._model.accesses.put((role, "", "", action, ""), record)


class AccessReport:
    """`GET /_tidegate/accesses`: all of it, or with `?role=ARN` what one role did."""

    def __init__(self, model: IamModel) -> None:
        self._model = model

    async def report(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """Return `{"accesses": [...]}`, each as it is kept, its time in seconds since 1970."""
        found = self._model.accesses.values(*([asked["role"]] if "role" in asked else []))
        return {"accesses": [{**each, "last": each["last"].timestamp()} for each in found]}
