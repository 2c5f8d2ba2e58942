"""A node that faults of the network would miss in part is refused, in the plan by the file and later by the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos import registry
from chaos.errors import BadExperiment, TargetError
from chaos.experiment import file as experiments
from chaos.experiment import planning
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Plan
from chaos.protocols.capabilities import CUT, POWER, RESET, SHAPE
from chaos.protocols.links import Link
from chaos.targets.compose.target import Compose
from chaos.targets.docker import reach
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.network import Addresses, Network
from tests.messages import Says

GOOD = {"networks": {"net": {"ipv4_address": "10.1.1.3"}}}
OTHERS: dict[str, dict[str, Any]] = {  # nodes that are not like `good`, and what their networks are like
    "host": {"network_mode": "host"},
    "shared": {"network_mode": "service:good"},
    "alone": {"network_mode": "none"},
    "six": {"networks": {"net": {"ipv4_address": "10.1.1.5", "ipv6_address": "fd00::5"}}},
    "sixth": {"networks": {"six": {"ipv4_address": "10.2.1.5"}}},
    "said": {"networks": {"said": {"ipv4_address": "10.3.1.5"}}},
    "more": {"networks": {"net": {"ipv4_address": "10.1.1.6", "link_local_ips": ["169.254.8.8"]}}},
    "past": {"networks": {"vlan": {"ipv4_address": "10.4.1.5"}}},
}
REACHED: dict[str, dict[str, Any]] = {
    "two": {"networks": {"net": {"ipv4_address": "10.1.1.4"}, "back": None}},
    "listed": {"networks": ["net"]},
    "none": {},
}
NETWORKS = {
    "net": {"ipam": {"config": [{"subnet": "10.1.0.0/16"}]}},
    "back": None,
    "six": {"ipam": {"config": [{"subnet": "10.2.0.0/16"}, {"subnet": "${SIX:-fd00::}/64"}]}},
    "said": {"enable_ipv6": "yes", "driver": "bridge"},
    "vlan": {"driver": "macvlan"},
}
LINKED = (CUT, SHAPE, RESET, POWER)
LINKS = [f for f in registry.names("chaos.faults") if registry.load("chaos.faults", f).needs in LINKED]


def plan(folder: Path, services: Mapping[str, Any], step: Mapping[str, Any], between_zones_ms: float = 0.0) -> Plan:
    spec = {"image": "x", "labels": {"chaos.zone": "a"}}
    doc = {"services": {n: spec | s for n, s in services.items()}, "networks": NETWORKS}
    (folder / "stack.yml").write_text(yaml.safe_dump(doc), encoding="utf-8")
    target = Compose(stackfile.read(folder / "stack.yml", strict=False))
    load = {"users": "u.py", "count": 1, "rate": "1/s", "floor": "0/s"}
    made = {"name": "x", "claim": "", "load": load, "checks": [], "timeline": [{"at": "1s", "for": "1s", **step}]}
    (folder / "x.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
    choices = planning.Choices(7, {}, {}, between_zones_ms=between_zones_ms)
    return planning.plan("x.yaml", experiments.read(folder / "x.yaml"), target, choices)


@pytest.mark.parametrize("odd", OTHERS)
def test_a_node_whose_packets_pass_elsewhere_is_refused_in_the_plan(odd: str, tmp_path: Path) -> None:
    """By its name, on either side of a link; others beside it and other faults are as they were."""
    services = {"good": GOOD, odd: OTHERS[odd], "third": {"networks": {"net": {"ipv4_address": "10.1.1.9"}}}}
    for step in (
        {"fault": "delay", "with": {"ms": 5}, "where": {"name": odd}},
        {"fault": "power", "where": {"name": odd}},
        {"fault": "partition", "where": {"name": "good"}, "with": {"to": {"name": odd}}},
    ):
        with pytest.raises(BadExperiment) as refused:
            plan(tmp_path, services, step)
        assert len(refused.value.problems) == 1 and f"on {odd}: " in refused.value.problems[0]
    assert plan(tmp_path, services, {"fault": "kill", "where": {"name": odd}}).steps
    assert plan(
        tmp_path, services, {"fault": "partition", "where": {"name": "good"}, "with": {"to": {"name": "third"}}}
    )


@pytest.mark.parametrize("name", REACHED)
def test_a_node_needs_no_fixed_address_and_may_be_on_several_networks(name: str, tmp_path: Path) -> None:
    """The engine knows its addresses."""
    step = {"fault": "partition", "where": {"name": "good"}, "with": {"to": {"name": name}}}
    assert plan(tmp_path, {"good": GOOD, name: REACHED[name]}, step).steps


def test_every_fault_of_links_asks(tmp_path: Path) -> None:
    """Whatever it is called."""
    (tmp_path / "stack.yml").write_text(
        yaml.safe_dump({"services": {"two": {"image": "x", "network_mode": "host"}}}), encoding="utf-8"
    )
    target = Compose(stackfile.read(tmp_path / "stack.yml", strict=False))
    (node,) = target.nodes()
    assert len(LINKS) > 10
    assert all(target.can.need(registry.load("chaos.faults", name).needs).unfit(node) for name in LINKS)


@pytest.mark.parametrize("odd", ["host", "shared", "alone"])
def test_dns_is_refused_where_the_network_is_not_the_nodes_own(odd: str, tmp_path: Path, says: Says) -> None:
    """Rules in it would be the host's, or another node's; and on several networks there is one resolver."""
    step = {"fault": "dns", "where": {"name": odd}}
    with says.raises(BadExperiment):
        plan(tmp_path, {"good": GOOD, odd: OTHERS[odd]}, step)
    assert plan(tmp_path, {"two": REACHED["two"]}, step | {"where": {"name": "two"}}).steps


def test_the_distance_between_zones_is_left_out_in_words_where_a_node_cannot_have_it(tmp_path: Path) -> None:
    """All of it: half of it would be another stack."""
    step = {"fault": "kill", "where": {"name": "good"}}
    with_it = plan(tmp_path, {"good": GOOD}, step, between_zones_ms=5)
    assert (with_it.between_zones_ms, with_it.left_out) == (5, ())
    without = plan(tmp_path, {"good": GOOD, "host": OTHERS["host"]}, step, between_zones_ms=5)
    assert without.between_zones_ms == 0 and len(without.left_out) == 1 and "host" in without.left_out[0]


ON_NET = {"NetworkID": "", "IPAddress": "10.1.1.3", "IPAMConfig": {"IPv4Address": "10.1.1.3"}}
CHOSEN = {"NetworkID": "", "IPAddress": "10.9.0.2", "IPAMConfig": None}
DEAD = {"NetworkID": "", "IPAddress": ""}


class Recorded(Network):
    """What it was told to use."""

    def __init__(self) -> None:
        self.told: Addresses = {}

    async def move(self, addresses: Addresses) -> None:
        self.told = addresses


class Quiet(Engine):
    """One node, and no events."""

    def __init__(self, node: Container) -> None:
        super().__init__("p", "s")
        self._node = node

    async def containers(self) -> Mapping[str, Container]:
        return {"web": self._node}

    async def events(
        self, filters: Mapping[str, Sequence[str]], tell: Callable[[bool], object]
    ) -> Callable[[], object]:
        return lambda: None


def checked(networks: Mapping[str, Any], state: str = "running") -> Addresses:
    """The addresses that a fault on the node uses. Raises TargetError if it would miss some."""

    async def check() -> Addresses:
        network = Recorded()
        one = reach.Reach(Quiet(Container("1", state, {}, "web", networks=networks)), network)
        await one.check([Link(frozenset({"web"}))])
        await one.close()
        return network.told

    return asyncio.run(check())


@pytest.mark.parametrize(
    "networks",
    [
        {},
        {"host": {"NetworkID": "", "IPAddress": "", "IPAMConfig": None}},
        {"net": ON_NET | {"GlobalIPv6Address": "fd00::3"}},
        {"net": ON_NET | {"IPAMConfig": {"LinkLocalIPs": ["169.254.8.8"]}}},
        {"net": ON_NET, "back": CHOSEN | {"GlobalIPv6Address": "fd00::3"}},
    ],
)
def test_what_the_engine_says_faults_would_miss_is_refused(networks: dict[str, Any], says: Says) -> None:
    """By the node's name, before anything is changed."""
    with says.raises(TargetError):
        checked(networks)


def test_a_nodes_addresses_are_the_engines() -> None:
    """On every network; a node that is down has those that it asked for, if any."""
    assert checked({"net": ON_NET, "back": CHOSEN}) == {"web": {"net": "10.1.1.3", "back": "10.9.0.2"}}
    asked = DEAD | {"IPAMConfig": {"IPv4Address": "10.1.1.3"}}
    assert checked({"net": asked, "back": DEAD}, "exited") == {"web": {"net": "10.1.1.3"}}
