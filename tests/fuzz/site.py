"""Requests to `chaos serve`, byte by byte, over a folder with good runs and broken ones."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import threading
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import inputs
from tests.fuzz.guard import guarded
from tests.fuzz.kind import Kind
from tests.fuzz.place import STAMP, Place, place

PATIENCE = 10.0
RUN = f"zone-fire/{STAMP}"
PARTS = [
    "/", "/compare", "/runs/", f"/runs/{RUN}/", f"/runs/{RUN}/report.html", f"/runs/{RUN}/findings.json",
    "/runs/zone-fire/broken/plan.json", "/..", "/../", "/.",
    "//", "/%2e%2e", "/%2f", "%2f..%2f", "/%00", "%", "%zz", "%ff", "%ed%a0%80", "%F0%9F%94%A5", "users.json", "logs",
    "index.sqlite", "/etc/passwd", "report.html", "plan.json",
    "?q=", "?run=", f"&run={RUN}", f"?run={RUN}", "?q=pass", "&q=%00", "=", "&", ";", "#", "+", "é", "\ud800", "\\",
    "~", "*", "?", "a" * 9000, "|", "<script>", "%3Cscript%3E",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get", "X", ""]
HEADERS = [
    "Host: 127.0.0.1", "Host: localhost:1", "Host: evil.example", "Host:", "Host: 127.0.0.1\r\nHost: x",
    "Host: [::1]", "Range: bytes=0-10", "Range: bytes=-1", "Range: bytes=9999999-1", "Range: x",
    "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked",
    "Transfer-Encoding: x", "Expect: 100-continue", "If-Modified-Since: x",
    "Accept-Encoding: gzip", "Connection: upgrade", "Upgrade: websocket", "Cookie: " + "a" * 9000, "X: \x01",
    " folded", "no colon", "Accept: \xff",
]  # fmt: skip


@st.composite
def requests(draw: inputs.Draw) -> bytes:
    target = "".join(draw(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=6)), min_size=1, max_size=4)))
    target = draw(st.sampled_from(["", "/", "http://127.0.0.1", "*"])) + target
    lines = [
        f"{draw(st.sampled_from(METHODS + ['GET'] * 20))} {target} HTTP/1.1",
        draw(st.sampled_from(["Host: 127.0.0.1"] * 5 + HEADERS)),
    ]
    lines += draw(st.lists(st.sampled_from(HEADERS), max_size=2))
    text = "\r\n".join(
        [*lines, "Connection: close", "", draw(st.sampled_from(["", "", "hello", "5\r\nhello\r\n0\r\n\r\n"]))]
    )
    return text.encode(errors="surrogatepass")


class _Complaints(logging.Handler):
    """What the server had to say about its own handlers."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@functools.cache
def _served() -> tuple[Place, int, _Complaints]:
    """The folder of runs, the port, and what is logged as an error."""
    p = place()
    run = p.run("zone-fire-as-was")
    (run / "report.html").write_text("<p>report")
    (run / "users.json").write_text("secret")
    p.run(
        "zone-fire-remedied", "findings.json", b'{"measures": [], "settings": 3, "findings": {"a": 1}}', name="broken"
    )
    p.run("zone-fire-remedied", "plan.json", b"[", name="torn")
    complaints = _Complaints()
    for name in ("chaos.cli.serve", "aiohttp", "asyncio"):
        logging.getLogger(name).addHandler(complaints)
    port: list[int] = []
    there = threading.Event()
    threading.Thread(target=lambda: asyncio.run(_serve(p, port, there)), daemon=True).start()
    assert there.wait(PATIENCE)
    return p, port[0], complaints


async def _serve(p: Place, port: list[int], there: threading.Event) -> None:
    from aiohttp import web

    from chaos.cli.serve import runner

    one: Any = runner(p.runs)
    await one.setup()
    await web.TCPSite(one, "127.0.0.1", 0).start()
    port.append(one.addresses[0][1])
    there.set()
    await asyncio.Event().wait()


def serve(data: bytes) -> None:
    """An answer below 500 or a closed connection, nothing of the disk but what a run shows."""
    p, port, complaints = _served()
    complaints.said.clear()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock, guarded(p.runs):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while found := sock.recv(1 << 16):
            answer += found
    assert not complaints.said, complaints.said
    assert not answer or answer.startswith(b"HTTP/"), answer[
        :200
    ]  # aiohttp repeats a version that it did not understand
    assert answer[9:10] != b"5", answer[:500]
    assert b"secret" not in answer and b"root:" not in answer and b"Traceback" not in answer, answer[:500]


KINDS = (Kind("serve", st.one_of(requests(), requests(), inputs.scribbled(requests()), inputs.junk()), serve, 60),)
