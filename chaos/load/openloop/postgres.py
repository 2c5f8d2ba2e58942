"""A client for PostgreSQL, for `OpenUser`: psycopg 3, which yields to gevent. Needs the package psycopg[binary]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import psycopg

from chaos.load.openloop.lines import Lines
from chaos.load.openloop.user import OpenUser

# Conditions in which nobody knows whether the statement was committed: the connection or the server went away.
UNKNOWN = ("08", "40003", "57P01", "57P02", "57P04", "58", "XX")
LOCAL = {"57014", "57P01"}  # of a warning: committed here, and perhaps nowhere else


@final
class Postgres(Lines["psycopg.Connection[Any]"]):
    """One user's statements, each a transaction of its own: refused by the server is `fail`, no answer is `info`.

    `options` are libpq's, without host and port: dbname, user, password, sslmode, …
    """

    def __init__(self, user: OpenUser, /, **options: str | int) -> None:
        super().__init__(user)
        self._options = options
        self._doubtful: set[int] = set()  # lines that said that a commit may be local only

    def execute(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None, *, writes: bool = True
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement, [] if it has none. Raises Broken, which ends the operation."""

        def ask(line: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
            self._doubtful.discard(id(line))
            cursor = line.execute(statement.encode(), values)
            rows = cursor.fetchall() if cursor.description else []
            if id(line) in self._doubtful:
                raise psycopg.OperationalError("committed on this server, but perhaps not on its standby")
            return rows

        return self.asked(statement.split(maxsplit=1)[0].upper(), ask, writes)

    def open(self, host: str, port: int) -> psycopg.Connection[Any]:
        options: dict[str, Any] = {**self._options, "hostaddr": host, "host": host, "port": port}
        line = psycopg.Connection.connect(autocommit=True, **options)

        def warned(notice: psycopg.errors.Diagnostic) -> None:
            if notice.sqlstate in LOCAL:
                self._doubtful.add(id(line))

        line.add_notice_handler(warned)
        return line

    def close(self, line: psycopg.Connection[Any]) -> None:
        self._doubtful.discard(id(line))
        line.close()

    def descriptor(self, line: psycopg.Connection[Any]) -> int:
        return -1 if line.closed else line.fileno()

    def verdict(self, error: Exception) -> str | None:
        if not isinstance(error, psycopg.Error):
            return "info" if isinstance(error, OSError) else None
        state = error.sqlstate
        return "info" if state is None or state.startswith(UNKNOWN) else "fail"
