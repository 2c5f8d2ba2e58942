"""Programs started in a box: nodes that outlive us, guests that do not, and commands that answer."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from chaos.errors import TargetError
from chaos.protocols import Hosted
from chaos.targets import census
from chaos.targets.control import Control

READY = 3  # the descriptor on which a node's first process says that it is there
_FIRST_WORD = 10.0  # seconds it may take to say so


@dataclass(frozen=True)
class Start:
    """A node's root and what it starts with. `log` is appended to; `complaints` gets what keeps it from starting."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    log: Path
    complaints: Path


async def launch(control: Control, start: Start) -> int:
    """Start a root that outlives us; returns its pid once it is there. Raises TargetError."""
    return await _begin(start, lambda fds: control.launch(start.argv, start.env, start.cwd, fds))


async def _begin(start: Start, spawn: Callable[[Mapping[int, int]], int]) -> int:
    with ExitStack() as left:
        start.log.parent.mkdir(parents=True, exist_ok=True)
        null, out = left.enter_context(open(os.devnull)), left.enter_context(open(start.log, "ab"))
        complaints = left.enter_context(start.complaints.open("wb"))
        reading, writing = os.pipe()
        left.callback(os.close, reading)
        try:
            pid = spawn({0: null.fileno(), 1: out.fileno(), 2: complaints.fileno(), READY: writing})
        finally:
            os.close(writing)
        try:
            async with asyncio.timeout(_FIRST_WORD):
                await _readable(reading)
        except TimeoutError:
            raise TargetError(f"its first process said nothing for {_FIRST_WORD:g} s") from None
        if not os.read(reading, 1):
            raise TargetError("; ".join(tail(start.complaints, 3)) or "its first process ended at once")
        return pid


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, ready.set_result, None)
    ready.add_done_callback(lambda _: loop.remove_reader(fd))
    await ready


@final
class Guest(Hosted):
    """A program that ends with us, however we end: the box sees our connection close."""

    def __init__(self, control: Control, pid: int) -> None:
        self._control = control
        self._pid = pid  # its root, or who waits for it
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(control.fileno(), self._hear)

    @classmethod
    async def begin(cls, control: Control, start: Start) -> Guest:
        """Takes over `control`, a connection for this program alone. Raises TargetError."""
        try:
            pid = await _begin(start, lambda fds: control.run(start.argv, start.env, start.cwd, fds))
        except BaseException:
            control.close()
            raise
        return cls(control, pid)

    def _hear(self) -> None:
        message = self._control.receive()
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._code.set_result(int(message["exit"]) if message else 128 + signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def stop(self, grace: float = 5.0) -> None:
        if self._code.done():
            return
        census.send(census.below(self._pid, census.everyone()), signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.wait()
                return
        self._control.signal(signal.SIGKILL)
        await self.wait()


async def run(argv: Sequence[str], env: Mapping[str, str], timeout: float, what: str) -> tuple[int, str]:
    """Exit code (128 + signal) and output, both streams in one. Raises TargetError after `timeout` seconds.

    Output goes through a file: a pipe would keep us waiting for whatever the command left running.
    """
    with tempfile.TemporaryFile() as out:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        except OSError as e:
            raise TargetError(f"{what}: {argv[0]}: {e.strerror}") from e
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError:
            raise TargetError(f"{what} did not end within {timeout:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())
        out.seek(0)
        return code if code >= 0 else 128 - code, out.read().decode(errors="replace")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file, [] when there is none."""
    try:
        with path.open("rb") as f:
            f.seek(max(0, path.stat().st_size - 64 * 1024))
            return f.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
