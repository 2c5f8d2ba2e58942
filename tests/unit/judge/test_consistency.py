"""A record that says what cannot be is INCONCLUSIVE, with the line: torn, changed, or put together from two."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.errors import ChaosError
from chaos.experiment.plan import CheckSpec, Release, Step
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Finding, Op, Verdict
from chaos.record.journal import Journal
from chaos.report import write_all
from tests.golden import make
from tests.messages import Says
from tests.unit.histories import act, check, every, op, plan, readback, send

CHECKS = (check("availability", at_least=0.5), check("recovery", journey="text", within=9.0), check("delivery"))
STEPS = (Step("blow", 0.0, "power", {}, ("chat-a", "chat-b"), (Release(5.0, ("chat-a",)), Release(10.0, ("chat-b",)))),)
Lines = list[dict[str, Any]]


def event(t: float, kind: str, subject: str, **data: Any) -> dict[str, Any]:
    return {"t": t, "kind": kind, "subject": subject, "data": data}


def fault(t: float, what: str, *nodes: str, **more: Any) -> dict[str, Any]:
    return event(t, f"fault.{what}", "blow", fault="power", nodes=list(nodes), **more)


def events() -> Lines:
    """As the orchestrator writes them."""
    heal = [fault(t, k, n) for t, n in ((5.0, "chat-a"), (10.0, "chat-b")) for k in ("still", "heal")]
    return [
        event(-20, "run.start", "x", seed=1, target="memory", posture="as-was"), event(-20, "phase", "up"),
        event(-19, "run.heal", "memory"), event(-15, "stack.up", "memory", seconds=4.0, owned=True),
        event(-14, "phase", "steady"), event(-10, "load.start", "load", rate=4.0, attempt=1),
        event(0, "phase", "timeline"), event(0, "step.intent", "blow", fault="power", nodes=["chat-a", "chat-b"]),
        fault(0.1, "inject", "chat-a", "chat-b"), fault(0.2, "active", "chat-a", "chat-b"),
        event(3, "operator.start", "fix", name="promote", nodes=["chat-b"], command=["true"]),
        event(4, "operator.done", "fix", codes={"chat-b": 0}, output={}),
        *heal, event(10.5, "phase", "recover"), event(20.5, "load.stop", "load"), event(20.6, "phase", "readback"),
        event(21, "run.heal", "memory"), event(22, "residue", "memory", left=[]), event(22.5, "phase", "down"),
        event(23, "run.end", "x", status="done"),
    ]  # fmt: skip


def operations() -> list[Op]:
    return [*every(0.25, -10, 20), *(send(5 + k / 7, f"w{k}") for k in range(40))]


def folder(at: Path, changed: Callable[[Lines], Any] = lambda lines: None, **plans: Any) -> Path:
    """A run's folder whose journal was changed before it was written."""
    told, ops = events(), operations()
    changed(told)
    made: dict[str, Any] = {"checks": CHECKS, "steps": STEPS, "acts": (act("fix", 3.0),)} | plans
    (at / "plan.json").write_bytes(msgspec.json.encode(plan(**made)))
    (at / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in told))
    back = readback("u1", [o.id for o in ops if o.write])
    _write(at, [*ops, msgspec.structs.replace(back, t=20.7, start=20.7, end=20.8)])
    _arrivals(at, [o.t for o in ops])
    return at


def _write(at: Path, ops: list[Op]) -> None:
    (at / "ops.jsonl").write_bytes(b"".join(msgspec.json.encode(o) + b"\n" for o in ops))


def _arrivals(at: Path, times: list[float], **more: Any) -> None:
    said = {"seed": 1, "rate": 4.0, "users": 2, "start": -10, "end": 20}
    arrivals = [[t, 0, 0.5] for t in sorted(times)]
    (at / "arrivals.json").write_text(json.dumps(said | {"arrivals": arrivals} | more))


def judged(at: Path, reported: bool = False) -> Judgement:
    found = judge(journal := Journal.load(at))
    if reported:  # which takes ten times as long
        write_all(at, journal, found)
    return found


def record(found: Judgement) -> list[Finding]:
    return [f for f in found.findings if f.check == "journal"]


def test_what_the_harness_writes_is_sound(tmp_path: Path) -> None:
    """Nothing is said of a record that is whole, so the others below fail by what was changed in them."""
    found = judged(folder(tmp_path))
    assert (found.verdict, record(found)) == (Verdict.PASS, []), found.findings


def find(lines: Lines, kind: str, subject: str = "", nth: int = 0) -> int:
    return [i for i, e in enumerate(lines) if e["kind"] == kind and e["subject"].startswith(subject)][nth]


def drop(kind: str, subject: str = "", nth: int = 0) -> Callable[[Lines], None]:
    return lambda lines: lines.__delitem__(find(lines, kind, subject, nth))


def put(kind: str, nth: int = 0, **values: Any) -> Callable[[Lines], None]:
    """Change fields of a line, or of its data."""

    def change(lines: Lines) -> None:
        line = lines[find(lines, kind, nth=nth)]
        for key, value in values.items():
            (line if key in ("t", "subject", "kind") else line["data"])[key] = value

    return change


def move(kind: str, before: str, nth: int = 0) -> Callable[[Lines], None]:
    """A line, time and all, to the place of another."""
    return lambda lines: lines.insert(find(lines, before), lines.pop(find(lines, kind, nth=nth)))


def again(kind: str, nth: int = 0) -> Callable[[Lines], None]:
    """A line twice."""
    return lambda lines: lines.insert(i := find(lines, kind, nth=nth), lines[i])


def more(line: dict[str, Any], before: str) -> Callable[[Lines], None]:
    return lambda lines: lines.insert(find(lines, before), line)


CHANGED: dict[str, Callable[[Lines], object]] = {
    "active before inject": move("fault.active", "fault.inject"),
    "active before inject, by time": put("fault.active", t=0.05),
    "active after heal": move("fault.active", "run.heal", 0),
    "active after the last heal": lambda lines: lines.insert(-5, lines.pop(find(lines, "fault.active"))),
    "active after heal, by time": put("fault.active", t=11.0),
    "heal before inject": move("fault.heal", "fault.inject"),
    "heal before its time": put("fault.heal", t=0.3),
    "inject before its time": put("fault.inject", t=-5.0),
    "no inject": drop("fault.inject"),
    "no heal of one node": drop("fault.heal", nth=1),
    "no heal at all": lambda lines: [drop("fault.heal")(lines), drop("fault.heal")(lines)],
    "heal of nobody": put("fault.heal", nodes=[]),
    "heal twice": again("fault.heal"),
    "injected twice": again("fault.inject"),
    "seen twice": again("fault.active"),
    "there after its heal": move("fault.still", "fault.heal"),
    "another fault's name": put("fault.active", fault="kill"),
    "another fault's name at the heal": put("fault.heal", fault="kill"),
    "another step": put("fault.active", subject="blow-2"),
    "another node": put("fault.active", nodes=["chat-a", "chat-b", "bank-c"]),
    "a node nobody has": put("fault.heal", nodes=["chat-z"]),
    "a node for nodes": put("fault.active", nodes="chat-a"),
    "a number for nodes": put("fault.heal", nodes=5),
    "no residue scan": drop("residue"),
    "a residue scan before the heal": move("residue", "fault.heal"),
    "a residue scan that does not say": put("residue", left=None),
    "no heal at the end": drop("run.heal", nth=1),
    "no heal at the beginning": drop("run.heal"),
    "no start": drop("run.start"),
    "the first lines are missing": lambda lines: lines.__delitem__(slice(0, 4)),
    "two starts": again("run.start"),
    "two ends": again("run.end"),
    "two runs": lambda lines: lines.extend(events()),
    "something after the end": lambda lines: lines.append(event(23.5, "probe.sample", "p", value=1.0)),
    "another seed": put("run.start", seed=2),
    "another experiment": put("run.start", subject="y"),
    "another target": put("run.start", target="compose"),
    "another posture": put("run.start", posture="remedied"),
    "no zero": put("run.start", t=0.0),
    "no timeline": drop("phase", "timeline"),
    "phases out of order": put("phase", 1, subject="recover"),
    "a phase twice": again("phase", 2),
    "a fault before the timeline": move("fault.inject", "stack.up"),
    "an absurd time": put("stack.up", t=1e9),
    "a time long before": put("load.start", t=-1e9),
    "a time after the end": put("load.stop", t=99.0),
    "a time before the start": put("stack.up", t=-99.0),
    "out of order": put("phase", 3, t=1.0),
    "text for a time": put("load.start", t="soon"),
    "true for a time": put("load.start", t=True),
    "nothing for a time": put("load.start", t=None),
    "true for a sample": more(event(1, "probe.sample", "p", value=True), "fault.still"),
    "a sample twice": lambda lines: lines.__setitem__(slice(12, 12), [event(4.5, "probe.sample", "p", value=1.0)] * 2),
    "an act nobody planned": put("operator.done", subject="mend"),
    "an act elsewhere": put("operator.done", codes={"bank-c": 0}),
    "an act done before it was started": move("operator.done", "operator.start"),
    "a status that is no text": put("run.end", status=0),
    "an error with a verdict that it cannot have": more(
        event(12, "run.error", "x", error="x", type="Crash", verdict="PASS"), "phase"
    ),
    "an error that is no text": more(event(12, "run.error", "x", error=3, type="ValueError"), "phase"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGED)
def test_a_journal_that_cannot_be_is_inconclusive_with_its_line(what: str, tmp_path: Path) -> None:
    """None of these is ever written by the harness."""
    found = judged(folder(tmp_path, CHANGED[what]))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert record(found) and ".json" in record(found)[0].summary


def test_the_evidence_is_the_line(tmp_path: Path) -> None:
    """Of the journal, by its number."""
    (found,) = record(judged(folder(tmp_path, put("fault.active", fault="kill"))))
    assert found.evidence == ("journal:10",) and "journal.jsonl:10" in found.summary


@pytest.mark.parametrize(
    "harmless",
    [
        more(event(1, "weather", "rain", nodes=5), "fault.still"),
        more(event(1, "fault.wondered", "blow"), "fault.still"),
        more(event(8, "fault.again", "blow", fault="power", nodes=["chat-b"]), "phase"),
        lambda lines: None,
    ],
)
def test_what_is_not_known_is_no_flaw(harmless: Callable[[Lines], None], tmp_path: Path) -> None:
    """A later version may write down more."""
    lines = events()
    harmless(lines)
    lines.sort(key=lambda e: e["t"])
    found = judged(folder(tmp_path, lambda told: told.__setitem__(slice(None), lines)))
    assert record(found) == []


def test_a_step_that_ended_by_its_own_condition_was_healed_before_its_time(tmp_path: Path) -> None:
    """And what was stopped, too."""
    for kind, subject in (("step.until", "blow"), ("run.stopped", "stop-1")):
        early = [
            more(event(0.9, kind, subject, condition="c", value=1.0), "fault.still"),
            *(put(f"fault.{k}", n, t=1.0) for k in ("still", "heal") for n in (0, 1)),
        ]

        def changed(lines: Lines, early: list[Callable[[Lines], None]] = early) -> None:
            for change in early:
                change(lines)
            lines.sort(key=lambda e: e["t"])

        (tmp_path / kind).mkdir()
        assert record(judged(folder(tmp_path / kind, changed))) == []


CHANGED_OPS: dict[str, dict[str, Any]] = {
    "ends before it starts": {"end": 1.0}, "an unknown result": {"result": "okay"}, "no result": {"result": ""},
    "an upper case result": {"result": "OK"}, "starts long before it is due": {"start": -9.0},
    "ends long after the run": {"end": 1e6}, "ends in another life": {"end": 1e300},
    "due long after the run": {"t": 500.0, "start": 500.0, "end": 500.1},
    "due long before it": {"t": -5e3, "start": -5e3, "end": -5e3},
    "before the load": {"t": -12.0, "start": -12.0, "end": -12.0},
    "content from the future": {"age": -1.0},
    "true for a time": {"end": True}, "text for a time": {"start": "2"}, "nothing for a time": {"t": None},
    "a number for a name": {"user": 5}, "text for an age": {"age": "old"}, "one for true": {"write": 1},
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGED_OPS)
def test_an_operation_that_cannot_be_is_inconclusive_with_its_line(what: str, tmp_path: Path) -> None:
    """The fiftieth of a run that is otherwise well."""
    at = folder(tmp_path)
    raw = (at / "ops.jsonl").read_text().splitlines()
    raw[49] = json.dumps(json.loads(raw[49]) | CHANGED_OPS[what])
    (at / "ops.jsonl").write_text("\n".join(raw) + "\n")
    found = judged(at)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "ops:50" in record(found)[0].evidence


def test_a_write_that_is_marked_as_none_is_named(tmp_path: Path) -> None:
    """It would not be missed if it were lost: what an operation of one name does is one thing in all of a run."""
    at = folder(tmp_path)
    ops = [msgspec.json.decode(line, type=Op) for line in (at / "ops.jsonl").read_bytes().splitlines()]
    line = [n for n, op in enumerate(ops) if op.write][5]
    _write(at, [*ops[:line], msgspec.structs.replace(ops[line], write=False), *ops[line + 1 :]])
    assert record(judged(at))[0].evidence == (f"ops:{line + 1}",)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
@pytest.mark.parametrize("field", ["t", "end", "age"])
def test_a_number_that_is_none_is_inconclusive_with_its_line(literal: str, field: str, tmp_path: Path) -> None:
    """JSON has no such numbers, and other programs write them all the same."""
    at = folder(tmp_path)
    raw = (at / "ops.jsonl").read_text().splitlines()
    raw[49] = json.dumps(json.loads(raw[49]) | {field: "HERE"}).replace('"HERE"', literal)
    (at / "ops.jsonl").write_text("\n".join(raw) + "\n")
    assert "ops:50" in record(judged(at))[0].evidence


def test_numbers_that_are_none_are_seen_in_a_journal_that_was_never_a_file() -> None:
    """The judge is a function of a value, too."""
    for changed in ({"age": float("nan")}, {"end": float("inf")}, {"t": float("nan")}):
        ops = operations()
        ops[49] = msgspec.structs.replace(ops[49], **changed)
        told = tuple(Event(e["t"], e["kind"], e["subject"], e["data"]) for e in events())
        found = judge(Journal(plan(checks=CHECKS, steps=STEPS, acts=(act("fix", 3.0),)), told, tuple(ops)))
        assert found.verdict is Verdict.INCONCLUSIVE and "ops:50" in record(found)[0].evidence


@pytest.mark.parametrize("file", ["journal.jsonl", "ops.jsonl", "arrivals.json", "env.json"])
def test_a_file_that_is_none_is_neither_waited_for_nor_read_for_ever(file: str, tmp_path: Path) -> None:
    """A pipe that nobody writes to, and a device without an end."""
    at = folder(tmp_path)
    makers: list[Callable[[Path], None]] = [os.mkfifo, lambda path: path.symlink_to("/dev/zero")]
    for put_there in makers:
        (at / file).unlink(missing_ok=True)
        put_there(at / file)
        found = judged(at)
        assert found.verdict is Verdict.INCONCLUSIVE and file in record(found)[0].summary


def test_a_plan_that_is_a_pipe_is_said_to_be_none(tmp_path: Path, says: Says) -> None:
    """The folder is no run's."""
    at = folder(tmp_path)
    (at / "plan.json").unlink()
    os.mkfifo(at / "plan.json")
    with says.raises(ChaosError):
        Journal.load(at)


@pytest.mark.parametrize("file", ["journal.jsonl", "ops.jsonl"])
@pytest.mark.parametrize("damage", [b'{"t": 1.', b"\0\0\0", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 5000])
def test_a_torn_line_in_the_middle_is_inconclusive_with_its_line(file: str, damage: bytes, tmp_path: Path) -> None:
    """Never a traceback, and the lines after it keep their numbers."""
    at = folder(tmp_path)
    raw = (at / file).read_bytes().splitlines()
    raw[5] = damage
    raw[12] = damage
    (at / file).write_bytes(b"\n".join(raw) + b"\n")
    found = judged(at, reported=damage != b"[]")
    assert found.verdict is Verdict.INCONCLUSIVE
    name = file.split(".")[0]
    assert {f"{name}:6", f"{name}:13"} <= set(record(found)[0].evidence)


@pytest.mark.parametrize("file", ["journal.jsonl", "ops.jsonl"])
def test_a_torn_last_line_is_what_a_kill_leaves(file: str, tmp_path: Path) -> None:
    """So it is fine where the run was cut off, and a flaw where it ended in good order."""
    at = folder(tmp_path)
    path = at / file
    path.write_bytes(path.read_bytes()[:-9])
    found = judged(at)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert bool(record(found)) == (file == "ops.jsonl"), "without its last line the journal has no end"


def _without(at: Path, keep: Callable[[int, dict[str, Any]], bool]) -> None:
    raw = [json.loads(x) for x in (at / "ops.jsonl").read_text().splitlines()]
    (at / "ops.jsonl").write_text("".join(json.dumps(o) + "\n" for n, o in enumerate(raw) if keep(n, o)))


@pytest.mark.parametrize(
    ("keep", "count"),
    [
        (lambda n, o: n != 60, 1), (lambda n, o: o["op"] == "readback" or n % 2 == 0, 80),
        (lambda n, o: not 2 <= o["t"] < 4, 8), (lambda n, o: o["op"] == "readback" or o["t"] < 19, 4),
    ],
)  # fmt: skip
def test_operations_that_are_missing_are_counted(keep: Any, count: int, tmp_path: Path) -> None:
    """Nobody may leave out what failed."""
    at = folder(tmp_path)
    _without(at, keep)
    found = judged(at)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert f"{count} of 160 planned arrivals" in record(found)[0].summary


def test_an_operation_twice_or_of_no_arrival_is_named(tmp_path: Path) -> None:
    """With and without a schedule beside it."""
    for scheduled in (True, False):
        at = tmp_path / str(scheduled)
        at.mkdir()
        folder(at)
        raw = (at / "ops.jsonl").read_text().splitlines()
        (at / "ops.jsonl").write_text("\n".join([*raw[:50], raw[20], *raw[50:]]) + "\n")
        if not scheduled:
            (at / "arrivals.json").unlink()
        assert "ops:51" in record(judged(at))[0].evidence
    at = folder(tmp_path)
    _write(at, [*operations(), op(3.3333)])
    assert "ops:161" in record(judged(at))[0].evidence


def test_a_page_of_a_read_back_twice_is_named(tmp_path: Path) -> None:
    """Else everything on it would be there twice."""
    at = folder(tmp_path)
    raw = (at / "ops.jsonl").read_text().splitlines()
    (at / "ops.jsonl").write_text("\n".join([*raw, raw[-1]]) + "\n")
    found = judged(at)
    assert found.verdict is Verdict.INCONCLUSIVE and record(found)[0].evidence == (f"ops:{len(raw) + 1}",)


@pytest.mark.parametrize("more", [{"seed": 2}, {"rate": 5.0}, {"users": 3}])
def test_a_schedule_of_another_plan_is_named(more: dict[str, Any], tmp_path: Path) -> None:
    """The folder was put together from two runs."""
    at = folder(tmp_path)
    _arrivals(at, [o.t for o in operations()], **more)
    assert record(judged(at))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"arrivals": 5}', b'{"arrivals": [["now"]]}', b"\xff"])
def test_a_schedule_that_cannot_be_read_is_named(raw: bytes, tmp_path: Path) -> None:
    """Nobody knows what is missing then."""
    at = folder(tmp_path)
    (at / "arrivals.json").write_bytes(raw)
    found = judged(at)
    assert found.verdict is Verdict.INCONCLUSIVE and "arrivals.json" in record(found)[0].summary


def test_a_run_of_before_has_no_schedule_and_is_judged_as_it_was(tmp_path: Path) -> None:
    """Nor has it phases, nor heals of its own."""
    at = folder(tmp_path)
    (at / "arrivals.json").unlink()
    assert judged(at).verdict is Verdict.PASS
    assert all(not record(make.verdict(name)) for name in make.RUNS)


def test_a_stopped_load_need_not_have_sent_what_was_to_come(tmp_path: Path) -> None:
    """All before its last operation, it has."""

    def stopped(lines: Lines) -> None:
        lines[-1]["data"]["status"] = "stopped"
        lines.insert(find(lines, "phase", "recover"), event(10.2, "run.stopped", "s", condition="c", value=1.0))

    at = folder(tmp_path, stopped)
    _without(at, lambda n, o: o["op"] == "readback" or o["t"] < 15)
    assert record(judged(at)) == []
    _without(at, lambda n, o: o["op"] == "readback" or not 6 < o["t"] < 7)
    assert record(judged(at))


def test_a_record_that_cannot_be_convicts_nobody(tmp_path: Path) -> None:
    """A check that failed by it is inconclusive, and says so; what was left behind stays left behind."""
    strict: tuple[CheckSpec, ...] = (check("availability", at_least=1.0), check("recovery", journey="text", within=0.1))

    def failing(at: Path) -> Path:
        made = [msgspec.structs.replace(o, result="fail") if 1 < o.t < 3 else o for o in operations()]
        _write(folder(at, checks=strict), made)
        return at

    sound, torn = tmp_path / "sound", tmp_path / "torn"
    for at in (sound, torn):
        at.mkdir()
        failing(at)
    assert judged(sound).verdict is Verdict.FAIL
    with (torn / "ops.jsonl").open("r+b") as f:
        f.seek(5)
        f.write(b"#")
    assert judged(torn).verdict is Verdict.INCONCLUSIVE
    dirty = tmp_path / "dirty"
    dirty.mkdir()
    found = judged(folder(dirty, lambda lines: [put("residue", left=["x"])(lines), again("fault.inject")(lines)]))
    assert found.verdict is Verdict.DIRTY


@given(st.integers(0, 22), st.integers(0, 22))
@settings(max_examples=60, deadline=None)
def test_no_line_of_a_fault_can_change_its_place(one: int, other: int) -> None:
    """Whichever lines of the faults' story swap, lines and times apart, it is seen."""
    lines = events()
    at = [i for i, e in enumerate(lines) if e["kind"].startswith("fault.")]
    a, b = at[one % len(at)], at[other % len(at)]
    if lines[a] == lines[b]:
        return
    lines[a], lines[b] = lines[b], lines[a]
    told = tuple(Event(e["t"], e["kind"], e["subject"], e["data"]) for e in lines)
    made = Journal(plan(checks=CHECKS, steps=STEPS, acts=(act("fix", 3.0),)), told, tuple(operations()))
    assert record(judge(made))


@given(st.binary(max_size=200), st.sampled_from(["journal.jsonl", "ops.jsonl", "arrivals.json", "env.json"]))
@settings(max_examples=40, deadline=None)
def test_any_bytes_come_to_a_verdict(tmp_path_factory: pytest.TempPathFactory, raw: bytes, file: str) -> None:
    """Never a traceback, and never a PASS by what cannot be read."""
    at = folder(tmp_path_factory.mktemp("any"))
    (at / file).write_bytes(raw)
    found = judged(at, reported=True)
    assert found.verdict is not Verdict.PASS or not raw.strip() or file == "env.json"
