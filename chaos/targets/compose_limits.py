"""The limits of containers: of processor and memory by their control groups, and a leak inside them.

What is wanted of a node and what it had before stand in notes that the engine keeps, so that anybody can undo it. The
engine keeps limits over a restart of the container; a leak, and limits after the container was made anew, are laid on
again by whoever starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from chaos.errors import TargetError
from chaos.targets.compose_engine import Container, Engine
from chaos.targets.compose_enter import enter
from chaos.targets.compose_notes import Notes

if TYPE_CHECKING:
    from docker import APIClient

Kind = Literal["cpu", "memory", "leak"]
WORDS: Mapping[Kind, str] = {
    "cpu": "is starved of processor",
    "memory": "has little memory",
    "leak": "leaks memory",
}
PERIOD = 100_000  # microseconds: what the kernel takes by itself
_UNLIMITED = 1 << 62  # bytes: the engine takes no word for no limit back, so a limit that nobody meets is one
_HAD = "had"  # kind of note: the engine's figures of the node before the first limit
_FIELDS = ("NanoCpus", "CpuPeriod", "CpuQuota", "Memory", "MemorySwap")
_SPIN = ("sh", "-c", "(while :; do :; done) & p=$!; sleep 0.4; kill -9 $p")  # wants a whole core
# Held in a file without a name: the node's memory, and not its own, so that not it is ended for it.
_LEAK = """
import os, sys, time
rate, limit = map(int, sys.argv[2:])
os.dup2(os.memfd_create("leak"), 9)
held, began = 0, time.monotonic()
while True:
    due = min(limit, int((time.monotonic() - began) * rate)) // 4096 * 4096
    if due > held:
        os.posix_fallocate(9, held, due - held)
        held = due
    time.sleep(0.02)
"""
_MARK = "chaos-leak"  # in the leak's command line
# Brackets: the pattern is not what it finds, so that this never finds itself.
_FIND = f"""for f in /proc/[0-9]*; do
  tr '\\0' '\\n' < $f/cmdline 2> /dev/null | grep -qx '[{_MARK[0]}]{_MARK[1:]}' && echo "${{f#/proc/}}"
done; true"""
_HELD = f"for p in $({_FIND}); do stat -L -c %b /proc/$p/fd/9; done"
_END = f"for p in $({_FIND}); do kill -9 $p; done"
PATIENCE = 10.0  # seconds a command in a node may take

Run = Callable[[Container, Sequence[str], float], Awaitable[tuple[int, str]]]


class Limits:
    """Of one stack's containers. `run` runs a command in one. Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes, run: Run) -> None:
        self._engine, self._notes, self._run = engine, notes, run

    async def want(self, kind: Kind, names: Sequence[str], value: Any) -> None:
        """`value` is a share for cpu, bytes for memory, [bytes a second, bytes] for a leak, None for none."""
        found = await self._engine.containers()
        if value is None:
            noted = await self._notes.get(kind)
            names = [name for name in names if name in noted]  # of the others nothing is to be undone
            await asyncio.gather(*(self._undo(kind, name, found.get(name)) for name in names))
            return
        await asyncio.gather(*(self._do(kind, name, found[name], value) for name in names if name in found))

    async def _do(self, kind: Kind, name: str, container: Container, value: Any) -> None:
        """Noted first: whoever heals after our death knows of more than there is, never of less."""
        config = await self._config(container)
        await self._notes.put(_HAD, name, {field: config.get(field) or 0 for field in _FIELDS})
        await self._notes.replace(kind, name, {"value": value})
        await self._lay(name, container, await self._wanted())

    async def _config(self, container: Container) -> Mapping[str, Any]:
        return await self._engine.ask(lambda api: dict(api.inspect_container(container.id)["HostConfig"]))

    async def _undo(self, kind: Kind, name: str, container: Container | None) -> None:
        """The note goes last, for the same reason."""
        wanted = await self._wanted()
        rest = {k: v for k, v in wanted.get(name, {}).items() if k != kind}
        if container is not None:
            await self._lay(name, container, {**wanted, name: rest})
        await self._notes.drop(kind, [name])
        if not rest:
            await self._notes.drop(_HAD, [name])

    async def _wanted(self) -> Mapping[str, Mapping[Kind, Any]]:
        """Of each node that has a limit."""
        found: dict[str, dict[Kind, Any]] = {}
        for kind in WORDS:
            for name, facts in (await self._notes.get(kind)).items():
                found.setdefault(name, {})[kind] = facts["value"]
        return found

    async def left(self) -> Sequence[tuple[str, Kind]]:
        return [(name, kind) for name, kinds in sorted((await self._wanted()).items()) for kind in kinds]

    async def clear(self) -> None:
        for kind in WORDS:
            await self.want(kind, list(await self._notes.get(kind)), None)

    async def lay(self, names: Iterable[str]) -> None:
        """Lay on again what is wanted of nodes that were just started."""
        wanted = await self._wanted()
        if limited := [name for name in names if name in wanted]:
            found = await self._engine.containers()
            await asyncio.gather(*(self._lay(name, found[name], wanted) for name in limited if name in found))

    async def _lay(self, name: str, container: Container, wanted: Mapping[str, Mapping[Kind, Any]]) -> None:
        had = (await self._notes.get(_HAD)).get(name)
        if had is None:
            return None
        mine = wanted.get(name, {})
        has = await self._config(container)
        if figures := _figures(mine, had, has):
            await self._engine.ask(lambda api: _update(api, container.id, figures))
        if container.state == "paused" and "leak" not in mine and await self._leaked_before(name):
            end = ["sh", "-c", _END]
            await enter(self._engine, container, end, "KILL", pid_mode=f"container:{container.id}")
            return None
        if container.state != "running":
            return None
        _, leaking = await self._run(container, ["sh", "-c", _FIND], PATIENCE)
        if "leak" in mine and not leaking.strip():
            rate, limit = mine["leak"]
            command = ["python3", "-S", "-c", _LEAK, _MARK, str(rate), str(limit)]
            await self._engine.ask(lambda api: _detached(api, container.id, command))
        elif leaking.strip() and "leak" not in mine:
            await self._run(container, ["sh", "-c", _END], PATIENCE)
        return None

    async def _leaked_before(self, name: str) -> bool:
        return name in await self._notes.get("leak")

    async def throttled(self, container: Container) -> bool:
        """Whether the kernel holds the container back now; where nobody in it wants more, something of ours does."""
        if container.state != "running":
            return False
        before = await self._throttled(container)
        with contextlib.suppress(TimeoutError):  # it may not even get the processor to end in time
            await self._run(container, _SPIN, PATIENCE)
        return await self._throttled(container) > before

    async def _throttled(self, container: Container) -> int:
        stats = await self._stats(container)
        return int(stats["cpu_stats"].get("throttling_data", {}).get("throttled_periods", 0))

    async def memory_limit(self, container: Container) -> int | None:
        """Bytes, as the kernel has it: the machine's memory where a container has no limit of its own."""
        if not container.alive:
            return None
        return int((await self._stats(container))["memory_stats"].get("limit", 0)) or None

    async def _stats(self, container: Container) -> Mapping[str, Any]:
        def ask(api: APIClient) -> Mapping[str, Any]:
            return dict(api.stats(container.id, decode=None, stream=False, one_shot=True))

        return await self._engine.ask(ask)

    async def leaks(self, container: Container) -> bool:
        wanted = (await self._wanted()).get(container.service, {}).get("leak")
        if wanted is None:
            return False
        if not container.alive:
            state = await self._engine.ask(lambda api: api.inspect_container(container.id)["State"])
            return bool(state["OOMKilled"])
        before = await self._held(container)
        await asyncio.sleep(0.3)
        return await self._held(container) > before or before >= wanted[1]

    async def _held(self, container: Container) -> int:
        """Bytes that leaked in the container; 0 where nothing leaks."""
        code, out = await self._run(container, ["sh", "-c", _HELD], PATIENCE)
        if code and out.strip():
            raise TargetError(f"{container.service}: what leaked could not be read: {out.strip()[-200:]}")
        return sum(int(line) * 512 for line in out.split() if line.isdigit())


def _figures(wanted: Mapping[Kind, Any], had: Mapping[str, int], has: Mapping[str, Any]) -> Mapping[str, int]:
    """The engine's figures for what is wanted, else for what was before; only those that `has` not already."""
    figures: dict[str, int] = {}
    share = wanted.get("cpu")
    if had["NanoCpus"]:
        figures["NanoCpus"] = int(share * 1e9) if share else had["NanoCpus"]
    elif share:
        figures |= {"CpuPeriod": PERIOD, "CpuQuota": int(share * PERIOD)}
    elif (has.get("CpuQuota") or 0) > 0:
        figures |= {"CpuPeriod": had["CpuPeriod"] or PERIOD, "CpuQuota": had["CpuQuota"] or -1}
    limits = [wanted["memory"]] if "memory" in wanted else []
    limits += [wanted["leak"][1]] if "leak" in wanted else []
    if limits:
        figures |= {"Memory": min(limits), "MemorySwap": min(limits)}  # no swap: it would not be short
    elif has.get("Memory"):
        swap = had["MemorySwap"] if had["MemorySwap"] > 0 else _UNLIMITED  # -1 would stay with the engine
        figures |= {"Memory": had["Memory"] or _UNLIMITED, "MemorySwap": swap}
    return {} if all(has.get(field) == figure for field, figure in figures.items()) else figures


def _update(api: APIClient, id_: str, figures: Mapping[str, int]) -> None:
    """What the SDK's own call cannot say: it has no word for NanoCpus."""
    answer = api._post_json(api._url("/containers/{0}/update", id_), data=dict(figures))  # type: ignore[attr-defined]
    api._raise_for_status(answer)  # type: ignore[attr-defined]


def _detached(api: APIClient, id_: str, command: Sequence[str]) -> None:
    api.exec_start(api.exec_create(id_, list(command))["Id"], detach=True)
