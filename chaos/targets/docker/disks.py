"""Volumes of declared size: filled by a file of zeros in each, with a note that says whose they are.

Such a volume lives in memory and is empty after its container was stopped, so it is filled again at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from chaos.errors import CannotLook, TargetError
from chaos.targets.docker.engine import NO_PROGRAM, Container, Engine
from chaos.targets.docker.enter import enter
from chaos.targets.docker.notes import Notes

KIND = "disk"
PATIENCE = 30.0  # seconds
_FILLER, _LOOK = ".chaos-full", ".chaos-look"
# The kernel is asked, not the description: only small in-memory file systems are touched.
_FILL = f"""for d; do
  set -- $(stat -f -c '%T %b %S' "$d")
  [ "$1" = tmpfs ] && [ $(($2 * $3)) -le 4294967296 ] || {{ echo "$d is no small tmpfs: $*"; exit 9; }}
  dd if=/dev/zero of="$d/{_FILLER}" bs=65536 2> /dev/null
  dd if=/dev/zero of="$d/{_FILLER}" bs=512 oflag=append conv=notrunc 2> /dev/null
done; true"""
_TRY = f"""export LC_ALL=C; command -v dd > /dev/null && command -v grep > /dev/null || exit 127; for d; do
  dd if=/dev/zero of="$d/{_LOOK}" bs=4096 count=16 2>&1 | grep -q 'No space left' || exit 1
done"""
_TIDY = f'for d; do rm -f "$d/{_LOOK}"; done'
_DRAIN = f'for d; do rm -f "$d/{_FILLER}"; done'

Run = Callable[[Container, Sequence[str], float], Awaitable[tuple[int, str]]]


class Disks:
    """Volumes of declared size. `bounded`: these volumes by node. `run` runs a command in a node. Methods raise
    TargetError.
    """

    def __init__(self, engine: Engine, notes: Notes, run: Run, bounded: Mapping[str, Sequence[str]]) -> None:
        self._engine, self._notes, self._run, self._bounded = engine, notes, run, bounded

    def unfit(self, name: str) -> str:
        """Why a node has nothing that can be filled; empty if it has."""
        if self._bounded.get(name):
            return ""
        return (
            "it has no volume of declared size, and the host's disk is never filled; give it one under `volumes:` "
            "(driver_opts: {type: tmpfs, device: tmpfs, o: size=64m}), or use --target process"
        )

    async def fill(self, names: Iterable[str]) -> None:
        names = list(names)
        if why := [f"{name}: {self.unfit(name)}" for name in names if self.unfit(name)]:
            raise TargetError("; ".join(why))
        await asyncio.gather(*(self._notes.put(KIND, name, {}) for name in names))
        await self.lay(names)

    async def lay(self, names: Iterable[str]) -> None:
        filled = await self.filled()
        if names := [name for name in names if name in filled]:
            found = await self._engine.containers()
            alive = [found[name] for name in names if name in found and found[name].state == "running"]
            for code, said in await asyncio.gather(*(self._do(container, _FILL) for container in alive)):
                if code:
                    raise TargetError(f"a volume could not be filled: {said.strip()[-300:]}")

    async def full(self, container: Container) -> bool:
        if container.state != "running":
            return False
        if not self._bounded.get(container.node):
            raise CannotLook(f"{container.node} has no volume that can be filled")
        code, said = await self._do(container, _TRY)
        if code in NO_PROGRAM:
            raise CannotLook(f"{container.node}: no program in it can write to a volume: {said.strip()[-200:]}")
        await self._do(container, _TIDY)
        return code == 0

    async def drain(self, names: Iterable[str]) -> None:
        names = [name for name in await self.filled() if name in set(names)]
        found = await self._engine.containers() if names else {}
        await asyncio.gather(*(self._drain(found[name]) for name in names if name in found and found[name].alive))
        await self._notes.drop(KIND, names)

    async def _drain(self, container: Container) -> None:
        if container.state == "paused":
            command = ["sh", "-c", _DRAIN, "sh", *self._bounded.get(container.node, ())]
            await enter(self._engine, container.node, command, "DAC_OVERRIDE", volumes_from=[container.id])
            return None
        code, said = await self._do(container, _DRAIN)
        if code:
            raise TargetError(f"{container.node}: its volume could not be emptied: {said.strip()[-300:]}")
        return None

    async def _do(self, container: Container, script: str) -> tuple[int, str]:
        folders = self._bounded.get(container.node, ())
        try:
            return await self._run(container, ["sh", "-c", script, "sh", *folders], PATIENCE)
        except TimeoutError:
            raise TargetError(f"{container.node}: no answer within {PATIENCE:g} s") from None

    async def filled(self) -> list[str]:
        """The nodes whose volumes are supposed to be full."""
        return sorted(await self._notes.get(KIND))
