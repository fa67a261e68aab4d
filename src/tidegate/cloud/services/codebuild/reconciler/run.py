"""One build, from its first phase to its last."""

from __future__ import annotations

import asyncio
import logging
import shlex
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.shell.shell import Output, Shell
from tidegate.cloud.services.codebuild.buildspec import DEFAULT_NAME, Artifact, Buildspec, BuildspecError, Phase, parse
from tidegate.cloud.services.codebuild.model import (
    CODEPIPELINE,
    IMAGES,
    BuildRecord,
    CodeBuildModel,
    begin_phase,
    complete,
    end_phase,
    managed_pipeline,
)
from tidegate.cloud.services.codebuild.plan import COMMAND_PHASES, after, outcome
from tidegate.cloud.services.codebuild.reconciler.artifacts import NothingFoundError, describe, find, upload
from tidegate.cloud.services.codebuild.reconciler.container import BuildContainer, ContainerError
from tidegate.cloud.services.codebuild.reconciler.host import BuildHost, reader, script
from tidegate.cloud.services.codebuild.reconciler.log import BuildLog
from tidegate.cloud.services.codebuild.reconciler.secrets import SecretError, retrieved
from tidegate.cloud.services.codebuild.reconciler.source import Origins, SourceError, Sources
from tidegate.cloud.services.codebuild.variables import build_variables
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_RENEWED_BEFORE = timedelta(minutes=15)
_TIMED_OUT = "Build has timed out. "
_CAPTURED = 1 << 20  # bytes of what a command of CodeBuild's own may print
_GIT_SETTINGS = """[credential]
\thelper = !aws codecommit credential-helper --ignore-host-check $@
\tUseHttpPath = true
"""

log = logging.getLogger(__name__)


class _PhaseError(Exception):
    """A phase that failed: its context's status code and message."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class BuildRun:
    """Runs a build once. What it does it writes into the build's record as it goes."""

    def __init__(
        self, key: Key, model: CodeBuildModel, calls: Calls, clock: Clock, host: BuildHost, origins: Origins
    ) -> None:
        self._key = key
        self._region, self._identity = key[0], key[1]
        self._uuid = self._identity.rpartition(":")[2]
        self._model = model
        self._calls = calls
        self._clock = clock
        self._host = host
        self._origins = origins
        self._stopped = False
        self._limit: asyncio.Timeout | None = None
        self._shell: Shell | None = None
        self._log: BuildLog | None = None
        self._sending: asyncio.Task[None] | None = None
        self._session: RoleSession | None = None
        self._spec: Buildspec | None = None
        self._container: BuildContainer | None = None
        self._folder = host.folder(self._uuid)
        self._sources: dict[str, str] = {}
        self._variables: dict[str, str] = {}

    def stop(self) -> None:
        """Have the build end as STOPPED, in whatever phase it is."""
        self._stopped = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def execute(self, ran_before: bool) -> None:
        """Run the build to its end. `ran_before`: the daemon ended while it ran, and it begins anew."""
        record = self._record()
        build = record["build"]
        seconds = build["timeoutInMinutes"] * 60
        status = "SUCCEEDED"
        try:
            try:
                async with asyncio.timeout(seconds) as limit:
                    self._limit = limit
                    if self._stopped:
                        self.stop()
                    await self._phases(record, ran_before)
            except TimeoutError:
                if not limit.expired():
                    raise
                self._interrupt()
            self._begin("FINALIZING")
            self._end("SUCCEEDED")
            status = outcome([each.get("phaseStatus", "") for each in self._record()["build"]["phases"]])
        except Exception:
            log.exception("build %s failed", self._identity)
            status = "FAULT"
        finally:
            await self._clear()
        self._model.builds.update(self._key, lambda each: complete(each["build"], status, self._clock.now()))

    def abandon(self) -> None:
        """End all that runs, at once: the daemon ends, and the build begins anew when it starts again."""
        if self._shell is not None:
            self._shell.close_now()

    async def _clear(self) -> None:
        """End what still runs, send the rest of the log, remove the folder."""
        if self._shell is not None:
            await self._shell.close()
        if self._log is not None and self._sending is not None:
            self._log.end()
            await self._sending
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    def _interrupt(self) -> None:
        """End the phase that a stop or the time-out came in."""
        phases = self._record()["build"]["phases"]
        if "phaseStatus" in phases[-1]:
            self._begin("FINALIZING")
        status = "STOPPED" if self._stopped else "TIMED_OUT"
        self._end(status, "" if self._stopped else "BUILD_TIMED_OUT", "" if self._stopped else _TIMED_OUT)

    async def _phases(self, record: BuildRecord, ran_before: bool) -> None:
        phase = "PROVISIONING"
        while phase != "FINALIZING":
            self._begin(phase)
            fault: _PhaseError | None = None
            try:
                if phase == "PROVISIONING":
                    await self._provision(record, ran_before)
                elif phase == "DOWNLOAD_SOURCE":
                    await self._download()
                elif phase == "UPLOAD_ARTIFACTS":
                    await self._upload(record)
                else:
                    await self._commands(phase)
            except _PhaseError as error:
                fault = error
            if fault is None:
                self._end("SUCCEEDED")
            else:
                self._end(fault.status, fault.code, fault.message)
            phase = after(phase, fault is None, self._spec)
        await self._export()

    async def _provision(self, record: BuildRecord, ran_before: bool) -> None:
        build = record["build"]
        privileged = build["environment"].get("privilegedMode", False)
        await asyncio.to_thread(self._prepare, privileged)
        role = build["serviceRole"]
        self._session = await self._assume(role)
        given = self._session.credentials
        shown = build.get("logs", {})
        group, stream = shown.get("groupName"), shown.get("streamName", "")
        self._log = BuildLog(self._session, group, stream, self._clock)
        self._log.hide([given["SecretAccessKey"], given["SessionToken"]])
        try:
            await self._log.open()
        except ServiceError as error:
            self._log = None
            raise _PhaseError("ACCESS_DENIED", _log_denied(role, build["arn"], error)) from error
        self._sending = asyncio.create_task(self._log.run(), name=f"log of {self._identity}")
        self._shell = Shell(self._folder, self._log.printed)
        self._log.held, self._log.freed = self._shell.pause, self._shell.resume
        self._variables = {
            **self._host.variables(self._folder, privileged=privileged),
            **_keys(given),
            "AWS_ENDPOINT_URL": self._origins.endpoint,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_REGION": self._region,
        }
        self._log.say("Running on tidegate local")
        image = build["environment"]["image"]
        if not image.startswith(IMAGES):
            await self._start_container(image, privileged=privileged)
        if ran_before:
            self._log.say("The local cloud ended while this build ran: it begins again from its first phase")

    async def _assume(self, role: str) -> RoleSession:
        session = f"AWSCodeBuild-{self._uuid}"
        pipeline = managed_pipeline(self._record()["build"]["projectName"])
        try:
            if pipeline is not None:  # its role trusts CodePipeline
                source = self._model.pipeline_arn(self._region, pipeline)
                return await self._calls.as_role(role, CODEPIPELINE, session, self._region, source=source)
            return await self._calls.as_role(role, "codebuild.amazonaws.com", session, self._region)
        except ServiceError as error:
            why = f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}"
            raise _PhaseError("ACCESS_DENIED", why) from error

    async def _renew(self) -> None:
        """Give the next command new keys of the role where the old ones end soon, unless the build set its own."""
        assert self._session is not None
        assert self._log is not None
        old = self._session.credentials
        if old["Expiration"] - self._clock.now() > _RENEWED_BEFORE:
            return
        self._session = await self._assume(self._record()["build"]["serviceRole"])
        new = _keys(self._session.credentials)
        self._log.hide([new["AWS_SECRET_ACCESS_KEY"], new["AWS_SESSION_TOKEN"]])
        self._variables |= {name: value for name, value in new.items() if self._variables[name] == _keys(old)[name]}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in new.items())
        self._amend(f'test "$AWS_ACCESS_KEY_ID" != {old["AccessKeyId"]} || export {exports}')

    async def _start_container(self, image: str, *, privileged: bool) -> None:
        assert self._session is not None
        container = self._host.container(self._folder, image, self._variables)
        registry = self._origins.endpoint.removeprefix("http://")
        try:
            await container.start(self._run_client, self._session, registry, self._origins.home, privileged=privileged)
        except ContainerError as error:
            raise _PhaseError(error.code, error.message) from error
        self._container = container

    def _prepare(self, privileged: bool) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._host.prepare(self._uuid, privileged=privileged)

    async def _download(self) -> None:
        build = self._record()["build"]
        assert self._log is not None
        assert self._session is not None
        self._log.say("Waiting for DOWNLOAD_SOURCE")
        self._log.say("Phase is DOWNLOAD_SOURCE")
        sources = Sources(self._session, self._origins, self._run_script, self._folder / "tmp")
        versions = {
            each["sourceIdentifier"]: each["sourceVersion"] for each in build.get("secondarySourceVersions", [])
        }
        try:
            resolved = await self._fetch(sources, build["source"], build.get("sourceVersion", ""), "src")
            for each in build.get("secondarySources", []):
                identifier = each["sourceIdentifier"]
                await self._fetch(sources, each, versions.get(identifier, ""), f"src-{identifier}")
        except SourceError as error:
            raise _PhaseError("CLIENT_ERROR", str(error)) from error
        if resolved:
            self._model.builds.update(self._key, lambda each: each["build"].update({"resolvedSourceVersion": resolved}))
            build = self._record()["build"]
        self._log.say(f"CODEBUILD_SRC_DIR={self._sources['']}")
        try:
            self._spec = parse(await self._buildspec(build), self._host.user)
        except BuildspecError as error:
            raise _PhaseError("YAML_FILE_ERROR", str(error)) from error
        self._log.say("Processing environment variables")
        await self._set_variables(build, self._spec)
        self._describe(self._spec)

    async def _fetch(self, sources: Sources, source: t.ProjectSourceTypeDef, version: str, name: str) -> str:
        folder = self._folder / name
        self._sources[source.get("sourceIdentifier", "")] = str(folder)
        return await sources.fetch(source, version, folder, self._variables)

    async def _buildspec(self, build: t.BuildTypeDef) -> str:
        """Return the buildspec's text: given inline, a file of the source, or an object in S3."""
        given = build["source"].get("buildspec") or DEFAULT_NAME
        assert self._log is not None
        if "\n" in given or given.lstrip().startswith("{"):
            return given
        if given.startswith("arn:aws:s3:::"):
            bucket, _, key = given.removeprefix("arn:aws:s3:::").partition("/")
            assert self._session is not None
            try:
                answer = await self._session("s3", "get_object", Bucket=bucket, Key=key)
            except ServiceError as error:
                raise BuildspecError(f"{describe(error)} for {given}") from error
            return b"".join([chunk async for chunk in answer["Body"]]).decode("utf-8", "replace")
        self._log.say(f"YAML location is {self._sources['']}/{given}")
        return _read(Path(self._sources[""]), given)

    async def _set_variables(self, build: t.BuildTypeDef, spec: Buildspec) -> None:
        stream = build.get("logs", {}).get("streamName", "")
        given = build["environment"].get("environmentVariables", [])
        own = {each["name"]: each["value"] for each in given if each.get("type", "PLAINTEXT") == "PLAINTEXT"}
        known = build_variables(build, self._region, self._sources, stream)
        assert self._log is not None
        assert self._session is not None
        try:
            elsewhere = await retrieved(self._session, spec.elsewhere, given, self._log.say)
        except SecretError as error:
            raise _PhaseError(error.code, error.message) from None
        self._log.hide(elsewhere.values())
        self._variables = {**self._variables, **known, **spec.variables, **elsewhere, **own}
        if spec.git_credential_helper:
            (self._folder / "home" / ".gitconfig").write_text(_GIT_SETTINGS)

    def _describe(self, spec: Buildspec) -> None:
        assert self._log is not None
        for name, phase in spec.phases.items():
            for runtime, version in (phase.runtimes or {}).items():
                self._log.say(
                    f"{name} asks for the runtime {runtime} {version}: tidegate local runs what this machine has"
                )
        for report in spec.reports:
            self._log.say(f"tidegate local does not offer reports yet: the report {report} is not kept")
        self._log.say(f"Moving to directory {self._sources['']}")
        self._log.say(f"Phases found in YAML: {len(spec.phases)}")
        for name, phase in spec.phases.items():
            self._log.say(f" {name.upper()}: {len(phase.commands)} commands")

    async def _commands(self, phase: str) -> None:
        assert self._log is not None
        assert self._spec is not None
        self._log.say(f"Entering phase {phase}")
        described = self._spec.phases.get(COMMAND_PHASES[phase], Phase())
        fault: _PhaseError | None = None
        try:
            await self._run_all(described.commands)
        except _PhaseError as error:
            fault = error
        await self._run_all(described.final)
        if fault is not None:
            raise fault

    async def _run_all(self, commands: Sequence[str]) -> None:
        assert self._log is not None
        for command in commands:
            await self._renew()
            self._log.say(f"Running command {command}")
            status = await self._run(command)
            if status != 0:
                self._fail()
                self._log.say(f"Command did not exit successfully {command} exit status {status}")
                why = f"Error while executing command: {command}. Reason: exit status {status}"
                raise _PhaseError("COMMAND_EXECUTION_ERROR", why)

    async def _run(self, command: str, output: Output | None = None) -> int:
        assert self._shell is not None
        assert self._spec is not None
        state = self._folder / "state"
        file = state / "script.sh"
        file.write_text(script(self._spec.shell, command, state, keeps=self._spec.version != "0.1"))
        return await self._shell_run([self._program(self._spec), str(file)], output)

    async def _shell_run(self, arguments: list[str], output: Output | None) -> int:
        """Run a command of the build's in its environment: this machine, or the build's container."""
        assert self._shell is not None
        cwd, variables = Path(self._sources[""]), self._variables
        if self._container is not None:
            arguments, variables = self._container.command(arguments, cwd, variables)
        return await self._shell.run(arguments, cwd, variables, output=output)

    def _program(self, spec: Buildspec) -> str:
        if self._container is not None:
            return spec.shell
        return "/bin/sh" if spec.shell == "sh" else shutil.which("bash") or "bash"

    async def _run_script(self, text: str, cwd: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run a script of CodeBuild's own on this machine and return its status and what it printed."""
        return await self._captured(["/bin/sh", "-c", text], cwd, {**self._variables, **variables})

    async def _run_client(self, arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
        return await self._captured(arguments, self._folder, variables)

    async def _captured(self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        assert self._shell is not None
        printed = bytearray()
        keep: Output = lambda chunk: printed.extend(chunk[: _CAPTURED - len(printed)])  # noqa: E731
        status = await self._shell.run(arguments, cwd, variables, output=keep)
        return status, printed.decode("utf-8", "replace")

    def _fail(self) -> None:
        """Let the commands that still come know that the build fails."""
        self._variables["CODEBUILD_BUILD_SUCCEEDING"] = "0"
        self._amend("export CODEBUILD_BUILD_SUCCEEDING=0")

    def _amend(self, line: str) -> None:
        """Add to what the next command starts from, where there was one before it."""
        state = self._folder / "state" / "variables"
        if state.exists():
            with state.open("a") as file:
                file.write(f"{line}\n")

    async def _upload(self, record: BuildRecord) -> None:
        assert self._spec is not None
        assert self._log is not None
        shown: list[t.BuildArtifactsTypeDef] = []
        primary: t.BuildArtifactsTypeDef | None = None
        if record["artifacts"]["type"] != "NO_ARTIFACTS" and self._spec.artifacts and self._spec.artifacts.files:
            primary = await self._upload_one(record, record["artifacts"], self._spec.artifacts, self._sources[""])
        elif record["artifacts"]["type"] != "NO_ARTIFACTS" and not self._spec.secondary_artifacts:
            self._log.say("No artifact files specified")
        for place in record["secondary_artifacts"]:
            artifact = self._spec.secondary_artifacts.get(place["artifactIdentifier"])
            if artifact is None:
                why = f"no definition for artifact with identifier {place['artifactIdentifier']} in the buildspec"
                raise _PhaseError("CLIENT_ERROR", why)
            shown.append(await self._upload_one(record, place, artifact, self._sources[""]))

        def keep(each: BuildRecord) -> None:
            if primary is not None:
                each["build"]["artifacts"] = primary
            if shown:
                each["build"]["secondaryArtifacts"] = shown

        self._model.builds.update(self._key, keep)

    async def _upload_one(
        self, record: BuildRecord, place: t.ProjectArtifactsTypeDef, artifact: Artifact, source: str
    ) -> t.BuildArtifactsTypeDef:
        assert self._log is not None
        assert self._session is not None
        said: list[str] = []
        try:
            members = await asyncio.to_thread(find, Path(source), artifact, said.append)
            for each in said:
                self._log.say(each)
            return await upload(
                self._session, place, artifact, members, record["build"], self._folder / "tmp", self._evaluate
            )
        except NothingFoundError as error:
            raise _PhaseError("CLIENT_ERROR", str(error)) from error
        except ServiceError as error:
            raise _PhaseError("CLIENT_ERROR", f"Error in UPLOAD_ARTIFACTS phase: {describe(error)}") from error

    async def _evaluate(self, text: str) -> str:
        """Return a text with the shell's expansions in it, as an artifact's name may have them."""
        printed = bytearray()
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        await self._run(f'printf %s "{quoted}"', output=printed.extend)
        return printed.decode("utf-8", "replace").strip()

    async def _export(self) -> None:
        """Keep the values that exported variables have in the end."""
        if self._spec is None or not self._spec.exported or self._shell is None:
            return
        names = [name for name in self._spec.exported if name.isidentifier()]
        text = reader(names, self._folder / "state")
        captured = bytearray()
        await self._shell_run([self._program(self._spec), "-c", text], captured.extend)
        printed = captured.decode("utf-8", "replace")
        values: list[t.ExportedEnvironmentVariableTypeDef] = [
            {"name": name, "value": self._masked(value)}
            for name, value in zip(names, printed.split("\0"), strict=False)
        ]
        exported: t.BuildTypeDef = {"exportedEnvironmentVariables": values}
        self._model.builds.update(self._key, lambda each: each["build"].update(exported))

    def _begin(self, phase: str) -> None:
        self._model.builds.update(self._key, lambda each: begin_phase(each["build"], phase, self._clock.now()))

    def _masked(self, text: str) -> str:
        return text if self._log is None else self._log.masked(text)

    def _end(self, status: str, code: str = "", message: str = "") -> None:
        message = self._masked(message)
        self._model.builds.update(
            self._key, lambda each: end_phase(each["build"], status, self._clock.now(), code, message)
        )
        phase = self._record()["build"]["currentPhase"]
        if self._log is not None and phase not in ("PROVISIONING", "FINALIZING"):
            self._log.say(f"Phase complete: {phase} State: {status}")
            self._log.say(f"Phase context status code: {code} Message: {message}")

    def _record(self) -> BuildRecord:
        record = self._model.builds.get(*self._key)
        if record is None:
            raise asyncio.CancelledError  # the local cloud was emptied
        return record


def _keys(credentials: Mapping[str, str]) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def _read(root: Path, name: str) -> str:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise BuildspecError("YAML file does not exist")
    return path.read_text(encoding="utf-8", errors="replace")


def _log_denied(role: str, build: str, error: ServiceError) -> str:
    return (
        f"Service role {role} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build "
        f"{build}. Error message: {error.message}"
    )
