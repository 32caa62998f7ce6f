"""CACAO's bash and powershell: a script on the runner's own machine, if the operator allows it, with nothing of the runner around it."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from tocsin_runner.assignment import Failed, Outcome, Refused, Task, Unknown, Verb
from tocsin_runner.commands.results_of_scripts import judged
from tocsin_runner.commands.scripts import environment, for_bash, for_powershell, text_of
from tocsin_runner.variables import Variables

MOST_OUTPUT = 1024 * 1024
KILL_SECONDS = 2.0
LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 256 * 1024 * 1024,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_AS: 2 * 1024 * 1024 * 1024,
}
BASH = ("bash", "--noprofile", "--norc", "-c")
POWERSHELL = ("pwsh", "-NoProfile", "-NonInteractive", "-Command")


class Local:
    """Runs scripts by one shell. Each has a process group and an empty folder of its own, both gone when it ends."""

    def __init__(self, program: tuple[str, ...], refer: Callable[[str, Variables], str]) -> None:
        self._program = program
        self._refer = refer

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        if assignment.verb is not Verb.EXECUTE:
            raise Refused("a script can neither be undone nor verified by itself")
        if assignment.simulated:
            raise Refused("scripts do not run in an exercise")
        if assignment.look_first:
            raise Unknown("whether the script ran cannot be looked up")
        shell = shutil.which(self._program[0])
        if shell is None:
            raise Refused(f"{self._program[0]} is not installed here")
        script = self._refer(text_of(assignment), assignment.variables)
        variables = environment(assignment.variables)
        with tempfile.TemporaryDirectory(prefix="tocsin-step-") as folder:
            status, out, err = await self._ran(task, [shell, *self._program[1:], script], Path(folder), variables)
        task.answered()
        return judged(task, status, out, err, "this machine")

    async def _ran(self, task: Task, command: list[str], folder: Path, variables: dict[str, str]) -> tuple[int, bytes, bytes]:
        given = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
        given |= {**variables, "TOCSIN_IDEMPOTENCY_KEY": task.assignment.key}
        task.about_to_change()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=given,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_limit,
            )
        except OSError as error:
            task.answered()
            raise Failed(f"the script could not be started: {error.strerror}") from error
        try:
            assert process.stdout is not None and process.stderr is not None
            out, err = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            return await process.wait(), out, err
        finally:
            await _end(process)


def bash() -> Local:
    """CACAO's bash."""
    return Local(BASH, for_bash)


def powershell() -> Local:
    """CACAO's powershell."""
    return Local(POWERSHELL, for_powershell)


def _limit() -> None:
    for kind, most in LIMITS.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """All of it, of which the beginning is kept."""
    kept = b""
    while chunk := await stream.read(65_536):
        kept += chunk[: max(0, MOST_OUTPUT - len(kept))]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """End everything that the script started; by force after a moment."""
    for number, seconds in ((signal.SIGTERM, KILL_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.shield(asyncio.wait_for(process.wait(), seconds))
            if number == signal.SIGKILL or not _group_lives(process.pid):
                return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
