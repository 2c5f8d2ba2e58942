"""The watchdog, a process that heals when the harness is silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos.errors import LeaseLost
from chaos.run.watchdog import Watchdog
from tests.messages import Says

# --- the real one, in a process of its own, with a lease of a few tenths of a second


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The watchdog's looks are 50 ms apart; its command leaves this file."""
    program = tmp_path / "quick.py"
    figures = "w.EVERY, w.PAUSES, w.GIVES_UP, w.TRY = 0.05, (0.02, 0.04), 2.0, 0.5"
    program.write_text(f"import chaos.run.watchdog as w\n{figures}\nw.main()\n")
    real = subprocess.Popen

    def popen(argv: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        if list(argv[1:3]) != ["-m", "chaos.run.watchdog"]:  # a harness of a test, with a watchdog of its own
            return real(argv, **options)  # type: ignore[call-overload,no-any-return]
        return real([argv[0], str(program), *argv[3:]], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr("chaos.run.watchdog.subprocess.Popen", popen)
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


def test_a_watchdog_that_hears_no_renewal_heals_and_the_harness_finds_out(
    quick: Path, tmp_path: Path, says: Says
) -> None:
    """From the moment that it begins, not when it has ended; `settle` waits for the end."""
    gate = tmp_path / "gate"
    with Watchdog(healing(quick, gate)) as dog:
        dog.renew()
        with says.raises(LeaseLost):
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
        first = dog.process.pid
        dog.process.kill()
        dog.process.wait()
        dog.renew()
        assert dog.process.pid != first
        assert within(30, quick)


def test_a_watchdog_that_was_stopped_stops_nobody(quick: Path) -> None:
    """Its pipe fills up and the harness goes on; at the end it is woken, told, and waited for."""
    with Watchdog(healing(quick)) as dog:
        dog.process.send_signal(signal.SIGSTOP)
        for _ in range(100_000):
            dog.renew()
    assert dog.process.returncode == 0 and not quick.exists()


def test_a_harness_that_died_is_cleared_up_after_and_one_that_ends_in_good_order_is_not(
    quick: Path, tmp_path: Path
) -> None:
    """SIGKILL leaves no time for it. Whoever reads what the harness said to its end does not wait for the watchdog."""
    gate = tmp_path / "gate"
    for end in ("pass", "os.kill(os.getpid(), signal.SIGKILL)"):
        command = healing(quick, gate)
        harness = "import os, signal\nfrom chaos.run.watchdog import Watchdog\n"
        harness += f"with Watchdog({command!r}):\n    {end}\n"
        done = subprocess.run([sys.executable, "-c", harness], capture_output=True, text=True, check=False, timeout=30)
        assert not quick.exists()
        assert (done.returncode == -signal.SIGKILL) is (end != "pass")
    gate.touch()
    assert within(30, quick)


@pytest.mark.parametrize("how", ["sys.exit(2)", "sys.exit(4)", "os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_a_watchdog_tries_until_its_command_succeeds_and_tells_its_log(quick: Path, tmp_path: Path, how: str) -> None:
    """An error, something left behind, a command that is killed or hangs: twice, and then it succeeds."""
    log, tries = tmp_path / "watchdog.log", tmp_path / "tries"
    command = f"""import os, sys, time
with open({str(tries)!r}, "a") as out: out.write("x")
print("try", os.path.getsize({str(tries)!r}), flush=True)
if os.path.getsize({str(tries)!r}) < 3: {how}
open({str(quick)!r}, "w")"""
    with Watchdog([sys.executable, "-c", command], log=log) as dog:
        dog.abandon()
    assert dog.process.wait(30) == 0 and quick.exists()
    assert [f"try {n}" in log.read_text() for n in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_watchdog_gives_up_in_the_end_and_says_so(quick: Path, tmp_path: Path) -> None:
    """What is gone for good is a person's to mend; the exit code is the command's."""
    log = tmp_path / "watchdog.log"
    with Watchdog([sys.executable, "-c", "raise SystemExit(2)"], log=log) as dog:
        dog.abandon()
    assert dog.process.wait(30) == 2
    assert log.read_text().count("exit 2") > 1


def test_a_watchdog_heals_although_nobody_can_hear_it(quick: Path, tmp_path: Path) -> None:
    """The terminal is gone, and its log cannot be written."""
    reading, writing = os.pipe()
    os.close(reading)
    dog = f"Watchdog({healing(quick)!r}, log=pathlib.Path({str(tmp_path / 'none' / 'log')!r}))"
    code = f"import os, pathlib\nfrom chaos.run.watchdog import Watchdog\nwith {dog}:\n    os._exit(9)\n"
    with os.fdopen(writing, "w") as nobody:
        subprocess.run([sys.executable, "-c", code], stderr=nobody, check=False, timeout=30)
    assert within(30, quick)
