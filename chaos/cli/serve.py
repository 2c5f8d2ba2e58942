"""`chaos serve`: shows all runs on a local web page."""

from __future__ import annotations

import asyncio
import logging
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
NAMES = ("127.0.0.1", "localhost")  # accepted host names: other names that resolve to us are refused
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@click.command("serve", epilog="Examples: chaos serve · chaos serve --port 0 --runs /tmp/runs")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@runs_option
def serve_command(port: int, runs: Path) -> None:
    """Serve a local web page with all runs: search them, compare them side by side, read their reports.

    It listens on 127.0.0.1 and writes nothing except the index of runs. Ctrl-C ends it.
    """
    with _listen(port) as sock:
        click.echo(f"http://{ADDRESS}:{sock.getsockname()[1]}/  shows the runs in {runs}/; Ctrl-C ends it")
        asyncio.run(_serve(runs, sock))


def _listen(port: int) -> socket.socket:
    """A listening socket. Raises ChaosError."""
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as e:
        raise ChaosError(
            f"{ADDRESS}:{port} cannot be opened ({e.strerror}); end what uses it, or choose another with --port N"
        ) from None


def application(runs: Path) -> web.Application:
    """The site as an aiohttp application: one handler, which adds the headers to every response."""
    from aiohttp import web

    from chaos.report.site.site import Site

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


def _log() -> logging.Logger:
    """A log without tracebacks for clients that do not speak HTTP or disconnect."""
    from aiohttp.http_exceptions import HttpProcessingError

    def ours(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionError))

    log = logging.getLogger(__name__)
    log.addFilter(ours)
    return log


def runner(runs: Path) -> web.AppRunner:
    """The runner for the application."""
    from aiohttp import web

    return web.AppRunner(application(runs), access_log=None, logger=_log())


async def _serve(runs: Path, sock: socket.socket) -> None:
    from aiohttp import web

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    site = runner(runs)
    await site.setup()
    try:
        await web.SockSite(site, sock).start()
        await ended.wait()
    finally:
        await site.cleanup()
