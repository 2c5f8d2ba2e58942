"""What the network helper's queue costs: requests a second and p50 of 50 connections, 20 ms each way.

    python -m benchmarks.queue      (by its path it would stand in for the standard library's queue)

Makes a box of its own with two nodes (user namespaces needed), and takes about ten seconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos.targets.box import network

LEFT, RIGHT, PORT = "10.77.1.1", "10.77.2.1", 8000
CONNECTIONS, SECONDS, DELAY_MS = 50, 3.0, 20
_INSIDE = "CHAOS_BENCHMARK_BOX"
_CLONE_NEWNET = 0x40000000


def main() -> None:
    if _INSIDE in os.environ:
        asyncio.run(measure(Path(os.environ[_INSIDE])))
        return
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    with tempfile.TemporaryDirectory() as folder:
        argv = [*unshare, sys.executable, "-m", "benchmarks.queue"]
        sys.exit(subprocess.run(argv, env={**os.environ, _INSIDE: f"{folder}/box"}, check=False).returncode)


async def measure(folder: Path) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    network.build(folder, {"left": LEFT, "right": RIGHT})
    listening = at(folder / "right", lambda: socket.create_server((RIGHT, PORT), backlog=CONNECTIONS))
    server = await asyncio.start_server(_echo, sock=listening)
    helper = subprocess.Popen(
        [sys.executable, "-m", "chaos.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    print("shape            connections     req/s   p50 ms   p95 ms   helper, % of a core")
    for name, shapes, connections in (
        ("none", [], CONNECTIONS),
        (f"{DELAY_MS} ms each way", [{"a": [LEFT], "delay_ms": DELAY_MS}], 1),
        (f"{DELAY_MS} ms each way", [{"a": [LEFT], "delay_ms": DELAY_MS}], CONNECTIONS),
    ):
        ask(helper, {"do": "apply", "rules": [], "shapes": shapes})
        before, began = cpu_seconds(helper.pid), time.monotonic()
        trips = await _load(folder, connections)
        took = time.monotonic() - began
        busy = (cpu_seconds(helper.pid) - before) / took
        p50, p95 = statistics.median(trips), statistics.quantiles(trips, n=20)[-1]
        print(f"{name:16} {connections:11} {len(trips) / took:9.0f} {p50:8.2f} {p95:8.2f} {100 * busy:8.1f}")
    await asyncio.sleep(0.2)  # the ends of the last connections are delayed too
    assert helper.stdin
    helper.stdin.close()
    helper.wait()
    server.close()


def ask(helper: subprocess.Popen[str], request: dict[str, Any]) -> None:
    assert helper.stdin and helper.stdout
    helper.stdin.write(json.dumps(request) + "\n")
    helper.stdin.flush()
    answer = json.loads(helper.stdout.readline())
    assert answer["ok"], answer


def at(place: Path, call: Callable[[], socket.socket]) -> socket.socket:
    """A socket made in another namespace, where it stays; the thread that went there ends."""

    def there() -> socket.socket:
        with place.open() as namespace:
            assert ctypes.CDLL(None).setns(namespace.fileno(), _CLONE_NEWNET) == 0
        return call()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(there).result()


def cpu_seconds(pid: int) -> float:
    """From the clock of the process: /proc shows those of another pid namespace."""
    return time.clock_gettime(~pid << 3 | 2)  # MAKE_PROCESS_CPUCLOCK of linux/posix-timers.h


async def _load(folder: Path, connections: int) -> list[float]:
    """Milliseconds of each round trip."""
    until = time.monotonic() + SECONDS
    trips: list[float] = []

    async def one() -> None:
        bare = at(folder / "left", socket.socket)
        bare.setblocking(False)
        await asyncio.get_running_loop().sock_connect(bare, (RIGHT, PORT))
        reader, writer = await asyncio.open_connection(sock=bare)
        while (began := time.monotonic()) < until:
            writer.write(b"x" * 100)
            await reader.readexactly(100)
            trips.append(1000 * (time.monotonic() - began))
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return trips


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


if __name__ == "__main__":
    main()
