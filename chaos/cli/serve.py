"""`chaos serve`: all runs on a page of this machine's own, for a browser on it."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaos.cli.options import runs_option
from chaos.errors import ChaosError

if TYPE_CHECKING:
    from aiohttp import web

ADDRESS = "127.0.0.1"
PORT = 8470
NAMES = ("127.0.0.1", "localhost")  # that a request may call us: a page elsewhere that resolves to us is refused
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@click.command("serve", epilog="Examples: chaos serve · chaos serve --port 0 --runs /tmp/runs")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any that is free.")
@runs_option
def serve_command(port: int, runs: Path) -> None:
    """List all runs on a page at 127.0.0.1: search them, compare them side by side, read their reports.

    It reads, and writes nothing but the index of runs. Ctrl-C ends it.
    """
    with _listen(port) as sock:
        click.echo(f"http://{ADDRESS}:{sock.getsockname()[1]}/  shows the runs in {runs}/; Ctrl-C ends it")
        asyncio.run(_serve(runs, sock))


def _listen(port: int) -> socket.socket:
    """Raises ChaosError."""
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as e:
        raise ChaosError(
            f"{ADDRESS}:{port} cannot be opened ({e.strerror}); end what uses it, or choose another with --port N"
        ) from None


def application(runs: Path) -> web.Application:
    """The site as aiohttp has it: one handler, every answer with the headers."""
    from aiohttp import web

    from chaos.serve.site import Site

    site = Site(runs)

    async def get(request: web.Request) -> web.Response:
        if request.host.rpartition(":")[0] not in NAMES and request.host not in NAMES:
            return web.Response(status=421, text=f"This is http://{ADDRESS}, not {request.host}.\n")
        answer = await asyncio.to_thread(site.get, request.path, list(request.query.items()))
        headers = {**HEADERS, "Content-Type": answer.kind}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", get)
    return app


async def _serve(runs: Path, sock: socket.socket) -> None:
    from aiohttp import web

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = web.AppRunner(application(runs), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        await ended.wait()
    finally:
        await runner.cleanup()
