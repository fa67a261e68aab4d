"""CodeCommit: its operations, git over HTTP, and what is told of every reference."""

from __future__ import annotations

from tidegate.cloud.errors import StateError
from tidegate.cloud.git_http import GitOverHttp
from tidegate.cloud.planes.git.objects import GitCommits, GitObjects
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.git.smart_http import GitHttp
from tidegate.cloud.services.codecommit import api as codecommit
from tidegate.cloud.services.codecommit.coverage import COVERAGE
from tidegate.cloud.services.codecommit.model import CodeCommitModel
from tidegate.cloud.services.codecommit.reconciler import References
from tidegate.cloud.services.codecommit.smart_http import PREFIX, CodeCommitPlace
from tidegate.cloud.wiring.parts import Parts


def add_codecommit(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CodeCommitModel(parts.store, parts.account, parts.region, parts.port)
    repositories = GitRepositories(parts.data_dir / "git")
    objects, commits = GitObjects(repositories), GitCommits(repositories)
    references = References(model, repositories, parts.calls, parts.clock)
    parts.dispatcher.register(
        "codecommit",
        codecommit.RepositoriesApi(model, repositories, parts.clock),
        codecommit.BranchesApi(model, repositories, objects, references.refresh),
        codecommit.CommitsApi(model, objects),
        codecommit.FilesApi(model, objects),
        codecommit.EditsApi(model, repositories, objects, commits, references.refresh, parts.clock),
        coverage=COVERAGE,
    )
    parts.loop.add("codecommit.repository", references.reconcile, keys=references.keys)
    parts.loop.add("codecommit.change", references.publish, keys=model.change_keys)
    parts.loop.watch("codecommit.change", "codecommit.change")

    async def pushed(region: str, name: str, caller: str | None) -> None:
        try:
            await references.refresh(region, name, caller)
        except (StateError, GitError):  # a full disk: git has the commits, the records are to have them later
            parts.loop.enqueue("codecommit.repository", (region, name), after=1.0)
            raise

    parts.routes[PREFIX] = GitOverHttp(
        PREFIX,
        lambda path: CodeCommitPlace(path, model, pushed, parts.calls),
        GitHttp(repositories),
        parts.identities,
        parts.clock,
    )
    parts.resets.append(repositories.clear)
