"""People leave: whoever does the stack's chores is told who is gone, and what only they owned is left alone.

`leave` is who: names, or `{share: 50%}`, `{team: feed}`, `{people: [ana]}`, chosen from the stack's roster
(`x-chaos.staff`) while planning. The nodes under `where` are told through `variable` in their environment, and `ask`,
run inside them, has to print `{"gone": [names]}`, or just the names: their own word is what confirms it. Heal brings
everybody back.
`variable` and `ask` come from `x-chaos.staff` and need not be given.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from chaos.errors import TargetError
from chaos.faults._rollout import lay_on, lies_on, take_off
from chaos.model import Node
from chaos.protocols import CanTell, Fault

LOOK = 15.0  # seconds a node that was told has to be back and to say so; on a busy machine it starts in five
AGAIN = 0.1


@final
@dataclass(frozen=True)
class Staff(Fault[CanTell]):
    leave: tuple[str, ...]
    variable: str
    ask: tuple[str, ...]
    needs: ClassVar[type] = CanTell

    async def inject(self, target: CanTell, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await lay_on(target, node, self._told)

    async def confirm(self, target: CanTell, nodes: Sequence[Node]) -> bool:
        if not all([await lies_on(target, node, self._told) for node in nodes]):
            return False
        end = asyncio.get_running_loop().time() + LOOK
        while not all([set(self.leave) <= set((await self._word(target, n)).get("gone", ())) for n in nodes]):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(AGAIN)
        return True

    async def heal(self, target: CanTell, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await take_off(target, node, self._told)

    async def figures(self, target: CanTell, nodes: Sequence[Node]) -> Mapping[str, float]:
        words = [await self._word(target, n) for n in nodes]
        counts = {"people_gone": "gone", "orphaned": "orphaned"}
        return {name: max(len(w[key]) for w in words) for name, key in counts.items() if all(key in w for w in words)}

    @property
    def _told(self) -> Mapping[str, str]:
        return {self.variable: ",".join(self.leave)}

    async def _word(self, target: CanTell, node: Node) -> Mapping[str, Any]:
        """What the node says of itself; nothing while it does not answer. Names alone, with commas, will do."""
        try:
            code, said = await target.exec(node, self.ask)
        except TargetError:
            return {}
        if code:
            return {}
        try:
            found = json.loads(said)
        except ValueError:
            return {"gone": [name.strip() for name in said.split(",")]}
        return found if isinstance(found, dict) else {}
