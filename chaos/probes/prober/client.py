"""A user's HTTP requests and connections, without a client library: the prober's image has none for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import ssl
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any, final
from urllib.parse import urlsplit

from chaos.probes.prober.names import Names
from chaos.protocols.questions import Client

MOST = 4 * 1024 * 1024  # bytes of an answer that are read; what follows is not looked at
PORTS = {"http": 80, "https": 443}


@final
class Plain(Client):
    """Opens a connection for each request, as new users do."""

    def __init__(self, names: Names | None = None) -> None:
        self._names = names or Names()

    async def get(self, url: str, headers: Mapping[str, str], verify: bool) -> tuple[int, bytes]:
        """Status and body. Raises OSError; HTTPException for what is no whole HTTP answer."""
        found = urlsplit(url)
        host, port = found.hostname or "", found.port or PORTS[found.scheme]
        sent = {"host": found.netloc, "user-agent": "chaos", "accept": "*/*"}
        sent |= {name.lower(): value for name, value in headers.items()} | {"connection": "close"}
        target = (found.path or "/") + (f"?{found.query}" if found.query else "")
        head = "".join([f"GET {target} HTTP/1.1\r\n", *(f"{k}: {v}\r\n" for k, v in sent.items()), "\r\n"])
        reader, writer = await self._open(host, port, _tls(verify) if found.scheme == "https" else None)
        try:
            writer.write(head.encode())
            return _parsed(await _all(reader))
        finally:
            writer.transport.abort()  # without waiting for a server that does not close its side

    async def connect(self, host: str, port: int) -> None:
        _, writer = await self._open(host, port)
        writer.close()
        with contextlib.suppress(OSError):  # it was accepted
            await writer.wait_closed()

    async def _open(
        self, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first of the name's addresses that accepts one. Raises the last one's OSError."""
        *others, last = await self._names.addresses(host, port)
        for address in others:
            with contextlib.suppress(OSError):
                return await self._to(address, port, host, tls)
        return await self._to(last, port, host, tls)

    async def _to(
        self, address: str, port: int, host: str, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)


@functools.cache
def _tls(verify: bool) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


async def _all(reader: asyncio.StreamReader) -> bytes:
    """What the server sent until it closed the connection, at most MOST bytes."""
    parts, size = [], 0
    while size < MOST and (part := await reader.read(64 * 1024)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


class _Received:
    """What was received, as the parser of the standard library reads a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parsed(data: bytes) -> tuple[int, bytes]:
    answer = HTTPResponse(_Received(data), method="GET")  # type: ignore[arg-type]  # it only calls makefile
    answer.begin()
    return answer.status, answer.read(MOST) if len(data) >= MOST else answer.read()
