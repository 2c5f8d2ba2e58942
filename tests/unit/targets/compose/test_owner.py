"""The label that says what is ours, on everything that Compose makes for a stack and on nothing else."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.targets.compose import owner
from chaos.targets.compose.declared import declared
from chaos.targets.docker.engine import STACK

FILE = """
services:
  web: {image: x, labels: [mine=1]}
  db: {image: x, networks: [back], profiles: [never]}
networks:
  back: {driver_opts: {mtu: 1400}, ipam: {config: [{subnet: "${NET:-10.1}.0.0/16"}]}, labels: ["a=$X"]}
  theirs: {external: true}
  also-theirs: {external: {name: far}}
  spoken: {external: "no", enable_ipv6: yes}
volumes:
  data:
  named: {name: "${KEPT:-kept}", labels: {b: c}}
  theirs: {external: true, name: their-data}
  old: {external: {name: old-data}}
"""


def stack_in(folder: Path, text: str = FILE) -> Stack:
    folder.mkdir(exist_ok=True)
    (folder / "stack.yml").write_text(text, encoding="utf-8")
    return stackfile.read(folder / "stack.yml", strict=False)


def laid_over(stack: Stack, *args: Any, merges: bool = False) -> dict[str, Any]:
    with owner.override(stack, merges, *args) as path:
        assert path.is_absolute()
        made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert not path.exists()
    return made


@pytest.mark.parametrize("merges", [True, False])
def test_everything_that_compose_makes_is_labelled_and_nothing_external(merges: bool, tmp_path: Path) -> None:
    """Services of every profile, networks with the default one, volumes: with the stack's file, to the letter."""
    stack = stack_in(tmp_path / "a $HOME b")
    made = laid_over(stack, merges=merges)
    path = str(stack.path).replace("$", "$$")
    assert {part: set(made[part]) for part in made} == {
        "services": {"web", "db"}, "networks": {"back", "spoken", "default"}, "volumes": {"data", "named"},
    }  # fmt: skip
    assert all(spec["labels"][STACK] == path for part in made.values() for spec in part.values())


def test_what_the_file_says_of_networks_and_volumes_is_said_again(tmp_path: Path) -> None:
    """To a Compose that takes the last file's word whole: addresses, options and labels would be lost."""
    merged = laid_over(stack_in(tmp_path), merges=True)
    assert {key for part in ("networks", "volumes") for spec in merged[part].values() for key in spec} == {"labels"}
    made = laid_over(stack_in(tmp_path))
    back, named = made["networks"]["back"], made["volumes"]["named"]
    assert back["ipam"] == {"config": [{"subnet": "${NET:-10.1}.0.0/16"}]} and back["driver_opts"] == {"mtu": 1400}
    assert back["labels"]["a"] == "$X" and named["name"] == "${KEPT:-kept}" and named["labels"]["b"] == "c"
    assert made["networks"]["spoken"]["enable_ipv6"] is True
    assert set(made["services"]["web"]) == {"labels"}


def test_what_an_experiment_sets_is_laid_on_one_service_as_it_is(tmp_path: Path) -> None:
    """Beside the label, and no variable of Compose's."""
    extra = {"environment": {"A": "$b"}, "labels": {"chaos.deployed": "${c}"}, "volumes": ["/x$y:/z:ro"]}
    web = laid_over(stack_in(tmp_path), "web", extra)["services"]["web"]
    assert web["environment"] == {"A": "$$b"} and web["volumes"] == ["/x$$y:/z:ro"]
    assert web["labels"] == {"chaos.deployed": "$${c}", STACK: str(tmp_path / "stack.yml")}


def test_a_path_that_is_no_text_is_one_label_all_the_same(tmp_path: Path) -> None:
    """The engine would give back another one."""
    stack = stack_in(tmp_path / "caf\udce9")
    assert owner.mark(stack).encode() == str(tmp_path / "caf\\xe9" / "stack.yml").encode()


def test_names_are_those_that_compose_gives(tmp_path: Path) -> None:
    """Where the file gives one, interpolated; volumes of others by their real names."""
    found = declared(stack_in(tmp_path))
    assert (found.network_names, found.volume_names) == ({}, {"named": "kept"})
    assert found.external_volumes == {"their-data", "old-data"}


def test_no_default_network_is_made_up_where_no_service_is_on_it(tmp_path: Path) -> None:
    """Nor labelled where it is somebody else's."""
    text = "services: {a: {image: x, networks: [n]}, b: {image: x, network_mode: host}}\nnetworks: {n: }\n"
    assert set(declared(stack_in(tmp_path, text)).networks) == {"n"}
    text = "services: {a: {image: x}}\nnetworks: {default: {external: true}}\n"
    assert not declared(stack_in(tmp_path, text)).networks


def test_the_file_lies_in_the_stacks_own_folder_for_state(tmp_path: Path) -> None:
    """Nothing of it is anywhere else, so nothing can be left there."""
    stack = stack_in(tmp_path / "s")
    with owner.override(stack, merges=True) as path:
        assert path.parent == stack.root / owner.STATE


def test_what_a_killed_command_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Not a file that somebody still holds, nor one that was made just now; nor anything that is not such a file."""
    stack = stack_in(tmp_path / "s")
    folder = stack.root / owner.STATE
    folder.mkdir()
    left, held, fresh, other = (folder / name for name in ("compose-a.yml", "compose-b.yml", "compose-c.yml", "x.yml"))
    for file in (left, held, fresh, other):
        file.write_text("{}", encoding="utf-8")
    for file in (left, held, other):
        os.utime(file, (0, 0))
    with held.open(encoding="utf-8") as holding:
        fcntl.flock(holding, fcntl.LOCK_EX)
        laid_over(stack)
    assert sorted(folder.iterdir()) == [held, fresh, other]


def test_a_stack_in_a_read_only_folder_is_labelled_as_well(tmp_path: Path) -> None:
    """Its folder for state cannot be made: here a file stands in its place."""
    stack = stack_in(tmp_path / "s")
    (stack.root / owner.STATE).write_text("", encoding="utf-8")
    assert laid_over(stack, merges=True)["services"]
