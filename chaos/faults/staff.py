"""People leave: the program that does the stack's chores is told who left, and stops the upkeep that only they owned.

`leave` says who: names, or `{share: 50%}`, `{team: feed}`, `{people: [ana]}`, chosen from the stack's roster
(`x-chaos.staff`) while planning. The nodes under `where` are told through `variable` in their environment. `ask`, run
inside them, has to print `{"gone": [names]}`, or just the names: this confirms the fault. Heal brings everybody back.
`variable` and `ask` come from `x-chaos.staff` and need not be given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

from msgspec import Meta

from chaos.errors import TargetError
from chaos.faults._rollout import lay_on, lies_on, take_off
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import TELL, Telling
from chaos.waiting import comes_true

LOOK = 15.0  # seconds for a node to be back and confirm; on a busy machine it starts in five
AGAIN = 0.1


@final
@dataclass(frozen=True)
class Staff(Fault[Telling]):
    leave: Annotated[tuple[str, ...], Meta(min_length=1, description="people, as above")]
    variable: Annotated[str, Meta(min_length=1)]
    ask: Annotated[tuple[str, ...], Meta(min_length=1)]
    needs = TELL

    async def inject(self, on: Telling, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await lay_on(on.configuration, node, self._told)

    async def confirm(self, on: Telling, nodes: Sequence[Node]) -> bool:
        if not all([await lies_on(on.configuration, node, self._told) for node in nodes]):
            return False

        async def told() -> bool:
            return all([set(self.leave) <= set((await self._word(on, n)).get("gone", ())) for n in nodes])

        return await comes_true(told, LOOK, AGAIN)

    async def heal(self, on: Telling, nodes: Sequence[Node]) -> None:
        for node in nodes:
            await take_off(on.configuration, node, self._told)

    async def figures(self, on: Telling, nodes: Sequence[Node]) -> Mapping[str, float]:
        words = [await self._word(on, n) for n in nodes]
        counts = {"people_gone": "gone", "orphaned": "orphaned"}
        return {name: max(len(w[key]) for w in words) for name, key in counts.items() if all(key in w for w in words)}

    @property
    def _told(self) -> Mapping[str, str]:
        return {self.variable: ",".join(self.leave)}

    async def _word(self, on: Telling, node: Node) -> Mapping[str, Any]:
        """The node's own answer; empty while there is none. A comma-separated list of names is accepted."""
        try:
            code, said = await on.commands.exec(node, self.ask)
        except TargetError:
            return {}
        if code:
            return {}
        try:
            found = json.loads(said)
        except ValueError:
            return {"gone": [name.strip() for name in said.split(",")]}
        return found if isinstance(found, dict) else {}
