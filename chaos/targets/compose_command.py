"""The compose command, v2 (`docker compose`) or 1.29 (`docker-compose`): found, run, and its failures in words."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from chaos.errors import TargetError
from chaos.stackfile import Stack
from chaos.targets.compose_engine import Engine, cgroup_parent, explained


@functools.cache
def find() -> tuple[str, ...] | None:
    """argv of the compose command of this machine, the newer one first; None where there is none."""
    for argv in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(argv[0]):
            asked = subprocess.run([*argv, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return argv
    return None


class Command:
    """Compose on one stack under its posture."""

    def __init__(self, stack: Stack, engine: Engine) -> None:
        self._stack, self._engine = stack, engine

    async def run(
        self,
        *words: str,
        override: Path | None = None,
        base: str = "",
        silence: float = 120.0,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """`compose WORDS`. `progress` hears each line; `silence` is how long it may say nothing, in seconds.

        Raises TargetError with what compose said, in our words where it is a known trouble.
        """
        found = find()
        if found is None:
            raise TargetError(MISSING)
        files = [self._stack.path, *([override] if override else [])]
        parent = await self._engine.ask(cgroup_parent)
        argv = [*found, "--project-name", self._engine.project, *(w for f in files for w in ("--file", str(f))), *words]
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self._stack.root,
            env=self._environment(base, parent),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for us: compose is ended below, and not asked twice
        )
        try:
            said = await _listen(process, silence, progress)
        except TimeoutError:
            raise TargetError(
                f"`{' '.join([*found, *words])}` said nothing for {silence:.0f} s; see whether `docker ps` answers, "
                "start the engine again if it does not, then `chaos down`"
            ) from None
        finally:
            await _end(process)
        if process.returncode:
            raise TargetError(f"{self._stack.path}: `{' '.join([*found, *words])}` failed: {explained(said)}")

    def _environment(self, base: str, parent: str) -> Mapping[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")}
        env |= self._stack.variables
        env["COMPOSE_PROFILES"] = ",".join(self._stack.profiles)
        env["CHAOS_CGROUP_PARENT"] = parent
        return env | ({"CHAOS_BASE": base} if base else {})


MISSING = (
    "neither `docker compose` nor `docker-compose` is on PATH; install the compose plugin of your engine "
    "(Debian: apt-get install docker-compose), or use --target process"
)


async def _listen(process: asyncio.subprocess.Process, silence: float, progress: Callable[[str], None] | None) -> str:
    assert process.stdout is not None
    said: list[str] = []
    while line := await asyncio.wait_for(process.stdout.readline(), silence):
        text = line.decode(errors="replace").strip()
        said.append(text)
        if progress and text:
            progress(text)
    await process.wait()
    return "\n".join(said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Compose and the commands that it started, where we leave before it has ended."""
    if process.returncode is None:
        os.killpg(process.pid, 9)
        await process.wait()
