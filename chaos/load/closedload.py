"""The load of a locustfile from the harness's side: Locust's users, in a process of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

from chaos.experiment.plan import LoadSpec
from chaos.load.contract import PATIENCE
from chaos.load.locustload import PREPARE, HostedLoad, LocustLoad
from chaos.protocols import Load
from chaos.protocols.capabilities import Hosting


@final
class ClosedLoad(HostedLoad):
    """Users who wait for an answer before they go on. Operations count once all users were started."""

    _what = "the locustfile"
    _grace = PATIENCE + 7.0  # users end their tasks, and `on_stop` may ask something

    def _command(self) -> Sequence[str]:
        locust = self._spec.locust
        assert locust is not None
        words = ["--file", str(self._file), "--users", str(self._spec.count), "--spawn-rate", repr(locust.spawn_rate)]
        words += ["--seed", str(self._spec.seed), *(["--host", locust.host] if locust.host else [])]
        for option, values in (("tag", locust.tags), ("exclude-tag", locust.exclude_tags), ("class", locust.classes)):
            words += [word for value in values for word in (f"--{option}", value)]
        return ["python3", "-m", "chaos.load.closedloop", *words]

    @property
    def lead(self) -> float:  # type: ignore[override]
        """Seconds until the process has started and every user with it."""
        locust = self._spec.locust
        assert locust is not None
        return HostedLoad.lead + self._spec.count / locust.spawn_rate

    async def prepare(self) -> None:
        """Let Locust read the locustfile. Raises BadExperiment if it cannot run as the experiment says."""
        self._is_there("locustfile", "a locustfile")
        await self._program.complete("check", PREPARE)

    async def start(self, t0: float, until: float) -> None:
        """Start the users. Returns when their operations begin to count."""
        first = self._begin(t0, until)
        times = ["--t0", repr(t0), "--begin", repr(-self._steady), "--until", repr(until)]
        await self._program.start("run", *times, "--first", str(first))
        await self._program.ready(self.lead)
        await asyncio.sleep(max(t0 - self._steady - time.monotonic(), 0.0))


def load(
    hosting: Hosting, spec: LoadSpec, run_dir: Path, root: Path, *, steady: float, journeys: Sequence[str] = ()
) -> Load:
    """The load of a plan, open or closed."""
    if spec.locust:
        return ClosedLoad(hosting, spec, run_dir, root, steady=steady)
    return LocustLoad(hosting, spec, run_dir, root, steady=steady, journeys=journeys)
