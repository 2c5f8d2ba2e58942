"""chaos.yaml: what it says of nodes beside a Compose file, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import overlay
from chaos.experiment import stack as stackfile
from chaos.model import Node
from tests.messages import Says

STACK = """
x-chaos: {postures: {one: {lanes: 1}}}
services:
  etcd1: {image: x}
  etcd2: {image: x, labels: {chaos.zone: z, chaos.owner: them, tier: "1"}}
  web: {image: x, scale: 3}
"""


def read(folder: Path, text: str) -> stackfile.Stack:
    (folder / "compose.yaml").write_text(STACK, encoding="utf-8")
    (folder / overlay.FILE).write_text(text, encoding="utf-8")
    return stackfile.read(folder / "compose.yaml", strict=False)


def nodes(found: stackfile.Stack) -> list[tuple[str, str, str, str]]:
    return [(node.name, node.component, node.zone, node.owner) for node in found.nodes]


def test_nodes_get_their_place_from_it_and_the_compose_file_stays_as_it_is(tmp_path: Path) -> None:
    """By name or glob, over labels; selectors see it as labels."""
    found = read(
        tmp_path,
        """
nodes: {"etcd*": {component: etcd, owner: platform}, etcd2: {zone: never}}
zones: {a: [etcd1, web-1], b: [etcd2, "web-[23]"]}
""",
    )
    assert nodes(found) == [
        ("etcd1", "etcd", "a", "platform"),
        ("etcd2", "etcd", "b", "platform"),
        ("web-1", "web", "a", ""),
        ("web-2", "web", "b", ""),
        ("web-3", "web", "b", ""),
    ]
    assert found.services["etcd2"].node.labels == {
        "chaos.zone": "b", "chaos.owner": "platform", "chaos.component": "etcd", "tier": "1",
    }  # fmt: skip


def test_replicas_are_spread_over_the_zones(tmp_path: Path) -> None:
    """In the zones' order; a glob of theirs goes first."""
    found = read(tmp_path, "zones: {b: [etcd1], a: [etcd2]}\nreplicas: spread\n")
    assert [node.zone for node in found.nodes] == ["b", "a", "a", "b", "a"]
    found = read(tmp_path, "nodes: {etcd1: {zone: no}, web-2: {zone: '1'}}\nreplicas: spread\n")
    assert [node.zone for node in found.nodes] == ["no", "z", "1", "1", "1"]


def test_its_knobs_are_added_to_the_files(tmp_path: Path) -> None:
    """Under the name that they have there."""
    found = read(tmp_path, "x-chaos: {network: {between_zones: 5ms}}\n")
    assert found.settings["lanes"] == 1 and found.between_zones_ms == 5


def test_without_a_file_nothing_changes(tmp_path: Path) -> None:
    """Nor with an empty one."""
    found = read(tmp_path, "# nothing yet\n")
    (tmp_path / overlay.FILE).unlink()
    assert nodes(found) == nodes(stackfile.read(tmp_path / "compose.yaml", strict=False))
    assert nodes(found)[:2] == [("etcd1", "etcd1", "", ""), ("etcd2", "etcd2", "z", "them")]


def test_it_names_the_compose_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is the stack's, and the others are merged into it."""
    read(tmp_path, "compose: [other.yaml, deploy/more.yaml]\n")
    monkeypatch.chdir(tmp_path)
    assert stackfile.default() == Path("other.yaml")
    assert stackfile.files(Path("other.yaml")) == [tmp_path / "other.yaml", tmp_path / "deploy" / "more.yaml"]
    assert stackfile.files(Path("compose.yaml")) == [tmp_path / "compose.yaml"]
    (tmp_path / overlay.FILE).unlink()
    assert stackfile.default() == Path("compose.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "zones: {a: [nobody]}",
        "zones: {a: [etcd1], b: [etcd1]}",
        "nodes: {nobody*: {zone: a}}",
        "nodes: {etcd1: {zoen: a}}",
        "nodes: {etcd1: {zone: ''}}",
        "replicas: everywhere",
        "zone: {a: [etcd1]}",
        "compose: []",
        "compose: [deploy/compose.yaml]",
        "x-chaos: {postures: 3}",
        "- a list",
    ],
)
def test_what_says_nothing_or_too_much_is_refused(text: str, tmp_path: Path, says: Says) -> None:
    """With the place, and the nodes that there are."""
    with says.raises(BadExperiment):
        read(tmp_path, text)


def test_a_node_of_another_posture_may_be_named(tmp_path: Path) -> None:
    """It is not here now, and known."""
    (tmp_path / overlay.FILE).write_text("zones: {a: [standby]}", encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: x}, standby: {image: x, profiles: [more]}}", encoding="utf-8"
    )
    found = stackfile.read(tmp_path / "compose.yaml", strict=False)
    assert found.elsewhere == (Node("standby", "standby", "a"),)
