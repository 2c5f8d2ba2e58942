"""The load's process: how it is started and awaited, and what its end means."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import final

from chaos.errors import BadExperiment, ChaosError
from chaos.load.contract import OPS, USERS, Exit
from chaos.protocols.capabilities import Hosted, Hosting
from chaos.waiting import wait_until

READY = 30.0  # seconds for the process to start; it takes one on a quiet machine
ROOM = 64 * 1024  # bytes; with less free space, every failure is attributed to the full disk


@final
class Program:
    """`command` in one of its modes, one at a time, started by `hosting`.

    Its files and logs are in `run`, and it may read the folders `shown`.
    `what` is the file that it refuses when it ends with Exit.USAGE.
    """

    def __init__(
        self, hosting: Hosting, run: Path, command: Sequence[str], what: str, shown: Sequence[Path] = ()
    ) -> None:
        self._hosting, self._run, self._command, self._what, self._shown = hosting, run, command, what, shown
        self.hosted: Hosted | None = None

    async def start(self, mode: str, *more: str) -> None:
        command = [*self._command[:3], "--mode", mode, *self._command[3:], "--run", str(self._run), *more]
        self.hosted = await self._hosting.host(command, self._run, _log(mode), self._shown)

    async def complete(self, mode: str, limit: float, *more: str) -> None:
        """Run the program in `mode` to its end. Raises ChaosError, also after `limit` seconds."""
        await self.start(mode, *more)
        try:
            await self.end(mode, limit)
        finally:
            await self.stop()

    async def ready(self, more: float = 0.0) -> None:
        """Wait for ops.jsonl, which the process creates when its users are ready; `more` seconds than usual."""
        assert self.hosted is not None
        end = asyncio.ensure_future(self.hosted.wait())

        async def begun() -> bool:
            if (self._run / OPS).exists():
                return True
            if end.done():
                self._judge("run", end.result(), expected=False)
            return False

        try:
            await wait_until(begun, READY + more, 0.02)
        except TimeoutError:
            raise ChaosError(self._say("run", f"was not ready within {READY + more:.0f} s")) from None
        finally:
            end.cancel()

    async def end(self, mode: str, limit: float) -> None:
        """Wait until it ends. Raises ChaosError if it failed, or does not end within `limit` seconds."""
        assert self.hosted is not None
        try:
            async with asyncio.timeout(limit):
                code = await self.hosted.wait()
        except TimeoutError:
            await self.stop()
            raise ChaosError(self._say(mode, f"did not end within {limit:.0f} s")) from None
        self._judge(mode, code)

    async def stop(self, grace: float = 0.1) -> None:
        """End it, immediately unless `grace` says how many seconds it may take. Idempotent."""
        if self.hosted is not None:
            await self.hosted.stop(grace=grace)
            self.hosted = None  # only now: if it failed, `stop` is called again

    def _judge(self, mode: str, code: int, expected: bool = True) -> None:
        if code == Exit.USAGE:
            raise BadExperiment(self._say(mode, f"refused {self._what}"))
        if code != Exit.DONE or not expected:
            raise ChaosError(self._say(mode, _MEANING.get(code, f"ended with exit code {code}")))

    def _say(self, mode: str, what: str) -> str:
        if shutil.disk_usage(self._run).free < ROOM:
            return f"the load ({mode}) {what}: no space is left for {self._run}; what was recorded until then is kept"
        log = self._run / "logs" / _log(mode)
        try:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        except OSError:
            last = ["(there is no log)"]
        return f"the load ({mode}) {what}. Last lines: {' | '.join(last) or '(none)'}. Full log: {log}"


_MEANING = {
    int(Exit.NO_USERS): f"found no users in {USERS} that fit",
    int(Exit.NO_STACK): "could not sign its users up; is the stack serving?",
    int(Exit.ENDED): "ended before its time, because the locustfile stopped Locust",
    int(Exit.NO_DISK): "could not write to the run's folder; is the disk full?",
    137: "was killed (SIGKILL); was the machine out of memory?",
    -9: "was killed (SIGKILL); was the machine out of memory?",
}


def _log(mode: str) -> str:
    return "load.log" if mode == "run" else f"load-{mode}.log"
