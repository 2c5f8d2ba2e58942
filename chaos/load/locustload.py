"""The load from the harness's side: the hosted process, its schedule, and the meaning of its exit codes."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import msgspec

from chaos.errors import BadExperiment, ChaosError
from chaos.experiment.plan import LoadSpec
from chaos.load.arrivals import schedule, with_peak
from chaos.load.contract import ARRIVALS, OPS, PATIENCE, USERS, Exit, Schedule
from chaos.load.tail import Tail
from chaos.protocols import Load
from chaos.protocols.capabilities import Hosted, Hosting
from chaos.waiting import wait_until

PREPARE = 60.0  # seconds for users to sign up, including the start of the process
READY = 30.0  # seconds for the process to start; it takes one on a quiet machine
READBACK = 300.0  # seconds for reading everything back
ROOM = 64 * 1024  # bytes; with less free space, every failure is attributed to the full disk
ATTEMPT = 100_000  # ids of a user in one start of the load; the next start continues above them


@final
class LocustLoad(Load):
    """The load of users of `spec`, started by `hosting`. Call order: prepare, start, drain, readback.

    Files and logs are in `run_dir`; `spec.users` is relative to `root`/experiments. Arrivals begin `steady` seconds
    before t0, or as soon as the process is ready. `start` may be called again after `stop`: the record then starts
    anew, while ids continue. `journeys` are those that checks or conditions refer to.
    """

    lead = 3.0  # seconds: the process starts in one on a quiet machine

    def __init__(
        self,
        hosting: Hosting,
        spec: LoadSpec,
        run_dir: Path,
        root: Path,
        *,
        steady: float,
        journeys: Sequence[str] = (),
    ) -> None:
        self._hosting, self._spec, self._run = hosting, spec, run_dir.absolute()
        self._users = (root / "experiments" / spec.users).absolute()
        self._steady, self._journeys = steady, journeys
        self._starts = 0
        self._hosted: Hosted | None = None
        self._t0 = self._until = 0.0
        self._tail = Tail(self._run / OPS)

    async def prepare(self) -> None:
        """Sign users up and store their accounts in users.json. The stack has to be up."""
        if not self._users.is_file():
            raise BadExperiment(f"load.users: no file {self._users}; expected a users' file (docs/guide/load.md)")
        wanted = [word for name in self._journeys for word in ("--journey", name)]
        await self._complete("prepare", PREPARE, "--count", str(self._spec.count), *wanted)

    async def start(self, t0: float, until: float) -> None:
        """Start arrivals at t0 - steady, or when the process is ready. Returns when the first arrival is due."""
        for name in (ARRIVALS, OPS):
            (self._run / name).unlink(missing_ok=True)
        self._t0, self._until, self._tail = t0, until, Tail(self._run / OPS)
        first = self._starts * ATTEMPT + 1
        self._starts += 1
        self._hosted = await self._host("run", "--t0", repr(t0), "--first", str(first))
        await self._ready()
        start = max(-self._steady, time.monotonic() + 0.1 - t0)
        self._write_schedule(start, until)
        await asyncio.sleep(t0 + start - time.monotonic())

    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]:
        """By journey: how many operations ended in the last `seconds` with ok, and how many in total."""
        return self._tail.rates(time.monotonic() - self._t0, seconds)

    async def drain(self) -> None:
        """Stop new arrivals and return when the last operation has ended. Raises ChaosError if the process failed."""
        if self._hosted is None:
            return
        if time.monotonic() < self._t0 + self._until:
            await self._hosted.stop(grace=PATIENCE + 3.0)  # SIGTERM ends the arrivals, but not operations in flight
        self._judge("run", await self._wait(self._hosted, "run", PATIENCE + 10.0))
        self._hosted = None

    async def readback(self) -> None:
        """Append what the stack holds of every user. A page that cannot be read is recorded as a line, not raised."""
        await self._complete("readback", READBACK, "--t0", repr(self._t0))

    async def stop(self) -> None:
        """End our processes immediately. Everything recorded is already on disk."""
        if self._hosted is not None:
            await self._hosted.stop(grace=0.1)
            self._hosted = None  # only now: if it failed, `stop` is called again

    async def _complete(self, mode: str, limit: float, *more: str) -> None:
        """Run the program in `mode` to its end."""
        self._hosted = await self._host(mode, *more)
        try:
            self._judge(mode, await self._wait(self._hosted, mode, limit))
        finally:
            await self.stop()

    async def _host(self, mode: str, *more: str) -> Hosted:
        command = ["python3", "-m", "chaos.load.openloop", "--mode", mode]
        command += ["--file", str(self._users), "--run", str(self._run), *more]
        return await self._hosting.host(command, self._run, _log(mode))

    async def _ready(self) -> None:
        """Wait for ops.jsonl, which the process creates when its users are ready."""
        assert self._hosted is not None
        end = asyncio.ensure_future(self._hosted.wait())

        async def begun() -> bool:
            if (self._run / OPS).exists():
                return True
            if end.done():
                self._judge("run", end.result(), expected=False)
            return False

        try:
            await wait_until(begun, READY, 0.02)
        except TimeoutError:
            raise ChaosError(self._say("run", f"was not ready within {READY:.0f} s")) from None
        finally:
            end.cancel()

    def _write_schedule(self, start: float, end: float) -> None:
        spec = self._spec
        arrivals = schedule(spec.seed, spec.rate, spec.count, start, end)
        if (p := spec.peak) is not None:
            arrivals = with_peak(arrivals, spec.seed, spec.rate, spec.count, (p.at, p.end, p.times))
        plan = Schedule(spec.seed, spec.rate, spec.count, round(start, 6), end, arrivals)
        fresh = self._run / (ARRIVALS + ".new")
        fresh.write_bytes(msgspec.json.encode(plan))
        os.replace(fresh, self._run / ARRIVALS)  # appears in one piece, because the process starts as soon as it exists

    async def _wait(self, hosted: Hosted, mode: str, limit: float) -> int:
        try:
            async with asyncio.timeout(limit):
                return await hosted.wait()
        except TimeoutError:
            await self.stop()
            raise ChaosError(self._say(mode, f"did not end within {limit:.0f} s")) from None

    def _judge(self, mode: str, code: int, expected: bool = True) -> None:
        if code == Exit.USAGE:
            raise BadExperiment(self._say(mode, "refused the users' file"))
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
    int(Exit.NO_DISK): "could not write to the run's folder; is the disk full?",
    137: "was killed (SIGKILL); was the machine out of memory?",
    -9: "was killed (SIGKILL); was the machine out of memory?",
}


def _log(mode: str) -> str:
    return "load.log" if mode == "run" else f"load-{mode}.log"
