"""What an instance that has a size does with more than it can carry."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from services.common.capacity import PATIENCE, Capacity, size
from services.common.errors import Unavailable
from services.common.middleware import RequestMiddleware
from services.common.settings import Settings
from tests.messages import Says


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def served(rate: float | None, arrivals: int, per_second: float) -> int:
    """How many of so many evenly spaced requests get their turn."""
    clock, taken = Clock(), 0
    capacity = Capacity(rate, clock)
    for _ in range(arrivals):
        try:
            assert 0 <= capacity.turn() <= PATIENCE
            taken += 1
        except Unavailable:
            pass
        clock.now += 1 / per_second
    return taken


def test_errors_vanish_once_there_is_room_for_all() -> None:
    """At half of what comes about half is refused, at all of it and without a size nobody."""
    assert [served(rate, 200, 20.0) for rate in (20.0, 30.0, None)] == [200, 200, 200]
    assert 100 <= served(10.0, 200, 20.0) <= 105
    assert served(0.0, 200, 20.0) == 0


def test_requests_that_come_together_wait_for_their_turn(says: Says) -> None:
    """One every tenth of a second, as long as nobody waits longer than PATIENCE."""
    capacity = Capacity(10.0, Clock())
    assert [round(capacity.turn(), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    with says.raises(Unavailable):
        capacity.turn()


@pytest.mark.parametrize(
    ("spare", "sized", "rate"),
    [("unlimited", "30", None), ("", "30", None), ("50%", "", None), ("50%", "30", 15.0), ("0%", "30", 0.0)],
)
def test_a_size_is_a_share_of_what_the_main_instance_is_sized_for(spare: str, sized: str, rate: float | None) -> None:
    """And off unless both are set."""
    assert size(Settings.read({"SPARE_CAPACITY": spare, "SIZED_FOR": sized})) == rate


@pytest.mark.parametrize("spare", ["half", "50", "x%"])
def test_what_is_no_share_ends_the_program_in_words(spare: str, says: Says) -> None:
    """With what was expected."""
    with says.raises(SystemExit):
        size(Settings.read({"SPARE_CAPACITY": spare, "SIZED_FOR": "30", "NODE": "chat-b"}))


def test_a_full_instance_refuses_at_the_door_and_still_says_how_it_is() -> None:
    """503 with X-Executed: no for users, 200 for whoever asks about its health."""

    async def fine(request: Request) -> Response:
        return Response("fine")

    routes = Router([Route("/x", fine), Route("/healthz", fine)])
    entry = RequestMiddleware(routes, always=frozenset({"/healthz"}), capacity=Capacity(0.0))

    async def ask(path: str) -> tuple[int, dict[bytes, bytes]]:
        sent: list[dict[str, object]] = []
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b""}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        await entry(scope, receive, send)
        headers = sent[0]["headers"]
        assert isinstance(headers, list)
        return int(str(sent[0]["status"])), dict(headers)

    status, headers = asyncio.run(ask("/x"))
    assert status == 503 and headers[b"x-executed"] == b"no"
    assert asyncio.run(ask("/healthz"))[0] == 200
