"""The leases of one voter, saved to disk before it answers."""

import asyncio
import os
import time
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.errors import Refused, Uncertain
from services.common.log import log
from services.common.web import answer, body
from services.ha.leader_lease import Answer, Claim, Record, Seat


class Votes:
    """One seat for each lease. Everything except the time is saved when it changes, because a restart must not forget
    it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()
        self._saved = _load(path)
        self._seats = {name: Seat(record, self._began) for name, record in self._saved.items()}
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/lease/{lease}/weigh", self._weigh, methods=["POST"]),
            Route("/lease/{lease}/claim", self._claim, methods=["POST"]),
            Route("/lease/{lease}/renew", self._renew, methods=["POST"]),
            Route("/lease/{lease}/release", self._release, methods=["POST"]),
        ]

    def facts(self) -> dict[str, object]:
        """The holder of each lease, for people; None if it has expired."""
        now = time.monotonic()
        return {name: seat.record.holder if now < seat.expires else None for name, seat in self._seats.items()}

    async def _weigh(self, request: Request) -> Response:
        claim = await body(request, Claim)
        return answer(self._seat(request).weigh(claim, time.monotonic()))

    async def _claim(self, request: Request) -> Response:
        claim = await body(request, Claim)
        async with self._one_at_a_time:
            given = self._seat(request).claim(claim, time.monotonic())
            return await self._answer(request, given, claim.record)

    async def _renew(self, request: Request) -> Response:
        record = await body(request, Record)
        async with self._one_at_a_time:
            given = self._seat(request).renew(record, time.monotonic())
            return await self._answer(request, given, record)

    async def _release(self, request: Request) -> Response:
        record = await body(request, Record)
        async with self._one_at_a_time:
            given = self._seat(request).release(record, time.monotonic())
            return await self._answer(request, given, record)

    def _seat(self, request: Request) -> Seat:
        name = request.path_params["lease"]
        if name not in self._seats:
            if not name.isidentifier() or len(self._seats) >= 100:
                raise Refused(400, f"lease {name!r}: expected a plain name, and no more than 100 of them")
            self._seats[name] = Seat(Record(), self._began)
        return self._seats[name]

    async def _answer(self, request: Request, given: Answer, asked: Record) -> Response:
        name = request.path_params["lease"]
        record = self._seats[name].record
        if self._saved.get(name, Record()) != record:
            saved = {**self._saved, name: record}
            try:
                await asyncio.to_thread(_save, self._path, saved)
            except OSError as error:
                raise Uncertain(f"the vote could not be saved: {error.strerror}; make room in DATA_DIR") from error
            self._saved = saved
            log("lease", lease=name, epoch=record.epoch, holder=record.holder, in_sync=record.in_sync)
        elif not given.granted:
            log("refused", lease=name, asker=asked.holder, why=given.why, epoch=asked.epoch)
        return answer(given)


def _load(path: Path) -> dict[str, Record]:
    """Raises msgspec.DecodeError for a file of another form: a voter without its memory must not vote."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Record]) if path.exists() else {}


def _save(path: Path, records: dict[str, Record]) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(records))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
