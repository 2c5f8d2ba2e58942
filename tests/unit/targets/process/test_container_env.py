"""What a service gets instead of an image: paths, names, environment and order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.errors import BadExperiment
from chaos.experiment.service import Service
from chaos.model import Node
from chaos.targets.process import container_env
from tests.messages import Says

FOLDER = Path("/box/nodes/chat-a")


def service(name: str, *depends_on: str, **environment: str) -> Service:
    return Service(
        node=Node(name, name, "a"),
        command=("serve", "--path=/data/x"),
        environment=environment,
        healthcheck=None,
        volumes=("/data",),
        depends_on=depends_on,
        address="10.77.1.13",
        ports=(),
        image=None,
        build=False,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/box/nodes/chat-a/data"),
        ("--path=/data/tsdb", "--path=/box/nodes/chat-a/data/tsdb"),
        ("/data:/data", "/box/nodes/chat-a/data:/box/nodes/chat-a/data"),
        ("/database /mydata/data /data.d ./data", "/database /mydata/data /data.d ./data"),
    ],
)
def test_only_the_volume_itself_becomes_the_nodes_folder(text: str, expected: str) -> None:
    """A path that merely looks like a volume is left alone."""
    assert container_env.own_paths(text, ["/data"], FOLDER) == expected


@given(st.text())
def test_text_of_a_service_without_volumes_is_untouched(text: str) -> None:
    """There is nothing to replace."""
    assert container_env.own_paths(text, [], FOLDER) == text


def test_the_roll_out_lies_on_top_of_the_service_and_that_on_top_of_everybody() -> None:
    """Later layers win, and all of the service's are translated."""
    own = service("chat-a", A="1", B="/data")
    everybody = {"A": "0", "PATH": "/bin"}
    found = container_env.program(own, ["run", "/data"], {"A": "2"}, everybody, FOLDER)
    assert found.argv == ("run", "/box/nodes/chat-a/data")
    assert found.env == {
        "A": "2",
        "B": "/box/nodes/chat-a/data",
        "PATH": "/bin",
        "HOME": "/box/nodes/chat-a",
        "TMPDIR": "/box/nodes/chat-a/tmp",
    }


def test_services_start_after_what_they_depend_on() -> None:
    """Each wave needs only earlier ones; what is not in this posture is not waited for."""
    services = {s.node.name: s for s in (service("c", "b", "gone"), service("b", "a"), service("a"), service("d"))}
    assert container_env.waves(services) == [["a", "d"], ["b"], ["c"]]


def test_a_circle_of_dependencies_is_refused_by_name(says: Says) -> None:
    """Nobody could start first."""
    services = {s.node.name: s for s in (service("a", "b"), service("b", "a"), service("c"))}
    with says.raises(BadExperiment):
        container_env.waves(services)


def test_our_own_programs_come_first_on_the_path() -> None:
    """The environment that runs the harness runs the stack, whatever the caller's PATH says."""
    assert container_env.search_path("/venv", "/usr/bin:/venv/bin:").split(":")[:2] == ["/venv/bin", "/usr/bin"]
