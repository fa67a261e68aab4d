"""One build, from its first phase to its last."""

from __future__ import annotations

import asyncio
import logging
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, StateError
from tidegate.cloud.planes.shell.shell import Shell, erase
from tidegate.cloud.services.codebuild.buildspec import Buildspec, BuildspecError, parse
from tidegate.cloud.services.codebuild.images import IMAGES
from tidegate.cloud.services.codebuild.model import (
    CODEPIPELINE,
    BuildRecord,
    CodeBuildModel,
    begin_phase,
    complete,
    end_phase,
    managed_pipeline,
)
from tidegate.cloud.services.codebuild.plan import COMMAND_PHASES, after, exportable, outcome
from tidegate.cloud.services.codebuild.reconciler.cache import BuildCache, place_of
from tidegate.cloud.services.codebuild.reconciler.commands import Commands
from tidegate.cloud.services.codebuild.reconciler.container import ContainerError
from tidegate.cloud.services.codebuild.reconciler.environment import Environment, keys_of
from tidegate.cloud.services.codebuild.reconciler.failure import FULL, PhaseError, describe_os, is_full
from tidegate.cloud.services.codebuild.reconciler.host import BuildHost
from tidegate.cloud.services.codebuild.reconciler.log import BuildLog
from tidegate.cloud.services.codebuild.reconciler.log_copy import log_copy
from tidegate.cloud.services.codebuild.reconciler.report import Reports
from tidegate.cloud.services.codebuild.reconciler.secrets import SecretError, retrieved
from tidegate.cloud.services.codebuild.reconciler.source import Origins, SourceError, Sources
from tidegate.cloud.services.codebuild.reconciler.specification import describe, read
from tidegate.cloud.services.codebuild.reconciler.uploads import Uploads
from tidegate.cloud.services.codebuild.variables import build_variables
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_RENEWED_BEFORE = timedelta(minutes=15)
_TIMED_OUT = "Build has timed out. "
_GIT_SETTINGS = """[credential]
\thelper = !aws codecommit credential-helper --ignore-host-check $@
\tUseHttpPath = true
"""

log = logging.getLogger(__name__)


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
        self._here: Environment | None = None
        self._spec: Buildspec | None = None
        self._commands: Commands | None = None
        self._cache: BuildCache | None = None
        self._secret: frozenset[str] = frozenset()
        self._folder = host.folder(self._uuid)

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
        status, why = "SUCCEEDED", ""
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
            await self._finalize()
            status = outcome([each.get("phaseStatus", "") for each in self._record()["build"]["phases"]])
        except Exception as error:
            log.exception("build %s failed", self._identity)
            status, why = "FAULT", _why(error, self._folder)
        finally:
            await self._clear()
        self._model.builds.update(self._key, lambda each: self._complete(each["build"], status, why))

    def abandon(self) -> None:
        """End all that runs, at once: the daemon ends, and the build begins anew when it starts again."""
        if self._shell is not None:
            self._shell.close_now()

    async def _finalize(self) -> None:
        """End what still runs and send the rest of the log."""
        self._begin("FINALIZING")
        await self._quiet()
        fault = None if self._log is None else await self._log.store()
        if fault is None:
            self._end("SUCCEEDED")
        else:
            self._end("FAILED", "CLIENT_ERROR", f"Error while uploading the log to S3: {fault}")

    async def _quiet(self) -> None:
        if self._shell is not None:
            await self._shell.close()
        if self._log is not None and self._sending is not None:
            self._log.end()
            await self._sending

    async def _clear(self) -> None:
        await self._quiet()
        await asyncio.to_thread(erase, self._folder)

    def _complete(self, build: t.BuildTypeDef, status: str, why: str) -> None:
        now = self._clock.now()
        if "phaseStatus" not in build["phases"][-1]:  # it could not be written: the disk was full, say
            end_phase(build, status, now, "INTERNAL_SERVICE_ERROR", self._masked(why))
        complete(build, status, now)

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
            fault: PhaseError | None = None
            try:
                if phase == "PROVISIONING":
                    await self._provision(record, ran_before)
                elif phase == "DOWNLOAD_SOURCE":
                    await self._download()
                elif phase == "UPLOAD_ARTIFACTS":
                    await self._upload(record)
                else:
                    await self._run_phase(phase)
            except PhaseError as error:
                fault = error
            except OSError as error:
                fault = PhaseError("CLIENT_ERROR", f"Error in {phase} phase: {describe_os(error)}")
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
        copy = log_copy(self._folder, build["logs"], build["encryptionKey"])
        self._log = BuildLog(self._session, group, stream, self._clock, copy)
        self._log.hide(keys_of(given).values())
        what = "Amazon S3 logs"
        try:
            if copy is not None:
                await copy.begin(self._session)
            what = "Amazon CloudWatch Logs log streams"
            await self._log.open()
        except ServiceError as error:
            self._log = None
            raise PhaseError("ACCESS_DENIED", _log_denied(what, role, build["arn"], error)) from error
        self._sending = asyncio.create_task(self._log.run(), name=f"log of {self._identity}")
        self._shell = Shell(self._folder, self._log.printed)
        self._log.held, self._log.freed = self._shell.pause, self._shell.resume
        variables = {
            **self._host.variables(self._folder, privileged=privileged),
            **keys_of(given),
            "AWS_ENDPOINT_URL": self._origins.endpoint,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_REGION": self._region,
        }
        here = self._here = Environment(self._folder, self._shell, self._log, variables)
        self._log.say("Running on tidegate local")
        image = build["environment"]["image"]
        if not image.startswith(IMAGES):
            await self._start_container(here, image, privileged=privileged)
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
            raise PhaseError("ACCESS_DENIED", why) from error

    async def _renew(self) -> None:
        """Give the next command new keys of the role where the old ones end soon, unless the build set its own."""
        assert self._session is not None
        assert self._here is not None
        old = self._session.credentials
        if old["Expiration"] - self._clock.now() > _RENEWED_BEFORE:
            return
        self._session = await self._assume(self._record()["build"]["serviceRole"])
        new, before, variables = keys_of(self._session.credentials), keys_of(old), self._here.variables
        self._here.log.hide(new.values())
        variables |= {name: value for name, value in new.items() if variables[name] == before[name]}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in new.items())
        if self._commands is not None:
            self._commands.amend(f'test "$AWS_ACCESS_KEY_ID" != {old["AccessKeyId"]} || export {exports}')

    async def _start_container(self, here: Environment, image: str, *, privileged: bool) -> None:
        assert self._session is not None
        container = self._host.container(self._folder, image, here.variables)
        registry = self._origins.endpoint.removeprefix("http://")
        try:
            await container.start(here.run_client, self._session, registry, self._origins.home, privileged=privileged)
        except ContainerError as error:
            raise PhaseError(error.code, error.message) from error
        here.container = container

    def _prepare(self, privileged: bool) -> None:
        erase(self._folder)
        self._host.prepare(self._uuid, privileged=privileged)

    async def _download(self) -> None:
        build = self._record()["build"]
        assert self._session is not None
        assert self._here is not None
        here, session = self._here, self._session
        here.log.say("Waiting for DOWNLOAD_SOURCE")
        here.log.say("Phase is DOWNLOAD_SOURCE")
        sources = Sources(session, self._origins, here.run_script, here.scratch)
        versions = {
            each["sourceIdentifier"]: each["sourceVersion"] for each in build.get("secondarySourceVersions", [])
        }
        try:
            resolved = await self._fetch(here, sources, build["source"], build.get("sourceVersion", ""), "src")
            for each in build.get("secondarySources", []):
                identifier = each["sourceIdentifier"]
                await self._fetch(here, sources, each, versions.get(identifier, ""), f"src-{identifier}")
        except SourceError as error:
            raise PhaseError("CLIENT_ERROR", str(error)) from error
        if resolved:
            self._model.builds.update(self._key, lambda each: each["build"].update({"resolvedSourceVersion": resolved}))
            build = self._record()["build"]
        here.log.say(f"CODEBUILD_SRC_DIR={here.source}")
        user = self._host.user if here.container is None else None
        try:
            spec = parse(await read(build["source"].get("buildspec"), here.source, session, here.log.say), user)
        except BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from error
        here.log.say("Processing environment variables")
        await self._set_variables(here, build, spec)
        self._spec, self._commands = spec, Commands(here, spec, self._renew)
        await self._commands.prepare()
        describe(spec, here.source, here.log)
        namespace = f"{build['projectName']}-{self._record().get('cache_generation', 0)}"
        place = place_of(build.get("cache"), session, self._host.caches, self._region, namespace)
        if place is not None:
            self._cache = BuildCache(here, self._commands, spec.cache, place)
            await self._cache.restore()
        elif spec.cache.paths:
            here.log.say("The project has no cache for the cache paths of the buildspec")

    async def _fetch(
        self, here: Environment, sources: Sources, source: t.ProjectSourceTypeDef, version: str, name: str
    ) -> str:
        folder = self._folder / name
        here.sources[source.get("sourceIdentifier", "")] = str(folder)
        return await sources.fetch(source, version, folder, here.variables)

    async def _set_variables(self, here: Environment, build: t.BuildTypeDef, spec: Buildspec) -> None:
        assert self._session is not None
        stream = build.get("logs", {}).get("streamName", "")
        given = build["environment"].get("environmentVariables", [])
        own = {each["name"]: each["value"] for each in given if each.get("type", "PLAINTEXT") == "PLAINTEXT"}
        known = build_variables(build, self._region, here.sources, stream)
        try:
            elsewhere = await retrieved(self._session, spec.elsewhere, given, here.log.say)
        except SecretError as error:
            raise PhaseError(error.code, error.message) from None
        here.log.hide(elsewhere.values())
        self._secret = frozenset(elsewhere)
        if spec.git_credential_helper:
            settings = self._folder / "home" / ".gitconfig"
            settings.write_text(_GIT_SETTINGS)
            here.variables["GIT_CONFIG_GLOBAL"] = str(settings)
        here.variables = {**here.variables, **known, **spec.variables, **elsewhere, **own}

    async def _run_phase(self, phase: str) -> None:
        assert self._commands is not None
        assert self._here is not None
        self._here.log.say(f"Entering phase {phase}")
        await self._commands.run_phase(COMMAND_PHASES[phase])

    async def _upload(self, record: BuildRecord) -> None:
        assert self._here is not None
        assert self._commands is not None
        assert self._spec is not None
        assert self._session is not None
        uploads = Uploads(self._key, self._model, self._here, self._commands, self._spec)
        makers = Reports(self._model, self._calls, self._clock, self._session, self._here, self._commands)
        await uploads.all(record, self._session, makers.make)
        statuses = [each.get("phaseStatus", "") for each in self._record()["build"]["phases"]]
        if self._cache is not None and outcome(statuses) == "SUCCEEDED":
            await self._cache.save()

    async def _export(self) -> None:
        """Keep the values that exported variables have in the end."""
        if self._spec is None or self._commands is None or not self._spec.exported:
            return
        names, kept = exportable(self._spec.exported, self._secret)
        for name in kept:
            assert self._log is not None
            self._log.say(f"The variable {name} is not exported: it holds a secret or credentials")
        found = await self._commands.values(names)
        values: list[t.ExportedEnvironmentVariableTypeDef] = [
            {"name": name, "value": self._masked(value)} for name, value in found.items()
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


def _why(error: Exception, folder: Path) -> str:
    """Return what an end that nobody foresaw comes from, for the phase that it came in."""
    if isinstance(error, StateError | OSError) and folder.exists() and is_full(folder):
        return FULL
    return describe_os(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def _log_denied(what: str, role: str, build: str, error: ServiceError) -> str:
    return (
        f"Service role {role} does not allow AWS CodeBuild to create {what} for build {build}. "
        f"Error message: {error.message}"
    )
