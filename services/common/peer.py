"""One instance of a component from its callers' view: available, in doubt, or down and probed in the background."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.common.log import log
from services.common.names import resolve
from services.common.settings import Address

CONNECT = 0.25  # seconds to reach a peer
DOUBT = 0.25  # seconds without an answer after which a peer is probed on a separate connection
PROBE = 0.3  # seconds that a probe may take; an idle peer needs 2 ms
STALL = 0.1  # seconds by which a probe may end late before this program, not the peer, counts as the cause
AGAIN = 0.5  # seconds between probes of a peer that is down


class NotSent(Exception):
    """There was no connection: the peer certainly has not seen the request."""


class NoAnswer(Exception):
    """The request was handed over and no complete answer came back: 504 time-out, 502 broken connection."""

    def __init__(self, problem: str, status: int) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def refused(self) -> bool:
        """The peer says that it did nothing, and that another instance might."""
        return self.status == 503 and self.headers.get("X-Executed") == "no"


class Names(AbstractResolver):
    """names.py as a resolver for aiohttp."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        address = await resolve(host)
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@dataclass(eq=False)
class Peer:
    address: Address
    down: bool = False  # not to be tried
    doubtful: bool = False  # tried after the others
    good_at: float = 0.0  # when it last served a request, monotonic
    answered: bool = False  # it was up at least once
    _session: aiohttp.ClientSession | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _probing: bool = False

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, limit: float) -> Reply:
        """Send one request, never repeated. Raises NotSent or NoAnswer. `limit` in seconds."""
        if self._session is None:
            self._session = _session()
        alarm = asyncio.get_running_loop().call_later(DOUBT, self._doubt)
        try:
            async with self._session.request(
                method, self._url(path), headers=headers, data=body, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limit, sock_connect=CONNECT),
            ) as response:  # fmt: skip
                reply = Reply(response.status, response.headers, await response.read())
        except aiohttp.ClientConnectorError as error:
            self._fall(repr(error))
            raise NotSent(f"{self.address} cannot be reached ({error})") from error
        except aiohttp.ConnectionTimeoutError as error:
            self._doubt()  # only in doubt: if this machine is short of CPU, the cause may be this program
            raise NotSent(f"{self.address} could not be reached within {CONNECT} s") from error
        except TimeoutError as error:
            self._doubt()
            raise NoAnswer(f"{self.address} gave no answer within {limit:.2f} s", 504) from error
        except (aiohttp.ClientError, OSError) as error:
            self._doubt()
            raise NoAnswer(f"{self.address} broke off ({error!r})", 502) from error
        finally:
            alarm.cancel()
        self.answered = True
        if not reply.refused:
            self.good_at = time.monotonic()
        return reply

    def watch(self) -> None:
        """Probe it in the background, repeatedly while it is down."""
        if not self._probing:
            self._probing = True
            self._behind(self._probe_until_up())

    def _doubt(self) -> None:
        self.doubtful = True
        self.watch()

    def _fall(self, why: str) -> None:
        """Avoid it from now on, and cancel waiting requests instead of letting them time out."""
        if not self.down:
            self.down = True
            log("peer down", level="warning", peer=str(self.address), why=why)
        session, self._session = self._session, None
        if session is not None:
            self._behind(session.close())
        self._doubt()

    async def _probe_until_up(self) -> None:
        try:
            failed = 0
            while not await self._probe():
                failed += 1
                if failed == 1 and not self.down:
                    continue
                self._fall("it does not answer /healthz")
                await asyncio.sleep(AGAIN)
        finally:
            self._probing = False
        self.answered, self.doubtful = True, False
        if self.down:
            self.down = False
            log("peer up", peer=str(self.address))

    async def _probe(self) -> bool:
        """Probe on a new connection: pooled ones may lead to where the peer was before it lost its power."""
        begun = time.monotonic()
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                asyncio.timeout(PROBE),
                _session(force_close=True) as session,
                session.get(self._url("/healthz")) as response,
            ):
                return response.status == 200
        # A late alarm means that this program got no CPU, and says nothing about the peer.
        return time.monotonic() - begun > PROBE + STALL and await self._probe()

    def _url(self, path: str) -> URL:
        return URL(f"http://{self.address}{path}", encoded=True)

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._session is not None:
            await self._session.close()


def _session(force_close: bool = False) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        # Peers keep idle connections for 75 s. Closing them earlier avoids sending on one that the peer has just
        # closed.
        connector=aiohttp.TCPConnector(
            resolver=Names(), use_dns_cache=False, limit=0, force_close=force_close,
            keepalive_timeout=None if force_close else 30.0,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )  # fmt: skip
    # By default a GET or PUT is silently sent again when a pooled connection breaks. If that second connect fails, it
    # looks as if nothing had been sent at all. calls.py decides about retries.
    session._retry_connection = False
    return session
