"""The supervisor's HTTP client for its voters and its peer, with one short time limit; None stands for no answer."""

import asyncio
from typing import Any

import aiohttp
import msgspec

from services.common.names import resolve
from services.common.settings import SETTINGS
from services.common.web import ADMIN_PORT, API_PORT
from services.ha.leader_lease import ASK_S, Answer, Claim, Record

_SILENCE = (OSError, TimeoutError, aiohttp.ClientError, msgspec.DecodeError)


class Status(msgspec.Struct):
    """A supervisor's answer on /readyz, whatever the HTTP status."""

    role: str


class VoterClient:
    """Calls for one lease. `peer` is a host name or empty. Open before use, close after."""

    def __init__(self, lease: str, peer: str) -> None:
        self._lease = lease
        self._peer = peer
        self._token = {"Authorization": f"Bearer {SETTINGS.need('ADMIN_TOKEN')}"}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        # The total limit is asyncio's; aiohttp's own would be rounded up to whole seconds.
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, voter: str, act: str, body: Claim | Record) -> Answer | None:
        """weigh, claim, renew or release at the voter on host `voter`."""
        content = msgspec.json.encode(body)
        found = await self._call("POST", voter, ADMIN_PORT, f"/lease/{self._lease}/{act}", content)
        return None if found is None else _decoded(found[1], Answer) if found[0] == 200 else None

    async def role(self) -> str | None:
        found = await self._call("GET", self._peer, API_PORT, "/readyz", None)
        status = None if found is None else _decoded(found[1], Status)
        return None if status is None else status.role

    async def pledge(self) -> bool:
        if not self._peer:
            return False
        found = await self._call("POST", self._peer, ADMIN_PORT, "/pledge", b"")
        return found is not None and found[0] == 200

    async def _call(
        self, method: str, host: str, port: int, path: str, content: bytes | None
    ) -> tuple[int, bytes] | None:
        assert self._session is not None, "VoterClient.open() comes first"
        try:
            async with asyncio.timeout(ASK_S):
                url = f"http://{await resolve(host)}:{port}{path}"
                async with self._session.request(method, url, data=content, headers=self._token) as answer:
                    return answer.status, await answer.read()
        except _SILENCE:
            return None


def _decoded(content: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError:
        return None
