"""Clears up, at the next start, after a command that was killed together with its watchdog."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from chaos import crash
from chaos.place import Place, standing
from chaos.run.signals import to_its_end
from chaos.targets import known

if TYPE_CHECKING:
    from chaos.experiment.stack import Stack


def clear(kind: str, stack: Stack, place: Place) -> None:
    """Heal a running stack, or end what is left of another; does nothing if nothing is left. Raises ChaosError."""
    found = asyncio.run(_found(kind, known.make(kind, stack), place))
    if found:
        one = known.make(kind, stack)
        with place.watched(standing.folder(stack.root, "logs") / "watchdog.log"):
            asyncio.run(to_its_end(one.down() if place.owned else one.heal()))
        crash.complain(f"chaos: {said(place, found)}")
    if place.lock:
        place.lock.cleared()


def said(place: Place, found: list[str]) -> str:
    assert place.lock and place.lock.left
    done = "ended" if place.owned else "healed"
    return f"{place.lock.left.words} was killed before it could clear up; {done} now: {'; '.join(found)}"


async def _found(kind: str, one: Any, place: Place) -> list[str]:
    """What is left, as text. A stack that the record does not mention is not ended: `chaos up` may have started it."""
    if place.lock is None or place.lock.left is None:
        return []
    if place.owned:
        return list(await one.remains())
    return list(await one.residue())
