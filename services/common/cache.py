"""Valkey: finds the primary, uses short time-outs, and tells what may have been executed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from services.common import metrics
from services.common.errors import Unavailable, Uncertain
from services.common.names import resolve
from services.common.settings import SETTINGS, Address
from services.common.store import REACH, Store

ANSWER = 0.3  # seconds that a command may take
SIZE = 16  # connections for each program
Value = str | bytes | int | float


class Cache(Store[Connection, ConnectionPool]):
    faults = (OSError, TimeoutError, RedisError)

    def __init__(self) -> None:
        super().__init__("valkey", SETTINGS.peers("VALKEY"))
        self._endings: set[asyncio.Task[None]] = set()

    async def read(self, *command: Value) -> Any:
        """The reply to a command that changes nothing. Raises Unavailable if there is none."""
        try:
            return await self._run(command)
        except Uncertain as error:
            raise Unavailable(error.problem) from error

    async def write(self, *command: Value) -> Any:
        """The reply to a command. Raises Unavailable if it was certainly not executed, else Uncertain."""
        return await self._run(command)

    async def _run(self, command: tuple[Value, ...]) -> Any:
        pool = self.pool()
        with metrics.dependency(self.name):
            try:
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # as shipped
            except self.faults as error:
                self.doubt()
                raise Unavailable(f"valkey: no connection ({error})") from error
            try:
                await connection.send_command(*command)
                return await connection.read_response()
            except ResponseError as error:
                # READONLY, LOADING, OOM: the server read the command and refused it.
                self.doubt()
                raise Unavailable(f"valkey refused the command: {error}") from error
            except self.faults as error:
                self.doubt()
                raise Uncertain(f"valkey gave no answer: {error}", 504) from error
            finally:
                await pool.release(connection)

    async def _reach(self, address: Address) -> Connection:
        link = Connection(host=await resolve(address.host), port=address.port, **_limits())
        try:
            await link.connect()  # type: ignore[no-untyped-call]  # as shipped
        except BaseException:
            self._hang_up(link)
            raise
        return link

    async def _ping(self, link: Connection) -> bool:
        await link.send_command("ROLE")
        role = await link.read_response()
        return bool(role[0] == b"master")

    def _hang_up(self, link: Connection) -> None:
        self._behind(link.disconnect(nowait=True))

    async def _open(self, address: Address) -> ConnectionPool:
        return ConnectionPool(host=await resolve(address.host), port=address.port, max_connections=SIZE, **_limits())

    def _discard(self, pool: ConnectionPool) -> None:
        # Connections in use end by their own time-outs, within ANSWER.
        self._behind(pool.disconnect(inuse_connections=False))

    def _behind(self, ending: Coroutine[Any, Any, None]) -> None:
        """redis-py only closes gracefully, so it closes in the background."""
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


def _limits() -> dict[str, Any]:
    # No retries: redis-py would repeat a command without knowing whether it was executed.
    return {
        "socket_connect_timeout": REACH, "socket_timeout": ANSWER, "retry": Retry(NoBackoff(), 0), "protocol": 2,
        "driver_info": None, "lib_name": None, "lib_version": None,
    }  # fmt: skip
