"""One worker with little processor time: requests run one after another, each slowed down by its share of a core.

For programs with WORKERS=1 (the employees' build). CPU_SHARE is the share of a core that it may use: as with a quota of
the kernel, it pauses after each request until the used time is made up for.
"""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from services.common.settings import SETTINGS

ALONE = SETTINGS.environment.get("WORKERS") == "1"
SHARE = float(SETTINGS.environment.get("CPU_SHARE") or 1.0)


class OneWorker:
    """Wraps an application; `always` are paths that do not wait (health, metrics)."""

    def __init__(self, app: ASGIApp, always: frozenset[str], share: float = SHARE) -> None:
        self._app = app
        self._always = always
        self._share = share
        self._free = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._always:
            return await self._app(scope, receive, send)
        async with self._free:
            begun = time.process_time()
            try:
                await self._app(scope, receive, send)
            finally:
                burnt = time.process_time() - begun
                await asyncio.sleep(burnt * (1 / self._share - 1))
