"""Every experiment of this project plans, under every posture, in both forms, and says what it claims."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from chaos.cli.options import make_plan, read_stack
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Plan
from chaos.targets.memory.target import Memory
from tests.messages import Says

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "experiments").glob("*.yaml"))
STACK = ROOT / "docker-compose.yml"
POSTURES = ("as-was", "remedied")
KNOBS = {
    "tools_replicated": ("false", "true"), "data_replicated": ("false", "true"), "boot_lanes": ("1", "8"),
    "spare_capacity": ("unlimited", "50%"),
}  # fmt: skip


def planned(file: Path, posture: str | None, short: bool, sets: dict[str, str] | None = None) -> Plan:
    made = experiments.read(file, short)
    stack = read_stack(STACK, "memory", made, posture, [f"{k}={v}" for k, v in (sets or {}).items()])
    return make_plan(file, made, Memory(stack.nodes), stack, 7, short, ())


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_an_experiment_plans_under_every_posture_and_in_both_forms(file: Path) -> None:
    """With faults in its timeline and checks of its claim; its own posture has no gap but those of the as-was stack."""
    for posture, short in product((None, *POSTURES), (False, True)):
        made = planned(file, posture, short)
        assert made.experiment == file.stem and made.claim.endswith(".")
        assert made.checks and (made.steps or made.acts), posture
        if made.settings["posture"] == "remedied":
            assert not [c.id for c in made.checks if c.xfail], "the remedied stack has no known gap"


def test_every_knob_works_alone_and_with_all_others() -> None:
    """Each combination is a stack of its own whose plan names its knobs; each node's environment follows."""
    for chosen in product(*KNOBS.values()):
        sets = dict(zip(KNOBS, chosen, strict=True))
        stack = stackfile.read(STACK, "as-was", sets)
        names = {n.name for n in stack.nodes}
        assert ("failover-c" in names) == (sets["tools_replicated"] == "true")
        assert ("valkey-b" in names) == (sets["data_replicated"] == "true")
        chat = stack.services["chat-b"].environment
        assert chat["SPARE_CAPACITY"] == sets["spare_capacity"] and chat["SIZED_FOR"] == "30"
        assert "SIZED_FOR" not in stack.services["chat-a"].environment
        made = planned(ROOT / "experiments/zone-fire.yaml", "as-was", True, sets)
        units = {r.t for s in made.steps for r in s.releases if r.unit}
        assert len(units) == (32 if sets["boot_lanes"] == "1" else len(units)) and max(units) < 60
        assert {k: str(v).lower() for k, v in made.settings.items() if k in KNOBS} == sets


def test_lanes_shorten_the_plant_and_nothing_else() -> None:
    """The first unit waits for power and for a boot, however many lanes there are."""
    fire = ROOT / "experiments/zone-fire.yaml"
    one, eight = (planned(fire, "as-was", False, {"boot_lanes": n}) for n in ("1", "8"))
    half = [sorted(r.t for r in p.steps[0].releases)[15] for p in (one, eight)]
    assert half[1] < half[0] and one.acts == eight.acts


def test_the_2x2_differs_from_the_fire_in_claim_and_checks_only() -> None:
    """`like:` lays it over zone-fire: the same faults at the same times on the same nodes."""
    fire, square = (planned(ROOT / f"experiments/{n}.yaml", "as-was", False) for n in ("zone-fire", "zone-fire-2x2"))
    assert (fire.steps, fire.acts, fire.load) == (square.steps, square.acts, square.load)
    assert fire.claim != square.claim and len(square.checks) == 4


@pytest.mark.parametrize(("tools", "data", "gaps"), [
    ("false", "false", {"delivery-1", "recovery-2", "recovery-3"}), ("false", "true", {"recovery-2", "recovery-3"}),
    ("true", "false", {"delivery-1", "recovery-4"}), ("true", "true", set()),
])  # fmt: skip
def test_each_arm_of_the_2x2_is_marked_with_what_it_lacks(tools: str, data: str, gaps: set[str]) -> None:
    """And the arm with both remedies with nothing."""
    sets = {"tools_replicated": tools, "data_replicated": data}
    made = planned(ROOT / "experiments/zone-fire-2x2.yaml", "as-was", False, sets)
    assert {c.id for c in made.checks if c.xfail} == gaps


@pytest.mark.parametrize("like", ["zone-fir", "zone-fire-2x2"], ids=str)
def test_a_file_is_like_one_that_is_there_and_stands_alone(like: str, tmp_path: Path, says: Says) -> None:
    """With the nearest name."""
    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text())
    made = tmp_path / "mine.yaml"
    made.write_text(f"name: mine\nlike: {like}\n")
    with says.raises(BadExperiment):
        experiments.read(made)


def test_an_experiment_goes_by_the_name_of_its_file(tmp_path: Path) -> None:
    """Its runs are kept under it, and every way to read one says so."""
    made = tmp_path / "other.yaml"
    made.write_text((ROOT / "experiments/node-kill.yaml").read_text())
    with pytest.raises(BadExperiment) as e:
        experiments.read(made)
    assert [p.partition(": found")[0] for p in e.value.problems] == [f"{made}: name"]
