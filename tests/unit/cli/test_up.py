"""`chaos up` that is interrupted leaves nothing of a stack of its own, also where the signal meets nobody who waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cli import stack as command
from chaos.experiment import stack as stackfile
from chaos.place import standing
from chaos.run.signals import ENDING
from chaos.targets.memory.target import Memory

TEXT = "services: {one: {image: x, command: ['true'], labels: {chaos.zone: a}}}"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupted(Memory):
    """A signal comes while it starts, and two more while it ends. `deaf`: what it waits for is there at that moment."""

    def __init__(self, stack: stackfile.Stack, number: signal.Signals, deaf: bool) -> None:
        super().__init__(stack.nodes)
        self.number, self.deaf, self.ended = number, deaf, False

    async def up(self) -> None:
        os.kill(os.getpid(), self.number)
        with contextlib.suppress(*[asyncio.CancelledError] * self.deaf):
            await asyncio.sleep(1)
        await super().up()

    async def down(self) -> None:
        for _ in range(2):
            os.kill(os.getpid(), self.number)
            await asyncio.sleep(0)
        await super().down()
        self.ended = True


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("deaf", [True, False])
@pytest.mark.parametrize("owned", [True, False])
def test_an_interrupted_up_ends_what_it_has_started(
    number: signal.Signals, deaf: bool, owned: bool, tmp_path: Path
) -> None:
    """All of it, whatever comes meanwhile; one that stood before is left as it is."""
    (tmp_path / "stack.yml").write_text(TEXT)
    stack = stackfile.read(tmp_path / "stack.yml", strict=False)
    target = Interrupted(stack, number, deaf)
    assert asyncio.run(command.bring_up(target, "compose", stack, owned, None)) is True
    assert target.ended is owned
    if owned:
        assert standing.read(tmp_path, "compose") is None


def test_an_up_that_nobody_interrupts_is_written_down(tmp_path: Path) -> None:
    """Before it is said to stand."""
    (tmp_path / "stack.yml").write_text(TEXT)
    stack = stackfile.read(tmp_path / "stack.yml", strict=False)
    assert asyncio.run(command.bring_up(Memory(stack.nodes), "compose", stack, True, None)) is False
    assert standing.read(tmp_path, "compose") == dict(stack.settings)
