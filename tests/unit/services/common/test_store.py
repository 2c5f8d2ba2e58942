"""Finding the host that accepts writes, and dropping the one that no longer does."""

from __future__ import annotations

import asyncio

import pytest

from services.common import store as store_module
from services.common.errors import Unavailable
from services.common.settings import Address, addresses
from services.common.store import Store
from tests.messages import Says


class Scripted(Store[str, str]):
    """Hosts are a table: an exception is a dead host, a list is what each ping will say, then silence."""

    faults = (OSError, TimeoutError)

    def __init__(self, hosts: dict[str, list[bool] | OSError]) -> None:
        super().__init__("scripted", addresses(",".join(f"{name}:1" for name in hosts)))
        self.hosts = hosts
        self.hung_up: list[str] = []
        self.discarded: list[str] = []

    async def _reach(self, address: Address) -> str:
        state = self.hosts[address.host]
        if isinstance(state, OSError):
            raise state
        return address.host

    async def _ping(self, link: str) -> bool:
        pings = self.hosts[link]
        assert isinstance(pings, list)
        if not pings:
            raise OSError("silence")
        return pings.pop(0)

    def _hang_up(self, link: str) -> None:
        self.hung_up.append(link)

    async def _open(self, address: Address) -> str:
        return f"pool at {address.host}"

    def _discard(self, pool: str) -> None:
        self.discarded.append(pool)


def test_the_race_finds_the_only_host_that_takes_writes() -> None:
    """Dead hosts and silent ones lose."""
    store = Scripted({"dead": OSError("no route"), "silent": [], "primary": [True]})
    assert asyncio.run(store.find()) == (Address("primary", 1), "primary")
    assert store.hung_up == ["silent"]


def test_a_standby_that_is_promoted_during_the_race_wins_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again on the same link, not only in the next round."""
    monkeypatch.setattr(store_module, "AGAIN", 0)
    store = Scripted({"dead": OSError("no route"), "standby": [False, False, True]})
    assert asyncio.run(store.find()) == (Address("standby", 1), "standby")


def test_the_race_finds_nobody_when_nobody_takes_writes() -> None:
    """A stack without a primary is a state of the world, not an error; no link is left open."""
    store = Scripted({"dead": OSError("no route"), "silent": []})
    assert asyncio.run(store.find()) is None
    assert store.hung_up == ["silent"]


def test_a_second_winner_is_hung_up_on() -> None:
    """Two links come in together; only one is kept."""
    store = Scripted({"a": [True], "b": [True]})
    winner = asyncio.run(store.find())
    assert winner is not None
    assert {winner[1], *store.hung_up} == {"a", "b"}


def test_without_a_host_callers_are_refused_at_once(says: Says) -> None:
    """Nothing was done, and the reason is given."""
    with says.raises(Unavailable):
        Scripted({}).pool()


def test_one_silent_ping_keeps_the_pool_and_a_demotion_drops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence may be chance and is asked about again; a host that says it is a standby is believed."""
    monkeypatch.setattr(store_module, "PING", 0)
    store = Scripted({"a": [True]})

    async def play() -> tuple[bool, bool]:
        await store.stay(Address("a", 1), "a")
        kept = store.missing() is None
        store.hosts["a"] = [False]
        await store.stay(Address("a", 1), "a")
        return kept, store.missing() is None

    assert asyncio.run(play()) == (True, False)
    assert store.discarded == ["pool at a"]
    assert store.hung_up == ["a", "a"]
