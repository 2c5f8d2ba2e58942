"""PostgreSQL: finds the primary, uses short time-outs, and tells what may have been executed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from services.common import metrics
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.log import log
from services.common.names import resolve
from services.common.settings import SETTINGS, Address
from services.common.store import REACH, Store

ACQUIRE = 0.4  # seconds to get a connection; nothing has been sent then
OPEN = 0.6  # seconds for each connection of a pool, which are all opened together
QUERY = 0.8  # seconds that a statement may take
SCHEMA = 5.0  # seconds for CREATE … IF NOT EXISTS, including the wait for other creators
SIZE = 4  # connections for each program, opened together: 12 programs and their watches stay below max_connections

Record = Any  # asyncpg has no types
# The timeline of a primary, NULL on a standby. It grows with each promotion.
_TIMELINE = """SELECT CASE WHEN pg_is_in_recovery() THEN NULL
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END"""
# Classes of SQLSTATE after which the server has certainly rolled back: read-only, conflict, out of resources, wrong
# state. Class 57 is not among them, because a shutdown may cut off a commit that waits for its standby.
_ROLLED_BACK = ("25", "40", "53", "55")


class Database(Store[Any, Any]):
    """`schema` creates what the service needs; it may run any number of times."""

    faults = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

    def __init__(self, schema: str) -> None:
        super().__init__("postgres", SETTINGS.peers("POSTGRES"))
        self._schema = schema
        self._prepared = False
        self._timeline = 0

    async def read(self, statement: str, *values: object) -> list[Record]:
        """The rows of a statement that changes nothing. Raises Unavailable if there is no answer."""
        try:
            return await self._run(statement, values)
        except Uncertain as error:
            raise Unavailable(error.problem) from error

    async def write(self, statement: str, *values: object) -> list[Record]:
        """The rows of one statement, which is one transaction.

        Raises Unavailable if it was certainly not executed, Refused(409) if a constraint prevented it, and Uncertain if
        the connection broke or the time was up after it had been sent.
        """
        return await self._run(statement, values)

    async def _run(self, statement: str, values: tuple[object, ...]) -> list[Record]:
        with metrics.dependency(self.name):
            async with self._connection() as connection:
                try:
                    return list(await connection.fetch(statement, *values, timeout=QUERY))
                except asyncpg.PostgresError as error:
                    raise self._judge(error) from error
                except TimeoutError as error:
                    self.doubt()
                    connection.terminate()  # its answer may still arrive, and would confuse the next user
                    raise Uncertain(f"postgres gave no answer within {QUERY} s", 504) from error
                except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                    self.doubt()
                    raise Uncertain(f"postgres broke off: {error}", 502) from error

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        pool = self.pool()
        try:
            connection = await pool.acquire(timeout=ACQUIRE)
        except self.faults as error:
            self.doubt()
            raise Unavailable(f"postgres: no connection within {ACQUIRE} s ({error!r})") from error
        try:
            self._gauge(pool)
            yield connection
        finally:
            # A pool that was given up meanwhile has already closed the connection.
            with contextlib.suppress(*self.faults):
                await pool.release(connection, timeout=ACQUIRE)
            self._gauge(pool)

    def _gauge(self, pool: Any) -> None:
        size = pool.get_size()
        metrics.POOL_SIZE.labels(self.name).set(size)
        metrics.POOL_USED.labels(self.name).set(size - pool.get_idle_size())

    def _judge(self, error: Any) -> Exception:
        state = error.sqlstate or ""
        if state.startswith("23"):
            return Refused(409, f"postgres refused it: {error}")
        if state.startswith(_ROLLED_BACK):
            self.doubt()
            return Unavailable(f"postgres rolled back ({state} {error}); try again")
        if state.startswith(("08", "57", "58")):
            self.doubt()
            return Uncertain(f"postgres broke off ({state} {error})", 502)
        assert not state.startswith(("22", "42")), f"wrong SQL or wrong values: {state} {error}"
        return Uncertain(f"postgres failed ({state} {error})")

    async def _reach(self, address: Address) -> Any:
        return await asyncpg.connect(host=await resolve(address.host), port=address.port, timeout=REACH, **_login())

    async def _ping(self, link: Any) -> bool:
        timeline = await link.fetchval(_TIMELINE, timeout=REACH)
        if timeline is None:
            return False
        if timeline < self._timeline:
            # A former primary that has come back: anything written there would be lost.
            log("stale primary", level="warning", timeline=timeline, known=self._timeline)
            return False
        self._timeline = timeline
        return True

    def _hang_up(self, link: Any) -> None:
        link.terminate()

    async def _open(self, address: Address) -> Any:
        # All of them now: opening one takes four round trips, and a pool that grows while its server is slow would fail
        # the requests it grows for.
        pool = await asyncpg.create_pool(
            host=await resolve(address.host), port=address.port, timeout=OPEN, min_size=SIZE, max_size=SIZE,
            max_inactive_connection_lifetime=0, reset=_nothing, **_login(),
        )  # fmt: skip
        try:
            await self._prepare(pool)
        except BaseException:
            pool.terminate()
            raise
        return pool

    async def _prepare(self, pool: Any) -> None:
        if self._prepared:
            return
        async with pool.acquire(timeout=ACQUIRE) as connection, connection.transaction():
            # Two instances that start together must not create the schema together: IF NOT EXISTS alone does not
            # prevent errors.
            await connection.execute("SELECT pg_advisory_xact_lock(731)", timeout=SCHEMA)
            await connection.execute(self._schema, timeout=SCHEMA)
        self._prepared = True

    def _discard(self, pool: Any) -> None:
        pool.terminate()


def _login() -> dict[str, object]:
    # ssl: requesting it would cost a round trip, on the stack's own network.
    return {
        "user": "stack", "database": "stack", "password": SETTINGS.need("DB_PASSWORD"), "ssl": False,
        "server_settings": {"application_name": SETTINGS.node, "jit": "off"},
    }  # fmt: skip


async def _nothing(connection: Any) -> None:
    """Replaces RESET ALL after each use, which costs a round trip: our statements leave nothing in a session."""
