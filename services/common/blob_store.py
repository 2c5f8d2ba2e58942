"""Files on disk, in one folder for each user and written once; with a copy at the peer if data is replicated."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common import metrics
from services.common.calls import Call, Peers
from services.common.errors import Refused, Unavailable, Uncertain
from services.common.identity import check_id, check_user, user_of, vouch
from services.common.log import log
from services.common.settings import SETTINGS
from services.common.web import answer, raw_body

COPY_BUDGET = 0.6  # seconds that the peer may take for its copy before the write is acknowledged without it
AGAIN = 1.0  # seconds between attempts to send the peer what it has missed


class Clash(Exception):
    """The id exists with other content."""


class NotTaken(Exception):
    """The disk failed before the content had its name, so it was certainly not stored."""


class Folder:
    """The disk side; its methods block. Names have been checked before: no separator, no leading dot."""

    def __init__(self, root: Path) -> None:
        self._items = root / "items"
        self._owed = root / "owed"
        self._temporary = root / "tmp"
        for folder in (self._items, self._owed, self._temporary):
            folder.mkdir(parents=True, exist_ok=True)
        for left_over in self._temporary.iterdir():  # from a process that was killed
            left_over.unlink()

    def write(self, user: str, name: str, content: bytes) -> bool:
        """Store content durably under its name; False if the same content exists. Raises Clash, NotTaken, OSError."""
        target = self._items / user / name
        draft = self._temporary / secrets.token_hex(8)
        try:
            try:
                target.parent.mkdir(exist_ok=True)
                with draft.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise NotTaken(error.strerror) from error
            try:
                os.link(draft, target)  # a rename would replace an existing file
            except FileExistsError:
                if target.read_bytes() != content:
                    raise Clash from None
                return False
        finally:
            draft.unlink(missing_ok=True)
        _sync(target.parent)
        _sync(self._items)
        return True

    def read(self, user: str, name: str) -> bytes | None:
        try:
            return (self._items / user / name).read_bytes()
        except FileNotFoundError:
            return None

    def owe(self, user: str, name: str) -> None:
        """Record durably that the peer does not have a copy yet."""
        (self._owed / f"{user}@{name}").touch()
        _sync(self._owed)

    def settle(self, user: str, name: str) -> None:
        (self._owed / f"{user}@{name}").unlink(missing_ok=True)

    def owed(self, limit: int = 200) -> list[tuple[str, str]]:
        with os.scandir(self._owed) as entries:
            names = [entry.name for _, entry in zip(range(limit), entries, strict=False)]
        return [(user, name) for user, _, name in (text.partition("@") for text in names)]


class BlobStore:
    """A Part (web.py) with its own routes: the peer sends copies to /replica directly, not through a gateway."""

    name = "files"

    def __init__(self) -> None:
        self._folder = Folder(Path(SETTINGS.need("DATA_DIR")))
        twins = SETTINGS.peers("PEER") if SETTINGS.flag("DATA_REPLICATED") else ()
        self._peer = Peers("peer", twins, hopeful=False) if twins else None
        self._trouble: str | None = None
        self._behind = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.routes = [
            Route("/replica/{id}", self._take_copy, methods=["PUT"]),
            Route("/replica/{id}", self._give_copy),
        ]

    async def start(self) -> None:
        if self._peer is not None:
            await self._peer.start()
            self._behind.set()  # an earlier process may have left unsent copies
            self._task = asyncio.create_task(self._hand_over())

    async def stop(self) -> None:
        if self._peer is not None and self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._peer.stop()

    def missing(self) -> str | None:
        return self._trouble

    async def put(self, user: str, name: str, content: bytes) -> bool:
        """Store it here and, if replicated, at the peer; True if it is new.

        Raises Refused(409) if the id has other content, Unavailable if the disk did not store it.
        """
        new = await self._write(user, name, content)
        if self._peer is not None and not await self._copy(user, name, content):
            await asyncio.to_thread(self._folder.owe, user, name)
            self._behind.set()
        return new

    async def get(self, user: str, name: str) -> bytes:
        """Raises Refused(404), or Unavailable if it may exist on the unreachable peer."""
        content = await asyncio.to_thread(self._folder.read, user, name)
        if content is None and self._peer is not None:
            content = await self._ask_peer(self._peer, user, name)
        if content is None:
            raise Refused(404, f"{name!r} is not here; only who stored it can read it")
        return content

    async def _write(self, user: str, name: str, content: bytes) -> bool:
        try:
            new = await asyncio.to_thread(self._folder.write, user, name, content)
        except Clash:
            raise Refused(409, f"id {name!r} has other content; choose a new one") from None
        except NotTaken as error:
            # Most often a full disk. The peer may have space: this answer makes the gateway try it.
            self._trouble = f"the disk cannot be written: {error}"
            raise Unavailable(f"{self._trouble}; free some space or look at the volume") from error
        except OSError as error:
            # It may already have its name, with only the last sync failed, so its state is unknown.
            self._trouble = f"the disk fails: {error.strerror}"
            raise Uncertain(f"{self._trouble}; free some space or look at the volume") from error
        self._trouble = None
        return new

    async def _copy(self, user: str, name: str, content: bytes) -> bool:
        assert self._peer is not None
        call = Call("PUT", f"/replica/{name}", vouch(user), content, again=True, budget=COPY_BUDGET)
        try:
            reply = await self._peer.ask(call)
        except (Unavailable, Uncertain):
            return False
        if reply.status == 409:
            # Both sides stored the same id while they were disconnected. The user has both versions; neither is
            # preferred.
            log("twins differ", level="error", user=user, id=name)
        return reply.status in (200, 201, 409)

    async def _ask_peer(self, peer: Peers, user: str, name: str) -> bytes | None:
        try:
            reply = await peer.ask(Call("GET", f"/replica/{name}", vouch(user), again=True, safe=True))
        except (Unavailable, Uncertain) as error:
            raise Unavailable(f"{name!r} is not here and the peer cannot be asked: {error}") from error
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise Unavailable(f"{name!r} is not here and the peer answers {reply.status}")
        return reply.body

    async def _hand_over(self) -> None:
        """Send the peer what it has missed, one item at a time, once it is back."""
        queued = metrics.QUEUED.labels("copies owed")
        while True:
            await self._behind.wait()
            self._behind.clear()
            while owed := await asyncio.to_thread(self._folder.owed):
                queued.set(len(owed))
                for user, name in owed:
                    content = await asyncio.to_thread(self._folder.read, user, name)
                    if content is not None and not await self._copy(user, name, content):
                        await asyncio.sleep(AGAIN)
                        break
                    await asyncio.to_thread(self._folder.settle, user, name)
            queued.set(0)

    async def _take_copy(self, request: Request) -> Response:
        user, name = check_user(user_of(request)), check_id(request.path_params["id"])
        return answer({"id": name}, 201 if await self._write(user, name, await raw_body(request)) else 200)

    async def _give_copy(self, request: Request) -> Response:
        user, name = check_user(user_of(request)), check_id(request.path_params["id"])
        content = await asyncio.to_thread(self._folder.read, user, name)
        if content is None:
            raise Refused(404, f"{name!r} is not here either")
        return Response(content, media_type="application/octet-stream")


def _sync(folder: Path) -> None:
    """A new name is durable only after a sync of its folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
