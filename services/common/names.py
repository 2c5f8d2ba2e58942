"""Names of peers as addresses, remembered: where the resolver stands may be what has just lost its power."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time

LIMIT = 0.3  # seconds a first look-up may take; later ones happen behind the caller's back
FRESH = 10.0  # seconds after which a remembered address is looked up again

_known: dict[str, tuple[str, float]] = {}
_looking: dict[str, asyncio.Task[str]] = {}


async def resolve(host: str) -> str:
    """The IPv4 address of a host. Raises OSError when it was never known and does not resolve in time.

    A remembered address is given at once and refreshed in the background: a resolver that hangs may cost the first
    caller 0.3 s, but never every caller.
    """
    if _literal(host):
        return host
    known = _known.get(host)
    if known is not None and time.monotonic() - known[1] < FRESH:
        return known[0]
    looking = _looking.get(host)
    if looking is None:
        looking = _looking[host] = asyncio.create_task(_look_up(host))
        looking.add_done_callback(lambda task: _forget(host, task))
    if known is not None:
        return known[0]
    try:
        return await asyncio.wait_for(asyncio.shield(looking), LIMIT)
    except TimeoutError:
        raise OSError(f"{host} did not resolve within {LIMIT} s") from None


async def _look_up(host: str) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    _known[host] = (address, time.monotonic())
    return address


def _forget(host: str, task: asyncio.Task[str]) -> None:
    _looking.pop(host, None)
    if not task.cancelled():
        task.exception()  # retrieved: the caller who waits gets it, a refresh that fails keeps the old address


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
