"""What a service gets instead of an image: paths, names, environment and order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.stackfile import Service
from chaos.targets import surroundings

NAMES = {"chat-a": "127.0.1.13", "chat-ab": "127.0.1.14", "valkey": "127.0.1.41"}
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
    assert surroundings.own_paths(text, ["/data"], FOLDER) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chat-a:8000,chat-ab:8000", "127.0.1.13:8000,127.0.1.14:8000"),
        ("redis://valkey:6379/0", "redis://127.0.1.41:6379/0"),
        ("http://chat-a/x", "http://127.0.1.13/x"),
        ("chat-a", "chat-a"),
        ("my-chat-a:80 chat-abc:80 chat-a:x", "my-chat-a:80 chat-abc:80 chat-a:x"),
    ],
)
def test_names_become_addresses_only_where_they_are_addresses(text: str, expected: str) -> None:
    """A node's own name stays its name; host:port and URLs are translated, the longest name first."""
    assert surroundings.own_names(text, NAMES) == expected


@given(st.text())
def test_text_without_names_or_volumes_is_untouched(text: str) -> None:
    """Where names resolve, nothing is replaced in them."""
    assert surroundings.own_names(text, {}) == text
    assert surroundings.own_paths(text, [], FOLDER) == text


def test_the_roll_out_lies_on_top_of_the_service_and_that_on_top_of_everybody() -> None:
    """Later layers win, and all of the service's are translated."""
    own = service("chat-a", A="1", B="/data", P="valkey:1")
    everybody = {"A": "0", "PATH": "/bin"}
    found = surroundings.program(own, ["run", "/data"], {"A": "2"}, everybody, FOLDER, NAMES)
    assert found.argv == ("run", "/box/nodes/chat-a/data")
    assert found.env == {
        "A": "2",
        "B": "/box/nodes/chat-a/data",
        "P": "127.0.1.41:1",
        "PATH": "/bin",
        "HOME": "/box/nodes/chat-a",
        "TMPDIR": "/box/nodes/chat-a/tmp",
    }


def test_services_start_after_what_they_depend_on() -> None:
    """Each wave needs only earlier ones; what is not in this posture is not waited for."""
    services = {s.node.name: s for s in (service("c", "b", "gone"), service("b", "a"), service("a"), service("d"))}
    assert surroundings.waves(services) == [["a", "d"], ["b"], ["c"]]


def test_a_circle_of_dependencies_is_refused_by_name() -> None:
    """Nobody could start first."""
    services = {s.node.name: s for s in (service("a", "b"), service("b", "a"), service("c"))}
    with pytest.raises(BadExperiment, match="circle: a, b"):
        surroundings.waves(services)


def test_every_zone_has_a_loopback_range() -> None:
    """10.77.zone.n is 127.0.zone.n."""
    assert surroundings.loopback("10.77.3.51") == "127.0.3.51"


def test_our_own_programs_come_first_on_the_path() -> None:
    """The environment that runs the harness runs the stack, whatever the caller's PATH says."""
    assert surroundings.search_path("/venv", "/usr/bin:/venv/bin:").split(":")[:2] == ["/venv/bin", "/usr/bin"]
