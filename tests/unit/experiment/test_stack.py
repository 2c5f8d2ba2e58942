"""docker-compose.yml as the harness reads it: postures, profiles, interpolation, refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import BadExperiment
from chaos.experiment import stack as stackfile
from chaos.experiment.service import Timing
from tests.messages import Says

ROOT = Path(__file__).parents[3]
STACK = ROOT / "docker-compose.yml"


def test_a_posture_chooses_services_and_variables() -> None:
    """Knobs turn profiles of their name on and set what stands under `when`."""
    was, remedied = (stackfile.read(STACK, p) for p in ("as-was", "remedied"))
    assert {n.name for n in remedied.nodes} - {n.name for n in was.nodes} == {
        "valkey-b", "media-b", "games-b", "channel-b", "mail-b", "failover-b", "failover-c",
    }  # fmt: skip
    assert {n.name for n in was.nodes + was.elsewhere} == {n.name for n in remedied.nodes + remedied.elsewhere}
    assert was.services["chat-b"].environment["ACTIVE"] == "0"
    assert remedied.services["chat-b"].environment["ACTIVE"] == "1"
    assert was.settings["data_replicated"] is False


def test_one_knob_can_be_set_on_its_own() -> None:
    """`--set` lies over the posture and keeps the knob's type."""
    made = stackfile.read(STACK, "as-was", {"data_replicated": "true", "boot_lanes": "8"})
    assert "valkey-b" in made.services and "failover-b" not in made.services
    assert made.settings["boot_lanes"] == 8


@pytest.mark.parametrize(
    ("posture", "sets"),
    [
        ("as-ws", {}),
        (None, {"boot_lane": "8"}),
        (None, {"boot_lanes": "many"}),
        (None, {"data_replicated": "1"}),
    ],
    ids=str,
)
def test_unknown_postures_and_knobs_are_refused(posture: str | None, sets: dict[str, str], says: Says) -> None:
    """With the nearest name, or the type that was expected."""
    with says.raises(BadExperiment):
        stackfile.read(STACK, posture, sets)


def test_every_node_of_the_stack_is_labelled_and_has_an_address_in_its_zone() -> None:
    """Zones are address ranges of one network: 10.77.<zone>.<n>."""
    made = stackfile.read(STACK, "remedied")
    octet = {"a": 1, "b": 2, "c": 3}
    for service in made.services.values():
        assert service.node.owner and service.healthcheck and service.command
        assert str(service.address).startswith(f"10.77.{octet[service.node.zone]}.")
        assert all(port.host == "127.0.0.1" for port in service.ports)
    assert len({s.address for s in made.services.values()}) == len(made.services)


def test_the_embedded_target_refuses_keys_it_cannot_honour(tmp_path: Path) -> None:
    """Each with its path; containers may have them."""
    file = tmp_path / "compose.yml"
    file.write_text("services:\n  x:\n    image: y\n    privileged: true\n    secrets: [a]\n")
    with pytest.raises(BadExperiment) as e:
        stackfile.read(file)
    assert [p.partition(": ")[2].partition(":")[0] for p in e.value.problems] == [
        "services.x.privileged", "services.x.secrets", "services.x.command",
    ]  # fmt: skip
    assert "x" in stackfile.read(file, strict=False).services


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"), ("${A}", "1"), ("${B:-b}", "b"), ("${A:-b}", "1"), ("${E-x}", ""), ("${E:-x}", "x"),
        ("$$A", "$A"), ("a${A}b", "a1b"), ("${Z}", ""),
    ],
)  # fmt: skip
def test_interpolation_is_compose_s(tmp_path: Path, text: str, value: str) -> None:
    """$NAME, ${NAME}, ${NAME-default}, ${NAME:-default} and $$."""
    file = tmp_path / "compose.yml"
    file.write_text(f"services:\n  x:\n    command: [a]\n    environment: {{V: '{text}'}}\n")
    made = stackfile.read(file, environ={"A": "1", "E": ""})
    assert made.services["x"].environment["V"] == value


def test_other_interpolation_is_refused(tmp_path: Path, says: Says) -> None:
    """What only newer compose knows would mean something else to the older one."""
    file = tmp_path / "compose.yml"
    file.write_text("services:\n  x:\n    command: [a]\n    environment: {V: '${A:+b}'}\n")
    with says.raises(BadExperiment):
        stackfile.read(file)


@pytest.mark.parametrize("text", ["a: [", "a: 1", None], ids=str)
def test_a_file_that_is_no_stack_is_refused(tmp_path: Path, text: str | None, says: Says) -> None:
    """Broken, something else, or missing."""
    file = tmp_path / "compose.yml"
    if text is not None:
        file.write_text(text)
    with says.raises(BadExperiment):
        stackfile.read(file)


def test_a_knob_that_is_a_share_takes_numbers_and_one_that_is_a_word_takes_its_words(says: Says) -> None:
    """`--set exposure=1` is 1.0; a word that no posture knows is refused with those that are."""
    assert stackfile.read(STACK, "as-was", {"exposure": "1"}).settings["exposure"] == 1.0
    made = stackfile.read(STACK, "as-was", {"session_grace": "dual-read"})
    assert made.variables["SESSION_GRACE"] == "dual-read"
    with says.raises(BadExperiment):
        stackfile.read(STACK, "as-was", {"session_grace": "twice"})
    with says.raises(BadExperiment):
        stackfile.read(STACK, "as-was", {"exposure": "much"})


REPLICATED = """
x-chaos: {{postures: {{plain: {{more: false}}, more: {{more: true}}}}}}
services:
  web: {{image: x, labels: {{chaos.zone: a}}, {count}}}
  api: {{image: x}}
"""


@pytest.mark.parametrize(
    ("count", "names"),
    [
        ("scale: 3", ["web-1", "web-2", "web-3"]),
        ("deploy: {replicas: 2}", ["web-1", "web-2"]),
        ("scale: 2, deploy: {replicas: 3}", ["web-1", "web-2"]),
        ("deploy: {replicas: 1}", ["web"]),
        ("deploy: {resources: {}}", ["web"]),
        ("scale: 0", []),
    ],
)
def test_each_container_of_a_service_is_a_node(count: str, names: list[str], tmp_path: Path) -> None:
    """Of the service's component and zone; the file still calls them by the service's name."""
    path = tmp_path / "compose.yaml"
    path.write_text(REPLICATED.format(count=count), encoding="utf-8")
    made = stackfile.read(path, strict=False)
    assert [node.name for node in made.nodes] == ["api", *names]
    assert {(node.component, node.zone) for node in made.nodes if node.name != "api"} <= {("web", "a")}
    assert made.in_file(made.services) == (["api", "web"] if names else ["api"])
    assert made.replicas == ({"web": len(names)} if len(names) > 1 else {})


def test_two_services_may_not_share_the_name_of_a_node(tmp_path: Path, says: Says) -> None:
    """Which of them would a step mean?"""
    path = tmp_path / "compose.yaml"
    path.write_text("services: {web-1: {image: x}, web: {image: x, scale: 2}}", encoding="utf-8")
    with says.raises(BadExperiment):
        stackfile.read(path, strict=False)


def test_a_service_that_others_wait_for_until_it_has_ended_is_no_node(tmp_path: Path) -> None:
    """It is a job; the embedded target does not know of them."""
    path = tmp_path / "compose.yaml"
    text = """
services:
  migrate: {image: x}
  web: {image: x, depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy}}}
  db: {image: x}
  api: {image: x, depends_on: [web]}
"""
    path.write_text(text, encoding="utf-8")
    made = stackfile.read(path, strict=False)
    assert ([node.name for node in made.nodes], made.jobs) == (["api", "db", "web"], ("migrate",))
    assert made.services["web"].depends_on == ("migrate", "db")


@pytest.mark.parametrize(
    ("check", "timing"),
    [
        ("{test: x}", Timing(30, 180)),
        ("{test: x, interval: 5s, timeout: 1.5s, retries: 4, start_period: 1m30s}", Timing(1.5, 116)),
        ("{test: x, interval: 500ms, timeout: 1s, retries: '2'}", Timing(1, 3)),
    ],
)
def test_a_health_check_has_the_files_own_times(check: str, timing: Timing, tmp_path: Path) -> None:
    """Compose's defaults where it says none."""
    path = tmp_path / "compose.yaml"
    path.write_text(f"services: {{web: {{image: x, healthcheck: {check}}}}}", encoding="utf-8")
    assert stackfile.read(path, strict=False).services["web"].timing == timing


def test_what_compose_makes_of_a_file_is_what_counts(tmp_path: Path) -> None:
    """It is told the posture's variables and profiles; texts are escaped in what it says. The file itself is read for
    what Compose does not know.
    """
    path = tmp_path / "compose.yaml"
    path.write_text(REPLICATED.format(count="environment: {A: '${MORE:?not here}'}"), encoding="utf-8")
    told: list[object] = []

    def resolve(files: Sequence[Path], variables: Mapping[str, str], profiles: Sequence[str]) -> Mapping[str, Any]:
        told.extend([*files, dict(variables), list(profiles)])
        web = {"image": "x", "environment": {"A": "$$1"}, "build": {"context": str(tmp_path / "web")}}
        return {"services": {"web": web, "included": {"image": "y"}}, "networks": {"default": {"name": "z"}}}

    made = stackfile.read(path, "more", strict=False, resolve=resolve)
    assert told == [path, {"POSTURE": "more", "MORE": "1"}, ["more"]]
    assert sorted(made.services) == ["included", "web"] and made.services["web"].environment == {"A": "$1"}
    assert made.services["web"].context == "web"
    assert [node.name for node in made.elsewhere] == ["api"]
    assert stackfile.raw(made)["networks"] == {"default": {"name": "z"}}


def test_a_file_that_only_includes_others_is_left_to_compose(tmp_path: Path) -> None:
    """Its services are elsewhere."""
    path = tmp_path / "compose.yaml"
    path.write_text("include: [other.yaml]", encoding="utf-8")
    made = stackfile.read(path, strict=False, resolve=lambda *_: {"services": {"web": {"image": "x"}}})
    assert [node.name for node in made.nodes] == ["web"]
    with pytest.raises(BadExperiment):
        stackfile.read(path, strict=False)
