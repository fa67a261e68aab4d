"""A rehearsal: a manifest on a local cloud of its own, from a copy of the repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tidegate.deploy.errors import UserError
from tidegate.deploy.programs import output, run
from tidegate.deploy.progress import Pace, Progress
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Repository
from tidegate.deploy.session import LOCAL, Session, open_session
from tidegate.deploy.up import Deployment
from tidegate.judge.dockerfile import DockerfileError
from tidegate.judge.dockerfile import parse as parse_dockerfile
from tidegate.judge.rehearsal import rehearsed
from tidegate.manifest import Manifest, parse
from tidegate.manifest.secret import secret

_CONNECTION = re.compile(r"^arn:[\w-]+:(?P<service>[\w-]+):[\w-]+:\d{12}:connection/")
_PROVIDERS = {"github": "GitHub", "gitlab": "GitLab", "bitbucket": "Bitbucket"}
_FIRST_REGION = "us-east-1"  # S3 wants no location for it
_VALUE = "rehearsal"
_LABEL = "dev.tidegate.rehearsal"


class Rehearsal:
    """The app of a repository, a copy, on the local cloud of a data folder.

    `text` is the manifest as the user wrote it; `projects` has one project for each stage of the pipeline.
    """

    def __init__(
        self,
        text: str,
        environment: str,
        repository: Repository,
        environ: Mapping[str, str],
        data_dir: Path,
        progress: Progress,
    ) -> None:
        self._repository = repository
        self._environ = environ
        self._data_dir = data_dir
        self._progress = progress
        self._commits = 0
        self._sessions: dict[str | None, Session] = {}
        document = rehearsed(yaml.safe_load(text))
        if environment != LOCAL and environment not in document.get("environments", {}):
            why = "it is in another region or account than its pipeline, which cannot be rehearsed on one machine"
            raise UserError(f"environment {environment}", why, "name one that is where the pipeline is with --env")
        draft = parse(yaml.safe_dump(document), environment)
        _give_source(document, draft.app, self._session(draft.home_of(environment).region))
        self._text = yaml.safe_dump(document, sort_keys=False)
        self.manifest = parse(self._text, environment)
        self.projects = [self._project(stage.environment) for stage in self.manifest.stages_of(environment)]

    def up(self) -> None:
        """Make everything, one environment after the other, and run the pipeline through all of them."""
        for project in self.projects:
            self._give_secrets(project)
            deployment = Deployment(project)
            deployment.check()
            deployment.run(deployment.plan())

    def commit(self) -> None:
        """Commit something that makes every image another one."""
        self._commits += 1
        for service in self.manifest.services.values():
            path = self._repository.root / service.build.dockerfile
            path.write_text(labelled(path.read_text(), str(self._commits)))
        identity = ["-c", "user.name=Tidegate", "-c", "user.email=rehearsal@tidegate.invalid"]
        command = ["git", "-C", str(self._repository.root), *identity, "-c", "commit.gpgsign=false", "commit"]
        message = ["--quiet", "--no-verify", "--all", "--message", f"rehearsal {self._commits}"]
        output([*command, *message], self._environ)

    def _project(self, environment: str) -> Project:
        manifest = parse(self._text, environment)
        session = self._session(manifest.place_of(environment).region)
        home = self._session(manifest.home_of(environment).region)
        return Project(manifest, environment, self._repository, session, home, self._progress, Pace())

    def _session(self, region: str | None) -> Session:
        if region not in self._sessions:
            self._sessions[region] = open_session(LOCAL, {}, self._data_dir, region=region)
        return self._sessions[region]

    def _give_secrets(self, project: Project) -> None:
        """Make the parameters and secrets that services read, with a value that says nothing."""
        ssm, managed = project.session.client("ssm"), project.session.client("secretsmanager")
        keys: dict[str, dict[str, str]] = {}
        for reference in _references(project.manifest, project.environment):
            found = secret(reference)
            if found.store == "ssm":
                ssm.put_parameter(Name=f"/{found.name}", Value=_VALUE, Type="SecureString", Overwrite=True)
            else:
                keys.setdefault(found.name, {}).update({found.key: _VALUE} if found.key else {})
        for name, value in keys.items():
            try:
                managed.create_secret(Name=name, SecretString=json.dumps(value) if value else _VALUE)
            except managed.exceptions.ResourceExistsException:
                continue  # of an environment before


def _give_source(document: dict[str, Any], app: str, home: Session) -> None:
    """Make the connection or the bucket that a manifest takes for granted, and have it name that."""
    source = document.get("source") or {}
    if match := _CONNECTION.match(source.get("connection") or ""):
        made = home.client(match["service"]).create_connection(
            ProviderType=_PROVIDERS[source["provider"]], ConnectionName=app[:32]
        )
        source["connection"] = made["ConnectionArn"]
    if source.get("provider") == "s3" and source.get("bucket"):
        s3, place = home.client("s3"), {"Bucket": source["bucket"]}
        where = {} if home.region == _FIRST_REGION else {"LocationConstraint": home.region}
        s3.create_bucket(**place, **({"CreateBucketConfiguration": where} if where else {}))
        s3.put_bucket_versioning(**place, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(**place, NotificationConfiguration={"EventBridgeConfiguration": {}})


def copy_of(repository: Repository, folder: Path, environ: Mapping[str, str]) -> Repository:
    """Return a copy of a repository at the commit that is checked out; raise `UserError` with git's words."""
    repository.head()
    ended = run(["git", "clone", "--quiet", "--no-hardlinks", str(repository.root), str(folder)], environ)
    if ended.returncode:
        raise UserError(str(repository.root), ended.stderr.strip() or "it cannot be cloned", "git fsck")
    return Repository(folder, environ)


def labelled(dockerfile: str, value: str) -> str:
    """Return a Dockerfile in which every stage ends with a label of this value; raise `UserError`."""
    label = f"LABEL {_LABEL}={value}"
    lines = [line for line in dockerfile.splitlines() if not line.startswith(f"LABEL {_LABEL}=")]
    try:
        stages = parse_dockerfile("\n".join(lines) + "\n").stages
    except DockerfileError as error:
        raise UserError("Dockerfile", str(error), "tidegate doctor") from error
    for stage in reversed(stages[1:]):
        lines.insert(stage.line - 1, label)
    return "\n".join([*lines, label]) + "\n"


def _references(manifest: Manifest, environment: str) -> list[str]:
    found: set[str] = set()
    for service in manifest.services_in(environment).values():
        found.update(service.secrets.values())
        for sidecar in service.sidecars.values():
            found.update(sidecar.secrets.values())
    return sorted(found)
