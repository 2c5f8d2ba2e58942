"""No load, for experiments whose verdict rests on probes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import final

from chaos.protocols import Load


@final
class Nobody(Load):
    """`steady` is the time between the start of the load and t0, in seconds."""

    lead = 0.0

    def __init__(self, steady: float) -> None:
        self._steady = steady

    async def prepare(self) -> None: ...

    async def start(self, t0: float, until: float) -> None:
        await asyncio.sleep(t0 - self._steady - asyncio.get_running_loop().time())

    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]:
        return {}

    async def drain(self) -> None: ...

    async def readback(self) -> None: ...

    async def stop(self) -> None: ...
