"""Caches the addresses of peers, because the resolver may be part of what has just failed.

Look-ups have their own threads. uvloop's getaddrinfo would use its pool of four threads, which its sock_connect needs
as well, even for a literal address: a few names that hang would block all new connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

LIMIT = 0.3  # seconds that a first look-up may take; later ones run in the background
FRESH = 10.0  # seconds after which a cached address is looked up again


@dataclass
class _Known:
    address: str
    asked: float  # time of the last look-up, monotonic


_known: dict[str, _Known] = {}
_looking: dict[str, asyncio.Future[str]] = {}


async def resolve(host: str) -> str:
    """The IPv4 address of a host. Raises OSError if it was never known and does not resolve in time.

    A cached address is returned at once and refreshed in the background: a resolver that hangs costs at most the first
    caller 0.3 s.
    """
    if _literal(host):
        return host
    if known := _known.get(host):
        if time.monotonic() - known.asked > FRESH:
            known.asked = time.monotonic()  # a name that no longer resolves is not looked up for every caller, either
            _look_up(host)
        return known.address
    try:
        return await asyncio.wait_for(asyncio.shield(_look_up(host)), LIMIT)
    except TimeoutError:
        raise OSError(f"{host} did not resolve within {LIMIT} s") from None


def _look_up(host: str) -> asyncio.Future[str]:
    """Start a look-up, at most one at a time for each name."""
    if host not in _looking:
        loop = asyncio.get_running_loop()
        found = _looking[host] = loop.create_future()
        found.add_done_callback(lambda _: _keep(host, found))
        # A daemon thread: a look-up that hangs must not keep the program from ending.
        threading.Thread(target=_ask, args=(loop, host, found), name=f"look up {host}", daemon=True).start()
    return _looking[host]


def _ask(loop: asyncio.AbstractEventLoop, host: str, found: asyncio.Future[str]) -> None:
    settle: Callable[[], None]
    try:
        settle = partial(found.set_result, socket.gethostbyname(host))
    except OSError as error:
        settle = partial(found.set_exception, error)
    with contextlib.suppress(RuntimeError):  # the program has ended in the meantime
        loop.call_soon_threadsafe(settle)


def _keep(host: str, found: asyncio.Future[str]) -> None:
    del _looking[host]
    if not found.exception():  # retrieves the exception; a failed refresh keeps the old address
        _known[host] = _Known(found.result(), time.monotonic())


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
