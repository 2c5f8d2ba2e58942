"""The program around a supervised database: its settings, its HTTP, what it remembers, its end."""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from prometheus_client import Gauge
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ballot import Ballot
from services.common.log import log
from services.common.settings import SETTINGS
from services.common.web import Service, answer, problem
from services.database import Database, Post
from services.supervise import Supervisor
from services.wire import Wire

FORCE_S = 10.0  # how long an operator's order may take

_PRIMARY = Gauge("stack_database_primary", "1 while this node's database accepts writes")
_LAG = Gauge("stack_database_lag_seconds", "How far the standby is behind; NaN where it is not known")
_EPOCH = Gauge("stack_lease_epoch", "Epoch of the lease this node holds, 0 for none")


class RoleFile:
    """`database.Memory` in one small file, on disk before it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        return self._path.read_text().strip() if self._path.exists() else ""

    def write(self, role: str) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(role)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)


def post(component: str) -> Post:
    """Where this node stands. A peer that is not listed under `component` does not exist in this posture."""
    listed = {address.host for address in SETTINGS.peers(component)}
    peer = next((address.host for address in SETTINGS.peers("PEER") if address.host in listed), None)
    first = SETTINGS.environment.get("INITIAL", "primary") == "primary"
    return Post(SETTINGS.node, peer, first, SETTINGS.flag("SYNC"))


def data_dir() -> Path:
    """DATA_DIR, made if need be. Ends the program in words when it cannot be written."""
    root = Path(SETTINGS.need("DATA_DIR"))
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "role.new").touch()
    except OSError as error:
        sys.exit(f"{SETTINGS.node}: DATA_DIR {root}: {error.strerror}; give uid {os.getuid()} a folder it may write")
    return root


class Station:
    """One node's database with its supervisor, as a part of a Service."""

    def __init__(self, name: str, database: Database, place: Post, root: Path) -> None:
        self.name = name
        self._wire = Wire(SETTINGS.environment.get("LEASE", ""), place.peer or "")
        voters = [address.host for address in SETTINGS.peers("FAILOVER")]
        leased = SETTINGS.environment.get("LEASE") and place.peer and voters
        # Not the loop's clock: uvloop's stands still while a callback runs, and a lease does not.
        ballot = Ballot(place.node, voters, self._wire, time.monotonic) if leased else None
        self._supervisor = Supervisor(
            place, database, RoleFile(root / "role"), self._wire, ballot, changed=self._role_changed
        )
        self._running: asyncio.Task[None] | None = None
        self._service = Service(
            name,
            parts=[self],
            admin=[
                Route("/promote", self._promote, methods=["POST"]),
                Route("/pledge", self._pledge, methods=["POST"]),
            ],
            facts=self._facts,
        )

    def run(self) -> None:
        self._service.run()

    async def start(self) -> None:
        await self._wire.open()
        self._running = asyncio.create_task(self._supervisor.run())
        self._running.add_done_callback(self._ended)

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._supervisor.stop()
        await self._wire.close()

    def missing(self) -> str | None:
        role, survey = self._supervisor.role, self._supervisor.survey
        if role == "starting":
            return "neither primary nor standby yet"
        if role == "standby" and not (survey and survey.flowing):
            return "no stream from the primary"
        return None

    def _facts(self) -> dict[str, object]:
        supervisor = self._supervisor
        lag = supervisor.survey.lag_s if supervisor.survey else None
        return {"role": supervisor.role, "forced": supervisor.forced, "epoch": supervisor.epoch, "lag_s": lag}

    def _role_changed(self, role: str) -> None:
        # To the scaffold a standby is one that has started and serves nobody.
        self._service.active = role != "standby"
        _PRIMARY.set(role == "primary")
        _EPOCH.set_function(lambda: self._supervisor.epoch)
        _LAG.set_function(self._lag)

    def _lag(self) -> float:
        survey = self._supervisor.survey
        return survey.lag_s if survey is not None and survey.lag_s is not None else float("nan")

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bug ended the supervisor: a server that nobody watches must not go on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log("bug", level="error", error=repr(error))
            os._exit(1)  # the kernel ends the server with us

    async def _promote(self, request: Request) -> Response:
        try:
            promoted = await asyncio.wait_for(self._supervisor.promote_by_force(), FORCE_S)
        except TimeoutError:
            return problem(504, f"not primary within {FORCE_S:.0f} s; /readyz and the log of {SETTINGS.node} say why")
        if not promoted:
            return problem(409, "a majority of the voters says that the other node is primary; stop that one first")
        return answer({"role": "primary"})

    async def _pledge(self, request: Request) -> Response:
        given = self._supervisor.pledge.give(time.monotonic())
        return answer({"pledged": True}) if given else problem(409, "this node stands for election itself")
