"""Who asked for what of the network: kept by asker, compared with the kernel, and given up with the helper."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols.links import Link, Quality, Traffic
from chaos.targets.network import NOT_BRIDGED, Addresses, Helper, Network
from tests.messages import Says

ADDRESSES = {"one": {"net": "10.77.1.10"}, "two": {"net": "10.77.2.10"}}
ONE, BOTH = Link(frozenset({"one"})), Link(frozenset({"one"}), frozenset({"two"}))


class Kernel:
    """Rules that outlive helpers; a helper is a conversation that counts a hundred packets for each of its shapes."""

    def __init__(self) -> None:
        self.rules: list[dict[str, Any]] = []
        self.bridged = True
        self.helpers = 0
        self.applied = 0

    def network(self, bridged: bool = False, addresses: Addresses = ADDRESSES) -> Network:
        async def find() -> Addresses:
            return addresses

        return Network(Helper(lambda: Talk(self)), find, bridged)


class Talk:
    errors = b"out of memory\n"

    def __init__(self, kernel: Kernel) -> None:
        kernel.helpers += 1
        self.kernel = kernel
        self.shapes: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {}

    def write_line(self, line: bytes) -> None:
        asked = json.loads(line)
        self.answer = {"ok": True, "bridged": self.kernel.bridged}
        if asked["do"] == "apply":
            self.kernel.applied += 1
            assert all(r["a"] and r["b"] != [] for r in (*asked["rules"], *asked["shapes"]))  # the kernel refuses it
            self.shapes = asked["shapes"]
            rules = [*asked["rules"], *({k: s[k] for k in ("a", "b", "both")} | {"do": "queue"} for s in self.shapes)]
            self.kernel.rules = rules
        elif asked["do"] == "clear":
            self.kernel.rules = []
        elif asked["do"] == "listing":
            counts = {"packets": 100, "lost": 30, "duplicated": 0, "reordered": 0, "corrupted": 0, "delayed_ms": 2000.0}
            self.answer |= {
                "rules": [r | {"packets": 7} for r in self.kernel.rules],
                "shapes": [s | counts for s in self.shapes],
                "standing": bool(self.kernel.rules),
            }
        elif asked["do"] == "die":
            self.answer = {}

    def read_line(self, deadline: float) -> bytes:
        return json.dumps(self.answer).encode() if self.answer else b""

    def close(self) -> None:
        pass


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_a_link_is_back_when_its_last_asker_lets_go(kernel: Kernel) -> None:
    """Cut by two, joined by one: still cut."""
    network = kernel.network()

    async def scene() -> list[bool]:
        await network.cut("x", [ONE])
        await network.cut("y", [ONE])
        seen = []
        for who in ("x", "y"):
            await network.join(who, [ONE])
            seen.append(await network.is_cut(ONE))
        return seen

    assert asyncio.run(scene()) == [True, False]
    assert kernel.rules == []


def test_what_another_process_cut_stays_and_can_be_joined(kernel: Kernel) -> None:
    """Its rules are found in the kernel; whoever heals them does not know who asked."""

    async def scene() -> None:
        other, ours = kernel.network(), kernel.network()
        await other.cut("theirs", [BOTH])
        await ours.cut("ours", [ONE])
        assert await ours.is_cut(BOTH) and await other.is_cut(ONE)
        assert sorted(await ours.residue()) == ["one is cut off from all others", "one is cut off from two"]
        await ours.join("ours", [BOTH])
        assert not await other.is_cut(BOTH) and await other.is_cut(ONE)

    asyncio.run(scene())


def test_what_another_process_healed_is_not_cut_again(kernel: Kernel) -> None:
    """The kernel's word counts, and not our memory."""

    async def scene() -> None:
        ours, other = kernel.network(), kernel.network()
        await ours.cut("x", [ONE])
        await other.clear()
        assert await ours.traffic("x", ONE) is None
        await ours.shape("y", [BOTH], Quality(delay_ms=20))
        assert not await ours.is_cut(ONE)

    asyncio.run(scene())


def test_traffic_is_the_kernels_for_cuts_and_the_helpers_for_shapes(kernel: Kernel) -> None:
    """Packets, how many of them were changed, and how long they were held on average."""

    async def scene() -> None:
        network = kernel.network()
        await network.cut("x", [ONE])
        await network.shape("y", [BOTH], Quality(delay_ms=20, loss=0.3))
        assert await network.traffic("x", ONE) == Traffic(7)
        assert await network.traffic("y", BOTH) == Traffic(100, 30, 20.0)
        assert await kernel.network().traffic("x", ONE) == Traffic(7)
        assert await kernel.network().traffic("y", BOTH) is None  # another helper holds them back
        await network.unshape("y", [BOTH])
        assert await network.traffic("y", BOTH) is None and await network.is_cut(ONE)

    asyncio.run(scene())


def test_a_shape_whose_helper_has_died_bites_no_more(kernel: Kernel) -> None:
    """Its rule is still there, and the next helper knows of no shape: packets pass, and confirm must say no."""

    async def scene() -> None:
        network = kernel.network()
        await network.shape("y", [BOTH], Quality(delay_ms=20))
        assert await network.traffic("y", BOTH) is not None
        with pytest.raises(TargetError):
            await network.helper.ask({"do": "die"})
        assert await network.traffic("y", BOTH) is None
        await network.cut("x", [ONE])  # the next change makes it so again
        assert await network.traffic("y", BOTH) is not None

    asyncio.run(scene())


def test_cuts_on_a_bridge_whose_packets_the_filter_does_not_see_are_refused(kernel: Kernel) -> None:
    """In words that say what to do; nothing has been changed."""
    kernel.bridged = False
    with pytest.raises(TargetError) as e:
        asyncio.run(kernel.network(bridged=True).cut("x", [ONE]))
    assert str(e.value) == NOT_BRIDGED and kernel.rules == []
    asyncio.run(kernel.network(bridged=False).cut("x", [ONE]))
    assert len(kernel.rules) == 1


def test_a_helper_that_ends_is_named_with_its_last_words_and_started_anew(kernel: Kernel, says: Says) -> None:
    """One call fails, the next one asks another helper."""
    helper = Helper(lambda: Talk(kernel))

    async def scene() -> None:
        with says.raises(TargetError):
            await helper.ask({"do": "die"})
        assert (await helper.ask({"do": "listing"}))["rules"] == []

    asyncio.run(scene())
    assert kernel.helpers == 2


TWICE = {
    "one": {"net": "10.77.1.10", "back": "10.78.1.10"},
    "two": {"back": "10.78.2.10"},
    "three": {"other": "10.79.3.3"},
}


def test_a_rule_holds_for_every_address_of_a_node(kernel: Kernel) -> None:
    """On each of its networks, and it is one link."""

    async def scene() -> None:
        network = kernel.network(addresses=TWICE)
        await network.cut("x", [BOTH])
        (rule,) = kernel.rules
        assert (rule["a"], rule["b"]) == (["10.77.1.10", "10.78.1.10"], ["10.78.2.10"])
        assert await network.is_cut(BOTH) and await kernel.network(addresses=TWICE).is_cut(BOTH)
        await network.join("x", [BOTH])
        assert kernel.rules == []

    asyncio.run(scene())


def test_rules_follow_nodes_that_move(kernel: Kernel) -> None:
    """A restart gives a node another address, and somebody may connect it to another network. Without a change the
    counters stay.
    """

    async def scene() -> None:
        network = kernel.network()
        await network.cut("x", [BOTH])
        await network.shape("y", [ONE], Quality(delay_ms=20))
        applied = kernel.applied
        await network.move(dict(ADDRESSES))
        assert kernel.applied == applied
        await network.move({"one": {"net": "10.77.1.11", "extra": "10.80.0.2"}, "two": {"net": "10.77.2.10"}})
        assert [rule["a"] for rule in kernel.rules] == 2 * [["10.77.1.11", "10.80.0.2"]]
        assert await network.is_cut(BOTH) and await network.traffic("y", ONE) == Traffic(100, 30, 20.0)
        await network.join("x", [BOTH])
        await network.unshape("y", [ONE])
        assert kernel.rules == []

    asyncio.run(scene())


def test_a_node_that_is_down_has_no_address_and_its_rule_waits_for_it(kernel: Kernel) -> None:
    """The fault lasts: nothing meets it meanwhile, and others' rules keep their places."""

    async def scene() -> None:
        network = kernel.network()
        await network.shape("x", [ONE], Quality(delay_ms=20))
        two = Link(frozenset({"two"}))
        await network.shape("y", [two], Quality(delay_ms=20))
        await network.cut("z", [BOTH])
        await network.move({"one": {}, "two": {"net": "10.77.2.10"}})
        assert [(rule["do"], rule["a"]) for rule in kernel.rules] == [("queue", ["10.77.2.10"])]
        assert await network.traffic("x", ONE) == Traffic(0) == await network.traffic("z", BOTH)
        assert await network.traffic("y", two) == Traffic(100, 30, 20.0) and await network.is_cut(BOTH)
        await network.move(ADDRESSES)
        assert [rule["do"] for rule in kernel.rules] == ["drop", "queue", "queue"]
        assert await network.traffic("x", ONE) == Traffic(100, 30, 20.0)
        await network.move({})
        await network.join("z", [BOTH])
        await network.move(ADDRESSES)
        assert [rule["do"] for rule in kernel.rules] == ["queue", "queue"]

    asyncio.run(scene())


def test_a_move_that_fails_is_made_up_for(kernel: Kernel) -> None:
    """The next one does not take the failed one's word for it."""
    elsewhere = {"one": {"net": "10.77.1.11"}, "two": {"net": "10.77.2.10"}}

    async def scene() -> None:
        network = kernel.network(bridged=True)
        await network.cut("x", [BOTH])
        kernel.bridged = False
        with pytest.raises(TargetError):
            await network.move(elsewhere)
        kernel.bridged = True
        await network.move(elsewhere)
        assert kernel.rules[0]["a"] == ["10.77.1.11"]

    asyncio.run(scene())


def test_whoever_can_no_longer_follow_nodes_says_so_at_the_next_look(kernel: Kernel) -> None:
    """A rule that may miss packets is not confirmed any more."""
    why = TargetError("blind")

    async def scene() -> None:
        network = kernel.network()
        await network.cut("x", [BOTH])
        network.lose(why)
        with pytest.raises(TargetError) as e:
            await network.traffic("x", BOTH)
        assert e.value is why
        await network.clear()
        assert not await network.is_cut(BOTH)

    asyncio.run(scene())


def test_a_link_is_timed_on_every_network_that_it_crosses(kernel: Kernel) -> None:
    """From a node of the other side that shares the network, or from the host if there is none."""
    nodes = [Node(name, name, "") for name in TWICE]

    async def scene() -> None:
        network = kernel.network(addresses=TWICE)
        await network.find()
        assert network.ends(BOTH, nodes) == [(["two"], "10.78.1.10")]
        assert network.ends(Link(frozenset({"two"})), nodes) == [(["one"], "10.78.2.10")]
        everyone = network.ends(Link(frozenset(TWICE)), nodes)
        assert everyone == [([], "10.77.1.10"), ([], "10.78.1.10"), ([], "10.79.3.3")]
        with pytest.raises(TargetError):
            network.ends(Link(frozenset({"one"}), frozenset({"three"})), nodes)

    asyncio.run(scene())
