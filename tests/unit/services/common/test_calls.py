"""What a caller may conclude, and try again, after each way a call to several instances can go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from services.common.calls import Call, Peers
from services.common.errors import Unavailable, Uncertain
from services.common.peer import NoAnswer, NotSent, Peer, Reply
from services.common.settings import Address, addresses
from tests.messages import Says

Outcome = Reply | NotSent | NoAnswer

OK = Reply(201, {}, b"{}")
CONFLICT = Reply(409, {"X-Executed": "no"}, b"{}")
STANDBY = Reply(503, {"X-Executed": "no"}, b"{}")
BROKEN = Reply(500, {}, b"{}")
TIMEOUT = NoAnswer("silence", 504)
UNREACHED = NotSent("refused")

READ = Call("GET", "/x", again=True, safe=True)
WRITE = Call("POST", "/x", body=b"{}", again=True)
ONCE = Call("POST", "/x", body=b"{}")


class Scripted(Peer):
    """A peer that plays a list of outcomes and remembers how often it was asked."""

    def play(self, *outcomes: Outcome) -> Scripted:
        self.outcomes = list(outcomes)
        self.asked = 0
        return self

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, limit: float) -> Reply:
        self.asked += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, NoAnswer):
            self.doubtful = True
        if isinstance(outcome, NotSent):
            self.down = True
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def two(first: list[Outcome], second: list[Outcome]) -> tuple[Peers, list[Scripted]]:
    made: list[Scripted] = []

    def make(address: Address) -> Scripted:
        made.append(Scripted(address).play(*(first, second)[len(made)]))
        return made[-1]

    return Peers("chat", addresses("a:1,b:1"), peer=make), made


def ask(peers: Peers, call: Call) -> Reply:
    return asyncio.run(peers.ask(call))


def test_a_standby_leads_to_the_next_instance() -> None:
    """503 with X-Executed: no says that somebody else may be asked."""
    peers, made = two([STANDBY], [OK])
    assert ask(peers, ONCE) == OK
    assert [peer.asked for peer in made] == [1, 1]


def test_an_instance_that_was_not_reached_leads_to_the_next() -> None:
    """Nothing was sent, so even a write that must not run twice goes elsewhere."""
    peers, _ = two([UNREACHED], [OK])
    assert ask(peers, ONCE) == OK


def test_nobody_reached_means_nothing_was_done() -> None:
    """All instances refuse the connection, again and again, until there is no time left."""
    peers, made = two([UNREACHED] * 9, [UNREACHED] * 9)
    with pytest.raises(Unavailable):
        ask(peers, Call("POST", "/x", body=b"{}", again=True, budget=0.3))
    assert 2 <= made[0].asked == made[1].asked <= 4


def test_instances_that_all_seem_down_are_tried_all_the_same() -> None:
    """To refuse is certain to fail; what seemed down may have been our own lack of CPU."""
    peers, made = two([UNREACHED, OK], [UNREACHED])
    assert ask(peers, ONCE) == OK
    assert [peer.asked for peer in made] == [2, 1]


def test_what_may_have_been_executed_is_not_tried_elsewhere() -> None:
    """A write without an id of the client's choice ends uncertain after the first silence."""
    peers, made = two([TIMEOUT], [OK])
    with pytest.raises(Uncertain) as caught:
        ask(peers, ONCE)
    assert caught.value.status == 504
    assert [peer.asked for peer in made] == [1, 0]


@pytest.mark.parametrize("outcome", [TIMEOUT, NoAnswer("reset", 502), BROKEN])
def test_an_idempotent_write_is_tried_once_more(outcome: Outcome) -> None:
    """The second instance gets it, and its promise counts."""
    peers, made = two([outcome], [OK])
    if outcome is BROKEN:  # an answer leaves no doubt about the peer, so the same one is asked again
        made[0].outcomes.append(OK)
    assert ask(peers, WRITE) == OK
    assert sum(peer.asked for peer in made) == 2


def test_there_is_no_third_attempt() -> None:
    """Two uncertain ends are the end: more would be a retry storm."""
    peers, made = two([TIMEOUT, OK], [TIMEOUT, OK])
    with pytest.raises(Uncertain):
        ask(peers, WRITE)
    assert sum(peer.asked for peer in made) == 2


@pytest.mark.parametrize("second", [STANDBY, CONFLICT, UNREACHED])
def test_a_refusal_after_silence_proves_nothing_about_the_first_attempt(second: Outcome) -> None:
    """The silent instance may have executed the write, so it must not be reported as not executed."""
    peers, made = two([TIMEOUT], [second])
    made[0].outcomes.append(TIMEOUT)
    with pytest.raises(Uncertain):
        ask(peers, WRITE)


def test_a_read_is_never_uncertain_for_the_first_attempt_s_sake() -> None:
    """Nothing is executed by a read, so the second answer stands, also a 4xx."""
    peers, _ = two([TIMEOUT], [CONFLICT])
    assert ask(peers, READ) == CONFLICT


def test_all_standby_is_passed_on_as_it_is() -> None:
    """The caller gets the 503 that all of them gave."""
    peers, _ = two([STANDBY], [STANDBY])
    assert ask(peers, WRITE).refused


def test_who_can_do_without_the_answer_does_not_ask_instances_that_are_down(says: Says) -> None:
    """A write does not wait for a copy at a peer that is known to be gone."""
    peers = Peers("peer", addresses("a:1"), hopeful=False, peer=lambda a: Scripted(a, down=True).play(OK))
    with says.raises(Unavailable):
        ask(peers, WRITE)


def test_peers_in_doubt_come_last() -> None:
    """Order is: no doubt, last success, as listed."""
    from services.common.calls import in_order

    a, b, c, d = (Peer(Address(name, 1)) for name in "abcd")
    assert in_order([a, b, c, d]) == [a, b, c, d]
    c.good_at, d.good_at = 2.0, 1.0
    assert in_order([a, b, c, d]) == [c, d, a, b]
    c.doubtful = True
    assert in_order([a, b, c, d]) == [d, a, b, c]
