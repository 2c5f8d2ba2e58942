"""The harness's own metrics: what they are called, what they count, and that they are read over HTTP as OpenMetrics."""

from __future__ import annotations

import gzip
import shutil
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chaos.experiment.plan import Plan
from chaos.judge.measures.recovery import away, every_outage
from chaos.model import Event, Op, Verdict
from chaos.observe import catalogue
from chaos.observe.metrics import Metrics, listen
from chaos.observe.replay import Replay
from chaos.observe.tally import Tally
from chaos.record import older
from chaos.record.journal import Journal
from tests.unit.histories import every, op, plan

GOLDEN = Path(__file__).parents[2] / "golden" / "zone-fire-as-was"
FAMILIES = {"counter": "_total", "info": "_info"}  # what OpenMetrics takes off a family's name


class Stage:
    """A run's folder, its metrics, and somebody who reads them."""

    def __init__(self, folder: Path, made: Plan, **more: Any) -> None:
        self.run = folder / "x" / "20260101T000000Z-s1"
        self.run.mkdir(parents=True)
        self.metrics = Metrics(made, self.run, **more)

    def ops(self, ops: Iterable[Op], name: str = "ops.jsonl") -> None:
        with (self.run / name).open("ab") as out:
            out.writelines(msgspec.json.encode(one) + b"\n" for one in ops)

    def tell(self, t: float, kind: str, subject: str, **data: Any) -> None:
        self.metrics.tell(Event(t, kind, subject, data))

    def activate(self, t: float = 0.0, *nodes: str) -> None:
        for kind in ("fault.inject", "fault.active"):
            self.tell(t, kind, "blow", fault="power", nodes=list(nodes or ("chat-a",)))

    def text(self) -> str:
        sock = listen("127.0.0.1", 0)
        with self.metrics.serve([sock]):
            return read(sock)

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        found = text_string_to_metric_families(self.text())
        return {(s.name, frozenset(s.labels.items())): s.value for family in found for s in family.samples}

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))


def read(sock: socket.socket) -> str:
    host, port = sock.getsockname()
    wanted = Request(f"http://{host}:{port}/metrics", headers={"Accept": "application/openmetrics-text"})
    with build_opener(ProxyHandler({})).open(wanted, timeout=5) as answer:
        assert "openmetrics-text" in answer.headers["Content-Type"]
        return str(answer.read().decode())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, plan(), success=lambda: {"text": (3, 4)})
    with made.metrics:
        yield made


def test_every_metric_is_as_the_catalogue_says_and_there_is_no_other(tmp_path: Path) -> None:
    """Name, kind, labels, unit and HELP of each, in a run that has an incident, a plant and people who report."""
    made = golden().plan
    stage = Stage(tmp_path, made, success=lambda: {"text": (1, 2)}, filed=lambda ops: [(0.0, "jp", "app", 1.0)])
    stage.tell(0.0, "phase", "timeline")
    stage.activate(0.0, *made.steps[0].nodes[:1])
    stage.ops([op(1, "fail"), *every(1, 2, 9)])
    stage.tell(9.0, "step.heal", "blow", nodes=list(made.steps[0].nodes[:1]))
    stage.tell(9.0, "fault.heal", "blow", nodes=list(made.steps[0].nodes[:1]))
    stage.metrics.zero = -made.onset - 10**6  # a time at which every fact is due
    found = {f.name: f for f in text_string_to_metric_families(stage.text())}
    expected = {x.name.removesuffix(FAMILIES.get(x.kind, "")): x for x in catalogue.EVERY}
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        family = found[name]
        assert (family.type, family.documentation, family.unit) == (x.kind, x.help, x.unit), name
        labels = {frozenset(set(s.labels) - {"le"}) for s in family.samples}
        assert labels == {frozenset(x.labels)}, name
        assert x.unit == "" or x.name.endswith(f"_{x.unit}")


def test_operations_are_counted_with_exemplars_that_name_the_run(stage: Stage) -> None:
    """Every result has a series from a journey's first operation on, so that a ratio of them is never missing."""
    stage.ops([op(0), op(1, "fail"), op(2, took=0.3), op(3, op="readback")])
    text = stage.text()
    counts = {line.split(" # ")[0] for line in text.splitlines() if line.startswith("chaos_ops_total")}
    assert counts == {
        'chaos_ops_total{journey="text",result="ok"} 2.0',
        'chaos_ops_total{journey="text",result="fail"} 1.0',
        'chaos_ops_total{journey="text",result="info"} 0.0',
    }
    slow = next(x for x in text.splitlines() if x.startswith("chaos_op_seconds_bucket") and 'le="0.5"' in x)
    assert '# {op="text-2",run="runs/x/20260101T000000Z-s1"} 0.29999' in slow


def test_a_load_that_starts_again_writes_another_file_and_nothing_is_counted_twice(stage: Stage) -> None:
    """The steady phase may take several tries, each with an ops.jsonl of its own."""
    stage.ops([op(0), op(1)])
    list(stage.metrics.tally.new())
    (stage.run / "ops.jsonl").unlink()
    stage.ops([op(5)])
    assert [x.t for x in stage.metrics.tally.new()] == [5]
    with (stage.run / "ops.jsonl").open("ab") as out:
        out.write(msgspec.json.encode(op(6))[:-5])  # torn: not whole yet
    assert list(stage.metrics.tally.new()) == []


def test_a_fault_is_active_from_bite_to_heal_on_the_node_it_is_on(tmp_path: Path) -> None:
    """Two nodes healed one after the other; how long the step bit is known once the last one is."""
    stage = Stage(tmp_path, plan())
    stage.activate(2.0, "chat-a", "chat-b")
    stage.tell(5.0, "step.heal", "blow", nodes=["chat-a"])
    stage.tell(5.5, "fault.heal", "blow", nodes=["chat-a"])
    active = {dict(k[1])["node"]: v for k, v in stage.samples().items() if k[0] == "chaos_fault_active"}
    assert active == {"chat-a": 0, "chat-b": 1}


def test_how_long_steps_take(stage: Stage) -> None:
    """Injected in one second, biting for six, healed in half a second."""
    stage.tell(1.0, "fault.inject", "blow", fault="power", nodes=["chat-a"])
    stage.tell(2.0, "fault.active", "blow", fault="power", nodes=["chat-a"])
    stage.tell(7.5, "step.heal", "blow", nodes=["chat-a"])
    stage.tell(8.0, "fault.heal", "blow", nodes=["chat-a"])
    found = {dict(k[1])["part"]: v for k, v in stage.samples().items() if k[0] == "chaos_step_seconds_sum"}
    assert found == {"inject": 1.0, "active": 6.0, "heal": 0.5}


def test_time_to_recovery_grows_until_a_journey_is_back_and_is_the_reports_once_it_is_judged(tmp_path: Path) -> None:
    """`hold` is 2 s: back at 5 is known at 7, and not at 6. A failure before the first fault does not count."""
    seen = []
    for n, until in enumerate((6.0, 8.0)):
        stage = Stage(tmp_path / str(n), plan())
        stage.activate(0.0)
        stage.ops([op(-1, "fail"), *every(0.5, 2, 5, "fail"), *every(0.5, 5, until)])
        seen.append(stage.value("chaos_rto_seconds", journey="text"))
    assert seen == [3.5, 3.0]
    stage = Stage(tmp_path / "judged", plan())
    stage.activate(0.0)
    stage.ops(every(0.5, 2, 5, "fail"))
    stage.metrics.judged(Verdict.FAIL, {"text": 3.25, "mail": None})
    found = stage.samples()
    assert found["chaos_rto_seconds", frozenset({("journey", "text")})] == 3.25
    assert {dict(k[1])["verdict"]: v for k, v in found.items() if k[0] == "chaos_verdict"} == {
        "PASS": 0, "INCONCLUSIVE": 0, "FAIL": 1, "ERROR": 0, "DIRTY": 0,
    }  # fmt: skip


def test_what_is_counted_as_it_happens_is_what_the_report_says_of_the_recorded_fire(tmp_path: Path) -> None:
    """zone-fire as it was: each journey's time to recovery, and its place beside the facts, within a second."""
    journal = golden()
    run = tmp_path / "run"
    run.mkdir()
    with gzip.open(GOLDEN / "ops.jsonl.gz") as packed, (run / "ops.jsonl").open("wb") as out:
        shutil.copyfileobj(packed, out)
    tally = Tally(run)
    tally.struck = journal.disturbed.start
    assert sum(1 for _ in tally.new()) == sum(1 for _ in journal.operations())
    tally.close()
    measured = away(every_outage(journal))
    for journey, seconds in measured.items():
        live = tally.away[journey].rto(journal.plan.hold)
        assert seconds is None or live == pytest.approx(seconds, abs=1.0), journey


def test_servers_and_facts_follow_the_incidents_clock() -> None:
    """Of the recorded fire: all up before it, none in its middle, each boot unit as it is given back."""
    journal = golden()
    replay, seen = Replay(journal.plan), []
    assert replay.servers_up() == 1.0
    for event in journal.events:
        replay.tell(event)
        seen.append(replay.servers_up())
    assert min(x for x in seen if x is not None) == 0.0 and seen[-1] == 1.0
    length, onset = replay.length, journal.plan.onset
    assert length is not None
    due = [replay.fact_servers(onset + f * length) for f in (0.1, 0.2, 0.7)]
    assert due == [None, 0.375, 0.97]
    assert replay.fact_returns()["login3p"] == (0.145, 0.154)
    assert replay.seconds(onset - 1) == 0 and replay.seconds(onset + 2) == pytest.approx(2 * journal.plan.scale)


def test_reports_that_are_not_yet_filed_do_not_count(tmp_path: Path) -> None:
    """People are slow to find the form: a report has a time of its own. One who is asked stands for four."""

    def filed(ops: Iterable[Op]) -> Iterable[tuple[float, str, str, float]]:
        return [(-1.0, "jp", "app", 4.0) for _ in ops] + [(10.0**6, "jp", "web", 4.0)]

    stage = Stage(tmp_path, plan(), filed=filed)
    stage.tell(0.0, "phase", "timeline")
    stage.ops([op(0, "fail"), op(1, "fail")])
    found = {dict(k[1])["category"]: v for k, v in stage.samples().items() if k[0] == "chaos_reports_total"}
    assert found == {"app": 8.0}


def test_the_verdict_is_shown_until_somebody_has_read_it_and_nobody_is_waited_for_who_never_asked(stage: Stage) -> None:
    """The first wait ends at once; once a Prometheus has asked, the second ends with its next look."""
    assert not stage.metrics.asked_again()
    sock = listen("127.0.0.1", 0)
    with stage.metrics.serve([sock]):
        read(sock)
        stage.metrics.judged(Verdict.PASS, {})
        with ThreadPoolExecutor(1) as waiting:
            asked = waiting.submit(stage.metrics.asked_again)
            while not asked.done():
                text = read(sock)
        assert asked.result() and 'chaos_verdict{verdict="PASS"} 1.0' in text


def golden() -> Journal:
    """The recorded fire; its operations are packed."""
    made = older.plan(GOLDEN / "plan.json")
    lines = (GOLDEN / "journal.jsonl").read_bytes().splitlines()
    ops = gzip.decompress((GOLDEN / "ops.jsonl.gz").read_bytes()).splitlines()
    return Journal(
        made,
        tuple(msgspec.json.decode(line, type=Event) for line in lines),
        tuple(msgspec.json.decode(line, type=Op) for line in ops),
    )
