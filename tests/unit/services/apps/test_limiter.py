"""The limiter: counts against quotas that are data, says no without them, and when remedied goes on within a bound."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from services.apps import limiter
from services.apps.limiter import ALLOWED, BOUND, MINUTE, QUOTAS, Bound, Limiter, Quotas
from services.common import identity
from services.common.cache import Cache
from services.common.errors import Refused, Unavailable
from services.common.levels import DEGRADED, OPERATIONAL, WINDOW, Levels, StatusPage
from services.common.settings import Settings
from tests.messages import Says


class Counters:
    """Of Valkey what the limiter uses, in memory. `away`: nobody answers."""

    def __init__(self) -> None:
        self.quotas: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.away = False

    async def write(self, command: str, *words: Any) -> Any:
        if self.away:
            raise Unavailable("valkey: no host accepts writes")
        if command == "HSETNX":
            return self.quotas.setdefault(words[1], words[2])
        if command == "DEL":
            return self.quotas.clear()
        assert (command, words[2]) == ("EVAL", QUOTAS)
        key, what = words[3], words[4]
        if what not in self.quotas:
            return [-1, 0]
        self.counts[key] = self.counts.get(key, 0) + 1
        return [self.quotas[what], self.counts[key]]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.read({"TOKEN_KEY": "a key for tests, of 32 bytes or more", "VALKEY": "v:1"})
    for module in (identity, limiter):
        monkeypatch.setattr(module, "SETTINGS", settings)
    monkeypatch.setattr(limiter, "time", SimpleNamespace(time=lambda: 1_000.0, monotonic=lambda: 50.0))
    identity.vouch.cache_clear()


def made(rebuilds: bool = False) -> tuple[Limiter, Counters]:
    store, service = Counters(), Limiter()
    service.cache = cast(Cache, store)
    service.quotas = Quotas(service.cache, cleanup=False)
    service.rebuilds = rebuilds
    asyncio.run(service.quotas.put())
    return service, store


def ask(service: Limiter, what: str, user: str = "ann") -> int:
    """The status that a request gets."""
    headers = [(k.lower().encode(), v.encode()) for k, v in identity.vouch(user).items()]
    request = Request({"type": "http", "query_string": b"", "headers": headers, "path_params": {"what": what}})
    try:
        return asyncio.run(service.count(request)).status_code
    except Refused as error:
        return error.status


def test_a_user_may_log_in_as_often_as_the_quota_says_and_no_more() -> None:
    """Each user for himself; writes are another count."""
    service, _ = made()
    answers = [ask(service, "logins") for _ in range(ALLOWED["logins"] + 2)]
    assert answers == [200] * ALLOWED["logins"] + [429, 429]
    assert ask(service, "logins", "bob") == ask(service, "writes") == 200


def test_without_its_quotas_it_fails_closed() -> None:
    """Over the daily limit, everybody, at the first write; the quotas stay gone."""
    service, store = made()
    store.quotas.clear()
    assert ask(service, "writes") == ask(service, "writes", "bob") == 429
    assert store.quotas == {}


def test_the_refusal_says_what_users_read_in_the_news(says: Says) -> None:
    """And why, for the log."""
    service, store = made()
    store.quotas.clear()
    headers = [(k.lower().encode(), v.encode()) for k, v in identity.vouch("ann").items()]
    request = Request({"type": "http", "query_string": b"", "headers": headers, "path_params": {"what": "writes"}})
    with says.raises(Refused) as refused:
        asyncio.run(service.count(request))
    assert "Retry-After" in refused.value.headers


def test_remedied_it_goes_on_within_a_bound_and_puts_the_quotas_back() -> None:
    """The first write passes on the program's own word, the next is counted against the data again."""
    service, store = made(rebuilds=True)
    store.quotas.clear()
    assert ask(service, "writes") == 200
    assert store.quotas == ALLOWED
    assert ask(service, "writes") == 200 and len(store.counts) == 1


def test_a_bound_holds_each_user_and_begins_anew_every_minute() -> None:
    """What fails open is bounded: nobody can post without end meanwhile."""
    bound = Bound()
    taken = [bound.takes("logins", "ann", 100.0) for _ in range(BOUND["logins"] + 1)]
    assert taken == [True] * BOUND["logins"] + [False]
    assert bound.takes("logins", "bob", 100.0)
    assert bound.takes("logins", "ann", 100.0 + MINUTE)


def test_quotas_that_are_there_stay_as_they_are() -> None:
    """An operator's figure is not overwritten by a restart."""
    service, store = made()
    store.quotas["writes"] = 7
    asyncio.run(service.quotas.put())
    assert store.quotas["writes"] == 7


def test_a_limiter_whose_data_cannot_be_reached_says_so() -> None:
    """503, which stops nobody: who asks goes on without it. Only data that is gone is a no."""
    service, store = made()
    store.away = True
    assert ask(service, "writes") == 503


def test_what_is_not_limited_is_not_found() -> None:
    """The message names what is."""
    assert ask(made()[0], "reads") == 404


def test_a_service_level_is_of_the_last_seconds_and_of_enough_requests() -> None:
    """Nine of twenty well; five seconds later nothing is known."""
    levels = Levels()
    for n in range(20):
        assert levels.success(100.0) is None
        levels.count(n < 9, 100.0 + n / 100)
    assert levels.success(100.5) == 9 / 20
    assert levels.success(100.0 + WINDOW + 2) is None


@pytest.mark.parametrize(("fed_by", "status"), [("hand", OPERATIONAL), ("slo", DEGRADED)])
def test_a_status_page_by_hand_says_what_was_written_and_one_by_levels_what_is(fed_by: str, status: str) -> None:
    """The same bad requests; nobody wrote anything."""
    page = StatusPage(fed_by)
    assert page.read()["status"] == OPERATIONAL
    for _ in range(40):
        page.count(False)
    assert page.read() == {"status": status, "fed_by": fed_by}
