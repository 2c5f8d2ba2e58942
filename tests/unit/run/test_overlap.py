"""Random faults on random nodes, overlapping, failing and interrupted, on virtual time: everything is healed.

Windows of one fault do not overlap on one node (the plan refuses that); windows of different faults do as they like.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos import registry
from chaos.errors import ChaosError, TargetError
from chaos.experiment.plan import Release, Step
from chaos.model import Node
from chaos.record.journal import Journal
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.run.test_orchestrator import NODES, Stage, plan
from tests.virtual import virtually

EXAMPLES: dict[str, Sequence[Mapping[str, Any]]] = {  # parameters to choose from; a fault without a line fails below
    "clock": [{"skew": -3600.0}],
    "corrupt": [{"share": 0.5}],
    "cpu": [{"share": 0.1}],
    "delay": [{"ms": 40}, {"ms": 10, "to": ["db-b"]}],
    "deploy": [{"environment": {"MODE": "new"}}, {"environment": {"MODE": "old", "LIMIT": "3"}}],
    "disk": [{}],
    "dns": [{}],
    "duplicate": [{"share": 0.5}],
    "http": [{"status": 503}, {"path": "/a*", "ms": 40.0}],
    "isolate": [{}, {"one_way": True}],
    "kill": [{}, {"signal": "TERM"}],
    "leak": [{"rate": 4, "limit": 256}],
    "loss": [{"share": 0.5}, {"share": 0.1}],
    "memory": [{"limit": 256}],
    "partition": [{"to": ["db-b"]}, {"to": ["chat-b", "db-b"], "one_way": True}],
    "pause": [{}],
    "power": [{}],
    "rate": [{"kbit": 200}],
    "reorder": [{"share": 0.5}],
    "reset": [{}],
    "restart": [{"grace": 1.0}],
    "staff": [{"leave": ["ana"], "variable": "GONE", "ask": ["printenv", "GONE"]}],
    "stop": [{"grace": 1.0}],
    "zone-cut": [{}],
}
FAULTS = [name for name in registry.names("chaos.faults") if name in EXAMPLES]
TICK = 0.5  # seconds; windows begin and end on ticks, so that some do so in the same instant
BEFORE = 6.0  # seconds from the start of a run to t = 0: what the scripted load wants, and the steady phase
LAST = 30.0  # nothing of a timeline happens later
CHANGES = [  # what a target does that can fail; that it can heal itself in the end is taken for granted here
    name
    for name, _ in inspect.getmembers(Memory, inspect.iscoroutinefunction)
    if name not in {"up", "down", "heal", "residue"}
]


@dataclass(frozen=True)
class Moods:
    """What the target does with its nth call: how long it takes, before and after the change, and whether it fails."""

    delays: Sequence[float] = (0.0,)  # seconds
    failures: Mapping[int, str] = field(default_factory=dict)  # call: before | after


class Moody(Memory):
    """A target that takes its time and fails now and then, in the same way in each play."""

    def __init__(self, moods: Moods) -> None:
        super().__init__(NODES)
        self._moods, self._calls, self.looking = moods, 0, False

    async def _moodily(self, name: str, *args: Any, **how: Any) -> Any:
        method = getattr(super(), name)
        if self.looking:
            return await method(*args, **how)
        self._calls += 1
        delays, fails = self._moods.delays, self._moods.failures.get(self._calls)
        await asyncio.sleep(delays[self._calls % len(delays)])
        if fails == "before":
            raise TargetError(f"{name} failed, nothing was done")
        answer = await method(*args, **how)
        await asyncio.sleep(delays[(self._calls + 1) % len(delays)])
        if fails == "after":
            raise TargetError(f"{name} was done, but nobody heard of it")
        return answer

    def state(self) -> dict[str, Any]:
        apart = {"_moods", "_calls", "looking", "_starts"}  # ours, and how often nodes were started
        return {k: copy.deepcopy(v) for k, v in vars(self).items() if k not in apart}


def _moody(name: str) -> Any:
    async def call(self: Moody, *args: Any, **how: Any) -> Any:
        return await self._moodily(name, *args, **how)

    return call


for _name in CHANGES:
    setattr(Moody, _name, _moody(_name))


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Up to six steps; each node of a step comes back in one of up to three releases."""
    found: list[Step] = []
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for n in range(draw(st.integers(1, 6))):
        fault = draw(st.sampled_from(FAULTS))
        at = draw(st.integers(0, 30)) * TICK
        most = 1 if getattr(registry.load("chaos.faults", fault), "whole", False) else 3
        ends = sorted(draw(st.lists(st.integers(1, 28), min_size=1, max_size=most, unique=True)))
        wanted = draw(st.lists(st.sampled_from(sorted(n.name for n in NODES)), min_size=1, max_size=4, unique=True))
        of_node = {name: at + draw(st.sampled_from(ends)) * TICK for name in wanted}
        free = [m for m in wanted if all(end < at or of_node[m] < start for start, end in taken.get((fault, m), []))]
        for name in free:
            taken.setdefault((fault, name), []).append((at, of_node[name]))
        params = draw(st.sampled_from(EXAMPLES[fault]))
        if set(params.get("to", ())) <= set(free) and "to" in params:
            continue  # between nobody: refused while planning
        times = sorted({of_node[m] for m in free})
        releases = tuple(Release(t, tuple(m for m in free if of_node[m] == t)) for t in times)
        if free:
            found.append(Step(f"{fault}-{n}", at, fault, params, tuple(free), releases))
    return found


delays = st.lists(st.sampled_from([0.0, 0.01, 0.2, 1.0]), min_size=1, max_size=5)
failures = st.dictionaries(st.integers(1, 40), st.sampled_from(["before", "after"]), max_size=4)
interrupts = st.lists(st.floats(0.0, BEFORE + LAST + 8.0), max_size=3)
often = settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def _quick_disk() -> Any:
    """Durability is test_orchestrator's matter; thousands of fsyncs would be most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield


@dataclass
class Played:
    journal: Journal
    text: bytes
    before: dict[str, Any]
    after: dict[str, Any]
    unseen: list[str]  # faults in force that nobody could see, looked for now and then


def play(timeline: Sequence[Step], moods: Moods = Moods(), interrupted: Sequence[float] = ()) -> Played:
    """One run in a folder of its own, interrupted at these seconds after its start."""
    with tempfile.TemporaryDirectory() as folder:
        target = Moody(moods)
        stage = Stage(Path(folder), plan(*timeline, length=LAST), target)
        unseen: list[str] = []
        calm = not moods.failures and not interrupted and set(moods.delays) == {0.0}

        async def main() -> dict[str, Any]:
            await target.heal()
            before = target.state()
            task = asyncio.ensure_future(stage.play())
            others = [asyncio.create_task(_interrupt(task, t)) for t in interrupted]
            if calm:
                others.append(asyncio.create_task(_look(target, timeline, unseen)))
            with contextlib.suppress(ChaosError, asyncio.CancelledError):
                await task
            for other in others:
                other.cancel()
            return before

        before = virtually(main())
        text = (Path(folder) / "journal.jsonl").read_bytes()
        return Played(stage.journal, text, before, target.state(), unseen)


async def _interrupt(task: asyncio.Future[None], after: float) -> None:
    await asyncio.sleep(after)
    task.cancel()


async def _look(target: Moody, timeline: Sequence[Step], unseen: list[str]) -> None:
    """Between two ticks: of the faults that the plan has on a node now, the one that came last is to be seen."""
    await asyncio.sleep(BEFORE + TICK / 2)
    for n in range(int(LAST / TICK)):
        now = n * TICK + TICK / 2
        until = {(s.id, name): r.t for s in timeline for r in s.releases for name in r.nodes}
        target.looking = True
        for node in NODES:
            there = [s for s in timeline if node.name in s.nodes and s.at <= now < until[s.id, node.name]]
            if there and len({s.at for s in there}) == len(there):
                last = max(there, key=lambda s: s.at)
                fault = registry.build(registry.load("chaos.faults", last.fault), last.params)
                if not await fault.confirm(target.can.need(fault.needs), _asked_about(fault, last, node)):
                    unseen.append(f"{last.id} on {node.name} at {now}")
        target.looking = False
        await asyncio.sleep(TICK)


def _asked_about(fault: Any, step: Step, node: Node) -> list[Node]:
    """A fault that is one for all its nodes is there for all of them or not at all."""
    whole = getattr(fault, "whole", False)
    return [n for n in NODES if n.name in step.nodes] if whole else [node]


def judged(timeline: Sequence[Step], played: Played) -> str:
    """The run's status, after what has to hold of every run."""
    assert played.after == played.before, "the target is as it was"
    (end,) = [e for _, e in played.journal.of("run.end")]
    (residue,) = [e for _, e in played.journal.of("residue")]
    assert residue.data["left"] == []
    owed: dict[str, set[str]] = {}
    failed = {e.subject for _, e in played.journal.of("fault.error")}
    for _, e in played.journal.of("fault."):
        nodes = set(e.data["nodes"])
        if e.kind == "fault.inject":
            assert e.subject not in owed, f"{e.subject} was injected twice"
            owed[e.subject] = nodes
        elif e.kind == "fault.heal":
            assert nodes <= owed[e.subject], f"{e.subject} was healed where it was not"
            owed[e.subject] -= nodes
        elif e.kind == "fault.again":
            assert nodes <= owed[e.subject], f"{e.subject} bit again after its heal"
    for step in timeline:
        left = owed.get(step.id, set())
        assert not left or step.id in failed, f"{step.id} was never healed on {left}"
    return str(end.data["status"])


def node(name: str) -> Node:
    return next(n for n in NODES if n.name == name)


def one(fault: str, at: float, until: float, *nodes: str) -> Step:
    return Step(fault, at, fault, EXAMPLES[fault][0], nodes, (Release(until, nodes),))


@often
@given(steps())
def test_whatever_overlaps_bites_until_its_end_and_leaves_nothing(timeline: list[Step]) -> None:
    """A target that does what it is asked to: each node's latest fault is seen until its end, then all is as before."""
    played = play(timeline)
    status = judged(timeline, played)
    errors = [e.data["error"] for _, e in played.journal.of("run.error")]
    dead = (
        "nothing to pause",
        "cpu was injected, but its effect could not be confirmed",
    )
    assert status == "done" or any(words in e for e in errors for words in dead), errors
    if status == "done":
        assert played.unseen == []
        told_of_the_end(timeline, played.journal)
        told_how_nodes_were(timeline, played.journal)


def told_of_the_end(timeline: Sequence[Step], journal: Journal) -> None:
    """Each fault was there to its end on each node, or hidden behind one that came later and lasted longer."""
    assert not list(journal.of("fault.gone"))
    for made in timeline:
        if getattr(registry.load("chaos.faults", made.fault), "momentary", False):
            continue
        told = {kind: _nodes(journal, kind, made.id) for kind in ("fault.still", "fault.hidden")}
        assert sorted(told["fault.still"] + told["fault.hidden"]) == sorted(made.nodes)
        behind = {name for _, e in journal.of("fault.hidden") if e.subject == made.id for name in e.data["behind"]}
        assert all(other.at >= made.at for other in timeline if other.id in behind)


def told_how_nodes_were(timeline: Sequence[Step], journal: Journal) -> None:
    """By the same figures before and after each fault; after the last heal of all they are as before."""
    seen = {(e.subject, e.data["when"]): e.data["figures"] for _, e in journal.of("vitals")}
    last = max(made.end for made in timeline)
    for made in timeline:
        assert ((made.id, "before") in seen) == ((made.id, "after") in seen), made.fault
        if (made.id, "before") in seen and made.end == last and sum(s.end == last for s in timeline) == 1:
            assert seen[made.id, "before"] == seen[made.id, "after"]


def _nodes(journal: Journal, kind: str, step: str) -> list[str]:
    return [name for _, e in journal.of(kind) if e.subject == step for name in e.data["nodes"]]


@often
@given(steps(), delays, failures, interrupts)
def test_nothing_is_left_whatever_fails_or_interrupts(
    timeline: list[Step], delays: list[float], failures: dict[int, str], interrupts: list[float]
) -> None:
    """Slow calls, calls that fail before or after they did their work, any number of interrupts at any time."""
    assert judged(timeline, play(timeline, Moods(delays, failures), interrupts)) in {"done", "error", "interrupted"}


@settings(often, max_examples=20)
@given(steps(), delays, failures, interrupts)
def test_one_seed_gives_one_journal(
    timeline: list[Step], delays: list[float], failures: dict[int, str], interrupts: list[float]
) -> None:
    """Byte for byte, however it went."""
    first, second = (play(timeline, Moods(delays, failures), interrupts) for _ in range(2))
    assert first.text == second.text and b"run.end" in first.text


@pytest.mark.parametrize("other", ["kill", "deploy"])
def test_a_node_that_another_fault_started_goes_dark_again(other: str) -> None:
    """Power is off until 20 s; what ends at 10 s starts the node, which is told at once that it has no power."""
    timeline = [one(other, 2, 10, "chat-a"), one("power", 5, 20, "chat-a", "db-a")]
    played = play(timeline)
    assert judged(timeline, played) == "done" and played.unseen == []
    assert [(e.t, e.subject) for _, e in played.journal.of("fault.again")] == [(10.0, "power")]


def test_a_fault_behind_one_that_came_later_is_hidden_and_not_gone() -> None:
    """Nobody can see that a dead node is frozen: the kill outlasts the pause, and the run is none the worse."""
    played = play([one("pause", 2, 10, "chat-a", "db-a"), one("kill", 5, 20, "chat-a")])
    assert judged([], played) == "done" and not list(played.journal.of("fault.gone"))
    hidden, still = ([e.data for _, e in played.journal.of(f"fault.{kind}")] for kind in ("hidden", "still"))
    assert [(e["fault"], e["nodes"], e["behind"]) for e in hidden] == [("pause", ["chat-a"], ["kill"])]
    assert [(e["fault"], e["nodes"]) for e in still] == [("pause", ["db-a"]), ("kill", ["chat-a"])]


def test_what_an_injection_once_more_took_along_is_there_again() -> None:
    """A heal on one node has the restart done again on all of its nodes: the other is still dead, and dead after it."""
    releases = (Release(9.5, ("chat-a",)), Release(10.0, ("chat-b",)))
    timeline = [
        one("restart", 8, 12, "chat-a", "chat-b"),
        Step("kill", 9.0, "kill", {}, ("chat-a", "chat-b"), releases),
    ]
    played = play(timeline)
    assert judged(timeline, played) == "done" and played.unseen == []
    assert [e.subject for _, e in played.journal.of("fault.again")][:2] == ["restart", "kill"]


def test_a_fault_that_does_not_come_back_after_anothers_heal_ends_the_run() -> None:
    """Gone with the heal of another fault is a fault that does not bite: never a pass."""
    timeline = [one("kill", 2, 10, "chat-a"), one("power", 5, 20, "chat-a")]

    def errors(failures: dict[int, str]) -> list[str]:
        played = play(timeline, Moods((0.0,), failures))
        judged(timeline, played)
        return [e.data["error"] for _, e in played.journal.of("run.error")]

    assert errors({}) == []
    seen = [e for n in range(1, 60) for e in errors({n: "before"}) if "gone with the heal of another fault" in e]
    assert seen and all(e.startswith("power") for e in seen)


def test_a_target_that_cannot_heal_itself_is_still_scanned(says: Says) -> None:
    """What is left stands in the journal when the last heal failed: that is when it matters."""

    class Hopeless(Memory):
        tries = 0

        async def heal(self) -> None:
            self.tries += 1
            if self.tries > 1:
                raise TargetError("out of order")
            await super().heal()

        async def resume(self, nodes: Sequence[Node]) -> None:
            raise TargetError("out of order")

    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), plan(one("pause", 1, 2, "chat-a"), length=LAST), Hopeless(NODES))
        with says.raises(ChaosError):
            stage.go()
        assert [e.data["left"] for _, e in stage.journal.of("residue")] == [["chat-a is paused"]]


@pytest.mark.parametrize(("away", "left"), [(20.0, []), (60.0, ["chat-a is paused"])])
def test_an_engine_that_is_away_for_a_moment_leaves_nothing(away: float, left: list[str], says: Says) -> None:
    """It is asked again for half a minute, to end the load too; then the run says what is left."""

    class Away(Memory):
        def gone(self) -> None:
            if BEFORE + 5.0 < asyncio.get_running_loop().time() < BEFORE + 5.0 + away:
                raise TargetError("the engine does not answer")

        async def heal(self) -> None:
            self.gone()
            await super().heal()

        async def resume(self, nodes: Sequence[Node]) -> None:
            self.gone()
            await super().resume(nodes)

    with tempfile.TemporaryDirectory() as folder:
        target = Away(NODES)
        stage = Stage(Path(folder), plan(one("pause", 1, 6, "chat-a"), length=LAST), target)
        stop, stopped = stage.load.stop, []

        async def stop_too() -> None:
            target.gone()
            stopped.append(True)
            await stop()

        stage.load.stop = stop_too  # type: ignore[method-assign]
        with says.raises(ChaosError):
            stage.go()
        assert [e.data["left"] for _, e in stage.journal.of("residue")] == [left]
        assert stage.seen("end.again") and bool(stopped) == (not left)


def test_a_bug_in_the_load_does_not_keep_the_target_broken(says: Says) -> None:
    """Whatever is raised while ending, the rest is still ended, and the bug comes out."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), plan(one("kill", 1, 9, "chat-a"), length=LAST))

        async def broken() -> None:
            raise RuntimeError("a bug of ours")

        stage.load.stop = broken  # type: ignore[method-assign]
        with says.raises(RuntimeError):
            stage.go()
        assert virtually(stage.target.residue()) == []
        assert [e.data["type"] for _, e in stage.journal.of("run.error")] == ["RuntimeError"]
        assert stage.seen("run.end")


def test_every_fault_is_played_here() -> None:
    """A new fault that this target has is not forgotten."""
    assert set(EXAMPLES) == set(registry.names("chaos.faults"))
