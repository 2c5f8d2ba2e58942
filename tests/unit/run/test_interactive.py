"""Faults asked for one by one: bitten and healed on the memory target, mistakes in the planner's words, limits kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chaos.cli.drive import answer_line
from chaos.errors import BadExperiment, NoEffect, TargetError
from chaos.model import Node
from chaos.run.interactive import Driver
from chaos.targets.memory.target import Memory
from tests.messages import Says
from tests.virtual import virtually

NODES = [
    Node(name, name.split("-")[0], name[-1], labels={"chaos.zone": name[-1]}) for name in ("web-a", "web-b", "db-b")
]
Told = list[tuple[str, str]]


class Sink:
    """Remembers what happened."""

    def __init__(self) -> None:
        self.told: Told = []

    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None:
        self.told.append((kind, subject))


def driven(work: Callable[[Driver, Memory, Sink], Any], target: Memory | None = None) -> Any:
    """Plays on virtual time, on a target that is up."""
    one, sink = target or Memory(NODES), Sink()

    async def play() -> Any:
        await one.up()
        return await work(Driver(one, sink), one, sink)

    return virtually(play())


def test_a_fault_bites_until_it_is_healed() -> None:
    """And the journal has its whole life."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        step = await driver.inject("pause", {"zone": "b"}, {})
        assert step.nodes == ("db-b", "web-b")
        assert await target.paused(NODES[1]) and not await target.paused(NODES[0])
        assert await driver.heal(step.id)
        assert not await target.residue()
        assert [kind for kind, _ in sink.told] == [
            "step.intent", "fault.inject", "fault.active", "step.heal", "fault.heal",
        ]  # fmt: skip

    driven(work)


def test_faults_may_lie_over_each_other_and_heal_in_any_order() -> None:
    """The node that was killed is killed again when the other's heal had started it."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        frozen = await driver.inject("pause", {"name": "web-a"}, {})
        dead = await driver.inject("kill", {"name": "web-b"}, {})
        await driver.heal(frozen.id)
        assert not await target.running(NODES[1])
        await driver.heal(dead.id)
        assert await target.running(NODES[1]) and not await target.residue()

    driven(work)


def test_everything_is_healed_at_the_end() -> None:
    """Whatever is still active."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        await driver.inject("pause", {"name": "web-a"}, {})
        await driver.inject("partition", {"zone": "a"}, {"to": {"zone": "b"}})
        await driver.heal_all()
        assert not await target.residue()

    driven(work)


def test_a_fault_is_healed_by_itself_when_its_time_is_up() -> None:
    """And its heal says so."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        step = await driver.inject("pause", {"name": "web-a"}, {}, limit=5.0)
        await asyncio.sleep(4.9)
        assert await target.paused(NODES[0])
        await asyncio.sleep(0.2)
        assert not await target.paused(NODES[0])
        assert not await driver.heal(step.id)

    driven(work)


def test_a_fault_that_nobody_sees_is_healed_and_raised() -> None:
    """Nothing of it is left."""

    class Numb(Memory):
        async def paused(self, node: Node) -> bool:
            return False

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        with pytest.raises(NoEffect):
            await driver.inject("pause", {"name": "web-a"}, {})
        assert ("fault.heal", "pause-1") in sink.told
        await driver.heal_all()

    driven(work, Numb(NODES))


@pytest.mark.parametrize(
    ("fault", "where", "params"),
    [
        ("puase", {"zone": "a"}, {}),
        ("pause", {"zone": "z"}, {}),
        ("kill", {"zone": "a"}, {"sginal": "TERM"}),
        ("partition", {"zone": "a"}, {"to": {"zone": "a"}}),
    ],
    ids=str,
)
def test_a_mistake_is_refused_in_the_planners_words(
    fault: str, where: Mapping[str, Any], params: Mapping[str, Any], says: Says
) -> None:
    """Before anything is touched."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        with pytest.raises(BadExperiment) as e:
            await driver.inject(fault, where, params)
        assert "test:" not in str(e.value)
        says(e.value)
        assert not sink.told

    driven(work)


def test_a_node_that_does_not_come_back_is_named(says: Says) -> None:
    """With its last words."""

    class Ill(Memory):
        async def healthy(self, node: Node) -> bool:
            return node.name != "web-b"

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        with says.raises(TargetError):
            await driver.well(within=3.0)

    driven(work, Ill(NODES))


@pytest.mark.parametrize(
    "line",
    [
        '{"do": "explode"}',
        '{"do": "inject"}',
        '{"do": "heal", "step": "pause-9"}',
        '{"do": "exec", "node": "web-z", "command": ["true"]}',
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense_is_answered_in_words(line: str, says: Says) -> None:
    """The driver goes on."""

    async def work(driver: Driver, target: Memory, sink: Sink) -> None:
        answer = await answer_line(driver, line)
        assert not answer["ok"] and answer["exit"] == 64
        says(answer["error"])
        asked = {"do": "inject", "fault": "pause", "where": {"name": "web-a"}}
        assert (await answer_line(driver, json.dumps(asked)))["nodes"] == ["web-a"]
        await driver.heal_all()

    driven(work)
