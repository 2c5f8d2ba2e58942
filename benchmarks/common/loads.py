"""Loads on a server of ours: our own load as a run starts it, and Locust as it is shipped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from chaos.experiment.plan import LoadSpec
from chaos.load.contract import OPS
from chaos.load.locustload import LocustLoad
from chaos.model import Op
from chaos.protocols.capabilities import Hosted

USERS = """from chaos.load.openloop import OpenUser, journey

class User(OpenUser):
    hosts = ({url!r},)

    @journey("visit")
    def visit(self):
        self.get("/")
"""
LOCUSTFILE = """from locust import FastHttpUser, constant, constant_throughput, events, task

class User(FastHttpUser):
    host = {url!r}
    wait_time = {wait}

    @task
    def visit(self):
        self.client.get("/")
"""
LISTENER = """
out = open({path!r}, "w", buffering=1)

@events.request.add_listener
def note(start_time, response_time, **rest):
    print(start_time, response_time / 1000, file=out)
"""


class Program:
    """A hosted program that is a plain process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self, grace: float = 5.0) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._process.wait()
                return


class Here:
    """As much of a target as our load needs."""

    def __init__(self) -> None:
        self.pid = 0  # of the last program that was started

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        (run_dir / "logs").mkdir(exist_ok=True)
        with (run_dir / "logs" / log).open("wb") as out:
            made = await asyncio.create_subprocess_exec(sys.executable, *command[1:], stdout=out, stderr=out)
        self.pid = made.pid
        return Program(made)


def our_load(folder: Path, url: str, users: int, rate: float, steady: float) -> tuple[LocustLoad, Here]:
    """Not started yet; its record will be FOLDER/ops.jsonl."""
    folder.mkdir(parents=True)
    (folder / "people.py").write_text(USERS.format(url=url))
    here = Here()
    spec = LoadSpec(str(folder / "people.py"), users, rate, 1.0, 7)
    return LocustLoad(here, spec, folder, folder, steady=steady), here  # type: ignore[arg-type]  # it only hosts


def recorded(folder: Path) -> list[Op]:
    """What our load has left there, once it has ended."""
    return [msgspec.json.decode(line, type=Op) for line in (folder / OPS).read_bytes().splitlines()]


@contextlib.contextmanager
def locust(folder: Path, url: str, users: int, wait: str, record: bool) -> Iterator[int]:
    """Locust without its web page, users spawned at once; its process id. With `record`, FOLDER/requests has a line a
    request: when it was sent (seconds since the epoch) and how long it took (seconds)."""
    folder.mkdir(parents=True)
    source = LOCUSTFILE.format(url=url, wait=wait)
    (folder / "locustfile.py").write_text(source + (LISTENER.format(path=str(folder / "requests")) if record else ""))
    command = [sys.executable, "-m", "locust", "-f", "locustfile.py", "--headless", "--skip-log", "--only-summary"]
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([*command, "-u", str(users), "-r", str(users)], cwd=folder, stdout=out, stderr=out)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
