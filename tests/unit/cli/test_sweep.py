"""`chaos sweep` before it runs anything: which arms there are, and what is wrong with the words that name them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chaos.campaign.sweep import recorded
from chaos.cli import main
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment.sweep import numbers, values
from chaos.model import Event
from chaos.record import store
from chaos.run.child import Player
from tests.messages import Says
from tests.unit.cli.test_commands import refusal
from tests.unit.histories import plan

ROOT = Path(__file__).parents[3]


def made(name: str = "zone-fire") -> experiments.Experiment:
    return experiments.read(ROOT / "experiments" / f"{name}.yaml")


def test_values_come_from_the_command_or_else_from_the_file() -> None:
    """In the order they were written; --set takes the file's place as a whole."""
    sets = ("boot_lanes=1,4,8", "data_replicated=true")
    assert values(sets, made()) == {"boot_lanes": ["1", "4", "8"], "data_replicated": ["true"]}
    of_file = {"tools_replicated": ["false", "true"], "data_replicated": ["false", "true"]}
    assert values((), made("zone-fire-2x2")) == of_file
    assert values(("boot_lanes=2",), made("zone-fire-2x2")) == {"boot_lanes": ["2"]}


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("boot_lanes",),
        ("boot_lanes=1,,4",),
        ("boot_lanes=1", "boot_lanes=2"),
        ("boot_lanes=1,2,1",),
    ],
    ids=str,
)
def test_what_names_no_values_is_refused(sets: tuple[str, ...], says: Says) -> None:
    """With what was found and what was expected."""
    with pytest.raises(BadExperiment) as e:
        values(sets, made())
    says(e.value)


def test_seeds_are_a_range_or_a_list(says: Says) -> None:
    """1..3 and 1,4,9; the one of --seed otherwise."""
    assert (numbers("1..3", 7), numbers("1,4,9", 7), numbers(None, 7)) == ([1, 2, 3], [1, 4, 9], [7])
    for wrong in ("3..1", "x", "1,1", "1..", ""):
        with says.raises(BadExperiment):
            numbers(wrong, 7)


@pytest.mark.parametrize(
    "args",
    [
        ("sweep", "zone-fire", "--set", "boot_lane=1,2"),
        ("sweep", "zone-fire", "--set", "boot_lanes=1,many"),
        ("sweep", "zone-fire", "--set", "spare_capacity=half"),
        ("sweep", "zone-fire", "--set", "boot_lanes=1", "--seeds", "1..900"),
        ("compare", "nothing-of-the-kind", "last", "--runs", "none"),
        ("compare",),
    ],
    ids=str,
)
def test_wrong_use_is_said_before_anything_runs(
    args: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """Exit 64, and no run was begun."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Player, "play", lambda *_: pytest.fail("a run was begun"))
    target = () if args[0] == "compare" else ("--target", "process")
    with pytest.raises(SystemExit) as e:
        main([*args, *target])
    assert e.value.code == 64
    says(refusal(capsys))


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
    keep("3", "interrupted")
    assert recorded(tmp_path, wanted) is None
    whole = keep("0", "done")
    assert recorded(tmp_path, wanted) == whole
