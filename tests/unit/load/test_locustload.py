"""The harness's side of the load, with a process that is played: files, order, and words when it goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from chaos.errors import BadExperiment, ChaosError
from chaos.experiment.plan import LoadSpec
from chaos.load.contract import ARRIVALS, OPS, Exit, Schedule
from chaos.load.locustload import LocustLoad
from chaos.load.tail import Tail
from chaos.model import Node, Op
from chaos.protocols.capabilities import Hosting
from chaos.targets.memory.target import Memory
from tests.messages import Says

SPEC = LoadSpec(users="users/some.py", count=10, rate=50.0, floor=20.0, seed=7)


class Process:
    """A process that ends with `code` once it is told to, or at once."""

    def __init__(self, code: int, ends: bool) -> None:
        self._code, self.end = code, asyncio.Event()
        self.stopped: list[float] = []
        if ends:
            self.end.set()

    async def wait(self) -> int:
        await self.end.wait()
        return self._code

    async def stop(self, grace: float = 5.0) -> None:
        self.stopped.append(grace)
        self.end.set()


class Host(Memory, Hosting):
    """Starts played processes; `begin` is what one does first."""

    name: ClassVar[str] = "host"

    def __init__(self, code: int = 0, ends: bool = False, begin: Callable[[Path], object] = lambda run: None) -> None:
        super().__init__([Node("n", "c", "a")])
        self._code, self._ends, self._begin = code, ends, begin
        self.commands: list[list[str]] = []
        self.processes: list[Process] = []

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Process:
        (run_dir / "logs").mkdir(exist_ok=True)
        (run_dir / "logs" / log).write_text("one\ntwo\n")
        self.commands.append(list(command))
        self.shown = shown
        self.processes.append(Process(self._code, self._ends))
        self._begin(run_dir)
        return self.processes[-1]

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        raise AssertionError("the load fetches nothing")


def ready(run: Path) -> None:
    (run / OPS).touch()


def make(host: Host, tmp_path: Path) -> LocustLoad:
    users = tmp_path / "experiments" / "users" / "some.py"
    users.parent.mkdir(parents=True)
    users.touch()
    run = tmp_path / "run"
    run.mkdir()
    return LocustLoad(host, SPEC, run, tmp_path, steady=0.05)


def argument(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


async def started(load: LocustLoad, until: float = 100.0) -> float:
    t0 = time.monotonic() + 0.05
    await load.start(t0, until)
    return t0


def test_arrivals_are_written_once_the_process_is_ready(tmp_path: Path) -> None:
    """The schedule begins when it can be kept, ends when it should, and is the seed's."""
    host = Host(begin=ready)
    load = make(host, tmp_path)
    asyncio.run(started(load))
    plan = msgspec.json.decode((tmp_path / "run" / ARRIVALS).read_bytes(), type=Schedule)
    assert (plan.seed, plan.rate, plan.users, plan.end) == (7, 50.0, 10, 100.0)
    assert plan.start <= plan.arrivals[0].t < plan.start + 2 / SPEC.rate
    assert argument(host.commands[0], "--mode") == "run"


def test_a_second_start_begins_anew_with_fresh_ids(tmp_path: Path) -> None:
    """What a start that was not steady has recorded is gone, and no id is ever used for two operations."""
    host = Host(begin=ready)
    load = make(host, tmp_path)

    async def play() -> None:
        await started(load)
        (tmp_path / "run" / OPS).write_bytes(line(0.0, "text", "ok"))
        await load.stop()
        await started(load)
        await load.stop()

    asyncio.run(play())
    assert (tmp_path / "run" / OPS).read_bytes() == b""
    assert [argument(c, "--first") for c in host.commands] == ["1", "100001"]
    assert all(p.stopped for p in host.processes)


def test_drain_before_the_end_asks_for_it(tmp_path: Path) -> None:
    """No new arrivals, and time for what is under way."""
    host = Host(begin=ready)
    load = make(host, tmp_path)

    async def play() -> None:
        await started(load)
        await load.drain()
        await load.drain()

    asyncio.run(play())
    assert host.processes[0].stopped == [5.0]


def test_drain_after_the_end_waits(tmp_path: Path) -> None:
    """A process whose schedule is over ends by itself."""
    host = Host(begin=ready)
    load = make(host, tmp_path)

    async def play() -> None:
        await started(load, until=-0.04)
        asyncio.get_running_loop().call_later(0.02, host.processes[0].end.set)
        await load.drain()

    asyncio.run(play())
    assert host.processes[0].stopped == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (Exit.USAGE, BadExperiment),
        (Exit.NO_STACK, ChaosError),
        (Exit.NO_DISK, ChaosError),
        (-9, ChaosError),
        (3, ChaosError),
    ],
    ids=str,
)
def test_exit_codes_become_words(tmp_path: Path, code: int, error: type[ChaosError], says: Says) -> None:
    """A message says what happened, the log's last lines, and where the rest is."""
    load = make(Host(code=code, ends=True), tmp_path)
    with says.raises(error):
        asyncio.run(load.prepare())


def test_a_process_that_ends_before_it_is_ready_is_an_error(tmp_path: Path, says: Says) -> None:
    """Also with exit code 0: there is no load."""
    load = make(Host(code=0, ends=True), tmp_path)
    with says.raises(ChaosError):
        asyncio.run(started(load))


def test_a_missing_users_file_is_a_bad_experiment(tmp_path: Path, says: Says) -> None:
    """Said before anything is started."""
    load = make(Host(), tmp_path)
    (tmp_path / "experiments" / "users" / "some.py").unlink()
    with says.raises(BadExperiment):
        asyncio.run(load.prepare())


def test_the_read_back_uses_the_clock_of_the_run(tmp_path: Path) -> None:
    """Its lines stand in the same file and count from the same t = 0."""
    host = Host(ends=True, begin=ready)
    load = make(host, tmp_path)

    async def play() -> float:
        t0 = await started(load)
        await load.readback()
        return t0

    t0 = asyncio.run(play())
    assert [float(argument(c, "--t0")) for c in host.commands] == [t0, t0]


def line(end: float, journey: str, result: str, op: str = "send") -> bytes:
    return (
        msgspec.json.encode(
            {"t": end, "start": end, "end": end, "journey": journey, "op": op, "client": "app", "user": "u", "id": "i"}
            | {"result": result}
        )
        + b"\n"
    )


def test_success_reads_only_whole_lines(tmp_path: Path) -> None:
    """A line that is being written counts once it is whole, and only once."""
    load = make(Host(), tmp_path)
    ops = tmp_path / "run" / OPS
    now = time.monotonic()  # t0 is 0 before a start, so this is the time on the timeline
    whole = line(now, "text", "ok") + line(now, "text", "info") + line(now, "bank", "ok")
    half = line(now, "text", "ok")
    assert load.success(60.0) == {}
    ops.write_bytes(whole + half[:20])
    assert load.success(60.0) == {"bank": (1, 1), "text": (1, 2)}
    with ops.open("ab") as f:
        f.write(half[20:])
    assert load.success(60.0) == {"bank": (1, 1), "text": (2, 3)}


def test_success_forgets_what_is_long_ago_and_leaves_the_read_back_out(tmp_path: Path) -> None:
    """Only operations of the last seconds count, and reading back is none."""
    load = make(Host(), tmp_path)
    now = time.monotonic()
    old, new = line(now - 30, "text", "fail"), line(now, "text", "ok")
    (tmp_path / "run" / OPS).write_bytes(old + new + line(now, "text", "ok", "readback"))
    assert load.success(10.0) == {"text": (1, 1)}
    assert load.success(60.0) == {"text": (1, 2)}


def test_several_threads_may_ask_for_success_at_once(tmp_path: Path) -> None:
    """A condition, the line of progress and a scrape: each sees all operations, none breaks on another's reading."""
    tail, path = Tail(tmp_path / OPS), tmp_path / OPS
    lines = [
        msgspec.json.encode(Op(t / 100, t / 100, t / 100, "text", "send", "app", "u1", f"u1-{t}", "ok")) + b"\n"
        for t in range(3000)
    ]

    def look(n: int) -> int:
        with path.open("ab", buffering=0) as f:  # in one piece, as the load writes a line
            f.write(b"".join(lines[n * 100 : (n + 1) * 100]))
        return tail.rates(30.0, 30.0)["text"].n

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(look, range(30)))
    assert max(seen) == tail.rates(30.0, 30.0)["text"].n == len(lines)
