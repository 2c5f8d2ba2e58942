"""The map of a described stack: nodes, who depends on whom, ports, what faults can reach, and what is missing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chaos.discovery import words
from chaos.discovery.asking import asked
from chaos.discovery.doors import looks_like_http
from chaos.discovery.looking import look
from chaos.discovery.model import Door
from chaos.discovery.needs import Mention, mentions
from chaos.errors import TargetError
from chaos.experiment.service import Port
from chaos.protocols.capabilities import CUT, PAUSE
from chaos.protocols.table import Table
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.unit.discovery.described import SHOP, mapped, service, stack


def test_nodes_have_their_service_component_networks_and_ports() -> None:
    """Each replica is one; a service without a label is its own component."""
    found = mapped(SHOP)
    first = found.nodes[3]
    assert [p.name for p in found.nodes] == ["api", "cache", "db", "web-1", "web-2", "worker"]
    assert (first.service, first.component, first.zone, first.networks) == ("web", "web", "", ("back", "front"))
    assert first.published == ("80", "8125:8125") and not first.health_check
    assert found.nodes[0].health_check
    assert found.networks == {"back": tuple(p.name for p in found.nodes), "front": ("web-1", "web-2")}


def test_who_depends_on_whom_is_found_in_file_environment_and_command() -> None:
    """By name and by alias. Of a text that may be secret, only the other one's name and port are kept."""
    found = mapped(SHOP)
    assert {(n.component, n.on): n.why for n in found.needs} == {
        ("api", "cache"): ("environment CACHE_HOST: cache",),
        ("api", "db"): ("environment DATABASE_URL: db:5432",),
        ("web", "api"): ("depends_on",),
        ("worker", "api"): ("command: backend:7777",),
        ("worker", "cache"): ("command: cache:6379",),
    }
    assert "81f-secret" not in words.render(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://a/x", [Mention("a", 80, True)]),
        ("redis://:pw@a:6379/0", [Mention("a", 6379, False)]),
        ("a:1,b:2", [Mention("a", 1, False), Mention("b", 2, False)]),
        ("http://a:1,http://b:2", [Mention("a", 1, True), Mention("b", 2, True)]),
        ("a=http://b:2380", [Mention("b", 2380, True)]),
        ("me:1234@a:5", [Mention("a", 5, False)]),
        ("12:30", [Mention("12", 30, False)]), ("a.b.c", []), ("a", []), ("", []),
    ],
)  # fmt: skip
def test_urls_and_hosts_with_ports_are_mentions(text: str, found: list[Mention]) -> None:
    """What they are names of is decided later."""
    assert list(mentions(text)) == found


def test_a_component_with_one_node_that_others_need_is_a_single_point_of_failure() -> None:
    """Not one with two, and not one that nobody needs."""
    assert mapped(SHOP).single == {"api": ("web", "worker"), "cache": ("api", "worker"), "db": ("api",)}


def test_ports_are_published_exposed_checked_or_named_by_others() -> None:
    """HTTP by its number, its health check or a URL; UDP is none, and published ones come first."""
    assert mapped(SHOP).doors == (
        Door("web", 80, ("web",), True, "/", True),
        Door("api", 7777, ("api",), True, "/health", False),
        Door("cache", 6379, ("cache",), False, "/", False),
        Door("db", 5432, ("db",), False, "/", False),
    )
    assert [port for port in (80, 443, 3000, 3306, 5432, 8080, 9092, 9090) if looks_like_http(port)] == [
        80, 3000, 8080, 9090,
    ]  # fmt: skip


def test_a_service_on_the_hosts_network_is_no_host_for_users() -> None:
    """Nothing resolves its name."""
    found = mapped({"services": {"a": {"image": "x", "network_mode": "host", "expose": ["80"]}}})
    assert found.doors == () and found.nodes[0].networks == ()


class Half(Memory):
    """It cannot cut, and one of its nodes cannot be frozen."""

    @property
    def can(self) -> Table:
        return Table(CUT.refused("it has no knife"), PAUSE.by(self))

    def unfit(self, node: Any) -> str | None:
        return "it is warm" if node.name == "db" else None


def test_what_faults_cannot_reach_has_its_reason_and_the_rest_is_reached() -> None:
    """In the target's words; faults with one reason are one line."""
    found = stack(SHOP)
    seen = look(found, Half(found.nodes))
    everybody = tuple(n.name for n in found.nodes)
    assert seen.reached["pause"] == tuple(name for name in everybody if name != "db")
    assert not seen.reached["partition"]
    rows = {u.why: u for u in seen.unreached}
    assert (rows["it is warm"].faults, rows["it is warm"].nodes) == (("pause",), ("db",))
    assert {"partition", "isolate", "zone-cut"} == set(rows["it has no knife"].faults)
    assert rows["it has no knife"].nodes == everybody
    assert mapped(SHOP).unreached == ()


def test_the_map_is_read_line_by_line(says: Says) -> None:
    """Without zones; with zones and labels; without anything to tell."""
    says(words.render(mapped(SHOP)))
    says(words.render(mapped({"services": {
        "a1": service(component="a", zone="x"), "a2": service(component="a", zone="y"), "b": service(component="b"),
    }})))  # fmt: skip
    found = stack({"services": {"a": service(component="a\n\x1b[31m")}})
    says(words.render(look(found, Half(found.nodes))))


def test_a_running_projects_ports_are_asked_whether_they_speak_http() -> None:
    """One that says something else does not, whatever its number; where nobody answers, the number decides."""
    doors = {1: "http", 8001: "other", 8002: "nobody", 8003: ""}
    doc = {"services": {"a": {"image": "x", "expose": [str(port) for port in doors]}}}
    asking: list[tuple[str, int, str]] = []

    async def get(address: str, port: int, path: str, timeout: float, node: str) -> tuple[int, bytes]:
        asking.append((address, port, path))
        if doors[port - 1000] == "nobody":
            raise TargetError("refused") from ConnectionRefusedError()
        if doors[port - 1000] == "other":
            raise TargetError("expected an HTTP answer")
        return 404, b""

    published = [Port(host, port + 1000, port) for host, port in (("", 1), ("192.0.2.1", 8001), ("0.0.0.0", 8002))]
    found = asyncio.run(asked(mapped(doc), {"a": published}, get))
    assert {door.port: door.http for door in found.doors} == {1: True, 8001: False, 8002: True, 8003: True}
    assert sorted(asking) == [("127.0.0.1", 1001, "/"), ("127.0.0.1", 9002, "/"), ("192.0.2.1", 9001, "/")]
