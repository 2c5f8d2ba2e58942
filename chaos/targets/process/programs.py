"""Programs started in a box: nodes that outlive this process, hosted programs that do not, and commands with a
result.
"""

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
from chaos.protocols.capabilities import Hosted
from chaos.targets import procfs
from chaos.targets.box.control import Control

READY = 3  # descriptor on which a node's first process signals that it has started
EXIT = 4  # descriptor of the file for its exit code
VIEW = 5  # descriptor of its view of this machine's files
_FIRST_WORD = 10.0  # seconds for that signal


@dataclass(frozen=True)
class Start:
    """How to start a node's root.

    Output is appended to `log`; `complaints` gets errors before the start, and `exit` the exit code. `view` makes
    another descriptor for it, and blocks.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    log: Path
    complaints: Path
    exit: Path
    view: Callable[[], int | None] = lambda: None


async def launch(control: Control, start: Start) -> int:
    """Start a root that outlives this process; returns its pid once it has started. Raises TargetError."""
    return await _begin(start, lambda fds: control.launch(start.argv, start.env, start.cwd, fds))


async def _begin(start: Start, spawn: Callable[[Mapping[int, int]], int]) -> int:
    with ExitStack() as left:
        start.log.parent.mkdir(parents=True, exist_ok=True)
        null, out = left.enter_context(open(os.devnull, encoding="utf-8")), left.enter_context(open(start.log, "ab"))
        complaints, code = (left.enter_context(place.open("wb")) for place in (start.complaints, start.exit))
        fds = {0: null.fileno(), 1: out.fileno(), 2: complaints.fileno(), EXIT: code.fileno()}
        if (view := await asyncio.to_thread(start.view)) is not None:
            left.callback(os.close, view)
            fds[VIEW] = view
        reading, writing = os.pipe()
        left.callback(os.close, reading)
        try:
            pid = spawn({**fds, READY: writing})
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
class HostedProcess(Hosted):
    """A program that ends with this process, however it ends: the box notices the closed connection."""

    def __init__(self, control: Control, pid: int) -> None:
        self._control = control
        self._pid = pid  # its root, or the process that waits for it
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(control.fileno(), self._hear)

    @classmethod
    async def begin(cls, control: Control, start: Start) -> HostedProcess:
        """Start it. Takes ownership of `control`, a connection for this program only. Raises TargetError."""
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
        procfs.send(procfs.below(self._pid, procfs.everyone()), signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.wait()
                return
        self._control.signal(signal.SIGKILL)
        await self.wait()


async def run(argv: Sequence[str], env: Mapping[str, str], timeout: float, what: str) -> tuple[int, str]:
    """Exit code (128 + signal) and combined output. Raises TargetError after `timeout` seconds.

    Output goes to a file: with a pipe, this would wait for whatever the command left running.
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
    """The last lines of a file, [] if it does not exist."""
    try:
        with path.open("rb") as f:
            f.seek(max(0, path.stat().st_size - 64 * 1024))
            return f.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
