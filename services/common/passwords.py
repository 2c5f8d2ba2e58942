"""Log-ins, and passwords as argon2 hashes, computed outside the event loop and only two at a time."""

from __future__ import annotations

import asyncio
import secrets

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from starlette.requests import Request

from services.common.answers import body
from services.common.errors import Refused
from services.common.identity import check_user

LONGEST = 256  # characters
AT_ONCE = 2  # more would only wait for cores, and use 8 MiB each meanwhile
PATIENCE = 0.6  # seconds to wait for a turn: in a storm a quick refusal is better than a time-out


class Passwords:
    def __init__(self) -> None:
        # About 12 ms of one core each, so that a storm of log-ins causes realistic load.
        self._hasher = PasswordHasher(time_cost=3, memory_cost=8192, parallelism=1)
        self._decoy = self._hasher.hash(secrets.token_hex())
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        await self._turn()
        try:
            return await asyncio.to_thread(self._hasher.hash, password)
        finally:
            self._turns.release()

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password matches. An unknown user (None) takes as long, so that names cannot be guessed."""
        await self._turn()
        try:
            await asyncio.to_thread(self._hasher.verify, stored or self._decoy, password)
        except VerificationError:
            return False
        finally:
            self._turns.release()
        return stored is not None

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Refused(503, f"too many log-ins: no turn within {PATIENCE} s; try again later") from None


class Login(msgspec.Struct):
    user: str
    password: str


async def login_of(request: Request) -> Login:
    """Name and password of a log-in. Raises Refused(400) if one of them is invalid."""
    login = await body(request, Login)
    check_user(login.user)
    if not 1 <= len(login.password) <= LONGEST:
        raise Refused(400, f"password: found {len(login.password)} characters, expected 1 to {LONGEST}")
    return login
