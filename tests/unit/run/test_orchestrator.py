"""The orchestrator on virtual time: order of events, heal on every way out, determinism."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos import registry
from chaos.errors import ChaosError, FaultError, NoEffect, NotSteady, TargetError
from chaos.experiment.plan import Act, LoadSpec, Plan, Release, Step
from chaos.judge.judge import judge
from chaos.model import Event, Node, Note, Verdict
from chaos.record.journal import Journal
from chaos.record.store import pretty
from chaos.run.orchestrator import run
from chaos.run.recorder import Recorder
from chaos.run.stage import Participants
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.scripted import Ask, Scripted
from tests.virtual import virtually

NODES = [Node(f"{c}-{z}", c, z) for c in ("chat", "db") for z in "ab"]


def plan(*steps: Step, acts: Sequence[Act] = (), length: float = 60.0) -> Plan:
    return Plan(
        experiment="made-up", claim="", seed=7, target="memory", settings={}, scale=1.0, short=False, steady=5.0,
        steady_within=20.0, hold=2.0, length=length, recover=5.0, nodes=(), steps=tuple(steps), acts=tuple(acts),
        load=LoadSpec("users.py", 1, 2.0, 1.0, 7), probes=(), checks=(), left_out=(),
    )  # fmt: skip


def step(name: str, at: float, until: float, *nodes: str, fault: str = "kill") -> Step:
    return Step(name, at, fault, {}, nodes, (Release(until, nodes),))


class Stage:
    """One run in a folder, with what came of it."""

    def __init__(self, folder: Path, plan: Plan, target: Memory | None = None, ask: Ask = lambda t: "ok") -> None:
        self.folder, self.plan = folder, plan
        self.target = target or Memory(NODES)
        self.load = Scripted(ask)
        self.probes: list[Any] = []
        self.more: dict[str, Any] = {}  # of the participants
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plan.json").write_bytes(pretty(plan))

    async def play(self) -> None:
        faults = {s.id: registry.build(registry.load("chaos.faults", s.fault), s.params) for s in self.plan.steps}
        recorder = Recorder(self.folder / "journal.jsonl")
        try:
            await run(
                self.plan, Participants(self.target, faults, self.load, self.probes, owned=False, **self.more), recorder
            )
        finally:
            recorder.close()

    def go(self) -> Stage:
        virtually(self.play())
        return self

    @property
    def journal(self) -> Journal:
        return Journal.load(self.folder)

    def seen(self, prefix: str) -> list[tuple[float, str, str]]:
        return [(e.t, e.kind, e.subject) for _, e in self.journal.of(prefix)]


def test_overlapping_faults_are_injected_and_healed_when_the_plan_says(tmp_path: Path) -> None:
    """Every fault's events stand at the planned times, on a timeline whose zero follows the steady phase."""
    stage = Stage(tmp_path, plan(step("one", 10, 30, "chat-a"), step("two", 20, 25, "db-a", fault="pause"))).go()
    assert stage.seen("fault.") == [
        (10.0, "fault.inject", "one"), (10.0, "fault.active", "one"),
        (20.0, "fault.inject", "two"), (20.0, "fault.active", "two"),
        (24.7, "fault.still", "two"), (25.0, "fault.heal", "two"),
        (29.7, "fault.still", "one"), (30.0, "fault.heal", "one"),
    ]  # fmt: skip
    assert stage.journal.events[0].t < -5.0
    assert [e.t for e in stage.journal.events] == sorted(e.t for e in stage.journal.events)


def test_a_run_has_its_phases_in_order(tmp_path: Path) -> None:
    """up, steady, timeline, recover, readback; the load is prepared, drained and read back."""
    stage = Stage(tmp_path, plan(step("one", 1, 2, "chat-a"))).go()
    assert [s for _, _, s in stage.seen("phase")] == ["up", "steady", "timeline", "recover", "readback"]
    assert stage.load.calls == ["prepare", "start", "drain", "readback", "stop"]
    assert stage.seen("run.end") and not stage.seen("run.error")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_load_noticed_about_itself_is_in_the_journal(tmp_path: Path, fails: bool) -> None:
    """From the steady phase on, also of a load that ends badly; what lasted into it counts from its beginning."""
    made = plan(step("one", 1, 2, "chat-a"))
    begin = -made.steady
    stage = Stage(tmp_path, made)
    stage.load.noticed = [
        Note(begin - 9, "blocked", 2.0), Note(begin - 1, "blocked", 3.0), Note(1.5, "blocked", where=("a.py:1 b",)),
        Note(begin - 2, "died", what="A: no"),
    ]  # fmt: skip
    stage.load.failing = fails
    if fails:
        with pytest.raises(ChaosError):
            stage.go()
    else:
        stage.go()
    found = [
        (e.t, e.kind, dict(e.data)) for _, e in stage.journal.of("load.") if e.kind not in ("load.start", "load.stop")
    ]
    assert found == [
        (begin, "load.blocked", {"seconds": 3.0}), (1.5, "load.blocked", {"where": ["a.py:1 b"]}),
        (begin, "load.died", {"what": "A: no"}),
    ]  # fmt: skip


def test_two_plays_of_one_plan_give_the_same_bytes(tmp_path: Path) -> None:
    """On virtual time the journal is a function of the plan."""
    made = plan(step("one", 10, 30, "chat-a", "db-b"), acts=[Act("hands", 12.5, "promote", ("true",), ("db-b",))])
    one, two = (Stage(tmp_path / name, made).go() for name in "ab")
    text = [(stage.folder / "journal.jsonl").read_bytes() for stage in (one, two)]
    assert text[0] == text[1] and b"operator.done" in text[0]


def test_nodes_come_back_unit_by_unit(tmp_path: Path) -> None:
    """A step with several releases heals each group at its own time and says which boot unit it was."""
    made = Step("blow", 5, "power", {}, ("chat-a", "db-a"), (Release(20, ("db-a",), 3), Release(40, ("chat-a",), 9)))
    stage = Stage(tmp_path, plan(made)).go()
    healed = [(e.t, e.data["unit"], e.data["nodes"]) for _, e in stage.journal.of("fault.heal")]
    assert healed == [(20.0, 3, ["db-a"]), (40.0, 9, ["chat-a"])]
    assert [(t, s) for t, _, s in stage.seen("node.up")] == [(20.0, "db-a"), (40.0, "chat-a")]


def test_a_fault_that_does_not_bite_ends_the_run_and_is_healed(tmp_path: Path, says: Says) -> None:
    """A target that ignores the kill is found out by confirm: NoEffect, never a pass."""

    class Deaf(Memory):
        async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None: ...

    stage = Stage(tmp_path, plan(step("one", 10, 30, "chat-a")), Deaf(NODES))
    with says.raises(NoEffect):
        stage.go()
    assert [kind for _, kind, _ in stage.seen("fault.")] == ["fault.inject", "fault.error", "fault.heal"]
    assert [e.data["verdict"] for _, e in stage.journal.of("run.error")] == ["INCONCLUSIVE"]
    assert not stage.seen("fault.active")


@pytest.mark.parametrize("interrupts", [1, 2, 5])
def test_any_number_of_interrupts_still_heals(tmp_path: Path, interrupts: int) -> None:
    """Cancelled in the middle of overlapping faults, and again while healing slowly: everything is healed."""

    class Slow(Memory):
        async def start(self, nodes: Sequence[Node]) -> None:
            await asyncio.sleep(3)
            await super().start(nodes)

    stage = Stage(tmp_path, plan(step("one", 10, 30, "chat-a"), step("two", 11, 30, "db-a")), Slow(NODES))

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(6 + 15)
        assert not await stage.target.running(NODES[0])
        for _ in range(interrupts):
            task.cancel()
            await asyncio.sleep(0.5)
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main())
    assert len(stage.seen("fault.heal")) == 2
    assert virtually(stage.target.residue()) == []
    (end,) = [e for _, e in stage.journal.of("run.end")]
    assert end.data["status"] == "interrupted"


def test_a_heal_that_fails_is_an_error_and_the_others_are_healed(tmp_path: Path, says: Says) -> None:
    """One node that will not start does not keep the rest of the target broken."""

    class Stuck(Memory):
        stuck = True

        async def start(self, nodes: Sequence[Node]) -> None:
            if self.stuck and any(n.name == "db-a" for n in nodes):
                raise TargetError("db-a will not start")
            await super().start(nodes)

    made = plan(step("one", 10, 30, "chat-a"), step("two", 11, 20, "db-a"))
    stage = Stage(tmp_path, made, Stuck(NODES))
    with says.raises(FaultError):
        stage.go()
    assert ("fault.heal", "one") in [(kind, subject) for _, kind, subject in stage.seen("fault.")]
    assert virtually(stage.target.residue()) == []  # the final heal of the target got it


def test_users_who_are_not_well_before_the_first_fault_stop_the_run(tmp_path: Path, says: Says) -> None:
    """No fault is injected into a system that was not steady; the load is tried again until patience ends."""
    stage = Stage(tmp_path, plan(step("one", 10, 30, "chat-a")), ask=lambda t: "fail" if t < 0 else "ok")
    with says.raises(NotSteady):
        stage.go()
    assert not stage.seen("fault.") and stage.load.calls.count("start") > 1


def test_an_operator_whose_command_fails_ends_the_run(tmp_path: Path, says: Says) -> None:
    """The code and the output of the command stand in the journal and in the error."""

    class Refusing(Memory):
        async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
            return 3, "not while it rains"

    stage = Stage(tmp_path, plan(acts=[Act("hands", 5, "promote", ("x",), ("db-b",))]), Refusing(NODES))
    with says.raises(TargetError):
        stage.go()


def test_a_probe_that_fails_is_written_down_and_asked_again(tmp_path: Path) -> None:
    """Missing samples are for the checks to judge; they do not end a run."""

    class Flaky:
        name, every, asked = "flaky", 1.0, 0

        async def sample(self) -> dict[str, float]:
            self.asked += 1
            if self.asked % 2:
                raise OSError("connection refused")
            return {"value": 1.0}

    stage = Stage(tmp_path, plan(step("one", 1, 5, "chat-a"), length=10))
    stage.probes.append(Flaky())
    stage.go()
    assert len(stage.seen("probe.error")) > 3 and len(stage.seen("probe.sample")) > 3


class Swallowing(Memory):
    """Its heal ends as it would have, whoever is cancelled meanwhile: as `asyncio.wait_for` of Python 3.11 may do."""

    async def heal(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3.0)
        await super().heal()


def test_an_interrupt_that_something_swallowed_ends_the_run_all_the_same(tmp_path: Path) -> None:
    """No fault is injected after it, and everything is healed; without it the first Ctrl-C would be lost."""
    stage = Stage(tmp_path, plan(step("one", 1.0, 2.0, "chat-a")), target=Swallowing(NODES))

    async def interrupted() -> None:
        playing = asyncio.ensure_future(stage.play())
        asyncio.get_running_loop().call_later(1.5, playing.cancel)
        with pytest.raises(asyncio.CancelledError):
            await playing

    virtually(interrupted())
    assert stage.seen("fault.inject") == []
    assert [e.data["status"] for _, e in stage.journal.of("run.end")] == ["interrupted"]


def test_a_bug_of_ours_heals_and_is_an_error_of_the_run(tmp_path: Path) -> None:
    """Judged from its files it is ERROR, neither FAIL nor a run that was cut off."""

    class Wrong(Memory):
        async def start(self, nodes: Sequence[Node]) -> None:
            raise TypeError("odd")

    stage = Stage(tmp_path, plan(step("one", 1, 5, "chat-a"), length=10), Wrong(NODES))
    with pytest.raises(ExceptionGroup):
        stage.go()
    said = next(e.data for _, e in stage.journal.of("run.error"))
    assert (said["type"], said["verdict"]) == ("TypeError", "ERROR")
    assert stage.journal.events[-1].kind == "run.end"
    assert judge(stage.journal, "x").verdict is Verdict.ERROR


def test_a_full_disk_loses_no_line_of_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """The first line that does not fit ends the run in words; what never fits is printed, in order."""

    async def main() -> None:
        recorder = Recorder(tmp_path / "journal.jsonl")
        recorder.emit("run.start", "x")

        class Full:
            def write(self, data: bytes) -> int:
                raise OSError(28, "No space left on device")

            def fileno(self) -> int:
                raise OSError(28, "No space left on device")

            def close(self) -> None: ...

        real = recorder._file
        recorder._file = Full()  # type: ignore[assignment]
        with says.raises(Exception):
            recorder.emit("fault.inject", "one")
        recorder.emit("fault.heal", "one")  # healing goes on
        recorder.close()
        real.close()

    virtually(main())
    printed = capsys.readouterr().err
    assert printed.index("fault.inject") < printed.index("fault.heal")
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 1


def test_journal_events_survive_a_torn_last_line(tmp_path: Path) -> None:
    """A writer killed in the middle of a line costs that line only."""
    stage = Stage(tmp_path, plan(step("one", 1, 2, "chat-a"), length=3)).go()
    whole = stage.journal.events
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert stage.journal.events == whole[:-1]
    assert isinstance(whole[0], Event)
