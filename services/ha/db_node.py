"""The program around a supervised database: its settings, HTTP interface, stored state and end."""

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

from services.common.log import log
from services.common.settings import SETTINGS
from services.common.web import Service, answer, problem
from services.ha.database import Database, Post
from services.ha.election import Election
from services.ha.supervise import Supervisor
from services.ha.voter_client import VoterClient

FORCE_S = 10.0  # seconds that an operator's command may take

_PRIMARY = Gauge("stack_database_primary", "1 while this node's database accepts writes")
_LAG = Gauge("stack_database_lag_seconds", "How far the standby is behind; NaN where it is not known")
_EPOCH = Gauge("stack_lease_epoch", "Epoch of the lease this node holds, 0 for none")


class RoleFile:
    """`database.Memory` in one small file, written to disk before it takes effect."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        return self._path.read_text(encoding="utf-8").strip() if self._path.exists() else ""

    def write(self, role: str) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(role)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)


def post(component: str) -> Post:
    """This node's position. A peer that is not listed under `component` does not exist in this posture."""
    listed = {address.host for address in SETTINGS.peers(component)}
    peer = next((address.host for address in SETTINGS.peers("PEER") if address.host in listed), None)
    first = SETTINGS.environment.get("INITIAL", "primary") == "primary"
    return Post(SETTINGS.node, peer, first, SETTINGS.flag("SYNC"))


def data_dir() -> Path:
    """DATA_DIR, created if needed. Ends the program with a message if it cannot be written."""
    root = Path(SETTINGS.need("DATA_DIR"))
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "role.new").touch()
    except OSError as error:
        sys.exit(f"{SETTINGS.node}: DATA_DIR {root}: {error.strerror}; give uid {os.getuid()} a folder it may write")
    return root


class DbNode:
    """One node's database with its supervisor, as a part of a Service."""

    def __init__(self, name: str, database: Database, place: Post, root: Path) -> None:
        self.name = name
        self._client = VoterClient(SETTINGS.environment.get("LEASE", ""), place.peer or "")
        voters = [address.host for address in SETTINGS.peers("FAILOVER")]
        leased = SETTINGS.environment.get("LEASE") and place.peer and voters
        # Not the loop's clock: uvloop's stands still during a callback, and a lease does not.
        election = Election(place.node, voters, self._client, time.monotonic) if leased else None
        self._supervisor = Supervisor(
            place, database, RoleFile(root / "role"), self._client, election, changed=self._role_changed
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
        await self._client.open()
        self._running = asyncio.create_task(self._supervisor.run())
        self._running.add_done_callback(self._ended)

    async def stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._supervisor.stop()
        await self._client.close()

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
        # For the scaffold, a standby has started but serves no users.
        self._service.active = role != "standby"
        _PRIMARY.set(role == "primary")
        _EPOCH.set_function(lambda: self._supervisor.epoch)
        _LAG.set_function(self._lag)

    def _lag(self) -> float:
        survey = self._supervisor.survey
        return survey.lag_s if survey is not None and survey.lag_s is not None else float("nan")

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bug ended the supervisor: a server without a supervisor must not continue."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log("bug", level="error", error=repr(error))
            os._exit(1)  # the kernel ends the server with this process

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
