"""The live view: a picture of a run that is told line by line, for a terminal of any size."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import select
import struct
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from chaos import store
from chaos.cli import view, watch
from chaos.cli.progress import Progress
from chaos.errors import BadExperiment, ChaosError
from chaos.live.follow import Follow, Growing
from chaos.live.screen import Moment, render
from chaos.live.state import Live
from chaos.measures.nodes import DOWN, HURT, STARTING, UP, Nodes, Stay, lanes, up
from chaos.model import Event
from tests.golden import make
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


def test_eighty_columns_have_all_of_it() -> None:
    """Phases, clock, faults, users, nodes by zone and the last words, in 24 lines."""
    lines = text(told("zone-fire-as-was", 9.0), 9.0)
    whole = "\n".join(lines)
    assert lines[0].startswith("zone-fire  seed 7  process  as-was") and "t+9.0 s" in lines[0]
    assert "first-blow: power on 8: chat-a, failover-a" in whole
    assert re.search(r"text  [·▁█▇]+ +0\.0%", whole) and re.search(r"bank  [·█]+ 100\.0%", whole)
    assert re.search(r"zone a  ✕{15}  15 down", whole) and re.search(r"zone c  ●{3}  3 up", whole)
    assert "second-blow: power bites" in lines[-1]


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


def test_a_folder_that_is_no_run_cannot_be_watched(tmp_path: Path) -> None:
    """With what to name instead."""
    with pytest.raises(ChaosError, match=r"plan.json cannot be read .*`chaos list --runs`"):
        Follow(tmp_path)


def test_the_newest_run_that_goes_on_is_watched(run: Path) -> None:
    """Not the newest of all: that may have ended; and only while somebody holds it."""
    older = run.parent / "20250101T000000Z-s1"
    older.mkdir()
    (older / "plan.json").write_bytes((run / "plan.json").read_bytes())
    with store.held(older):
        assert watch.newest(run.parents[1]) == older and store.running(older) and not store.running(run)
    with pytest.raises(BadExperiment, match=r"no run goes on in .*the last was .*20260101T000000Z-s1"):
        watch.newest(run.parents[1])


def test_watching_in_lines_ends_with_the_run(run: Path) -> None:
    """Nobody holds the run: everything it said is said, and no more is waited for."""
    write(run, [Event(-1.0, "load.start", "load"), *BLOW, Event(21.0, "run.error", "x", {"error": "torn"})])
    follow = Follow(run)
    assert list(watch.lines(follow)) == [
        "[  t+0.0 s] blow: None bites chat-a", "[ t+10.0 s] blow: healed on chat-a", "[ t+21.0 s] x: torn",
    ]  # fmt: skip
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


def test_without_a_terminal_events_are_lines(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As they happen, each with its time."""
    progress = Progress(run)
    with progress.watching():
        progress.note("building an image")
        progress.tell(Event(0.0, "phase", "timeline"))
        progress.tell(Event(0.0, "probe.sample", "p", {"value": 1}))
    assert re.fullmatch(r"\[ +0\.0 s\] building an image\n\[ +t\+0\.0 s\] phase timeline\n", capsys.readouterr().err)


@contextlib.contextmanager
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A real one as stderr; called, what was yielded gives what was written to it."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with open(theirs, "w") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        yield lambda: _read(ours)
    os.close(ours)


def _read(fd: int) -> str:
    found = b""
    while select.select([fd], [], [], 0)[0]:
        found += os.read(fd, 65536)
    return found.decode().replace("\r\n", "\n")


def test_what_is_said_beside_the_picture_is_said_again_after_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal's other screen is gone when the run ends: words to stderr and the events of the run must not be."""
    progress = Progress(run)
    with on_a_terminal(monkeypatch) as written:
        with progress.watching():
            progress.note("building an image")
            print("interrupted: healing and ending", file=sys.stderr)
            progress.tell(Event(1.0, "phase", "steady"))
        said = written()
    before, _, after = said.rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in before and "building an image" in before and "building" not in after
    assert "interrupted: healing and ending" in before
    assert "interrupted: healing and ending\n" in after and "phase steady\n" in after


def test_a_picture_that_fails_does_not_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and said when the run is over, with the reason."""
    with on_a_terminal(monkeypatch) as written:
        with Progress(tmp_path / "gone").watching():
            pass
        said = written()
    assert "the live view failed (exit 1), the run did not:" in said and "plan.json cannot be read" in said
