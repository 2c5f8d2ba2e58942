"""Probes with a tolerance on virtual time: when they ask, what the journal has, and runs without a load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chaos.errors import NotSteady, TargetError
from chaos.experiment.plan import CheckSpec, LoadSpec, Plan, ProbeSpec
from chaos.judge.judge import judge
from chaos.load.nobody import Nobody
from chaos.model import Node, Verdict
from chaos.probes.prober.watch import Watch
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.run.test_orchestrator import NODES, Stage, plan, step

QUORUM = ProbeSpec("exec", "quorum", 1.0, {"node": "db-b", "run": ["kvctl", "health"]}, 1.0)
NOBODY = LoadSpec("", 0, 0.0, 0.0, 7)

Reply = Callable[["Town"], Any]  # an exit code; raises, or sleeps


class Town(Memory):
    """`reply` answers the command of the probe. `asked` is when it was asked, by the loop's clock."""

    def __init__(self, reply: Reply = lambda town: 0) -> None:
        super().__init__(NODES)
        self._reply = reply
        self.asked: list[float] = []

    def runs(self, name: str) -> bool:
        return name in self._up

    async def exec(self, node: Node, command: Sequence[str], timeout: float = 10.0) -> tuple[int, str]:
        self.asked.append(asyncio.get_running_loop().time())
        code = self._reply(self)
        if asyncio.iscoroutine(code):
            code = await code
        return code, "line\nunhealthy" if code else "healthy"


def probed(*checks: CheckSpec, **changes: Any) -> Plan:
    """A kill of chat-a from 2 to 6 s in a run without load, until 6 + 5 s."""
    made: dict[str, Any] = {"load": NOBODY, "probes": (QUORUM,), "checks": checks}
    return msgspec.structs.replace(plan(step("one", 2, 6, "chat-a"), length=6.0), **(made | changes))


def stage(folder: Path, reply: Reply = lambda town: 0, made: Plan | None = None) -> Stage:
    made, town = made or probed(), Town(reply)
    found = Stage(folder, made, town)
    if not made.load.users:
        found.load = Nobody(made.steady)  # type: ignore[assignment]  # instead of users
    found.probes = []
    found.more = {"watch": Watch(made.probes, town, folder)}
    return found


def as_chat_a(town: Town) -> int:
    return 0 if town.runs("chat-a") else 1


def test_a_run_without_load_is_judged_by_its_probe(tmp_path: Path) -> None:
    """The probe sees the kill: bad answers from 2 to 6 s, and its checks fail and pass."""
    checks = (
        CheckSpec("probe-1", "probe", {"name": "quorum", "at_least": 0.99, "phase": "during"}),
        CheckSpec("probe-2", "probe", {"name": "quorum", "back_within": 4.0}),
    )
    journal = stage(tmp_path, as_chat_a, probed(*checks)).go().journal
    bad = [e.t for _, e in journal.of("probe.sample") if not e.data["ok"]]
    assert bad == [2.0, 3.0, 4.0, 5.0]
    found = {f.check: f.verdict for f in judge(journal).findings}
    assert found["steady"] is found["probe quorum back"] is Verdict.PASS
    assert found["probe quorum"] is Verdict.INCONCLUSIVE  # four answers in four seconds are too few


def test_answers_are_on_the_timeline_from_the_steady_phase_on(tmp_path: Path) -> None:
    """One a second from -5 s to the end; a bad one has its reason."""
    samples = [e for _, e in stage(tmp_path, as_chat_a).go().journal.of("probe.sample")]
    assert [e.t for e in samples] == [float(t) for t in range(-5, 11)]
    assert samples[0].data == {"code": 0.0, "ms": 0.0, "ok": 1}
    assert samples[7].data == {"code": 1.0, "ms": 0.0, "ok": 0, "why": "exit code 1: unhealthy"}


def test_two_plays_of_one_plan_with_probes_give_the_same_bytes(tmp_path: Path) -> None:
    """On virtual time the journal is a function of the plan."""
    one, two = ((stage(tmp_path / name, as_chat_a).go().folder / "journal.jsonl").read_bytes() for name in "ab")
    assert one == two and b"probe.sample" in one


def test_the_timeline_waits_until_every_probe_is_well(tmp_path: Path) -> None:
    """Bad answers of the first twelve seconds start the steady phase again; they are not in the journal."""
    run = stage(tmp_path, lambda town: int(town.asked[-1] < 12))
    journal = run.go().journal
    (start,) = [e for _, e in journal.of("load.start")]
    assert start.data["attempt"] == 4
    assert all(e.data["ok"] for _, e in journal.of("probe.sample"))


def test_a_probe_that_is_never_well_ends_the_run_before_any_fault(tmp_path: Path, says: Says) -> None:
    """INCONCLUSIVE, with the reason of the last answer."""
    run = stage(tmp_path, lambda town: 1)
    with says.raises(NotSteady):
        run.go()
    assert judge(run.journal).verdict is Verdict.INCONCLUSIVE and not run.seen("fault.")


def test_a_probe_that_cannot_be_asked_ends_the_run_before_any_fault(tmp_path: Path, says: Says) -> None:
    """Nobody knows whether the system is steady."""

    def down(town: Town) -> int:
        raise TargetError("db-b: not running")

    with says.raises(NotSteady):
        stage(tmp_path, down).go()


def test_a_slow_answer_is_a_bad_one_and_delays_no_question(tmp_path: Path) -> None:
    """Commands hang from 2 to 5 s: each is given up after its time-out of 2.5 s, and the next is asked on time."""
    made = probed(probes=(msgspec.structs.replace(QUORUM, within=2.5),))
    t0: list[float] = []

    async def hangs() -> int:
        await asyncio.sleep(100)
        return 0

    def reply(town: Town) -> Any:
        t0[:] = t0 or [town.asked[0] + 5]
        return hangs() if 2 <= round(town.asked[-1] - t0[0], 3) < 5 else 0

    samples = {e.t: e.data for _, e in stage(tmp_path, reply, made).go().journal.of("probe.sample")}
    assert sorted(samples) == [float(t) for t in range(-5, 11)]
    bad = {t: data for t, data in samples.items() if not data["ok"]}
    assert sorted(bad) == [2.0, 3.0, 4.0]
    assert all(data == {"ok": 0, "ms": 2500.0, "why": "no answer within 2.5 s"} for data in bad.values())


def test_what_could_not_be_asked_is_recorded_once_in_a_row_and_passes_nothing(tmp_path: Path) -> None:
    """The node is gone from 4 s on: one probe.error, no sample, and no pass."""
    check = CheckSpec("probe-1", "probe", {"name": "quorum", "at_least": 0.9})

    def reply(town: Town) -> int:
        if town.asked[-1] - town.asked[0] >= 9:
            raise TargetError("db-b: not running")
        return 0

    journal = stage(tmp_path, reply, probed(check)).go().journal
    assert [(e.t, e.data["error"]) for _, e in journal.of("probe.error")] == [(4.0, "db-b: not running")]
    assert max(e.t for _, e in journal.of("probe.sample")) == 3.0
    assert {f.check: f.verdict for f in judge(journal).findings}["probe quorum"] is Verdict.INCONCLUSIVE


def test_users_and_probes_run_side_by_side(tmp_path: Path) -> None:
    """A load is judged as before, and a probe beside it."""
    made = probed(load=plan().load)
    journal = stage(tmp_path, as_chat_a, made).go().journal
    assert journal.plan.load.users and any(journal.of("probe.sample"))
    assert {f.check: f.verdict for f in judge(journal).findings}["steady"] is Verdict.INCONCLUSIVE  # ops.jsonl: none


def test_the_last_question_is_answered_before_the_run_ends(tmp_path: Path) -> None:
    """What was asked at 10 s takes 0.8 s and is recorded."""

    async def late() -> int:
        await asyncio.sleep(0.8)
        return 0

    samples = [e for _, e in stage(tmp_path, lambda town: late()).go().journal.of("probe.sample")]
    assert samples[-1].t == 10.0 and samples[-1].data["ms"] == 800.0


def test_an_error_of_the_run_ends_the_probes(tmp_path: Path) -> None:
    """Nothing is asked after a failed injection."""

    class Deaf(Town):
        async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None: ...

    made, town = probed(), Deaf()
    run = Stage(tmp_path, made, town)
    run.load = Nobody(made.steady)  # type: ignore[assignment]  # instead of users
    run.more = {"watch": Watch(made.probes, town, tmp_path)}
    try:
        run.go()
    except Exception as e:
        assert type(e).__name__ == "NoEffect"
    assert len(town.asked) == 8  # from -5 to 2 s
