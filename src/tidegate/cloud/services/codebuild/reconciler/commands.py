"""The commands of a build's phases: one after the other, each where the one before it left off."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Awaitable, Callable, Sequence

from tidegate.cloud.planes.shell.shell import Output
from tidegate.cloud.services.codebuild.buildspec import Buildspec, Phase
from tidegate.cloud.services.codebuild.reconciler.environment import Environment
from tidegate.cloud.services.codebuild.reconciler.failure import FULL, PhaseError, describe_os, is_full
from tidegate.cloud.services.codebuild.reconciler.host import reader, script

_TAIL = 64 << 10  # bytes of what a failing command printed that a retry's pattern is held against
_OPEN = "chmod -R a+rX {folders} && chmod 777 {open}"


class Commands:
    """Runs the commands of one build specification. `renew` is awaited before each of them."""

    def __init__(self, environment: Environment, spec: Buildspec, renew: Callable[[], Awaitable[None]]) -> None:
        self._environment = environment
        self._spec = spec
        self._renew = renew
        self._tail = bytearray()

    async def prepare(self) -> None:
        """Let the users that commands run as read the sources."""
        users = self._spec.users()
        if users and self._environment.container is not None:
            here = self._environment
            folders = shlex.join(here.sources.values())
            text = _OPEN.format(folders=folders, open=shlex.join([str(here.state), str(here.scratch)]))
            await here.run(["/bin/sh", "-c", text], user="0")

    async def run_phase(self, name: str) -> None:
        """Run a phase, again where the specification has it retried; raise `PhaseError`."""
        phase = self._spec.phases.get(name, Phase())
        user = self._spec.user(phase)
        fault: PhaseError | None = None
        for attempt in range(1 + (phase.retry.count if phase.retry is not None else 0)):
            if attempt:
                self._environment.log.say(f"Retrying phase {name.upper()}: {attempt} of {phase.retry.count}")  # type: ignore[union-attr]
            try:
                await self._run_all(phase.commands, user)
            except PhaseError as error:
                fault = error
                if phase.retry is None or not await self._matches(phase.retry.pattern, error.message):
                    break
            else:
                fault = None
                break
        if fault is not None:
            self._fail()
        await self._run_all(phase.final, user)
        if fault is not None:
            raise fault

    async def evaluate(self, text: str) -> str:
        """Return a text with the shell's expansions in it, as an artifact's name may have them."""
        if not any(sign in text for sign in "$`\\"):
            return text
        printed = bytearray()
        await self._run(f"cat <<TIDEGATE_END_OF_TEXT\n{text}\nTIDEGATE_END_OF_TEXT", output=printed.extend)
        return printed.decode("utf-8", "replace").strip()

    async def values(self, names: Sequence[str]) -> dict[str, str]:
        """Return the values that variables have by now."""
        captured = bytearray()
        text = reader(list(names), self._environment.state)
        await self._environment.run([self._program(), "-c", text], captured.extend)
        return dict(zip(names, captured.decode("utf-8", "replace").split("\0"), strict=False))

    def amend(self, line: str) -> None:
        """Add to what the next command starts from, where there was one before it."""
        state = self._environment.state / "variables"
        if state.exists():
            with state.open("a") as file:
                file.write(f"{line}\n")

    async def _run_all(self, commands: Sequence[str], user: str | None) -> None:
        log = self._environment.log
        for command in commands:
            await self._renew()
            log.say(f"Running command {command}")
            self._tail.clear()
            try:
                status = await self._run(command, self._keep, user)
            except OSError as error:
                self._fail()
                why = f"Error while executing command: {command}. Reason: {describe_os(error)}"
                raise PhaseError("COMMAND_EXECUTION_ERROR", why) from error
            if status != 0:
                log.say(f"Command did not exit successfully {command} exit status {status}")
                why = f"Error while executing command: {command}. Reason: exit status {status}"
                if is_full(self._environment.folder):
                    why += f", {FULL}"
                raise PhaseError("COMMAND_EXECUTION_ERROR", why)

    async def _run(self, command: str, output: Output | None = None, user: str | None = None) -> int:
        state = self._environment.state
        file = state / "script.sh"
        shared = bool(self._spec.users())
        file.write_text(
            script(self._spec.shell, command, state, keeps=self._spec.version != "0.1", shared=shared),
            errors="surrogatepass",
        )
        return await self._environment.run([self._program(), str(file)], output, user)

    def _keep(self, chunk: bytes) -> None:
        self._environment.log.printed(chunk)
        self._tail += chunk
        del self._tail[:-_TAIL]

    def _program(self) -> str:
        if self._environment.container is not None:
            return self._spec.shell
        return "/bin/sh" if self._spec.shell == "sh" else shutil.which("bash") or "bash"

    def _fail(self) -> None:
        """Let the commands that still come know that the build fails."""
        self._environment.variables["CODEBUILD_BUILD_SUCCEEDING"] = "0"
        with contextlib.suppress(OSError):  # the disk is full: no command that still comes can be begun
            self.amend("export CODEBUILD_BUILD_SUCCEEDING=0")

    async def _matches(self, pattern: str, message: str) -> bool:
        """Return whether a failure's message, or the end of what its command printed, matches a pattern.

        A pattern may take for ever: it is held against them in a process that ends with the build.
        """
        text = self._environment.state / "failure"
        text.write_bytes(message.encode("utf-8", "replace") + b"\n" + bytes(self._tail))
        arguments = ["grep", "-Eqe", pattern, "--", str(text)]
        status, printed = await self._environment.run_client(arguments, self._environment.variables)
        if status > 1:
            self._environment.log.say(f"The pattern of on-failure cannot be used: {printed.strip()}")
        return status == 0
