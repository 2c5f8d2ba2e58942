"""Looks names up, each in threads of its own: a resolver may take seconds for a container that has gone."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

AT_ONCE = 64  # look-ups of one name that wait for a resolver; more wait for these
LookUp = Callable[[str, int], Sequence[str]]


def look_up(name: str, port: int) -> Sequence[str]:
    """Addresses, in the resolver's order. Raises OSError. Blocks."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Names:
    """Nothing is cached: each question finds out anew where the name leads. A name that hangs delays no other."""

    def __init__(self, ask: LookUp = look_up) -> None:
        self._ask = ask
        self._threads: dict[str, ThreadPoolExecutor] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError if the name has no address. There is no time limit: the caller has one."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        if host not in self._threads:
            self._threads[host] = ThreadPoolExecutor(AT_ONCE, f"names {host}")
        return await asyncio.get_running_loop().run_in_executor(self._threads[host], self._ask, host, port)
