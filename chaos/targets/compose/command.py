"""The compose command, v2 (`docker compose`) or 1.29 (`docker-compose`): finding it, running it, explaining its
errors.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaos.errors import TargetError
from chaos.experiment.stack import Stack
from chaos.targets.compose import owner
from chaos.targets.docker.engine import Engine, cgroup_parent, explained


def find() -> tuple[str, ...] | None:
    """The argv of this machine's compose command, preferring the newer one; None if there is none."""
    return _found()[0]


def version() -> tuple[int, ...]:
    """The first two numbers of its version: (1, 29), (2, 40). (0,) if there is none, or if it does not say."""
    return _found()[1]


@functools.cache
def _found() -> tuple[tuple[str, ...] | None, tuple[int, ...]]:
    for argv in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(argv[0]):
            asked = subprocess.run([*argv, "version"], capture_output=True, text=True, encoding="utf-8", check=False)
            if asked.returncode == 0:
                said = re.search(r"\bv?(\d+)\.(\d+)", asked.stdout)
                return argv, tuple(map(int, said.groups())) if said else (0,)
    return None, (0,)


def forget() -> None:
    """Look for the command again when it is needed next."""
    _found.cache_clear()


class Command:
    """Compose on one stack with its posture. Everything that it makes carries the stack's label."""

    def __init__(self, stack: Stack, engine: Engine) -> None:
        self._stack, self._engine = stack, engine

    async def run(
        self,
        *words: str,
        service: str = "",
        extra: Mapping[str, Any] | None = None,
        base: str = "",
        silence: float = 120.0,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """Run `compose WORDS`. `progress` receives each line; `silence` is the maximum time without output, in seconds.

        `extra` is merged into the file's entry for `service`.

        Raises TargetError with compose's message, and with an explanation if the problem is known.
        """
        found = find()
        if found is None:
            raise TargetError(MISSING)
        parent = await self._engine.ask(cgroup_parent)
        with owner.override(self._stack, version() >= owner.MERGES, service, extra) as labels:
            files = (w for file in (*self._stack.files, labels) for w in ("--file", str(file)))
            argv = [*_mortal(), *found, "--project-name", self._engine.project, *files, *words]
            await self._end_well(argv, " ".join([*found, *words]), self._environment(base, parent), silence, progress)

    async def _end_well(
        self,
        argv: Sequence[str],
        words: str,
        env: Mapping[str, str],
        silence: float,
        progress: Callable[[str], None] | None,
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self._stack.root,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is handled here: compose is ended below, and must not get the signal twice
        )
        try:
            said = await _listen(process, silence, progress)
        except TimeoutError:
            raise TargetError(
                f"`{words}` said nothing for {silence:.0f} s; see whether `docker ps` answers, "
                "start the engine again if it does not, then `chaos down`"
            ) from None
        finally:
            await _end(process)
        if process.returncode:
            raise TargetError(f"{self._stack.path}: `{words}` failed: {explained(said)}")

    def _environment(self, base: str, parent: str) -> Mapping[str, str]:
        env = {**environment(self._stack.variables, self._stack.profiles), "CHAOS_CGROUP_PARENT": parent}
        return env | ({"CHAOS_BASE": base} if base else {})


def environment(variables: Mapping[str, str], profiles: Sequence[str]) -> dict[str, str]:
    """The environment for Compose. Its own variables are left out: what they say is said by arguments."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("COMPOSE_")} | dict(variables)
    env["COMPOSE_PROFILES"] = ",".join(profiles)
    env["COMPOSE_REMOVE_ORPHANS"] = "0"  # overrides .env: containers without a service may be the user's
    return env


MISSING = (
    "neither `docker compose` nor `docker-compose` is on PATH; install the compose plugin of your engine "
    "(Debian: apt-get install docker-compose), or use --target process"
)


def _mortal() -> Sequence[str]:
    """A command prefix that ends the command with this process, so that no heal runs beside an earlier harness's
    Compose.
    """
    return ("setpriv", "--pdeathsig=KILL") if shutil.which("setpriv") else ()


async def _listen(process: asyncio.subprocess.Process, silence: float, progress: Callable[[str], None] | None) -> str:
    assert process.stdout is not None
    said: list[str] = []
    while line := await line_of(process.stdout, silence):
        text = line.decode(errors="replace").strip()
        said.append(text)
        if progress and text:
            progress(text)
    await process.wait()
    return "\n".join(said)


async def line_of(stream: asyncio.StreamReader, silence: float) -> bytes:
    """The next line. Raises TimeoutError after that many seconds."""
    async with asyncio.timeout(silence):
        return await stream.readline()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End Compose and the commands that it started, if this process stops waiting for it."""
    if process.returncode is None:
        os.killpg(process.pid, 9)
        await process.wait()
