"""A fault is looked at again before its heal, and its nodes before, during and after: on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.errors import TargetError
from chaos.experiment.plan import Release, Step
from chaos.judge.assumptions.effective import Effective
from chaos.model import Node, Verdict
from chaos.protocols.links import Link, Traffic
from chaos.record.journal import Journal
from chaos.report import tables
from chaos.targets.memory.target import Memory
from tests.unit.run.test_orchestrator import NODES, Stage, plan
from tests.virtual import virtually

ZERO = 6.0  # seconds from the start of a run to t = 0
CHAT = NODES[0]
Sabotage = Callable[[Memory], Coroutine[Any, Any, None]]


def fault(name: str, **params: Any) -> Step:
    """On chat-a from 10 s to 20 s."""
    return Step("one", 10.0, name, params, ("chat-a",), (Release(20.0, ("chat-a",)),))


def played(folder: Path, *steps: Step, sabotage: Sabotage | None = None, target: Memory | None = None) -> Journal:
    """With what somebody does to the target at 15 s."""
    stage = Stage(folder, plan(*steps, length=30), target)

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(ZERO + 15)
        if sabotage:
            await sabotage(stage.target)
        await task

    virtually(main())
    assert virtually(stage.target.residue()) == []
    return stage.journal


async def rules_vanish(target: Memory) -> None:
    target._cuts.clear()
    target._shapes.clear()


UNDONE: Mapping[str, tuple[Mapping[str, Any], Sabotage]] = {
    "clock": ({"skew": -60.0}, lambda t: t.unskew([CHAT])),
    "cpu": ({"share": 0.1}, lambda t: t.feed([CHAT])),
    "delay": ({"ms": 40.0}, rules_vanish),
    "deploy": ({"environment": {"MODE": "new"}}, lambda t: t.undeploy(CHAT)),
    "disk": ({}, lambda t: t.drain([CHAT])),
    "dns": ({}, lambda t: t.show_names([CHAT])),
    "isolate": ({}, rules_vanish),
    "kill": ({}, lambda t: t.start([CHAT])),
    "leak": ({"limit": 64.0}, lambda t: t.seal([CHAT])),
    "memory": ({"limit": 64.0}, lambda t: t.release([CHAT])),
    "pause": ({}, lambda t: t.resume([CHAT])),
    "power": ({}, rules_vanish),
}


@pytest.mark.parametrize("name", UNDONE)
def test_a_fault_that_somebody_undid_is_gone_and_the_run_shows_nothing(tmp_path: Path, name: str) -> None:
    """Seen at 10 s, undone at 15 s, found out at 20 s: the run goes on to its end, and is INCONCLUSIVE."""
    params, sabotage = UNDONE[name]
    journal = played(tmp_path, fault(name, **params), sabotage=sabotage)
    kinds = [e.kind for _, e in journal.of("fault.")]
    assert kinds == ["fault.inject", "fault.active", "fault.gone", "fault.heal"]
    found = Effective().check(journal)
    words = "one was no longer in force on chat-a at its end: memory shows no sign of it any more"
    assert (found.verdict, found.summary) == (Verdict.INCONCLUSIVE, words)
    calm = played(tmp_path / "calm", fault(name, **params))
    assert (
        Effective().check(calm).verdict is Verdict.PASS and [e.kind for _, e in calm.of("fault.")][2] == "fault.still"
    )


def test_a_target_that_cannot_say_is_not_believed(tmp_path: Path) -> None:
    """The helper that knew of the delay has died: its last words stand in the journal, and the heal goes on."""

    class Dying(Memory):
        dead = False

        async def traffic(self, by: str, link: Link) -> Traffic | None:
            if self.dead:
                raise TargetError("the network helper ended: killed")
            return await super().traffic(by, link)

    async def kill_it(target: Memory) -> None:
        assert isinstance(target, Dying)
        target.dead = True

    journal = played(tmp_path, fault("delay", ms=40.0), sabotage=kill_it, target=Dying(NODES))
    (gone,) = [e for _, e in journal.of("fault.gone")]
    assert gone.data["error"] == "the network helper ended: killed" and list(journal.of("fault.heal"))


@pytest.mark.parametrize("name", ["cpu", "disk", "dns", "memory", "clock"])
def test_a_node_that_ends_of_its_fault_still_has_it(tmp_path: Path, name: str) -> None:
    """What holds for whatever runs in the node may end it: that is what it is for."""

    class Ending(Memory):
        """Of the dead nobody can say anything."""

        async def starved(self, node: Node) -> bool:
            return node.name in self._up and await super().starved(node)

        async def full(self, node: Node) -> bool:
            return node.name in self._up and await super().full(node)

        async def resolves(self, node: Node) -> bool:
            self._must_run(node)
            return await super().resolves(node)

        async def clock(self, node: Node) -> tuple[float, float]:
            self._must_run(node)
            return await super().clock(node)

        async def squeezed(self, node: Node) -> int | None:
            return await super().squeezed(node) if node.name in self._up else None

        def _must_run(self, node: Node) -> None:
            if node.name not in self._up:
                raise TargetError(f"{node.name}: not running")

    params, _ = UNDONE[name]
    journal = played(tmp_path, fault(name, **params), sabotage=lambda t: t.kill([CHAT]), target=Ending(NODES))
    assert Effective().check(journal).verdict is Verdict.PASS and list(journal.of("fault.still"))


def test_a_restart_was_over_when_it_had_happened(tmp_path: Path) -> None:
    """That the node died later is the node's own doing, and for other checks to judge."""
    journal = played(tmp_path, fault("restart"), sabotage=lambda t: t.kill([CHAT]))
    assert [e.kind for _, e in journal.of("fault.")] == ["fault.inject", "fault.active", "fault.heal"]
    assert Effective().check(journal).verdict is Verdict.PASS


def test_an_interrupted_fault_is_healed_before_anybody_looks(tmp_path: Path) -> None:
    """Who has pressed Ctrl-C wants it healed."""
    stage = Stage(tmp_path, plan(fault("kill"), length=30))

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(ZERO + 15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main())
    assert [e.kind for _, e in stage.journal.of("fault.")] == ["fault.inject", "fault.active", "fault.heal"]


def test_a_look_that_takes_long_begins_early(tmp_path: Path) -> None:
    """Names take three seconds to not be found: the heal is on time all the same."""

    class Slow(Memory):
        async def resolves(self, node: Node) -> bool:
            found = await super().resolves(node)
            await asyncio.sleep(0.0 if found else 3.0)
            return found

    journal = played(tmp_path, fault("dns"), target=Slow(NODES))
    times = {e.kind: e.t for _, e in journal.of("fault.")}
    assert times["fault.still"] == pytest.approx(19.8) and times["fault.heal"] == 20.0


def test_the_figures_of_a_delay_stand_beside_each_other(tmp_path: Path) -> None:
    """A round trip of 1 ms, of 81 ms, and of 1 ms again; in the journal and in the table of every report."""
    journal = played(tmp_path, fault("delay", ms=40.0))
    told = [(e.t, e.data["when"], e.data["figures"]) for _, e in journal.of("vitals")]
    apart = [(-2.0, "before", 1.0), (10.0, "during", 81.0), (20.0, "after", 1.0)]
    assert told == [(t, when, {"answered": 1.0, "round_trip_ms": ms}) for t, when, ms in apart]
    assert tables.vitals(journal).rows == (("one", "answered", "1", "1", "1"), ("one", "round trip ms", "1", "81", "1"))


def test_over_a_cut_nothing_comes_back(tmp_path: Path) -> None:
    """No round trip is no figure, and not nought."""
    rows = tables.vitals(played(tmp_path, fault("isolate"))).rows
    assert rows == (("one", "answered", "1", "0", "1"), ("one", "round trip ms", "1", "-", "1"))


def test_who_cannot_say_how_the_nodes_are_keeps_nothing_waiting(tmp_path: Path) -> None:
    """No answer, and one that never comes: the fault is injected and healed when it is due, without figures."""

    class Mute(Memory):
        async def paused(self, node: Node) -> bool:
            now = asyncio.get_running_loop().time() - ZERO
            if node.name == "chat-a" and not 9 < now < 20:  # before it is looked for, and after
                await asyncio.sleep(60)
            return await super().paused(node)

    journal = played(tmp_path, fault("pause"), target=Mute(NODES))
    assert [(e.kind, e.t) for _, e in journal.of("fault.")][::3] == [("fault.inject", 10.0), ("fault.heal", 20.0)]
    assert [e.data["when"] for _, e in journal.of("vitals")] == ["during"]
    assert tables.vitals(journal).rows == (("one", "nodes frozen", "-", "1", "-"),)


def test_zones_that_came_close_are_found_out(tmp_path: Path) -> None:
    """The distance is looked for at the end of the load; a run whose helper died midway shows nothing."""
    apart = msgspec.structs.replace(plan(length=30), between_zones_ms=5.0)
    for folder, sabotaged in (("kept", False), ("lost", True)):
        stage = Stage(tmp_path / folder, apart)

        async def main(stage: Stage = stage, sabotaged: bool = sabotaged) -> None:
            task = asyncio.ensure_future(stage.play())
            await asyncio.sleep(ZERO + 15)
            if sabotaged:
                await rules_vanish(stage.target)
            await task

        virtually(main())
        assert bool(list(stage.journal.of("network.lost"))) == sabotaged
        assert Effective().check(stage.journal).verdict is (Verdict.INCONCLUSIVE if sabotaged else Verdict.PASS)
