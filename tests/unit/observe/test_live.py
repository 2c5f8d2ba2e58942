"""The live view: a picture of a run that is told line by line, for a terminal of any size."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from chaos.cli import watch
from chaos.errors import BadExperiment, ChaosError
from chaos.judge.measures.nodes import DOWN, HURT, STARTING, UP, Nodes, Stay, lanes, up
from chaos.model import Event
from chaos.observe.live import view
from chaos.observe.live.follow import Follow, Growing
from chaos.observe.live.progress import Progress
from chaos.observe.live.screen import Moment, render
from chaos.observe.live.state import Live
from chaos.record import store
from tests.golden import make
from tests.messages import Says
from tests.unit.histories import BLOW, every, journal, op, plan

DOWN_AND_UP = (
    Event(0.0, "fault.active", "blow", {"nodes": ["chat-a"], "fault": "power"}),
    Event(0.1, "node.down", "chat-a", {"step": "blow"}),
    Event(10.0, "fault.heal", "blow", {"nodes": ["chat-a"]}),
    Event(12.5, "node.up", "chat-a", {"step": "blow"}),
)


def told(name: str, until: float) -> Live:
    """A recorded run as somebody saw it at second `until`."""
    found = make.load(name)
    live = Live(found.plan)
    for event in found.events:
        if event.t <= until:
            live.tell(event)
    for one in found.ops:
        if one.end <= until:
            live.op(one)
    return live


def text(live: Live, t: float | None, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in render(live, Moment(t, 3.0), width, height)]


def test_a_node_is_hurt_down_starting_and_up_again() -> None:
    """Down is what does not run; starting is what every fault has given back and nobody has seen well yet."""
    nodes, states = Nodes(["chat-a"]), []
    for event in DOWN_AND_UP:
        nodes.tell(event)
        states.append(nodes.state("chat-a"))
    assert states == [HURT, DOWN, STARTING, UP]


def test_two_faults_on_a_node_both_have_to_leave_it() -> None:
    """The heal of one leaves the other's bite."""
    nodes = Nodes(["n"])
    for kind, step in (("fault.active", "one"), ("fault.active", "two"), ("fault.heal", "one")):
        nodes.tell(Event(0.0, kind, step, {"nodes": ["n"]}))
    assert nodes.state("n") == HURT
    nodes.tell(Event(1.0, "fault.heal", "two", {"nodes": ["n"]}))
    assert nodes.state("n") == UP


def test_lanes_have_no_gaps_and_count_who_served() -> None:
    """From the first second to the last, for each node of the plan; what happens outside is cut off."""
    found = lanes(journal([], DOWN_AND_UP), -10.0, 12.0)
    assert found["chat-a"] == (
        Stay(-10.0, 0.0, UP), Stay(0.0, 0.1, HURT), Stay(0.1, 10.0, DOWN), Stay(10.0, 12.0, STARTING),
    )  # fmt: skip
    assert found["bank-c"] == (Stay(-10.0, 12.0, UP),)
    assert up(found) == [(-10.0, 3), (0.1, 2)]
    assert up({"n": (Stay(0.0, 4.0, DOWN),)}) == []


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (60, 15), (40, 8), (20, 3), (1, 1)])
@pytest.mark.parametrize("t", [None, -5.0, 5.0, 60.0])
def test_the_picture_fits_any_terminal(size: tuple[int, int], t: float | None) -> None:
    """Never a line more or a column more than there is."""
    width, height = size
    lines = render(told("zone-fire-as-was", t or -19.0), Moment(t, 3.0), width, height)
    assert 0 < len(lines) <= height and max(line.cell_len for line in lines) <= width


def test_eighty_columns_have_all_of_it(says: Says) -> None:
    """Phases, clock, faults, users, nodes by zone and the last words, in 24 lines."""
    lines = text(told("zone-fire-as-was", 9.0), 9.0)
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    says("\n".join(lines))


def test_one_failed_operation_shows() -> None:
    """Nearly all is not all: neither the bar nor the figure is full."""
    live = Live(plan())
    for one in [*every(0.001, 1.0, 2.0), op(1.5, "fail")]:
        live.op(one)
    (line,) = [x for x in text(live, 2.5) if x.lstrip().startswith("text")]
    assert "99.9%" in line and "▇" in line and "█" not in line


def test_who_gets_no_answer_has_no_latency() -> None:
    """A journey that only fails must not look quick."""
    live = Live(plan())
    for one in every(0.1, 0.0, 4.0, "fail"):
        live.op(one)
    (line,) = [x for x in text(live, 4.0, 100) if x.lstrip().startswith("text")]
    assert "xxx" in line and line.endswith("no answer")


def test_a_load_that_starts_anew_begins_a_new_record() -> None:
    """What users did in a first try that was not steady counts no longer."""
    live = Live(plan())
    live.op(op(1.0, "fail"))
    live.begin_ops()
    assert live.journeys == {}


def write(folder: Path, events: Sequence[Event]) -> None:
    (folder / "journal.jsonl").write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in events))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "x" / "20260101T000000Z-s1"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan()))
    write(folder, [Event(0.0, "run.start", "x"), Event(1.0, "phase", "up")])
    return folder


def test_growing_files_are_read_once_and_in_whole_lines(tmp_path: Path) -> None:
    """A torn line waits for its end; a file that was replaced is another one, also when it is longer."""
    path = tmp_path / "f"
    growing = Growing(path)
    assert growing.look().lines == []
    path.write_bytes(b"one\ntw")
    assert growing.look().lines == [b"one"]
    with path.open("ab") as more:
        more.write(b"o\nthree\n")
    look = growing.look()
    assert (look.anew, look.lines) == (False, [b"two", b"three"])
    path.with_suffix(".new").write_bytes(b"quite another file\n" * 3)
    path.with_suffix(".new").replace(path)
    look = growing.look()
    assert look.anew and len(look.lines) == 3
    path.unlink()
    path.write_bytes(b"x\n")
    assert growing.look().lines == [b"x"]
    growing.close()


def test_a_journal_that_is_rewritten_is_not_said_twice(run: Path) -> None:
    """At t = 0 all earlier events get other times: the state is built anew, the watcher hears only what is new."""
    follow = Follow(run)
    assert [e.kind for e in follow.look()] == ["run.start", "phase"]
    (run / "journal.jsonl").unlink()
    early = [Event(-12.0, "run.start", "x"), Event(-11.0, "phase", "up"), Event(-10.0, "load.start", "load")]
    write(run, [*early, *BLOW])
    assert [e.kind for e in follow.look()] == ["load.start", *(e.kind for e in BLOW)]
    assert follow.live.on_timeline and follow.live.said[0].t is None
    follow.close()


def test_the_clock_is_that_of_the_run_wherever_it_is_watched(run: Path) -> None:
    """What was written when says where t = 0 is; the moment somebody attaches does not matter."""
    (run / "ops.jsonl").write_bytes(msgspec.json.encode(op(4.0)) + b"\n")
    os.utime(run / "ops.jsonl", (1000.0, 1000.0))
    follow = Follow(run)
    assert follow.now(1000.0) is None
    follow.look()
    assert follow.now(1002.0) == pytest.approx(6.01)
    follow.close()


def test_a_folder_that_is_no_run_cannot_be_watched(tmp_path: Path, says: Says) -> None:
    """With what to name instead."""
    with says.raises(ChaosError):
        Follow(tmp_path)


def test_the_newest_run_that_goes_on_is_watched(run: Path, says: Says) -> None:
    """Not the newest of all: that may have ended; and only while somebody holds it."""
    older = run.parent / "20250101T000000Z-s1"
    older.mkdir()
    (older / "plan.json").write_bytes((run / "plan.json").read_bytes())
    with store.held(older):
        assert watch.newest(run.parents[1]) == older and store.running(older) and not store.running(run)
    with says.raises(BadExperiment):
        watch.newest(run.parents[1])


def test_watching_in_lines_ends_with_the_run(run: Path, says: Says) -> None:
    """The run has ended: watch prints everything and does not wait for more."""
    write(run, [Event(-1.0, "load.start", "load"), *BLOW, Event(21.0, "run.error", "x", {"error": "torn"})])
    follow = Follow(run)
    says("\n".join(watch.lines(follow)))
    follow.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("term", "no_color", "plain", "drawn"),
    [("xterm", "", False, True), ("dumb", "", False, False), ("", "", False, False), ("xterm", "1", False, False),
     ("xterm", "", True, False)],
)  # fmt: skip
def test_a_picture_is_drawn_only_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, term: str, no_color: str, plain: bool, drawn: bool
) -> None:
    """A terminal that can, and nobody who asked for lines."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert view.wanted(Terminal(), plain) is drawn
    assert not view.wanted(io.StringIO(), plain)


def test_without_a_terminal_events_are_lines(run: Path, capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """As they happen, each with its time."""
    progress = Progress(run)
    with progress.watching():
        progress.note("building an image")
        progress.tell(Event(0.0, "phase", "timeline"))
        progress.tell(Event(0.0, "probe.sample", "p", {"value": 1}))
    says(capsys.readouterr().err)
