"""A small HTTP server that many may ask at once; `python -m benchmarks.common.server` prints its URL and serves.

GET /count says how many other requests it has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import subprocess
import sys
from collections.abc import Iterator

ADDRESS = "127.0.78.1"


class Answer(asyncio.Protocol):
    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out, self._in = transport, b""

    def data_received(self, data: bytes) -> None:
        """Requests without a body, one after another."""
        self._in += data
        while b"\r\n\r\n" in self._in:
            head, _, self._in = self._in.partition(b"\r\n\r\n")
            body = b'{"fine": true}'
            if head.startswith(b"GET /count"):
                body = b"%d" % Answer.answered
            else:
                Answer.answered += 1
            self._out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            if b"Connection: close" in head:
                self._out.close()


@contextlib.contextmanager
def serving() -> Iterator[tuple[int, str]]:
    """Its process id and URL; ended with the block."""
    command = [sys.executable, "-m", "benchmarks.common.server"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def count(url: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/count")
        return int(connection.getresponse().read())


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answer, ADDRESS, 0, backlog=4096)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
