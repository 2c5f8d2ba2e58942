"""The data folder of one PostgreSQL: created empty, copied from a primary, or rewound to follow one."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from services.common.log import log
from services.ha.database import ServerFailed
from services.ha.postgres import configuration
from services.ha.postgres.configuration import ADMIN, Wiring
from services.ha.server_process import bury_strays

TOOL_S = 60.0  # seconds that initdb, a base backup or a rewind may take

_LOCALE = ("--encoding=UTF8", "--locale=C")


class Folder:
    """`root`/pg holds the data. It is valid only while `root`/incomplete does not exist."""

    def __init__(self, root: Path, binaries: Path, wiring: Wiring) -> None:
        self.pg = root / "pg"
        self._new = root / "pg.new"
        self._incomplete = root / "incomplete"
        self._secret = root / "initial-password"
        self._binaries = binaries
        self._wiring = wiring
        self._tool: asyncio.subprocess.Process | None = None
        root.mkdir(parents=True, exist_ok=True)

    def whole(self) -> bool:
        return (self.pg / "PG_VERSION").exists() and not self._incomplete.exists()

    async def create(self) -> None:
        """Run initdb, and create the role and the database `stack`."""
        self._drop(self._new)
        self._secret.write_text(self._wiring.password, encoding="utf-8")
        # Until this node has acknowledged a write, its data can be created again, so there is no need to wait for the
        # disk.
        options = ["--no-sync", "--auth=scram-sha-256", f"--username={ADMIN}", f"--pwfile={self._secret}"]
        try:
            await self._run("initdb", "-D", str(self._new), *options, *_LOCALE, "--wal-segsize=4")
        finally:
            self._secret.unlink()
        founding = configuration.founding(self._wiring.password)
        await self._run("postgres", "--single", "-D", str(self._new), "postgres", feed=founding)
        self._new.rename(self.pg)

    async def copy(self, host: str) -> None:
        """Make a base backup of the primary on `host`."""
        self._drop(self._new)
        source = configuration.conninfo(self._wiring, host, "copy")
        options = ["--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        await self._run("pg_basebackup", "-D", str(self._new), f"--dbname={source}", *options)
        self._incomplete.touch()
        self._drop(self.pg)
        self._new.rename(self.pg)
        self._incomplete.unlink()

    async def turn_back(self, host: str) -> bool:
        """Run pg_rewind to where the primary on `host` diverged; False if that is not possible."""
        self.write(None, None, standby=False)
        self._incomplete.touch()
        source = configuration.conninfo(self._wiring, host, "rewind")
        try:
            # After a rewind or a backup, the server syncs the whole folder when it starts.
            await self._run("pg_rewind", "--no-sync", "-D", str(self.pg), f"--source-server={source}")
        except ServerFailed as error:
            log("rewind failed", level="warning", error=str(error))
            return False
        self._incomplete.unlink()
        return True

    @property
    def standby(self) -> bool:
        """Whether this is a copy that was never promoted. PostgreSQL removes the mark when it promotes."""
        return (self.pg / "standby.signal").exists()

    def write(self, primary: str | None, waits_for: str | None, *, standby: bool) -> None:
        """Write the configuration, and remove traces of a killed server."""
        self.reconfigure(primary, waits_for)
        (self.pg / "pg_hba.conf").write_text(configuration.access(), encoding="utf-8")
        (self.pg / "postgresql.auto.conf").write_text("", encoding="utf-8")  # a copy contains the other node's
        mark = self.pg / "standby.signal"
        mark.touch() if standby else mark.unlink(missing_ok=True)
        # After a SIGKILL the file stays, and in a new pid namespace its pid may belong to any process.
        (self.pg / "postmaster.pid").unlink(missing_ok=True)

    def reconfigure(self, primary: str | None, waits_for: str | None) -> None:
        """Replace postgresql.conf atomically: the server may read it at any moment."""
        fresh = self.pg / "postgresql.conf.new"
        fresh.write_text(configuration.server(self._wiring, primary, waits_for), encoding="utf-8")
        fresh.rename(self.pg / "postgresql.conf")

    def ready(self) -> bool:
        """Whether the last started server accepts sessions, from the eighth line of its own status file."""
        with contextlib.suppress(OSError):
            lines = (self.pg / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def cancel(self) -> None:
        """End a tool that is running."""
        if self._tool is not None:
            with contextlib.suppress(ProcessLookupError):
                self._tool.kill()

    def environment(self) -> Mapping[str, str]:
        """Without the caller's PG* variables, which would override our arguments."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return {**kept, "LC_ALL": "C", "TZ": "UTC"}

    def _drop(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    async def _run(self, name: str, *arguments: str, feed: str = "") -> None:
        """Run one of PostgreSQL's programs to its end. Raises ServerFailed with its last output."""
        bury_strays()
        self._tool = tool = await asyncio.create_subprocess_exec(
            str(self._binaries / name),
            *arguments,
            env=self.environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(tool.communicate(feed.encode()), TOOL_S)
        except TimeoutError:
            raise ServerFailed(f"{name} did not end within {TOOL_S:.0f} s") from None
        finally:
            self._tool = None
            if tool.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    tool.kill()
        if tool.returncode:
            words = said.decode(errors="replace").strip().splitlines()[-4:]
            raise ServerFailed(f"{name} exited {tool.returncode}: {' | '.join(words) or 'no output'}")
