"""The limits of containers: processor and memory by their control groups, and a memory leak inside them.

The wanted values, and the values before, are stored in notes that the engine keeps, so that any process can undo them.
The engine keeps limits when the container restarts. A leak, and limits after the container was recreated, have to be
set again at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from chaos.errors import CannotLook, TargetError
from chaos.targets.docker.engine import NO_PROGRAM, Container, Engine
from chaos.targets.docker.enter import enter
from chaos.targets.docker.notes import Notes

if TYPE_CHECKING:
    from docker import APIClient

Kind = Literal["cpu", "memory", "leak"]
WORDS: Mapping[Kind, str] = {
    "cpu": "is starved of processor",
    "memory": "has little memory",
    "leak": "leaks memory",
}
PERIOD = 100_000  # microseconds: the kernel's default
# Bytes. Once there was a limit, the engine has no value for "no limit", and -1 for swap is not passed on to the kernel.
# The kernel treats this value as no limit; half of it leaves room for swap where the kernel counts swap separately.
_UNLIMITED, _ALL_SWAP = (1 << 63) - 1, -1
_NEARLY = 1 << 62
_HUGE = 1 << 60  # bytes: no real limit is greater
_HAD = "had"  # kind of note: the node's figures before the first limit, the engine's, and the kernel's for memory
_FIELDS = ("NanoCpus", "CpuPeriod", "CpuQuota", "Memory", "MemorySwap")
_SPIN = ("sh", "-c", "(while :; do :; done) & p=$!; sleep 0.4; kill -9 $p")  # uses a whole core
# Held in an unnamed file: it is the node's memory but not the process's own, so that the process is not killed for it.
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
# The brackets keep the pattern from matching itself.
_FIND = f"""for f in /proc/[0-9]*; do
  tr '\\0' '\\n' < $f/cmdline 2> /dev/null | grep -qx '[{_MARK[0]}]{_MARK[1:]}' && echo "${{f#/proc/}}"
done; true"""
_HELD = f"for p in $({_FIND}); do stat -L -c %b /proc/$p/fd/9; done"
_END = f"for p in $({_FIND}); do kill -9 $p; done"
PATIENCE = 10.0  # seconds that a command in a node may take

Run = Callable[[Container, Sequence[str], float], Awaitable[tuple[int, str]]]


class Limits:
    """The limits of one stack's containers. `run` runs a command in one. Methods raise TargetError."""

    def __init__(self, engine: Engine, notes: Notes, run: Run) -> None:
        self._engine, self._notes, self._run = engine, notes, run

    async def want(self, kind: Kind, names: Sequence[str], value: Any) -> None:
        """`value` is a share for cpu, bytes for memory, [bytes a second, bytes] for a leak, None for none."""
        found = await self._engine.containers()
        if value is None:
            noted = await self._notes.get(kind)
            names = [name for name in names if name in noted]  # the others have nothing to undo
            await asyncio.gather(*(self._undo(kind, name, found.get(name)) for name in names))
            return
        await asyncio.gather(*(self._do(kind, name, found[name], value) for name in names if name in found))

    async def _do(self, kind: Kind, name: str, container: Container, value: Any) -> None:
        """Set a limit. The note is written first, so that a heal after a crash knows of everything that was done."""
        config = await self._config(container)
        figures = {field: config.get(field) or 0 for field in _FIELDS}
        await self._notes.put(_HAD, name, {**figures, "limit": await self.memory_limit(container)})
        await self._notes.replace(kind, name, {"value": value})
        await self._lay(name, container, await self._wanted())

    async def _config(self, container: Container) -> Mapping[str, Any]:
        return await self._engine.ask(lambda api: dict(api.inspect_container(container.id)["HostConfig"]))

    async def _undo(self, kind: Kind, name: str, container: Container | None) -> None:
        """Undo a limit. The note is removed last, for the same reason."""
        wanted = await self._wanted()
        rest = {k: v for k, v in wanted.get(name, {}).items() if k != kind}
        if container is not None:
            await self._lay(name, container, {**wanted, name: rest})
        if not rest and container is not None and (words := await self._unlike(name, container)):
            raise TargetError(words)
        await self._notes.drop(kind, [name])
        if not rest:
            await self._notes.drop(_HAD, [name])

    async def _unlike(self, name: str, container: Container) -> str:
        """How the node's limits differ from the noted ones; empty if they do not.

        Different notations of the engine, and what the kernel cannot tell about a dead node, are no difference.
        """
        had = (await self._notes.get(_HAD)).get(name, {})
        has, limit = await self._config(container), await self.memory_limit(container)
        words = [
            f"{what} {now:g} instead of {was:g}"
            for what, was, now in zip(_EFFECTIVE, _effective(had), _effective(has), strict=True)
            if was != now
        ]
        if limit and had.get("limit") not in (None, limit):
            words.append(f"memory in the kernel {limit} instead of {had['limit']}")
        return f"{name} has other limits than before: {', '.join(words)}" if had and words else ""

    async def _wanted(self) -> Mapping[str, Mapping[Kind, Any]]:
        """The wanted limits of each node that has any."""
        found: dict[str, dict[Kind, Any]] = {}
        for kind in WORDS:
            for name, facts in (await self._notes.get(kind)).items():
                found.setdefault(name, {})[kind] = facts["value"]
        return found

    async def left(self, kind: Kind) -> Sequence[str]:
        """Limits that are supposed to be in force, as text."""
        return [f"{name} {WORDS[kind]}" for name in sorted(await self._notes.get(kind))]

    async def figures_left(self) -> Sequence[str]:
        """Differences from the noted figures, as text, of nodes that are supposed to have no limit."""
        wanted, found = await self._wanted(), await self._engine.containers()
        alone = [n for n in await self._notes.get(_HAD) if n not in wanted and n in found]
        return [words for name in sorted(alone) if (words := await self._unlike(name, found[name]))]

    async def clear(self, kind: Kind) -> None:
        await self.want(kind, list(await self._notes.get(kind)), None)

    async def clear_figures(self) -> None:
        """Remove figures that a killed process noted before it set a limit, or after it removed one, if no limit is
        wanted.
        """
        found, wanted = await self._engine.containers(), await self._wanted()
        for name in (await self._notes.get(_HAD)).keys() - wanted.keys():
            if name in found:
                await self._lay(name, found[name], {})
            await self._notes.drop(_HAD, [name])

    async def lay(self, names: Iterable[str]) -> None:
        """Set the wanted limits again on nodes that were just started."""
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
        for figures in _updates(_figures(mine, had, has)):
            await self._engine.ask(functools.partial(_update, id_=container.id, figures=figures))
        if "leak" not in mine and name not in await self._notes.get("leak"):
            return None
        if container.state == "paused" and "leak" not in mine:
            end = ["sh", "-c", _END]
            await enter(self._engine, name, end, "KILL", pid_mode=f"container:{container.id}")
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

    async def share(self, container: Container) -> float | None:
        """The share of one core; None without a limit."""
        has = await self._config(container)
        if has.get("NanoCpus"):
            return float(has["NanoCpus"]) / 1e9
        quota = has.get("CpuQuota") or 0
        return float(quota) / (has.get("CpuPeriod") or PERIOD) if quota > 0 else None

    async def throttled(self, container: Container) -> bool:
        """Whether the kernel throttles the container now. If its processes need too little, a program of the harness
        adds load.
        """
        if container.state != "running":
            return False
        before, code, said = await self._throttled(container), 0, ""
        with contextlib.suppress(TimeoutError):  # it may not even get enough processor time to end in time
            code, said = await self._run(container, _SPIN, PATIENCE)
        if await self._throttled(container) > before:
            return True
        if code in NO_PROGRAM:
            raise CannotLook(f"{container.node}: its processes need less, and it has no shell: {said[-200:]}")
        return False

    async def _throttled(self, container: Container) -> int:
        stats = await self._stats(container)
        return int(stats["cpu_stats"].get("throttling_data", {}).get("throttled_periods", 0))

    async def memory_limit(self, container: Container) -> int | None:
        """Bytes, according to the kernel: the machine's memory if the container has no limit of its own."""
        if not container.alive:
            return None
        return int((await self._stats(container))["memory_stats"].get("limit", 0)) or None

    async def _stats(self, container: Container) -> Mapping[str, Any]:
        def ask(api: APIClient) -> Mapping[str, Any]:
            return dict(api.stats(container.id, decode=None, stream=False, one_shot=True))

        return await self._engine.ask(ask)

    async def leaks(self, container: Container) -> bool:
        wanted = (await self._wanted()).get(container.node, {}).get("leak")
        if wanted is None:
            return False
        if not container.alive:
            state = await self._engine.ask(lambda api: api.inspect_container(container.id)["State"])
            return bool(state["OOMKilled"])
        before = await self._held(container)
        await asyncio.sleep(0.3)
        return await self._held(container) > before or before >= wanted[1]

    async def _held(self, container: Container) -> int:
        """Bytes leaked in the container; 0 without a leak."""
        code, out = await self._run(container, ["sh", "-c", _HELD], PATIENCE)
        if code and out.strip():
            raise CannotLook(f"{container.node}: what leaked could not be read: {out.strip()[-200:]}")
        return sum(int(line) * 512 for line in out.split() if line.isdigit())


def _figures(wanted: Mapping[Kind, Any], had: Mapping[str, int], has: Mapping[str, Any]) -> Mapping[str, int]:
    """The engine's figures for the wanted limits, else for the previous ones; without those that `has` already
    contains.
    """
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
        limits += [had["Memory"]] if had["Memory"] else []  # a fault never raises a node's own limit
        figures |= {"Memory": min(limits), "MemorySwap": min(limits)}  # no swap, or memory would not be short
    elif has.get("Memory"):
        figures |= {"Memory": had["Memory"] or _UNLIMITED, "MemorySwap": had["MemorySwap"] or _ALL_SWAP}
    return {} if all(has.get(field) == figure for field, figure in figures.items()) else figures


def _updates(figures: Mapping[str, int]) -> Sequence[Mapping[str, int]]:
    """To remove a swap limit, a first update sets the kernel's value, and a second one the engine's."""
    if not figures or figures.get("MemorySwap") != _ALL_SWAP:
        return [figures] if figures else []
    return [{**figures, "Memory": min(figures["Memory"], _NEARLY), "MemorySwap": _UNLIMITED}, figures]


_EFFECTIVE = ("processor", "memory", "memory with swap")


def _effective(figures: Mapping[str, Any]) -> tuple[float, float, float]:
    """The effective values of the engine's figures: cores, bytes and bytes; infinite without a limit."""
    quota, nano = figures.get("CpuQuota") or 0, figures.get("NanoCpus") or 0
    cores = nano / 1e9 if nano else quota / (figures.get("CpuPeriod") or PERIOD) if quota > 0 else math.inf
    memory, swap = figures.get("Memory") or 0, figures.get("MemorySwap") or 0
    sizes = [float(size) if 0 < size < _HUGE else math.inf for size in (memory, swap)]
    return cores, sizes[0], sizes[1]


def _update(api: APIClient, id_: str, figures: Mapping[str, int]) -> None:
    """An update request of our own, because the SDK's call does not support NanoCpus."""
    answer = api._post_json(api._url("/containers/{0}/update", id_), data=dict(figures))  # type: ignore[attr-defined]
    api._raise_for_status(answer)  # type: ignore[attr-defined]


def _detached(api: APIClient, id_: str, command: Sequence[str]) -> None:
    api.exec_start(api.exec_create(id_, list(command))["Id"], detach=True)
