"""What is seen after an inject is the fault's doing: each node is looked at before, and "could not look" is no yes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from chaos import registry
from chaos.errors import CannotLook, NoEffect
from chaos.experiment.plan import Release, Step
from chaos.judge.assumptions.effective import Effective
from chaos.model import Node, Verdict
from chaos.protocols.links import Link, RoundTrips, Traffic
from chaos.run.lifecycle import active
from chaos.run.node_lock import NodeLock
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.run.test_orchestrator import NODES, Stage, plan
from tests.unit.run.test_overlap import EXAMPLES, FAULTS
from tests.virtual import virtually

ZERO = 6.0  # seconds from the start of a run to t = 0
HIT = ("chat-a", "db-a")
CHANGES = [
    *("kill", "stop", "restart", "pause", "starve", "squeeze", "leak"),
    *("hide_names", "fill", "skew", "cut", "shape", "deploy"),
]
LOOKS = [
    *("restarted", "paused", "share", "starved", "squeezed", "leaks", "resolves"),
    *("full", "clock", "is_cut", "traffic", "deployed", "environment"),
]


def fault(name: str, at: float = 10.0, until: float = 20.0, nodes: Sequence[str] = HIT, ident: str = "one") -> Step:
    return Step(ident, at, name, EXAMPLES[name][0], tuple(nodes), (Release(until, tuple(nodes)),))


def made(name: str) -> Any:
    return registry.build(registry.load("chaos.faults", name), EXAMPLES[name][0])


def play(
    folder: Path, target: Memory, *steps: Step, meanwhile: Callable[[], Any] | None = None, at: float = 5.0
) -> Stage:
    """A run, in which somebody who is not in the plan does something at a time of the timeline."""
    stage = Stage(folder, plan(*steps, length=30), target)

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(ZERO + at)
        if meanwhile:
            await meanwhile()
        await task

    with pytest.raises(NoEffect) as e:
        virtually(main())
    assert e.value.exit_code == 3
    verdict = Effective().check(stage.journal).verdict
    assert (
        verdict is Verdict.INCONCLUSIVE
        and list(stage.journal.of("fault.error"))
        and not list(stage.journal.of("fault.active"))
    )
    (residue,) = [e for _, e in stage.journal.of("residue")]
    assert residue.data["left"] == []
    return stage


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_so_before_is_no_faults_doing(tmp_path: Path, name: str) -> None:
    """On both nodes or on one of them, by somebody who is in no journal: the fault is not even injected."""
    for which in [HIT] if registry.load("chaos.faults", name).whole else [HIT, HIT[1:]]:
        target = Memory(NODES)
        fault_of = made(name)
        on = target.can.need(fault_of.needs)
        somebody = functools.partial(fault_of.inject, on, [n for n in NODES if n.name in which])
        stage = play(tmp_path / "-".join(which), target, fault(name), meanwhile=somebody)
        assert not list(stage.journal.of("fault.inject"))
        (error,) = [e for _, e in stage.journal.of("fault.error")]
        assert set(error.data["nodes"]) == set(which)


@pytest.mark.parametrize("name", FAULTS)
def test_a_node_that_was_dead_before_is_hurt_by_nothing(tmp_path: Path, name: str) -> None:
    """It crashed; no step of the plan has it."""
    target = Memory(NODES)
    dead = [n for n in NODES if n.name == "db-a"]
    stage = play(tmp_path, target, fault(name), meanwhile=lambda: target.kill(dead))
    assert not list(stage.journal.of("fault.inject"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_target_that_does_nothing_confirms_nothing(tmp_path: Path, name: str) -> None:
    """Every change is taken and none is made."""

    async def nothing(self: Memory, *args: Any, **how: Any) -> None: ...

    deaf = type("Deaf", (Memory,), dict.fromkeys(CHANGES, nothing))
    stage = play(tmp_path, deaf(NODES), fault(name))
    assert [e.kind for _, e in stage.journal.of("fault.")] == ["fault.inject", "fault.error", "fault.heal"]


@pytest.mark.parametrize("when", [0.0, 9.9])  # from the start, or since the look before
@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"kill", "stop"}))  # who runs is asked of no node
def test_a_look_without_an_answer_is_no_yes(tmp_path: Path, name: str, when: float) -> None:
    """Before the inject and after it; what was injected is healed."""
    if name in ("deploy", "staff") and when:
        return  # what a node was told before is asked by the inject already

    def blind(method: str) -> Any:
        look = getattr(Memory, method)

        async def call(self: Memory, *args: Any, **how: Any) -> Any:
            if when <= asyncio.get_running_loop().time() - ZERO < 19:
                raise CannotLook(f"{method}: no program there")
            return await look(self, *args, **how)

        return call

    target = type("Blind", (Memory,), {method: blind(method) for method in LOOKS})(NODES)
    stage = play(tmp_path, target, fault(name))
    kinds = [e.kind for _, e in stage.journal.of("fault.")]
    assert kinds == (["fault.inject", "fault.error", "fault.heal"] if when else ["fault.error"])


def test_a_look_that_never_ends_is_no_answer(tmp_path: Path) -> None:
    """Ten seconds, and the step is not played."""

    class Slow(Memory):
        async def paused(self, node: Node) -> bool:
            await asyncio.sleep(3600)
            return False

    assert not list(play(tmp_path, Slow(NODES), fault("pause")).journal.of("fault.inject"))


def test_the_look_before_makes_no_inject_late(tmp_path: Path) -> None:
    """It is taken so long before as it may take; where there is no time before, before t = 0."""

    class Careful(Memory):
        looked: ClassVar[list[float]] = []

        async def resolves(self, node: Node) -> bool:
            now = asyncio.get_running_loop().time() - ZERO
            await asyncio.sleep(2.5 if node.name in self._nameless else 1.0)
            self.looked.append(round(now, 6))
            return await super().resolves(node)

    stage = Stage(
        tmp_path,
        plan(fault("dns", 0, 5, ("chat-a",)), fault("dns", 10, 15, ("db-a",), "two"), length=30),
        Careful(NODES),
    )
    stage.go()
    assert [(e.subject, e.t) for _, e in stage.journal.of("fault.inject")] == [("one", 0.0), ("two", 10.0)]
    assert {t for t in Careful.looked if t < 10} >= {-2.0, 6.8}


def test_an_effect_of_another_step_of_the_plan_is_not_foreign(tmp_path: Path) -> None:
    """The plan has them overlap: the journal says behind which steps it was injected, and only there."""
    steps = [
        fault("power", 5, 20, ("chat-a",), "dark"),
        fault("kill", 8, 25, HIT),
        fault("delay", 9, 12, ("chat-a",), "slow"),
    ]
    stage = Stage(tmp_path, plan(*steps, length=30)).go()
    behind = {e.subject: e.data.get("behind") for _, e in stage.journal.of("fault.inject")}
    assert behind == {"dark": None, "one": ["dark"], "slow": ["dark", "one"]}
    assert Effective().check(stage.journal).verdict is Verdict.PASS


def test_a_step_that_is_over_excuses_nothing(tmp_path: Path, says: Says) -> None:
    """What it left dead, or what died of it, was dead before the next."""
    target = Memory(NODES)
    dead = [n for n in NODES if n.name == "db-a"]
    stage = Stage(tmp_path, plan(fault("kill", 2, 4, ident="first"), fault("kill"), length=30), target)

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(ZERO + 6)
        await target.kill(dead)
        await task

    with says.raises(NoEffect):
        virtually(main())
    assert [e.subject for _, e in stage.journal.of("fault.inject")] == ["first"]


class Counting(Memory):
    """A network whose helper counts what it is told, and holds nothing back."""

    async def round_trips(self, link: Link) -> RoundTrips:
        return RoundTrips(5, [1.0] * 5)


def test_a_delay_that_packets_do_not_feel_is_none(tmp_path: Path) -> None:
    """The helper says that it held them; they come back as soon as before."""
    stage = play(tmp_path, Counting(NODES), fault("delay"))
    assert [e.kind for _, e in stage.journal.of("fault.")] == ["fault.inject", "fault.error", "fault.heal"]


def test_a_delay_that_nobody_can_measure_is_not_confirmed(tmp_path: Path) -> None:
    """Nobody answers, and no other step of the plan is the reason."""

    class Silent(Memory):
        async def round_trips(self, link: Link) -> RoundTrips:
            return RoundTrips(5, [])

    assert not list(play(tmp_path, Silent(NODES), fault("delay")).journal.of("fault.inject"))


@pytest.mark.parametrize(
    ("params", "before", "during", "felt"),
    [
        ({"ms": 40}, 1.0, 81.0, True), ({"ms": 40}, 1.0, 30.0, False), ({"ms": 40}, 60.0, 70.0, False),
        ({"ms": 40, "one_way": True}, 1.0, 41.0, True), ({"ms": 40, "one_way": True}, 1.0, 20.0, False),
        ({"ms": 600}, 1.0, None, True), ({"ms": 40}, 1.0, None, None), ({"ms": 40}, None, 81.0, None),
        ({"ms": 40, "jitter_ms": 39}, 1.0, 45.0, True), ({"ms": 1}, 0.1, 0.1, False),
    ],
)  # fmt: skip
def test_a_delay_is_felt_by_half_of_it_at_least(
    params: dict[str, Any], before: float | None, during: float | None, felt: bool | None
) -> None:
    """Than before, there and back; one that is longer than is waited for is felt by silence."""
    one = registry.build(registry.load("chaos.faults", "delay"), params)
    was, now = ({} if ms is None else {"round_trip_ms": ms} for ms in (before, during))
    assert one.felt(was, now) is felt


@pytest.mark.parametrize(("held", "effective"), [(0.0, False), (10.0, False), (20.0, True), (40.0, True)])
def test_jitter_takes_no_delay_away(held: float, effective: bool) -> None:
    """On average packets are held as long as without it."""
    one = registry.build(registry.load("chaos.faults", "delay"), {"ms": 40, "jitter_ms": 39.9})
    assert one.effective(Traffic(100, 0, held)) is effective


def test_a_limit_that_a_node_has_anyway_is_no_fault(tmp_path: Path) -> None:
    """The engine reports the machine's memory, or the container's own limit, as the limit in force."""

    class Limited(Memory):
        async def squeezed(self, node: Node) -> int | None:
            return min(200 << 20, await super().squeezed(node) or 200 << 20)

        async def share(self, node: Node) -> float | None:
            return min(0.05, await super().share(node) or 0.05)

        async def starved(self, node: Node) -> bool:
            return True

    for name in ("memory", "cpu"):
        assert not list(play(tmp_path / name, Limited(NODES), fault(name)).journal.of("fault.inject"))


def test_whoever_injects_without_a_timeline_looks_first_too(tmp_path: Path) -> None:
    """As tests and drivers do."""
    target, nodes = Memory(NODES), [n for n in NODES if n.name in HIT]

    class Sink:
        def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None: ...

    async def main() -> None:
        await target.heal()
        await target.pause(nodes[:1])
        async with active(fault("pause"), made("pause"), nodes, target, Sink(), NodeLock()):
            pass

    with pytest.raises(NoEffect):
        virtually(main())
