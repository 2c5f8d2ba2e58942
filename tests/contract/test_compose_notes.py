"""Notes that the engine keeps: at no moment is there none, and none is left when it is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from chaos.errors import TargetError
from chaos.targets.docker.engine import Engine
from chaos.targets.docker.notes import Notes

pytestmark = pytest.mark.engine


class Dying(Engine):
    """Its harness is killed before the n-th call that changes anything: neither that nor a later one is made."""

    left = 0

    async def ask(self, call: Callable[..., Any]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TargetError("killed")
        return await super().ask(call)


async def values(engine: Engine) -> dict[str, int]:
    return {node: int(facts["value"]) for node, facts in (await Notes(engine).get("cpu")).items()}


async def script(engine: Engine, dying: Dying) -> None:
    notes = Notes(engine)
    await notes.put("had", "web.1", {"value": 7})
    await notes.put("had", "web.1", {"value": 8})
    assert await notes.get("had") == {"web.1": {"value": 7}}
    await notes.put("cpu", "web", {"value": 100})
    await notes.replace("cpu", "web.1", {"value": 0})
    before = 0
    for n in range(1, 9):
        dying.left = n % 4  # calls that it still makes
        with contextlib.suppress(TargetError):
            await Notes(dying).replace("cpu", "web.1", {"value": n})
        found = await values(engine)
        assert found["web"] == 100 and found["web.1"] in (before, n), (n, found)
        before = found["web.1"]
    seen: list[dict[str, int]] = []

    async def look() -> None:
        while True:
            seen.append(await values(engine))

    watching = asyncio.create_task(look())
    for n in range(10, 20):
        await notes.replace("cpu", "web.1", {"value": n})
    watching.cancel()
    in_order = [one["web.1"] for one in seen]
    assert len(in_order) > 5 and in_order == sorted(in_order)
    await notes.drop("cpu", ["web.1"])
    assert await values(engine) == {"web": 100}


def test_a_note_that_is_replaced_is_there_at_every_moment() -> None:
    """Also where its harness is killed in between: the old one counts, or the new one. Dropped, none is left."""
    project, stack = f"chaos-notes-{os.getpid()}", "a stack of this test"
    engine = Engine(project, stack)
    try:
        asyncio.run(script(engine, Dying(project, stack)))
    finally:
        asyncio.run(engine.remove_rest())
    assert engine.ask_now(lambda api: api.volumes(filters={"name": project})["Volumes"] or []) == []
