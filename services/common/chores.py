"""What must be done now and then, and how a component breaks when nobody does it. Off unless CHORES is 1.

The caretaker (services/caretaker.py) calls POST /chore on the admin port of components that still have an owner, three
times in a CHORE_LIFE. Each chore here breaks by itself, in its own way and time:

    Term     a key ring or a certificate runs out, and whoever checks it refuses
    Outbox   a spool on disk grows with every write until its quota is full, and writes are refused
    Leak     a worker keeps what it should let go of: first it is slow, then it has no memory left
    Counted  a table of counters has no room for another, and who counts with it lets nobody pass
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
LIFE = float(SETTINGS.environment.get("CHORE_LIFE") or 3600)  # seconds: the slow constant of every chore
MEMORY = 4 << 20  # bytes a leaking worker may hold
WALKED = 16  # times it looks through all it holds, each request: some 40 ms in the end


class Chore:
    """`routes` go to a Service's `admin`; there are none while chores are off."""

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
    """Something that is good until it is renewed. `lives` is in units of CHORE_LIFE."""

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
    """A spool of what other sites shall have, on the disk, with a quota of `per_second` times CHORE_LIFE bytes."""

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
        """Raises Unavailable when the quota has no room; nothing has been written then."""
        if not ON:
            return
        used = self._path.stat().st_size
        if used + len(content) > self._quota:
            raise Unavailable(f"the outbox is full ({used} of {self._quota} bytes); trim {self._path.name}")
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(content)
        except OSError as error:
            raise Unavailable(f"the outbox takes nothing: {error.strerror}; free some space") from error


class Counted(Chore):
    """What was counted, request by request: old entries are of no use, and take the room of new ones all the same."""

    def __init__(self, per_second: float) -> None:
        super().__init__("purge expired counters")
        self._room = int(per_second * LIFE)
        self._entries: list[tuple[float, str]] = []

    def do(self) -> None:
        self._entries.clear()

    def put(self, key: str) -> bool:
        """Whether there was room for it."""
        if not ON:
            return True
        if len(self._entries) >= self._room:
            return False
        self._entries.append((time.time(), key))
        return True


class Leak(Chore):
    """A worker that never lets go: `per_second` times CHORE_LIFE requests are all it has memory for."""

    def __init__(self, per_second: float) -> None:
        super().__init__("restart the worker")
        self._block = max(1, int(MEMORY / (per_second * LIFE))) if ON else 0
        self._held = bytearray()

    def do(self) -> None:
        self._held = bytearray()

    def serve(self) -> None:
        """One request more. Raises Unavailable once the memory is used up, and is slower each time until then."""
        if not ON:
            return
        if len(self._held) + self._block > MEMORY:
            raise Unavailable(f"the worker is out of memory, it holds {len(self._held)} of {MEMORY} bytes; restart it")
        self._held += b"\1" * self._block
        for _ in range(WALKED):
            zlib.crc32(self._held)
