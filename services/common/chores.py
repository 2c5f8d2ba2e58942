"""Periodic chores, and how a component fails when they are not done. Off unless CHORES is 1.

The caretaker (services/apps/caretaker.py) calls POST /chore on the admin port of components that still have an owner,
three times in a CHORE_LIFE. Without its chore, each component fails in its own way and time:

    Term     a key ring or a certificate expires and is refused
    Outbox   a spool on disk grows with every write until its quota is full, then writes are refused
    Leak     a worker never frees memory: it becomes slower, then runs out of memory
    Counted  a table of counters has no space for another entry, then everything it counts is refused
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.common.answers import answer
from services.common.errors import Unavailable
from services.common.log import log
from services.common.settings import SETTINGS

ON = SETTINGS.flag("CHORES")
LIFE = float(SETTINGS.environment.get("CHORE_LIFE") or 3600)  # seconds: the time constant of all chores
MEMORY = 4 << 20  # bytes that a leaking worker may hold
WALKED = 16  # times that each request searches through all of it: about 40 ms in the end


class Chore:
    """A periodic chore. `routes` are for a Service's `admin`; there are none while chores are off."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.routes: list[BaseRoute] = [Route("/chore", self._do, methods=["POST"])] if ON else []

    def do(self) -> None:
        raise NotImplementedError

    async def _do(self, request: Request) -> Response:
        self.do()
        log("chore", what=self.what)
        return answer({"done": self.what})


class Term(Chore):
    """Something that expires unless it is renewed. `lives` is in units of CHORE_LIFE."""

    def __init__(self, what: str, lives: float) -> None:
        super().__init__(what)
        self._lives = lives
        self.renewed = 0
        self.do()

    def do(self) -> None:
        self.renewed += 1
        self.until = time.time() + self._lives * LIFE

    @property
    def over(self) -> bool:
        return ON and time.time() > self.until


class Outbox(Chore):
    """A spool on disk for data to other sites, with a quota of `per_second` times CHORE_LIFE bytes."""

    def __init__(self, path: Path, per_second: int) -> None:
        super().__init__("trim the outbox")
        self._path = path
        self._quota = int(per_second * LIFE)
        if ON:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def do(self) -> None:
        os.truncate(self._path, 0)

    def put(self, content: bytes) -> None:
        """Raises Unavailable if it does not fit into the quota; nothing has been written then."""
        if not ON:
            return
        used = self._path.stat().st_size
        if used + len(content) > self._quota:
            raise Unavailable(f"the outbox is full ({used} of {self._quota} bytes); trim {self._path.name}")
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(content)
        except OSError as error:
            raise Unavailable(f"the outbox cannot be written: {error.strerror}; free some space") from error


class Counted(Chore):
    """A table of counted requests: expired entries are useless, but take up the space for new ones."""

    def __init__(self, per_second: float) -> None:
        super().__init__("purge expired counters")
        self._room = int(per_second * LIFE)
        self._entries: list[tuple[float, str]] = []

    def do(self) -> None:
        self._entries.clear()

    def put(self, key: str) -> bool:
        """Count a request; returns whether there was space for it."""
        if not ON:
            return True
        if len(self._entries) >= self._room:
            return False
        self._entries.append((time.time(), key))
        return True


class Leak(Chore):
    """A worker that never frees memory: it can serve `per_second` times CHORE_LIFE requests."""

    def __init__(self, per_second: float) -> None:
        super().__init__("restart the worker")
        self._block = max(1, int(MEMORY / (per_second * LIFE))) if ON else 0
        self.held = bytearray()

    def do(self) -> None:
        self.held = bytearray()

    def serve(self) -> None:
        """Serve one more request, more slowly each time. Raises Unavailable when the memory is used up."""
        if not ON:
            return
        if len(self.held) + self._block > MEMORY:
            raise Unavailable(f"the worker is out of memory, it holds {len(self.held)} of {MEMORY} bytes; restart it")
        self.held += b"\1" * self._block
        for _ in range(WALKED):
            zlib.crc32(self.held)
