"""PostgreSQL as `services.ha.database.Database`: its processes, and the few statements that control it."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg

from services.common.log import log
from services.ha.database import ServerFailed, Survey
from services.ha.postgres.configuration import ADMIN, Wiring
from services.ha.postgres.folder import Folder
from services.ha.server_process import Child, clear

ANSWER_S = 0.3  # seconds without an answer after which a server counts as silent
START_S = 60.0  # seconds, including crash recovery
PROMOTE_S = 5.0
CATCH_UP_S = 10.0  # seconds for a standby that keeps up to confirm everything
STOP_S = 1.6

_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_SURVEY = """
SELECT pg_is_in_recovery(),
    CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() - '0/0' END,
    (SELECT flush_lsn - '0/0' FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming' LIMIT 1),
    EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),
    CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
        ELSE EXTRACT(EPOCH FROM now() - pg_last_xact_replay_timestamp())::float8 END
"""
_CONFIRMED = """
SELECT count(*) > 0 FROM pg_stat_replication
WHERE application_name = $1 AND state = 'streaming' AND sync_state = 'sync' AND flush_lsn >= $2::text::pg_lsn
"""


class Postgres:
    """One server. `standby` is the name under which the peer streams from here."""

    def __init__(self, folder: Folder, binaries: Path, wiring: Wiring, standby: str | None) -> None:
        self._folder = folder
        self._binaries = binaries
        self._wiring = wiring
        self._standby = standby
        self._child: Child | None = None
        self._barred = False
        self._session: Any = None
        self._flushed = 0  # the primary's own position at the previous survey
        self._chores: set[asyncio.Task[None]] = set()

    def exists(self) -> bool:
        return self._folder.whole()

    async def create(self) -> None:
        await self._folder.create()

    async def join(self, peer: str) -> None:
        self._end()
        if self._folder.whole():
            # pg_rewind treats versions 15 and 16 as unpromoted until they have made a checkpoint after the promotion.
            await self._checkpoint(peer)
            if await self._folder.turn_back(peer):
                return
        await self._folder.copy(peer)

    async def start_primary(self, standby: str | None) -> None:
        copied = self._folder.standby
        await self._start(None, standby, as_standby=copied)
        if copied:
            # A copy has to be promoted: without a timeline of its own it could not be told apart from the original.
            await self.promote()
        await self._until_writable(START_S)

    async def start_standby(self, peer: str) -> None:
        await self._start(peer, None, as_standby=True)

    async def promote(self) -> None:
        # A restart must neither wait for a standby nor follow a primary.
        self._folder.reconfigure(None, None)
        session = await self._connected()
        try:
            await session.execute("SELECT pg_promote(false)", timeout=ANSWER_S)
        except _FAULTS as error:
            raise ServerFailed(f"pg_promote: {error!r}") from error
        await self._until_writable(PROMOTE_S)
        chore = asyncio.create_task(self._checkpoint(self._address))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def require(self, standby: str | None) -> None:
        """Make writes wait for `standby`.

        Raises ServerFailed if it has not confirmed everything in time; writes may wait for it then.
        """
        child = self._child
        if child is None or not child.alive:
            raise ServerFailed("the server has ended")
        self._folder.reconfigure(None, standby)
        child.signal(signal.SIGHUP)
        if standby is None:
            return
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self._confirm(standby)
        except _FAULTS as error:
            raise ServerFailed(f"{standby} has not confirmed within {CATCH_UP_S} s: {error!r}") from error

    async def _confirm(self, standby: str) -> None:
        """Wait until every write that did not wait for the standby has been flushed there.

        A new session that shows the setting proves that the postmaster has informed all processes. The checkpointer
        decides whether backends wait, and reads its messages before it makes a checkpoint. So after a checkpoint, they
        wait.
        """
        shown = ""
        while standby not in shown:
            probe = await self._connect(self._address)  # not the survey's session, which continues meanwhile
            try:
                shown = await probe.fetchval("SHOW synchronous_standby_names")
                if standby in shown:
                    await probe.execute("CHECKPOINT")
                    position = await probe.fetchval("SELECT pg_current_wal_flush_lsn()::text")
                    while not await probe.fetchval(_CONFIRMED, standby, position):
                        await asyncio.sleep(0.03)
            finally:
                probe.terminate()
            await asyncio.sleep(0.02)

    async def survey(self) -> Survey | None:
        if self._child is None or not self._child.alive:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                session = await self._connected()
                row = await session.fetchrow(_SURVEY, self._standby or "")
        except (*_FAULTS, ServerFailed):
            self._hang_up()
            return None
        standby, position, confirmed, streaming, lag = row
        if standby:
            return Survey(False, streaming, lag)
        flowing = confirmed is not None and confirmed >= self._flushed
        self._flushed = int(position)
        return Survey(True, flowing)

    async def stop(self) -> None:
        self._folder.cancel()
        if self._child is not None and self._child.alive:
            self._barred = True
            self._hang_up()
            self._child.signal(signal.SIGINT)
            await self._child.ended(STOP_S)

    def kill(self) -> None:
        self._barred = True
        self._end()

    def permit(self) -> None:
        self._barred = False

    def _end(self) -> None:
        self._folder.cancel()
        self._hang_up()
        if self._child is not None:
            self._child.signal(signal.SIGKILL)
        if left := clear(self._folder.pg):
            log("processes survive SIGKILL for now", level="error", pids=left)

    async def _start(self, primary: str | None, waits_for: str | None, *, as_standby: bool) -> None:
        if self._child is not None:
            self._end()
            await self._child.ended(STOP_S)
        clear(self._folder.pg)
        self._folder.write(primary, waits_for, standby=as_standby)
        self._flushed = 0
        if self._barred:
            raise ServerFailed("the server was ended before it started")
        command = [str(self._binaries / "postgres"), "-D", str(self._folder.pg)]
        self._child = await Child.start(command, self._folder.pg, self._folder.environment())
        if self._barred:
            self._end()
            raise ServerFailed("the server was ended while it started")
        await self._until_answering(self._child)

    async def _until_answering(self, child: Child) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if not child.alive:
                await asyncio.sleep(0.05)  # its last output is still on its way
                raise ServerFailed(f"postgres ended while starting; its last output: {child.last_words}")
            # Checking the file first keeps refused sessions out of the server's log.
            if self._folder.ready():
                with contextlib.suppress(*_FAULTS):
                    self._session = await self._connect(self._address)
                    return
            await asyncio.sleep(0.02)
        raise ServerFailed(f"postgres did not answer within {START_S:.0f} s; its last output: {child.last_words}")

    async def _until_writable(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            with contextlib.suppress(*_FAULTS):
                session = await self._connected()
                if not await session.fetchval("SELECT pg_is_in_recovery()", timeout=ANSWER_S):
                    return
            await asyncio.sleep(0.01)
        raise ServerFailed(f"postgres accepted no writes within {limit_s:.0f} s")

    async def _checkpoint(self, host: str) -> None:
        try:
            session = await self._connect(host)
            try:
                await session.execute("CHECKPOINT", timeout=10.0)
            finally:
                session.terminate()
        except _FAULTS as error:
            log("checkpoint failed", level="warning", host=host, error=repr(error))

    @property
    def _address(self) -> str:
        return "127.0.0.1" if self._wiring.bind == "0.0.0.0" else self._wiring.bind

    async def _connected(self) -> Any:
        if self._child is None or not self._child.alive:
            raise ServerFailed("the server has ended")
        if self._session is None or self._session.is_closed():
            self._session = await self._connect(self._address)
        return self._session

    async def _connect(self, host: str) -> Any:
        return await asyncpg.connect(
            host=host,
            port=self._wiring.port,
            user=ADMIN,
            password=self._wiring.password,
            database="postgres",
            ssl=False,
            timeout=ANSWER_S,
            server_settings={"application_name": "supervisor"},
        )

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()
