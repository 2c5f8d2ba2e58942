"""The lease: a harness that stood still has lost it, its watchdog heals in its place, and a sleep is no standstill."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chaos.errors import LeaseLost, TargetError
from chaos.model import Node
from chaos.run import lease, watchdog
from chaos.run.lease import Lease
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step
from tests.virtual import virtually


class Watching:
    """A watchdog that only notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.gone = False

    def renew(self) -> None:
        if self.gone:
            raise LeaseLost("its watchdog healed in its place")
        self.heard.append("renew")

    def rest(self) -> None:
        self.heard.append("rest")

    def settle(self) -> None:
        self.heard.append("settle")

    def abandon(self) -> None:
        self.heard.append("abandon")


class Clock:
    """The machine's own, which goes on while the harness stands still; the run's is virtual."""

    def __init__(self) -> None:
        self.still = 0.0

    def __call__(self) -> float:
        try:
            return asyncio.get_running_loop().time() + self.still
        except RuntimeError:
            return self.still


class Freezing(Memory):
    """Its first kill takes the harness `seconds` in which nothing of it runs."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(NODES)
        self.machine, self.seconds = clock, seconds
        self.killed: list[str] = []

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        if not self.killed:
            self.machine.still += self.seconds
        self.killed += [n.name for n in nodes]
        await super().kill(nodes, signal)


def frozen(tmp_path: Path, seconds: float) -> tuple[Stage, Freezing, Watching]:
    clock, watching = Clock(), Watching()
    target = Freezing(clock, seconds)
    stage = Stage(tmp_path, plan(step("one", 10.5, 40, "chat-a"), step("two", 10.6, 50, "db-a")), target)
    stage.more["lease"] = Lease(watching, clock)
    return stage, target, watching


def test_a_harness_that_stood_still_ends_with_an_error_and_breaks_nothing_more(tmp_path: Path, says: Says) -> None:
    """The step that is due before the next renewal is not injected either; what bites is healed."""
    stage, target, watching = frozen(tmp_path, lease.STILL + 0.5)
    with says.raises(LeaseLost):
        stage.go()
    assert target.killed == ["chat-a"]
    assert [e.data["type"] for _, e in stage.journal.of("run.error")] == ["LeaseLost"]
    assert virtually(target.residue()) == []
    assert watching.heard[-2:] == ["settle", "rest"], "nobody heals at the same time; then no renewals are due"


def test_a_short_standstill_costs_nothing(tmp_path: Path) -> None:
    """A slow disk, a busy machine."""
    stage, target, watching = frozen(tmp_path, lease.STILL - 1.5)
    stage.go()
    assert target.killed == ["chat-a", "db-a"]
    assert 60 < watching.heard.count("renew") < 80 and watching.heard[-1] == "rest"


def test_before_anything_may_be_broken_nobody_has_to_hurry(tmp_path: Path) -> None:
    """Half a minute without a breath while the stack starts: no renewal was due yet."""
    clock, watching = Clock(), Watching()

    class Building(Memory):
        async def heal(self) -> None:
            clock.still += 30.0
            assert not watching.heard or "settle" in watching.heard
            await super().heal()

    stage = Stage(tmp_path, plan(step("one", 10, 20, "chat-a")), Building(NODES))
    stage.more["lease"] = Lease(watching, clock)
    assert stage.go().journal.events[-1].data["status"] == "done"


def test_a_run_whose_watchdog_has_healed_ends_with_an_error(tmp_path: Path, says: Says) -> None:
    """The next renewal finds out, also when no step is due."""
    stage = Stage(tmp_path, plan(step("one", 10, 50, "chat-a")))
    watching = Watching()
    stage.more["lease"] = Lease(watching, Clock())

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(6 + 20.2)
        watching.gone = True
        with says.raises(LeaseLost):
            await task

    virtually(main())
    (error,) = [e for _, e in stage.journal.of("run.error")]
    assert 20 <= error.t <= 21.5
    assert virtually(stage.target.residue()) == []


class Unhealable(Memory):
    """From the first fault on nobody can heal it."""

    def __init__(self) -> None:
        super().__init__(NODES)
        self.hurt = False

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        self.hurt = True
        await super().kill(nodes, signal)

    async def heal(self) -> None:
        if self.hurt:
            raise TargetError("the engine is away")
        await super().heal()


@pytest.mark.parametrize(("target", "heard"), [(Unhealable, True), (lambda: Memory(NODES), False)])
def test_a_heal_that_never_succeeds_is_left_to_the_watchdog(
    target: Callable[[], Memory], heard: bool, tmp_path: Path
) -> None:
    """It has more patience than a run. A heal that succeeds needs no other."""
    watching = Watching()
    stage = Stage(tmp_path, plan(step("one", 10, 20, "chat-a")), target())
    stage.more["lease"] = Lease(watching, Clock())
    stage.go()
    assert ("abandon" in watching.heard) is heard


def test_we_stop_by_ourselves_before_others_heal_in_our_place() -> None:
    """Else there would be a moment in which one heals and the other breaks."""
    assert lease.STILL + lease.EVERY < watchdog.LEASE * watchdog.EVERY


# --- the real one, in a process of its own, with a lease of a few tenths of a second


def test_a_machine_that_slept_misses_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides wake up to a clock that has jumped by hours: the watchdog counts looks, so that is one of ten."""
    looks: list[float] = []
    reading, writing = os.pipe()
    os.write(writing, watchdog.RENEW)

    def select(read: list[int], write: list[int], odd: list[int], seconds: float | None) -> tuple[list[int], ...]:
        if seconds is None or not looks:
            looks.append(0.0)
            return read, [], []
        looks.append(8 * 3600.0)  # what the clock says has passed
        if len(looks) == 4:
            os.write(writing, watchdog.DONE)
            return read, [], []
        return [], [], []

    monkeypatch.setattr("chaos.run.watchdog.select.select", select)
    assert watchdog.given_up(reading) == ""
    assert len(looks) == 4
    for fd in (reading, writing):
        os.close(fd)
