"""The prober's process against real sockets that behave well and badly: what it concludes from each, and when."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from chaos.experiment.plan import ProbeSpec
from chaos.probes.prober.contract import ASKED, HEARD, Heard
from chaos.probes.prober.hosted import Prober
from chaos.probes.prober.names import AT_ONCE, Names
from chaos.protocols.capabilities import Hosted, Hosting

ADDRESS = "127.0.8.1"
ROOT = Path(__file__).parents[2]
EVERY, WITHIN = 0.1, 0.3  # seconds

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def answering(status: str, body: bytes, *headers: str, after: float = 0.0) -> Behaviour:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(after)
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers))
        writer.write(head.encode() + b"\r\n" + body)
        writer.close()

    return serve


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


SERVERS: dict[str, Behaviour] = {
    "good": answering("200 OK", b"it is up", "Content-Length: 8"),
    "chunked": answering("200 OK", b"5\r\nit is\r\n3\r\n up\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "until the end": answering("200 OK", b"it is up"),
    "broken": answering("500 Internal Server Error", b"", "Content-Length: 0"),
    "lying": answering("200 OK", b"it is down", "Content-Length: 10"),
    "slow": answering("200 OK", b"it is up", "Content-Length: 8", after=2 * WITHIN),
    "torn": answering("200 OK", b"it is up", "Content-Length: 80"),
    "no HTTP": answering("nonsense", b""),
    "silent": silent,
    "resetting": resetting,
}


class Local(Hosting):
    """Starts programs as processes of this machine, in the test's own network."""

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        (run_dir / "logs").mkdir(exist_ok=True)
        with (run_dir / "logs" / log).open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *command[1:], cwd=ROOT, stdout=out, stderr=out
            )
        return Running(self.process)

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        raise NotImplementedError


class Running(Hosted):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self, grace: float = 5.0) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(grace):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


def closing(serve: Behaviour) -> Behaviour:
    """Ends the connection also where the other side went first."""

    async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if not writer.is_closing():
                writer.transport.abort()

    return closed


async def served(open_: AsyncExitStack) -> dict[str, int]:
    """The port of each server, and one where nobody listens."""
    ports = {}
    for name, serve in SERVERS.items():
        server = await open_.enter_async_context(await asyncio.start_server(closing(serve), ADDRESS, 0))
        ports[name] = server.sockets[0].getsockname()[1]
    closed = await asyncio.start_server(silent, ADDRESS, 0)
    ports["nobody"] = closed.sockets[0].getsockname()[1]
    closed.close()
    return ports


def spec(name: str, port: int, **more: Any) -> ProbeSpec:
    params = {"get": f"http://{ADDRESS}:{port}/health", "contains": "up", **more}
    return ProbeSpec("http", name, EVERY, params, WITHIN)


def probed(folder: Path, during: Callable[[Local], Coroutine[Any, Any, None]]) -> dict[str, list[Heard]]:
    """What a real prober hears from every server while `during` lasts, by probe."""
    found: dict[str, list[Heard]] = {}

    async def main() -> None:
        async with AsyncExitStack() as open_:
            ports = await served(open_)
            specs = [spec(name, port) for name, port in ports.items()]
            specs.append(spec("no such name", ports["good"], get="http://nobody.invalid/"))
            for name in ("silent", "nobody"):
                specs.append(ProbeSpec("tcp", f"tcp {name}", EVERY, {"connect": f"{ADDRESS}:{ports[name]}"}, WITHIN))
            hosting = Local()
            prober = Prober(hosting, specs, folder)
            await prober.start()
            listening = asyncio.create_task(prober.listen(lambda one: found.setdefault(one.probe, []).append(one)))
            await during(hosting)
            await prober.drain()
            await listening
            await prober.stop()
            await asyncio.sleep(3 * WITHIN)  # the servers notice

    asyncio.run(main())
    return found


def test_a_prober_tells_good_answers_from_every_kind_of_bad_one(tmp_path: Path) -> None:
    """A time-out is a bad answer of that length, not a missing one, and delays no other question."""
    began = time.monotonic()
    heard = probed(tmp_path, lambda hosting: asyncio.sleep(2.0))
    why = {name: {one.why for one in found} for name, found in heard.items()}
    late = {f"no answer within {WITHIN:g} s"}
    refused = {os.strerror(errno.ECONNREFUSED)}
    assert why == {
        "good": {""}, "chunked": {""}, "until the end": {""}, "tcp silent": {""},
        "broken": {"status 500"}, "lying": {"status 200, without 'up'"},
        "slow": late, "silent": late,
        "torn": {"not a whole HTTP answer: IncompleteRead"}, "no HTTP": {"not a whole HTTP answer: BadStatusLine"},
        "resetting": why["resetting"], "nobody": refused, "tcp nobody": refused, "no such name": why["no such name"],
    }  # fmt: skip
    good = {name for name, found in heard.items() if all(one.ok for one in found)}
    assert good == {"good", "chunked", "until the end", "tcp silent"}
    assert all(one.ok is False for name, found in heard.items() if name not in good for one in found)
    assert all("name not resolved" in one.why or one.why in late for one in heard["no such name"])
    for name in ("good", "silent", "slow"):
        times = [one.t for one in sorted(heard[name], key=lambda one: one.t)]
        assert len(times) >= 12, f"{name}: {times}"  # of 20 in two seconds, on a busy machine
        assert began < times[0] and times[-1] < time.monotonic()
    assert all(1000 * WITHIN <= one.ms < 1000 * WITHIN + 500 for one in heard["silent"])
    assert not (tmp_path / ASKED).exists() and not (tmp_path / HEARD).exists()


def test_a_prober_that_is_killed_is_no_answer(tmp_path: Path) -> None:
    """Every probe says that it could not be asked, and none that the system was bad or good."""

    async def killed(hosting: Local) -> None:
        await asyncio.sleep(0.5)
        os.kill(hosting.process.pid, signal.SIGKILL)
        await asyncio.sleep(6.0)

    heard = probed(tmp_path, killed)
    last = {name: max(found, key=lambda one: one.t) for name, found in heard.items()}
    assert {one.ok for one in last.values()} == {None}
    assert all("exit code -9" in one.why for one in last.values())


def test_a_name_that_hangs_delays_no_other() -> None:
    """More look-ups of it than it may have at once wait, and another name is found meanwhile."""
    over = threading.Event()

    def ask(name: str, port: int) -> Sequence[str]:
        if name == "gone":
            over.wait()
        return [name]

    async def main() -> None:
        names = Names(ask)
        hanging = [asyncio.ensure_future(names.addresses("gone", 1)) for _ in range(AT_ONCE + 5)]
        async with asyncio.timeout(10):
            assert await names.addresses("here", 1) == ["here"]
            assert await names.addresses("::1", 1) == ["::1"]
        assert not any(one.done() for one in hanging)
        over.set()
        assert await asyncio.gather(*hanging) == [["gone"]] * (AT_ONCE + 5)

    try:
        asyncio.run(main())
    finally:
        over.set()


def test_the_prober_needs_nothing_that_the_image_of_the_load_lacks() -> None:
    """The standard library, msgspec and the harness: a new import would be missing only in a container."""
    code = """
import sys
import chaos.probes.prober.__main__
from chaos import registry
for name in ("http", "tcp"):
    registry.load("chaos.probes.questions", name)
print(*{name.partition(".")[0] for name in sys.modules})
"""
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    ours = {"chaos", "msgspec", "typing_extensions", "__main__"}
    theirs = set(found) - set(sys.stdlib_module_names) - ours
    assert "msgspec" in found and not {name for name in theirs if not name.startswith(("_", "sitecustomize"))}
