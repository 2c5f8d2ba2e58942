"""One HTTP GET without a client library: the response ends with the connection."""

from __future__ import annotations

import asyncio

from chaos.errors import TargetError


async def get(address: str, port: int, path: str, timeout: float, node: str) -> tuple[int, bytes]:
    """Status and body of http://address:port/path. Raises TargetError naming `node` if there is no response."""
    where = f"{node}: GET http://{address}:{port}{path}"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                # HTTP/1.0: no chunks, and the server closes the connection at the end.
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {node}:{port}\r\nConnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except TimeoutError:
        raise TargetError(f"{where}: no answer within {timeout:g} s") from None
    except OSError as e:
        raise TargetError(f"{where}: {e.strerror or e}") from e
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise TargetError(f"{where}: expected an HTTP answer, found {head[:60]!r}")
    return int(words[1]), body
