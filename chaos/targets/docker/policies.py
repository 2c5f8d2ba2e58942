"""Signals other than SIGKILL to containers, and the restart policies that would undo their effect.

`docker kill` with any signal cancels a container's restart policy until its next start, even if the first process
ignores the signal. The engine does not report that, and only a restart undoes it. Therefore the signal is sent by a
helper container that shares the node's processes for a moment. The policy is noted, switched off explicitly (which is
visible), and restored by the heal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.enter import enter
from chaos.targets.docker.notes import Notes

if TYPE_CHECKING:
    from docker import APIClient

KIND = "restarts"
OFF = {"Name": "no", "MaximumRetryCount": 0}
_ENDED = 137  # exit code of a helper after the node's first process has ended: the kernel ends the rest
# The first process gets the signal last: when it ends, the helper ends too.
_SIGNAL = """
import contextlib, os, signal, sys
number = signal.Signals[f"SIG{sys.argv[1]}"]
for pid in (-1, 1):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
"""


class Policies:
    """Signals containers and manages their restart policies. Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes) -> None:
        self._engine, self._notes = engine, notes

    async def signal(self, containers: Sequence[Container], name: str) -> None:
        """Send `name` (without SIG). Frozen containers are thawed to receive it, as the engine does. Does not wait for
        an effect.
        """
        await asyncio.gather(*map(self._switch_off, containers))
        able = [c for c in containers if c.state in ("running", "paused")]
        await asyncio.gather(*(self._tell(c, name) for c in able))
        frozen = [c.id for c in able if c.state == "paused"]
        await self._engine.each(frozen, lambda api, id_: api.unpause(id_), 409)  # 409: dead in the meantime

    async def _tell(self, container: Container, name: str) -> None:
        command = ["python3", "-I", "-S", "-c", _SIGNAL, name]
        pids = f"container:{container.id}"
        await enter(self._engine, container.node, command, "KILL", spared=_ENDED, pid_mode=pids)

    async def _switch_off(self, container: Container) -> None:
        """Switch a policy off. The note is written first, so that a heal after a crash restores every policy."""
        has = await self._policy(container)
        if has["Name"] not in ("", OFF["Name"]):
            await self._notes.put(KIND, container.node, has)
            await self._update(container, OFF)

    async def give_back(self, names: Iterable[str]) -> None:
        """Restore policies. The note is removed last, for the same reason."""
        noted = await self._notes.get(KIND)
        mine = [name for name in names if name in noted]
        found = await self._engine.containers() if mine else {}
        await asyncio.gather(*(self._update(found[name], noted[name]) for name in mine if name in found))
        await self._notes.drop(KIND, mine)

    async def switched_off(self) -> list[str]:
        return sorted(await self._notes.get(KIND))

    async def _policy(self, container: Container) -> dict[str, Any]:
        def ask(api: APIClient) -> dict[str, Any]:
            return dict(api.inspect_container(container.id)["HostConfig"]["RestartPolicy"])

        return await self._engine.ask(ask)

    async def _update(self, container: Container, policy: Any) -> None:
        await self._engine.ask(lambda api: api.update_container(container.id, restart_policy=policy))
