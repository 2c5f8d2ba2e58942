"""A stack as others write it: no label of ours, no fixed address, several networks. Network faults reach all of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from docker import APIClient

from chaos.experiment import stack as stackfile
from chaos.protocols.capabilities import CUT, EXEC, HOST, SHAPE
from chaos.protocols.links import Link, Quality
from chaos.targets.compose.target import Compose
from chaos.targets.docker import images
from chaos.waiting import comes_true
from tests.contract.kinds import Run

pytestmark = pytest.mark.engine

PREFIX = "chaosnets"  # of every project and network here
SERVE = f"image: {images.helper_tag()}\n    command: [python3, -m, http.server, '8000']\n    stop_grace_period: 0s"
STACK = f"""
services:
  front:
    {SERVE}
    networks: [front]
  app:
    {SERVE}
    networks: [front, back]
  db:
    {SERVE}
    networks: [back]
networks: {{front: , back: {{internal: true}}}}
"""
DEFAULT = f"services:\n  web:\n    {SERVE}\n  api:\n    {SERVE}\n"
USERS = """from chaos.load.openloop import OpenUser, journey


class Anybody(OpenUser):
    hosts = ["http://api:8000"]

    @journey("front")
    def front(self):
        self.get("/")
"""
PARTITION = """
name: partition
claim: Nobody reaches api, and then everybody does.
load: {users: users.py, count: 5, rate: 20/s, floor: 5/s}
steady: {for: 2s}
recover: 3s
timeline: [{at: 1s, for: 2s, fault: partition, where: {name: api}}]
checks: [{availability: {journey: front, phase: after, at_least: 99%}}]
"""
ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 8000), 0.7).close()
    print("yes")
except OSError:
    print("no")
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Compose]:
    place = tmp_path_factory.mktemp("any")
    (place / "docker-compose.yml").write_text(STACK, encoding="utf-8")
    one = Compose(stackfile.read(place / "docker-compose.yml", strict=False), within=10.0, project=PREFIX)
    run(one.up())
    yield one
    run(one.down())


async def reaches(one: Compose, asker: str, address: str) -> bool:
    """What a program in the node `asker` finds; `address` may be a name."""
    (node,) = [node for node in one.nodes() if node.name == asker]
    code, said = await one.can.need(EXEC).exec(node, ["python3", "-c", ASK, address])
    assert (code, said.strip()) in ((0, "yes"), (0, "no"))
    return said.strip() == "yes"


async def every(one: Compose) -> Sequence[bool]:
    """Whether app is reached on each of its networks, by its addresses of now, and db from elsewhere than app."""
    networks = (await one.engine.containers())["app"].networks
    at = {name.removeprefix(f"{PREFIX}_"): found["IPAddress"] for name, found in networks.items()}
    asked = ((who, at[network]) for who, network in (("front", "front"), ("db", "back")))
    return await asyncio.gather(*(reaches(one, who, address) for who, address in asked))


def test_a_cut_reaches_a_node_on_each_of_its_networks_and_ends_whole(up: Compose, run: Run) -> None:
    """Seen from outside, on both; the reading tells its links apart from those of others."""
    link = Link(frozenset({"app"}))

    async def play() -> None:
        cut = up.can.need(CUT)
        assert await every(up) == [True, True]
        trips = await cut.round_trips(link)
        assert len(trips.ms) == trips.sent == 10  # five packets on each
        await cut.cut("test", [link])
        assert await every(up) == [False, False] and await cut.is_cut(link)
        assert (await cut.round_trips(link)).ms == []
        assert (await cut.traffic("test", link) or 0) != 0
        assert await up.residue() == ["app is cut off from all others"]
        other = Compose(up.stack, project=PREFIX)  # another command sees it by name, too
        assert await other.residue() == ["app is cut off from all others"]
        await other.network.close()
        await cut.join("test", [link])
        assert await every(up) == [True, True] and await up.residue() == []

    run(play())


def test_a_cut_between_two_leaves_the_third_alone(up: Compose, run: Run) -> None:
    """By their own network."""
    link = Link(frozenset({"app"}), frozenset({"db"}))

    async def play() -> None:
        await up.can.need(CUT).cut("test", [link])
        assert await every(up) == [True, False]
        await up.can.need(CUT).join("test", [link])
        assert await every(up) == [True, True]

    run(play())


@pytest.mark.parametrize("who", ["the harness", "somebody else"])
def test_a_cut_follows_a_node_that_comes_back_with_other_addresses(
    up: Compose, api: APIClient, run: Run, who: str
) -> None:
    """The addresses that it had are taken meanwhile, and whoever has them now is not cut."""
    link = Link(frozenset({"app"}))
    (app,) = [node for node in up.nodes() if node.name == "app"]

    async def addresses() -> dict[str, str]:
        """By network."""
        return {name: found["IPAddress"] for name, found in (await up.engine.containers())["app"].networks.items()}

    def take(network: str) -> str:
        """Start somebody else on a network; returns the address that the engine chose."""
        made = api.create_container(
            images.helper_tag(),
            ["python3", "-m", "http.server", "8000"],
            host_config=api.create_host_config(network_mode=network),
        )["Id"]
        taken.append(made)
        api.start(made)
        return str(api.inspect_container(made)["NetworkSettings"]["Networks"][network]["IPAddress"])

    async def play() -> None:
        await up.can.need(CUT).cut("test", [link])
        before, container = await addresses(), (await up.engine.containers())["app"]
        await up.containers.kill([app], "SIGKILL")
        assert await up.can.need(CUT).is_cut(link)
        for network, address in before.items():
            assert any(take(network) == address for _ in range(10))
        if who == "the harness":
            await up.containers.start([app])
        else:
            await asyncio.to_thread(api.start, container.id)
        after = await addresses()
        assert after.keys() == before.keys() and all(after[network] != before[network] for network in before)

        async def cut() -> bool:
            return await every(up) == [False, False]

        assert await comes_true(cut, 5.0) and await up.can.need(CUT).is_cut(link)
        assert await reaches(up, "front", before[f"{PREFIX}_front"])

    taken: list[str] = []
    try:
        run(play())
    finally:
        run(up.can.need(CUT).join("test", [link]))
        for id_ in taken:
            api.remove_container(id_, force=True)
        run(up.containers.start([app]))
    assert run(every(up)) == [True, True] and run(up.residue()) == []


def test_a_network_that_somebody_connects_while_a_fault_is_in_force_is_reached(
    up: Compose, api: APIClient, run: Run
) -> None:
    """A delay, seen by the packets' way over the new network."""
    link = Link(frozenset({"app"}))
    extra = api.create_network(f"{PREFIX}-extra")["Id"]
    nodes = run(up.engine.containers())

    async def play() -> None:
        await up.can.need(SHAPE).shape("test", [link], Quality(delay_ms=60))
        for name in ("app", "db"):
            await asyncio.to_thread(api.connect_container_to_network, nodes[name].id, extra)

        async def slow() -> bool:
            ends = up.network.ends(link, up.nodes())
            seen = await up.can.need(SHAPE).round_trips(link)
            return len(ends) == 3 and min(seen.ms, default=0.0) >= 100

        assert await comes_true(slow, 10.0)

    try:
        run(play())
    finally:
        run(up.can.need(SHAPE).unshape("test", [link]))
        for name in ("app", "db"):
            api.disconnect_container_from_network(nodes[name].id, extra, force=True)
        api.remove_network(extra)
    assert run(up.residue()) == []


def test_the_load_is_on_every_network_of_the_nodes(up: Compose, run: Run, tmp_path: Path) -> None:
    """And its addresses are the engine's choice, as the nodes' are."""
    code = "from socket import *\nfor name in ('front', 'app', 'db'): create_connection((name, 8000), 2).close()"

    async def play() -> int:
        hosted = await up.can.need(HOST).host(["python3", "-c", code], tmp_path, "load.log")
        return await hosted.wait()

    assert run(play()) == 0, (tmp_path / "logs" / "load.log").read_text()
    assert run(up.can.need(HOST).fetch("db", 8000, "/"))[0] == 200


def test_a_run_on_a_file_without_a_word_of_ours(tmp_path: Path) -> None:
    """A partition by the service's name, on the default network."""
    place = tmp_path / f"{PREFIX}-plain"
    (place / "experiments").mkdir(parents=True)
    (place / "docker-compose.yml").write_text(DEFAULT, encoding="utf-8")
    (place / "experiments" / "partition.yaml").write_text(PARTITION, encoding="utf-8")
    (place / "experiments" / "users.py").write_text(USERS, encoding="utf-8")
    argv = [sys.executable, "-m", "chaos", "run", "partition", "--target", "compose", "--metrics-port", "0"]
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(APIClient(version="auto").networks(names=[f"{PREFIX}-plain_default"]))
