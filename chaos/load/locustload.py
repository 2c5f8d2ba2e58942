"""The load from the harness's side: the hosted process, its schedule, and what it recorded."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import msgspec

from chaos.errors import BadExperiment
from chaos.experiment.plan import LoadSpec
from chaos.load import notes
from chaos.load.arrivals import schedule, with_peak
from chaos.load.contract import ARRIVALS, NOTES, OPS, PATIENCE, REQUESTS, Schedule
from chaos.load.process import Program
from chaos.load.tail import Tail
from chaos.model import Note
from chaos.protocols import Load
from chaos.protocols.capabilities import Hosting

PREPARE = 60.0  # seconds for users to sign up, including the start of the process
READBACK = 300.0  # seconds for reading everything back
ATTEMPT = 100_000  # ids of a user in one start of the load; the next start continues above them


class HostedLoad(Load):
    """A load in a process of its own, started by `hosting`. Call order: prepare, start, drain, readback.

    Files and logs are in `run_dir`; the load's file is relative to `root`/experiments. Operations begin `steady`
    seconds before t0, or as soon as the process is ready. `start` may be called again after `stop`: the record then
    starts anew, while ids continue. `journeys` are those that checks or conditions refer to.
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
        self._spec, self._run = spec, run_dir.absolute()
        self._file = Path(os.path.normpath((root / "experiments" / spec.file).absolute())) if spec.file else None
        self._steady, self._journeys = steady, journeys
        self._starts = 0
        folder = self._file.parent if self._file else None
        beside = [] if folder is None or folder.resolve().is_relative_to(root.resolve()) else [folder]
        self._program = Program(hosting, self._run, self._command(), self._what, beside)
        self._t0 = self._until = 0.0
        self._tail = Tail(self._run / OPS)

    _what = "the load's file"
    _grace = PATIENCE + 3.0  # seconds for the process to end

    def _command(self) -> Sequence[str]:
        """The program, without its mode."""
        raise NotImplementedError

    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]:
        """By journey: how many operations ended in the last `seconds` with ok, and how many in total."""
        return self._tail.rates(time.monotonic() - self._t0, seconds)

    def notes(self) -> Sequence[Note]:
        return notes.read(self._run / NOTES)

    async def drain(self) -> None:
        """Stop new operations and return when the last one has ended. Raises ChaosError if the process failed."""
        program = self._program
        if program.hosted is None:
            return
        if time.monotonic() < self._t0 + self._until:
            # SIGTERM ends the arrivals, but not operations in flight
            await program.hosted.stop(grace=self._grace)
        await program.end("run", PATIENCE + 10.0)
        program.hosted = None

    async def readback(self) -> None:
        """Append what the stack holds of every user. A page that cannot be read is recorded as a line, not raised."""

    async def stop(self) -> None:
        """End our processes immediately. Everything recorded is already on disk."""
        await self._program.stop()

    def _begin(self, t0: float, until: float) -> int:
        """Forget an earlier start; returns the number in each user's first id."""
        for name in (ARRIVALS, OPS, NOTES):
            (self._run / name).unlink(missing_ok=True)
        self._t0, self._until, self._tail = t0, until, Tail(self._run / OPS)
        first = self._starts * ATTEMPT + 1
        self._starts += 1
        return first

    def _is_there(self, what: str, expected: str) -> None:
        if self._file is not None and not self._file.is_file():
            raise BadExperiment(f"load.{what}: no file {self._file}; expected {expected} (docs/guide/load.md)")


@final
class LocustLoad(HostedLoad):
    """Open arrivals: the users of a users' file, or requests without code."""

    @property
    def _what(self) -> str:  # type: ignore[override]
        return "the users' file" if self._file else "load.http"

    def _command(self) -> Sequence[str]:
        which = ["--file", str(self._file)] if self._file else ["--requests", str(self._run / REQUESTS)]
        return ["python3", "-m", "chaos.load.openloop", *which]

    async def prepare(self) -> None:
        """Sign users up and store their accounts in users.json. The stack has to be up."""
        self._is_there("users", "a users' file")
        if self._spec.http:
            private(self._run / REQUESTS, msgspec.json.encode(self._spec.http))
        wanted = [word for name in self._journeys for word in ("--journey", name)]
        await self._program.complete("prepare", PREPARE, "--count", str(self._spec.count), *wanted)

    async def start(self, t0: float, until: float) -> None:
        """Start arrivals at t0 - steady, or when the process is ready. Returns when the first arrival is due."""
        first = self._begin(t0, until)
        await self._program.start("run", "--t0", repr(t0), "--first", str(first))
        await self._program.ready()
        start = max(-self._steady, time.monotonic() + 0.1 - t0)
        self._write_schedule(start, until)
        await asyncio.sleep(t0 + start - time.monotonic())

    async def readback(self) -> None:
        if self._spec.users:
            await self._program.complete("readback", READBACK, "--t0", repr(self._t0))

    def _write_schedule(self, start: float, end: float) -> None:
        spec = self._spec
        arrivals = schedule(spec.seed, spec.rate, spec.count, start, end)
        if (p := spec.peak) is not None:
            arrivals = with_peak(arrivals, spec.seed, spec.rate, spec.count, (p.at, p.end, p.times))
        plan = Schedule(spec.seed, spec.rate, spec.count, round(start, 6), end, arrivals)
        fresh = self._run / (ARRIVALS + ".new")
        fresh.write_bytes(msgspec.json.encode(plan))
        os.replace(fresh, self._run / ARRIVALS)  # appears in one piece, because the process starts as soon as it exists


def private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, from the start."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(content)
