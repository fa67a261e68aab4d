"""Mirrors as git sees them: `/mirrors/HOST/OWNER/NAME.git` is pushed to in the place of GitHub, GitLab or Bitbucket.

https://docs.aws.amazon.com/dtconsole/latest/userguide/security_iam_service-with-iam.html
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.git_http import PULL, PUSH
from tidegate.cloud.mirrors import mirror_id, no_copy, repository_name
from tidegate.cloud.services.codeconnections.model import NAMES, CodeConnectionsModel
from tidegate.cloud.services.codeconnections.reconciler import Mirrors

MIRRORS = "/mirrors/"

_ACTIONS = {PULL: "GitPull", PUSH: "GitPush"}
_PERMISSIONS = {PULL: "read_only", PUSH: "read_write"}
_BRANCHES = "refs/heads/"


class MirrorPlace:
    """A mirror by its own address (`git_http.Place`)."""

    def __init__(self, host: str, path: str, model: CodeConnectionsModel, mirrors: Mirrors, calls: Calls) -> None:
        """`path` is what follows the host; raises `ServiceError` for what is no repository's name there."""
        self._name = _named(host, path)
        self._host = host
        self._model = model
        self._mirrors = mirrors
        self._calls = calls

    @property
    def regions(self) -> Sequence[str]:
        """Every region that a pipeline of this repository may be in: a mirror is of none."""
        return self._model.regions()

    @property
    def missing(self) -> str:
        """What is said before the first push."""
        return _no_copy(self._model, self._host, self._name)

    def authorize(self, context: Context, service: str, reference: str | None) -> None:
        """Authorize using any connection: who pushes stands in for the host, which every connection leads to."""
        arn = self._model.arn(NAMES[0], context.region, "*")
        keys = conditions(NAMES[0], self._name, service, reference)
        self._calls.authorize(context, f"{NAMES[0]}:UseConnection", arn, keys)

    async def find(self, service: str) -> str | None:
        """Return the mirror's id; who is about to push finds one in any case."""
        if service == PUSH:
            return await self._mirrors.ensure(self._host, self._name)
        return None if self._model.mirrors.get(self._host, self._name) is None else mirror_id(self._host, self._name)

    async def moved(self, caller: str) -> None:
        """Bring the records up to git's."""
        await self._mirrors.refresh(self._host, self._name)


def conditions(prefix: str, repository: str, service: str, reference: str | None) -> dict[str, str]:
    """Return the condition keys of UseConnection.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodeconnections.html
    """
    keys = {
        f"{prefix}:FullRepositoryId": repository,
        f"{prefix}:ProviderAction": _ACTIONS[service],
        f"{prefix}:ProviderPermissionsRequired": _PERMISSIONS[service],
    }
    if reference is not None:
        keys[f"{prefix}:BranchName"] = reference.removeprefix(_BRANCHES)
    return keys


def _no_copy(model: CodeConnectionsModel, host: str, name: str) -> str:
    why = no_copy(host, name, model.endpoint)
    return f"{why[0].upper()}{why[1:]}."


def _named(host: str, path: str) -> str:
    name = repository_name(host, path)
    if name is None:
        raise ServiceError("ValidationException", f"{path} is not the name of a repository at {host}.", 404)
    return name
