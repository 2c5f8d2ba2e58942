"""`chaos sweep` before it runs anything: which arms there are, and what is wrong with the words that name them."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from chaos import experiment, store
from chaos.cli import main
from chaos.cli.sweep import numbers, recorded, run, values
from chaos.errors import BadExperiment
from chaos.model import Event
from tests.unit.histories import plan

ROOT = Path(__file__).parents[2]


def made(name: str = "zone-fire") -> experiment.Experiment:
    return experiment.read(ROOT / "experiments" / f"{name}.yaml")


def test_values_come_from_the_command_or_else_from_the_file() -> None:
    """In the order they were written; --set takes the file's place as a whole."""
    sets = ("boot_lanes=1,4,8", "data_replicated=true")
    assert values(sets, made()) == {"boot_lanes": ["1", "4", "8"], "data_replicated": ["true"]}
    of_file = {"tools_replicated": ["false", "true"], "data_replicated": ["false", "true"]}
    assert values((), made("zone-fire-2x2")) == of_file
    assert values(("boot_lanes=2",), made("zone-fire-2x2")) == {"boot_lanes": ["2"]}


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ((), "found no knob to sweep; expected --set"),
        (("boot_lanes",), "--set boot_lanes: expected KNOB=VALUE,VALUE"),
        (("boot_lanes=1,,4",), "expected KNOB=VALUE,VALUE"),
        (("boot_lanes=1", "boot_lanes=2"), "boot_lanes was given before"),
        (("boot_lanes=1,2,1",), "a value stands there twice"),
    ],
)
def test_what_names_no_values_is_refused(sets: tuple[str, ...], says: str) -> None:
    """With what was found and what was expected."""
    with pytest.raises(BadExperiment) as e:
        values(sets, made())
    assert says in str(e.value)


def test_seeds_are_a_range_or_a_list() -> None:
    """1..3 and 1,4,9; the one of --seed otherwise."""
    assert (numbers("1..3", 7), numbers("1,4,9", 7), numbers(None, 7)) == ([1, 2, 3], [1, 4, 9], [7])
    for wrong in ("3..1", "x", "1,1", "1..", ""):
        with pytest.raises(BadExperiment, match="expected seeds such as"):
            numbers(wrong, 7)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("sweep", "zone-fire", "--set", "boot_lane=1,2"), "no knob called 'boot_lane'; did you mean 'boot_lanes'?"),
        (("sweep", "zone-fire", "--set", "boot_lanes=1,many"), "--set boot_lanes=many: expected a whole number"),
        (("sweep", "zone-fire", "--set", "spare_capacity=half"), "expected unlimited, or a share"),
        (("sweep", "zone-fire", "--set", "boot_lanes=1", "--seeds", "1..900"), "that is 900 runs"),
        (("compare", "nothing-of-the-kind", "last"), "no run called 'nothing-of-the-kind'"),
        (("compare",), "found 0 run, expected two or more"),
    ],
)
def test_wrong_use_is_said_before_anything_runs(
    args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 64, and no run was begun."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("chaos.cli.sweep.run", lambda command: pytest.fail("a run was begun"))
    target = () if args[0] == "compare" else ("--target", "process")
    with pytest.raises(SystemExit) as e:
        main([*args, *target])
    assert e.value.code == 64 and says in capsys.readouterr().err.replace("\n", " ")


def test_a_recorded_run_is_one_of_the_very_same_plan_that_was_played_to_its_end(tmp_path: Path) -> None:
    """Not another seed's, not another knob's, and not one that was interrupted."""
    wanted = plan(seed=3)

    def keep(name: str, status: str, **changes: object) -> Path:
        folder = tmp_path / "x" / name
        folder.mkdir(parents=True)
        store.save(folder, msgspec.structs.replace(wanted, **changes), {})
        end = msgspec.json.encode(Event(1.0, "run.end", "x", {"status": status}))
        (folder / "journal.jsonl").write_bytes(end + b"\n")
        return folder

    assert recorded(tmp_path, wanted) is None
    keep("1", "done", seed=4)
    keep("2", "done", settings={"posture": "remedied"})
    stopped = keep("3", "interrupted")
    assert recorded(tmp_path, wanted) is None and recorded(tmp_path, wanted, ended=False) == stopped
    assert recorded(tmp_path, wanted) is None
    whole = keep("0", "done")
    assert recorded(tmp_path, wanted) == whole


def test_an_interrupted_arm_heals_before_the_sweep_ends() -> None:
    """The signal is passed on, and the arm's own exit code waited for."""
    code = "import signal, sys, os\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(130))\n"
    code += "os.kill(os.getppid(), signal.SIGTERM)\nsignal.pause()\n"
    before = signal.getsignal(signal.SIGTERM)
    assert threading.current_thread() is threading.main_thread()
    assert run([sys.executable, "-c", code]) == (130, True)
    assert signal.getsignal(signal.SIGTERM) is before
    assert run([sys.executable, "-c", "raise SystemExit(3)"]) == (3, False)
