"""A client for Redis and Valkey, for `OpenUser`: redis-py without its silent retries. Needs the package redis."""

from __future__ import annotations

from typing import Any, final

from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.retry import Retry

from chaos.load.contract import CONNECT, PATIENCE
from chaos.load.openloop.lines import Lines
from chaos.load.openloop.user import OpenUser

# Commands that may have done a part when they end with an error.
PARTLY = {"EVAL", "EVALSHA", "FCALL", "EXEC", "WAIT", "WAITAOF"}


@final
class Valkey(Lines[Connection]):
    """One user's commands, sent once each: an error reply is `fail`, whatever comes after sending is `info`."""

    connect = CONNECT

    def __init__(
        self, user: OpenUser, *, db: int = 0, username: str | None = None, password: str | None = None
    ) -> None:
        super().__init__(user)
        self._how: dict[str, Any] = {"db": db, "username": username, "password": password}

    def execute(self, *command: str | bytes | int | float, writes: bool = True) -> Any:
        """The reply to a command, such as `execute("SET", key, value)`. Raises Broken, which ends the operation."""
        name = str(command[0]).upper()

        def ask(line: Connection) -> Any:
            line.send_command(*command)  # type: ignore[no-untyped-call]
            try:
                return line.read_response()
            except ResponseError as e:
                if name in PARTLY:
                    raise RedisError(f"{e} (a part of it may have been done)") from e
                raise

        return self.asked(name, ask, writes)

    def open(self, host: str, port: int) -> Connection:
        line = Connection(
            host=host,
            port=port,
            protocol=2,
            socket_timeout=PATIENCE,
            socket_connect_timeout=CONNECT,
            retry=Retry(NoBackoff(), 0),  # type: ignore[no-untyped-call]
            **self._how,
        )
        line.connect()  # type: ignore[no-untyped-call]
        return line

    def close(self, line: Connection) -> None:
        line.disconnect()  # type: ignore[no-untyped-call]

    def descriptor(self, line: Connection) -> int:
        found = line._sock
        return -1 if found is None else int(found.fileno())

    def verdict(self, error: Exception) -> str | None:
        if isinstance(error, ResponseError | AuthenticationError | BusyLoadingError):
            return "fail"  # a read-only replica, not enough replicas, out of memory: refused before it was done
        return "info" if isinstance(error, RedisError | OSError) else None
