"""Session back ends on two releases: who knows a session, who rejects it, and what asking another one is worth."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.backends import COUNT, GRACE, Backends, picks
from services.common.cache import Cache


class Dictionary:
    """Valkey's GET and SET, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    async def read(self, command: str, key: str) -> bytes | None:
        assert command == "GET"
        return self.held.get(key)

    async def write(self, command: str, key: str, value: str, *more: Any) -> None:
        assert command == "SET"
        self.held[key] = value.encode()


def backends(store: Dictionary, exposure: float, reads: int = 1) -> Backends:
    return Backends(cast(Cache, store), exposure, reads)


def success(exposure: float, reads: int, checks: int = 4000) -> float:
    """Share of checks that know a session which was there before the release."""
    store = Dictionary()

    async def check() -> float:
        await backends(store, 0.0).keep("s", "ann", 60, "log-in")
        after = backends(store, exposure, reads)
        return sum([await after.user("s", f"u1-{n:07}.1") == "ann" for n in range(checks)]) / checks

    return asyncio.run(check())


@given(st.text(max_size=70), st.integers(1, 3))
def test_a_request_meets_different_back_ends_and_always_the_same(request: str, count: int) -> None:
    """A repetition of it is no second chance."""
    met = list(picks(request, count))
    assert len(set(met)) == count and all(0 <= place < COUNT for place in met)
    assert met == list(picks(request, count))


@pytest.mark.parametrize(("exposure", "reads"), [(0.0, 1), (0.3, 1), (0.3, 2), (0.3, 3), (0.05, 1), (1.0, 1), (1.0, 3)])
def test_a_check_fails_when_every_back_end_it_asks_is_on_the_new_release(exposure: float, reads: int) -> None:
    """f to the power of those asked, give or take three standard deviations of 4,000 checks."""
    assert success(exposure, reads) == pytest.approx(1 - exposure**reads, abs=0.025)


def test_a_new_back_end_knows_who_logged_in_through_it_and_nobody_else() -> None:
    """So a log-in succeeds, and a moment later another one rejects it."""
    store = Dictionary()

    async def play() -> tuple[list[str | None], str | None]:
        release = backends(store, 1.0)
        (place,) = picks("log-in", 1)
        await release.keep("s", "ann", 60, "log-in")
        requests = [f"r{n}" for n in range(1000)]
        same = [r for r in requests if list(picks(r, 1)) == [place]]
        other = next(r for r in requests if list(picks(r, 1)) != [place])
        assert same, "one in a hundred of a thousand meets it again"
        return [await release.user("s", r) for r in same], await release.user("s", other)

    known, elsewhere = asyncio.run(play())
    assert set(known) == {"ann"} and elsewhere is None


def test_after_the_roll_back_every_session_is_known_again() -> None:
    """Also one that was begun while the release was out: a new back end writes where the old ones look, too."""
    store = Dictionary()

    async def play() -> list[str | None]:
        await backends(store, 0.3).keep("s", "ann", 60, "log-in")
        after = backends(store, 0.0)
        return [await after.user("s", f"r{n}") for n in range(200)]

    assert set(asyncio.run(play())) == {"ann"}


@pytest.mark.parametrize("grace", GRACE)
def test_a_refresh_needs_as_many_back_ends_that_have_the_feed_as_it_makes_calls(grace: str) -> None:
    """(1 - f ** reads) ** n for f = 0.3 and n = 5: 0.17, 0.62, 0.87."""
    release = backends(Dictionary(), 0.3, GRACE[grace])
    share = sum(release.feeds(f"r{n}", 5) for n in range(3000)) / 3000
    assert share == pytest.approx((1 - 0.3 ** GRACE[grace]) ** 5, abs=0.03)
