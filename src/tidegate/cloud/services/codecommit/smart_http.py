"""CodeCommit's repositories as git sees them, mounted at `/v1/repos/`.

https://docs.aws.amazon.com/codecommit/latest/userguide/auth-and-access-control-permissions-reference.html
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.git_http import PULL, PUSH
from tidegate.cloud.services.codecommit.contents import Refresh
from tidegate.cloud.services.codecommit.model import CodeCommitModel

PREFIX = "/v1/repos/"

_ACTIONS = {PULL: "codecommit:GitPull", PUSH: "codecommit:GitPush"}


class CodeCommitPlace:
    """What a clone URL stands for (`git_http.Place`)."""

    def __init__(self, path: str, model: CodeCommitModel, refresh: Refresh, calls: Calls) -> None:
        """`path` is what follows the prefix."""
        self._region, self._name = model.find_by_path(path)
        self._model = model
        self._refresh = refresh
        self._calls = calls

    @property
    def regions(self) -> Sequence[str]:
        """The one region that the URL is of."""
        return (self._region,)

    @property
    def missing(self) -> str:
        """What is said where there is no such repository."""
        return f"The repository {self._name} does not exist in {self._region}."

    def authorize(self, context: Context, service: str, reference: str | None) -> None:
        """Authorize GitPull or GitPush, on a branch where one is moved."""
        arn = self._model.arn(self._region, self._name)
        conditions = {} if reference is None else {"codecommit:References": reference}
        self._calls.authorize(context, _ACTIONS[service], arn, conditions)

    async def find(self, service: str) -> str | None:
        """Return the repository's id."""
        record = self._model.repositories.get(self._region, self._name)
        return None if record is None else record["metadata"]["repositoryId"]

    async def moved(self, caller: str) -> None:
        """Bring the records of branches and tags up to git's."""
        await self._refresh(self._region, self._name, caller)
