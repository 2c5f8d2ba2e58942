"""The lease: a harness that stood still has lost it, its watchdog heals in its place, and a sleep is no standstill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos import lease, watchdog
from chaos.errors import LeaseLost
from chaos.lease import Lease
from chaos.model import Node
from chaos.targets.memory import Memory
from chaos.watchdog import Watchdog
from tests.unit.test_run import NODES, Stage, plan, step
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
        self.clock, self.seconds = clock, seconds
        self.killed: list[str] = []

    async def kill(self, nodes: Sequence[Node], signal: str = "KILL") -> None:
        if not self.killed:
            self.clock.still += self.seconds
        self.killed += [n.name for n in nodes]
        await super().kill(nodes, signal)


def frozen(tmp_path: Path, seconds: float) -> tuple[Stage, Freezing, Watching]:
    clock, watching = Clock(), Watching()
    target = Freezing(clock, seconds)
    stage = Stage(tmp_path, plan(step("one", 10.5, 40, "chat-a"), step("two", 10.6, 50, "db-a")), target)
    stage.more["lease"] = Lease(watching, clock)
    return stage, target, watching


def test_a_harness_that_stood_still_ends_with_an_error_and_breaks_nothing_more(tmp_path: Path) -> None:
    """The step that is due before the next renewal is not injected either; what bites is healed."""
    stage, target, watching = frozen(tmp_path, lease.STILL + 0.5)
    with pytest.raises(LeaseLost, match="stood still for 8 s"):
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


def test_a_run_whose_watchdog_has_healed_ends_with_an_error(tmp_path: Path) -> None:
    """The next renewal finds out, also when no step is due."""
    stage = Stage(tmp_path, plan(step("one", 10, 50, "chat-a")))
    watching = Watching()
    stage.more["lease"] = Lease(watching, Clock())

    async def main() -> None:
        task = asyncio.ensure_future(stage.play())
        await asyncio.sleep(6 + 20.2)
        watching.gone = True
        with pytest.raises(LeaseLost, match="healed in its place"):
            await task

    virtually(main())
    (error,) = [e for _, e in stage.journal.of("run.error")]
    assert 20 <= error.t <= 21.5
    assert virtually(stage.target.residue()) == []


def test_we_stop_by_ourselves_before_others_heal_in_our_place() -> None:
    """Else there would be a moment in which one heals and the other breaks."""
    assert lease.STILL + lease.EVERY < watchdog.LEASE * watchdog.EVERY


# --- the real one, in a process of its own, with a lease of a few tenths of a second


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The watchdog's looks are 50 ms apart; its command leaves this file."""
    program = tmp_path / "quick.py"
    program.write_text("import chaos.watchdog as w\nw.EVERY = 0.05\nw.main()\n")
    real = subprocess.Popen

    def popen(argv: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        assert list(argv[1:3]) == ["-m", "chaos.watchdog"]
        return real([argv[0], str(program), *argv[3:]], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr("chaos.watchdog.subprocess.Popen", popen)
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    return tmp_path / "healed"


def healing(place: Path, gate: Path | None = None) -> list[str]:
    """A command that leaves `place`, where there is a `gate` once that exists."""
    wait = f"import os, time\nfor _ in range(1000):\n if not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    return [sys.executable, "-c", f"{wait if gate else ''}open({str(place)!r}, 'w')"]


def within(seconds: float, place: Path) -> bool:
    end = time.monotonic() + seconds
    while not place.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return place.exists()


def test_a_watchdog_that_hears_no_renewal_heals_and_the_harness_finds_out(quick: Path, tmp_path: Path) -> None:
    """From the moment that it begins, not when it has ended; `settle` waits for the end."""
    gate = tmp_path / "gate"
    with Watchdog(healing(quick, gate)) as dog:
        dog.renew()
        with pytest.raises(LeaseLost, match="healed in its place"):
            for _ in range(5):
                time.sleep(2.0)
                dog.renew()
        assert not quick.exists()
        gate.touch()
        dog.settle()
        assert quick.exists()


def test_renewals_and_rest_keep_it_quiet(quick: Path) -> None:
    """Renewed for twice the lease, then at rest for twice the lease, then done."""
    with Watchdog(healing(quick)) as dog:
        for _ in range(20):
            dog.renew()
            time.sleep(0.05)
        dog.rest()
        time.sleep(1.0)
        dog.settle()
    assert not quick.exists()


def test_before_the_first_renewal_there_is_no_lease(quick: Path) -> None:
    """Images are built, plans are made: nothing is broken yet."""
    with Watchdog(healing(quick)):
        time.sleep(1.0)
    assert not quick.exists()


def test_a_watchdog_that_was_killed_is_replaced(quick: Path) -> None:
    """The run goes on guarded: the next one heals when renewals end."""
    with Watchdog(healing(quick)) as dog:
        dog.renew()
        first = dog._process.pid
        dog._process.kill()
        dog._process.wait()
        dog.renew()
        assert dog._process.pid != first
        assert within(30, quick)


def test_a_watchdog_that_was_stopped_stops_nobody(quick: Path) -> None:
    """Its pipe fills up and the harness goes on; at the end it is woken, told, and waited for."""
    with Watchdog(healing(quick)) as dog:
        dog._process.send_signal(signal.SIGSTOP)
        for _ in range(100_000):
            dog.renew()
    assert dog._process.returncode == 0 and not quick.exists()


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

    monkeypatch.setattr("chaos.watchdog.select.select", select)
    assert watchdog._given_up(reading) == ""
    assert len(looks) == 4
    for fd in (reading, writing):
        os.close(fd)
