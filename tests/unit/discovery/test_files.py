"""What `chaos init` writes: each experiment plans, files are sealed, and nothing of others is written over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos import yamlfile
from chaos.discovery import files, journeys, overlay
from chaos.discovery.looking import look
from chaos.errors import ChaosError
from chaos.experiment import file as experiments
from chaos.experiment import loadfile, planning
from chaos.experiment.plan import Plan
from chaos.protocols.capabilities import CUT, KILL, POWER, SHAPE
from chaos.protocols.table import Table
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.discovery.described import SHOP, mapped, service, stack, target

ZONED: dict[str, Any] = {"services": {
    f"{name}-{zone}": service(component=name, zone=zone) | {"expose": ["8080"]}
    for name in ("web", "db") for zone in "ab"
}}  # fmt: skip
ALONE: dict[str, Any] = {"services": {"01": {"image": "x", "expose": ["3306"]}}}


def initialised(doc: dict[str, Any], folder: Path, force: bool = False) -> dict[str, str]:
    return dict(files.write(folder, files.texts(mapped(doc, folder)), force))


def plan(doc: dict[str, Any], folder: Path, name: str, seed: int = 7) -> Plan:
    made = experiments.read(folder / "experiments" / f"{name}.yaml")
    found = stack(doc, folder)
    known = loadfile.read(folder / "experiments" / f"{name}.yaml", made.load, folder)[1] if made.load else None
    choices = planning.Choices(seed, {"posture": ""}, {}, frozenset(), described=found.nodes, users=known)
    return planning.plan(name, made, target(found), choices)


@pytest.mark.parametrize(
    ("doc", "names"),
    [
        (SHOP, ["dns-outage", "node-kill", "partition", "pause", "rolling-restart", "slow-dependency"]),
        (ZONED, ["dns-outage", "node-kill", "partition", "pause", "rolling-restart", "zone-loss"]),
        (ALONE, ["dns-outage", "node-kill", "partition", "pause", "rolling-restart"]),
    ],
    ids=["shop", "zoned", "alone"],
)
def test_each_experiment_plans_at_once(doc: dict[str, Any], names: Sequence[str], tmp_path: Path) -> None:
    """Those that fit the stack, each with a step and a check; chaos.yaml is YAML without a key."""
    initialised(doc, tmp_path)
    assert sorted(path.stem for path in (tmp_path / "experiments").glob("*.yaml")) == names
    for name in names:
        made = plan(doc, tmp_path, name)
        assert made.steps and made.checks and len({n for s in made.steps for n in s.nodes}) <= made.limits["max_nodes"]
    assert yamlfile.read(tmp_path / "chaos.yaml") is None


def test_experiments_are_of_what_was_found(tmp_path: Path) -> None:
    """A link that is used, the component that users ask, a node that others need; one zone."""
    (shop := tmp_path / "shop").mkdir()
    initialised(SHOP, shop)
    chosen = {
        name: plan(SHOP, shop, name).steps for name in ("partition", "slow-dependency", "rolling-restart", "pause")
    }
    assert (chosen["partition"][0].nodes, chosen["partition"][0].params["to"]) == (("web-1", "web-2"), ["api"])
    assert chosen["slow-dependency"][0].nodes == chosen["pause"][0].nodes == ("api",)
    assert [step.nodes for step in chosen["rolling-restart"]] == [("web-1",), ("web-2",)]
    killed = {plan(SHOP, shop, "node-kill", seed).steps[0].nodes for seed in range(60)}
    assert killed == {(n.name,) for n in stack(SHOP).nodes}
    (zoned := tmp_path / "zoned").mkdir()
    initialised(ZONED, zoned)
    assert plan(ZONED, zoned, "zone-loss").steps[0].nodes == ("db-a", "web-a")


class Offline(Memory):
    """It has no network faults, and can only kill."""

    @property
    def can(self) -> Table:
        return Table(KILL.by(self), *(key.refused("no network") for key in (CUT, SHAPE, POWER)))


def test_what_the_target_cannot_do_is_not_written() -> None:
    """Only a kill is left."""
    found = stack(ZONED)
    made = files.texts(look(found, Offline(found.nodes)))
    assert sorted(made) == ["chaos.yaml", "experiments/node-kill.yaml", "experiments/users.py"]


def test_without_a_port_there_is_no_load_and_no_experiment() -> None:
    """A run needs users."""
    assert list(files.texts(mapped({"services": {"a": {"image": "x"}}}))) == ["chaos.yaml"]


def test_users_ask_http_ports_and_probes_connect_where_there_is_none(says: Says) -> None:
    """Journeys are named after components, with the port if there are two; at most six."""
    says(files.texts(mapped(SHOP))["experiments/users.py"])
    says((made := files.texts(mapped(ALONE)))["experiments/node-kill.yaml"])
    assert "experiments/users.py" not in made
    many = {f"s{n}": {"image": "x", "expose": ["80", "8080"]} for n in range(9)} | {
        "all": {"image": "x", "expose": [80]}
    }
    assert list(journeys.chosen(mapped({"services": many}))) == [
        "all-80",
        "s0-80",
        "s0-8080",
        "s1-80",
        "s1-8080",
        "s2-80",
    ]


def test_texts_for_a_stack_are_always_the_same(says: Says) -> None:
    """And read as plain English."""
    made = files.texts(mapped(SHOP))
    assert made == files.texts(mapped(SHOP))
    for name in ("experiments/node-kill.yaml", "experiments/partition.yaml", "experiments/rolling-restart.yaml"):
        says(made[name])


def test_what_is_said_beside_a_compose_file_is_suggested(says: Says) -> None:
    """Groups of services whose names differ in a number, and zones over them and over replicas."""
    etcd = {f"etcd{n}": {"image": "etcd"} for n in (1, 2, 3)}
    assert overlay.groups(mapped({"services": etcd})) == {"etcd": ["etcd1", "etcd2", "etcd3"]}
    for services in (etcd, SHOP["services"], ZONED["services"], ALONE["services"]):
        says(overlay.overlay(mapped({"services": services})))


def test_odd_labels_stay_in_their_place(tmp_path: Path) -> None:
    """Line breaks, quotes and control characters of a label begin no line and no key of a file."""
    odd = "a\n- b: 'c' \"d\" # \x1b"
    doc = {"services": {
        name: service(component=odd, zone=zone) | {"expose": ["80"], "depends_on": ["c"]}
        for name, zone in (("a", odd), ("b", "true"), ("c", "1"))
    }}  # fmt: skip
    for path in initialised(doc, tmp_path):
        if path.startswith("experiments/") and path.endswith(".yaml"):
            assert plan(doc, tmp_path, Path(path).stem).steps
    assert plan(doc, tmp_path, "zone-loss").steps[0].nodes == ("c",)
    assert yamlfile.read(tmp_path / "chaos.yaml") is None


@pytest.mark.parametrize("services", [{f"etcd{n}": {"image": "etcd"} for n in (1, 2, 3)}, SHOP["services"]])
def test_suggestions_hold_when_they_are_no_comments_any_more(services: dict[str, Any], tmp_path: Path) -> None:
    """The stack then has zones, and the next init an experiment that loses one."""
    doc = {"services": services | {"page": {"image": "x", "expose": ["80"]}}}
    initialised(doc, tmp_path)
    file = tmp_path / "chaos.yaml"
    bare = re.sub(r"^# (?=nodes:|zones:|replicas:|  )", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text(bare, encoding="utf-8")
    found = mapped(doc, tmp_path)
    assert len(found.zones) == len(found.components.get("etcd", ())) or found.zones == ("a", "b")
    done = initialised(doc, tmp_path)
    assert done["experiments/zone-loss.yaml"] == "written" and done["chaos.yaml"] == "exists, and is left as it is"
    assert plan(doc, tmp_path, "zone-loss").steps


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    """Also with --force."""
    initialised(SHOP, tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.*")}
    for force in (False, True):
        assert set(initialised(SHOP, tmp_path, force).values()) == {"is as it would be written"}
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.*")} == before


def test_only_what_init_wrote_and_nobody_changed_is_written_over(tmp_path: Path) -> None:
    """And only with --force: the stack has changed meanwhile."""
    initialised(ALONE, tmp_path)
    folder = tmp_path / "experiments"
    mine = (folder / "pause.yaml").read_text(encoding="utf-8") + "# mine\n"
    (folder / "pause.yaml").write_text(mine, encoding="utf-8")
    (folder / "dns-outage.yaml").rename(folder / "dns-outage.yml")
    done = initialised(SHOP, tmp_path)
    assert done["experiments/slow-dependency.yaml"] == "written"
    assert {done[f"experiments/{name}.yaml"] for name in ("pause", "dns-outage", "node-kill")} == {
        "exists, and is left as it is"
    }
    done = initialised(SHOP, tmp_path, force=True)
    assert done["experiments/node-kill.yaml"] == "written again"
    assert "web-1" in (folder / "node-kill.yaml").read_text(encoding="utf-8")
    assert (folder / "pause.yaml").read_text(encoding="utf-8") == mine
    assert not (folder / "dns-outage.yaml").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whatever it leads to belongs to somebody."""
    precious = tmp_path / "precious"
    precious.write_text(files.sealed("words\n"), encoding="utf-8")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "pause.yaml").symlink_to(precious)
    initialised(SHOP, tmp_path, force=True)
    assert precious.read_text(encoding="utf-8") == files.sealed("words\n")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, says: Says) -> None:
    """Before it stands a file of that name."""
    (tmp_path / "experiments").write_text("", encoding="utf-8")
    with says.raises(ChaosError):
        initialised(SHOP, tmp_path)
