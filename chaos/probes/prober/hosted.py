"""The prober from the harness's side: hosts it among the users, and hears what it writes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.errors import ChaosError
from chaos.experiment.plan import ProbeSpec
from chaos.probes.prober.contract import ASKED, HEARD, Heard, heard
from chaos.probes.prober.pace import Hear
from chaos.protocols.capabilities import Hosted, Hosting
from chaos.waiting import wait_until

READY = 30.0  # seconds for the process to start; it takes less than one on a quiet machine
LOOK = 0.1  # seconds between two looks at what it wrote
LOG = "prober.log"
QUIET = 3.0  # seconds in which the process may write nothing although something is due
MARGIN = 3.0  # seconds beyond the last time-out for the process to end


class Prober:
    """Asks `probes` from the users' place. Call order: start, listen, drain; stop at any time."""

    def __init__(self, hosting: Hosting, probes: Sequence[ProbeSpec], run_dir: Path) -> None:
        self._hosting, self._probes, self._run = hosting, probes, run_dir.absolute()
        self._hosted: Hosted | None = None
        self._at = 0  # bytes read so far, up to the end of a line
        self._over = asyncio.Event()

    async def start(self) -> None:
        """Start the process. Returns when it asks. Raises ChaosError."""
        self._forget()
        with open(os.open(self._run / ASKED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(msgspec.json.encode(self._probes))
        command = ["python3", "-m", "chaos.probes.prober", "--run", str(self._run)]
        self._hosted = await self._hosting.host(command, self._run, LOG)
        end = asyncio.ensure_future(self._hosted.wait())

        async def asks() -> bool:
            if end.done():
                raise ChaosError(self._say(f"ended at once with exit code {end.result()}"))
            return (self._run / HEARD).exists()

        try:
            await wait_until(asks, READY, 0.02)
        except TimeoutError:
            raise ChaosError(self._say(f"was not ready within {READY:.0f} s")) from None
        finally:
            end.cancel()

    async def listen(self, hear: Hear) -> None:
        """Pass on every answer until `drain`. If the process ends by itself, its probes get no answer any more."""
        now = asyncio.get_running_loop().time
        patience = QUIET + max(p.every + (p.within or 0.0) for p in self._probes)
        last = now()
        while not self._over.is_set():
            if self._new(hear):
                last = now()
            elif now() - last > patience:  # asking the engine all the time would cost the stack its processors
                last = now()
                if (code := await self._code()) is not None:
                    self._new(hear)
                    why = self._say(f"ended with exit code {code}")
                    for probe in self._probes:
                        hear(Heard(probe.name, last, why=why))
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._over.wait()
        self._new(hear)

    async def _code(self) -> int | None:
        """The exit code of the process; None if it runs."""
        assert self._hosted is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MARGIN):
                return await self._hosted.wait()
        return None

    async def drain(self) -> None:
        """Ask nothing more; returns when the last question is answered."""
        if self._hosted is not None:
            await self._hosted.stop(grace=max(p.within or 0.0 for p in self._probes) + MARGIN)
        self._over.set()

    async def stop(self) -> None:
        """End the process immediately, and remove its files: what was heard is in the journal. Idempotent."""
        if self._hosted is not None:
            await self._hosted.stop(grace=0.1)
            self._hosted = None  # only now: if it failed, `stop` is called again
        self._over.set()
        self._forget()

    def _forget(self) -> None:
        for name in (ASKED, HEARD):
            (self._run / name).unlink(missing_ok=True)

    def _new(self, hear: Hear) -> int:
        """Pass on what was written since the last call; returns how much."""
        try:
            with (self._run / HEARD).open("rb") as f:
                f.seek(self._at)
                *lines, torn = f.read().split(b"\n")
                self._at = f.tell() - len(torn)
        except FileNotFoundError:
            return 0
        for line in lines:
            hear(heard(line))
        return len(lines)

    def _say(self, what: str) -> str:
        log = self._run / "logs" / LOG
        try:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:]
        except OSError:
            last = []
        return f"the prober {what}. Last lines: {' | '.join(last) or '(none)'}. Full log: {log}"
