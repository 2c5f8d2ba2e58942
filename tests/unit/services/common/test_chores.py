"""Chores left undone: each breaks its component in its own way, and doing it mends it; off, nothing is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import jwt
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from services.apps import caretaker
from services.common import certificate, chores, worker
from services.common.chores import Leak, Outbox, Term
from services.common.errors import Refused, Unavailable
from services.common.settings import Settings
from services.common.tokens import Tokens
from tests.messages import Says
from tests.virtual import virtually

ROOT = Path(__file__).parents[4]
KEY = "a key for tests, of 32 bytes or more"


class Clock:
    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Chores are on, due every ten seconds, and time stands still."""
    found = Clock()
    monkeypatch.setattr(chores, "ON", True)
    monkeypatch.setattr(chores, "LIFE", 10.0)
    monkeypatch.setattr(chores, "time", found)
    monkeypatch.setattr(certificate, "time", found)
    monkeypatch.setattr(certificate, "SETTINGS", Settings.read({"NODE": "gateway-a", "TOKEN_KEY": KEY}))
    certificate._sealed.cache_clear()
    certificate._read.cache_clear()
    return found


def test_keys_that_nobody_rotates_run_out_and_tokens_are_refused(clock: Clock, says: Says) -> None:
    """Neither issued nor believed; a rotation mends both, and tokens of the keys before go on."""
    ring = Term("rotate", 1.0)
    tokens = Tokens(KEY, "house", ring)
    old = tokens.issue("ann")
    clock.now += 9
    assert tokens.user(f"Bearer {old}") == "ann"
    clock.now += 2
    with says.raises(Unavailable):
        tokens.issue("ann")
    with says.raises(Refused):
        tokens.user(f"Bearer {old}")
    ring.do()
    new = tokens.issue("bo")
    assert (tokens.user(f"Bearer {old}"), tokens.user(f"Bearer {new}")) == ("ann", "bo")
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]


def test_a_token_that_names_another_key_than_it_was_signed_with_is_nobodys(clock: Clock) -> None:
    """Nor is one that names none."""
    tokens = Tokens(KEY, "house", Term("rotate", 1.0))
    for kid in ({"kid": "2"}, {}):
        forged = jwt.encode({"sub": "ann", "aud": "house", "exp": 9e9}, KEY, "HS256", headers=kid)
        with pytest.raises(Refused) as e:
            tokens.user(f"Bearer {forged}")
        assert e.value.status == 401


def request(shown: dict[str, str]) -> Request:
    return Request({"type": "http", "headers": [(k.lower().encode(), v.encode()) for k, v in shown.items()]})


def test_a_certificate_that_nobody_renews_runs_out_and_peers_refuse(clock: Clock, says: Says) -> None:
    """Whoever is shown it; a renewal mends it. One without the duty is good for long."""
    own, lasting = certificate.Certificate(), certificate.Certificate()
    term = own.short(1.4)
    clock.now += 13
    certificate.certified(request(own.headers()))
    clock.now += 2
    with says.raises(Refused):
        certificate.certified(request(own.headers()))
    certificate.certified(request(lasting.headers()))
    term.do()
    certificate.certified(request(own.headers()))


@pytest.mark.parametrize("shown", [{}, {"X-Certificate": "gateway-a 9999999999.0 f00"}, {"X-Certificate": "gateway-a"}])
def test_a_certificate_that_is_none_is_refused(clock: Clock, shown: dict[str, str]) -> None:
    """Missing, forged, or half of one."""
    with pytest.raises(Refused) as e:
        certificate.certified(request(shown))
    assert e.value.status == 403


def test_an_outbox_that_nobody_trims_is_full_and_takes_nothing(clock: Clock, tmp_path: Path, says: Says) -> None:
    """Real bytes on the disk; what was refused is not in it."""
    outbox = Outbox(tmp_path / "spool" / "outbox", 10)
    for _ in range(3):
        outbox.put(b"x" * 30)
    with says.raises(Unavailable):
        outbox.put(b"x" * 30)
    assert (tmp_path / "spool" / "outbox").stat().st_size == 90
    outbox.do()
    outbox.put(b"x" * 30)
    assert (tmp_path / "spool" / "outbox").stat().st_size == 30


def test_a_table_of_counters_that_nobody_purges_is_full(clock: Clock) -> None:
    """Who counts with it lets nobody pass, until it is purged."""
    counted = chores.Counted(0.2)
    assert [counted.put("writes:ann") for _ in range(3)] == [True, True, False]
    counted.do()
    assert counted.put("writes:ann")


def test_a_worker_that_nobody_restarts_is_out_of_memory(clock: Clock, says: Says) -> None:
    """What it holds grows with each request; a restart lets it go."""
    leak = Leak(0.3)
    for n in range(1, 4):
        leak.serve()
        assert len(leak.held) == n * (chores.MEMORY // 3)
    with says.raises(Unavailable):
        leak.serve()
    leak.do()
    leak.serve()


def test_while_chores_are_off_nothing_runs_out_and_nothing_is_kept(tmp_path: Path) -> None:
    """zone-fire's stack is as it was: no header, no file, no route, tokens as ever."""
    assert not chores.ON
    ring, leak = Term("rotate", 0.0), Leak(1e-9)
    tokens = Tokens(KEY, "house", ring)
    assert tokens.user(f"Bearer {tokens.issue('ann')}") == "ann"
    assert "kid" not in jwt.get_unverified_header(tokens.issue("ann"))
    assert certificate.Certificate().headers() == {}
    certificate.certified(request({}))
    Outbox(tmp_path / "outbox", 0).put(b"x")
    leak.serve()
    assert not list(tmp_path.iterdir()) and not leak.held and not ring.routes


OWNED = {"auth": ["ana", "bo"], "chat": ["bo"], "limiter": ["cy"]}


def test_the_caretaker_leaves_orphans_alone() -> None:
    """Components whose owners are all gone; without a word of theirs nobody cares for what is not listed either."""
    keeper = caretaker.Caretaker(OWNED, frozenset({"bo", "zoe"}), automated=False)
    assert keeper.orphaned == ["chat"]
    assert "auth" in keeper.cared_for and "chat" not in keeper.cared_for
    assert keeper.facts()["gone"] == ["bo"]


def test_automation_waits_for_nobody() -> None:
    """The remedy: chores are done though everybody is gone."""
    keeper = caretaker.Caretaker(OWNED, frozenset({"ana", "bo", "cy"}), automated=True)
    assert keeper.orphaned == ["auth", "chat", "limiter"] and keeper.cared_for == list(caretaker.CHORES)


def test_the_caretaker_reads_the_staff_file_as_the_harness_does() -> None:
    """The first so many owners of each component; two programs, one file."""
    from chaos.experiment import stack as stackfile
    from chaos.incidents.staff import ownership

    stack = stackfile.read(ROOT / "docker-compose.yml", "as-was", {"owners_per_component": "1"})
    staff = ownership.declared(stack)
    assert staff is not None
    read = caretaker.owners(ROOT / "services" / "staff.yaml", 1)
    assert {c: tuple(read[c]) for c in staff.roster.owners} == staff.roster.owners
    assert staff.lapse == caretaker.CHORES


def test_a_staff_file_that_is_none_ends_the_caretaker_in_words(tmp_path: Path, says: Says) -> None:
    """With its name and what was expected."""
    (tmp_path / "staff.yaml").write_text("people: [ana]")
    with says.raises(SystemExit):
        caretaker.owners(tmp_path / "staff.yaml", 2)


def test_one_worker_serves_one_after_the_other_and_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who burnt 10 ms with a tenth of a core holds up the next for 90 ms more; health waits for nobody."""
    burnt, served = [0.0], []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        burnt[0] += 0.01
        served.append((scope["path"], round(asyncio.get_running_loop().time() - began[0], 3)))

    async def nothing(*args: object) -> None: ...

    began = [0.0]
    monkeypatch.setattr("time.process_time", lambda: burnt[0])
    alone = worker.OneWorker(app, frozenset({"/healthz"}), share=0.1)

    async def play() -> None:
        began[0] = asyncio.get_running_loop().time()
        await asyncio.gather(*(alone({"path": p}, nothing, nothing) for p in ("/a", "/b", "/healthz")))  # type: ignore[arg-type]

    virtually(play())
    assert served == [("/a", 0.0), ("/healthz", 0.0), ("/b", 0.09)]
