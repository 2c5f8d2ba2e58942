"""Under compose nobody but the watchdog is left when a harness is killed: what the kernel does not undo, it heals."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.experiment import stack as stackfile
from chaos.place import standing
from chaos.targets.compose import project
from chaos.targets.compose.target import Compose

pytestmark = pytest.mark.engine

PROJECT = "chaos-watchdog-test"
STACK = Path(__file__).parent / "stack.yml"
SERVER = """
import http.server
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
# A harness: it pauses one node, starves another, kills and darkens the third, and then does what it is told to.
HARNESS = """
import asyncio, contextlib, pathlib, sys, time
from chaos.experiment import stack as stackfile
from chaos.place import Place, cleared_by
from chaos.faults.power import Power
from chaos.protocols.capabilities import PAUSE, POWER, STARVE
from chaos.targets.compose.target import Compose

async def hurt(target):
    db, one, two = sorted(target.nodes())
    await target.can.need(PAUSE).pause([one])
    await target.can.need(STARVE).starve([two], 0.1)
    await Power().inject(target.can.need(POWER), [db])
    assert await Power().confirm(target.can.need(POWER), [db])

file = pathlib.Path(sys.argv[1])
stack = stackfile.read(file, strict=False)
with Place(False, cleared_by=cleared_by("heal", "compose", stack)).watched() as watchdog:
    watchdog.renew()
    target = Compose(stack, project=sys.argv[2])
    asyncio.run(hurt(target))
    print("hurt", flush=True)
    while True:
        time.sleep(1)
        watchdog.renew()
"""
LEFT = {"db-a is not running", "web-a is paused", "web-b is starved of processor"}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module")
def up(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The tiny stack of the contract suite, standing as `chaos up` would leave it."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "server.py").write_text(SERVER)
    (folder / "stack.yml").write_text(STACK.read_text().replace("10.77.", "10.85."))
    stack = stackfile.read(folder / "stack.yml", strict=False)
    one = Compose(stack, folder, project=PROJECT)
    try:
        runner.run(one.up())
        standing.write(stack, "compose")
        yield one
    finally:
        runner.run(one.down())
        shutil.rmtree(folder / standing.STATE, ignore_errors=True)


def residue(up: Compose, runner: asyncio.Runner) -> set[str]:
    return set(runner.run(up.residue()))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_dead_or_a_standing_harness_left_is_healed(
    up: Compose, runner: asyncio.Runner, end: signal.Signals
) -> None:
    """Killed, it is known at once; stopped, it loses its lease after ten seconds. Nothing is left either way."""
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(up.stack.path), PROJECT],
        stdout=subprocess.PIPE, text=True, env={**os.environ, project.VARIABLE: PROJECT},
    )  # fmt: skip
    try:
        assert harness.stdout is not None and harness.stdout.readline().startswith("hurt")
        assert residue(up, runner) >= LEFT
        harness.send_signal(end)
        began = time.monotonic()
        while left := residue(up, runner):
            assert time.monotonic() < began + 60, left
            time.sleep(0.2)
        if end is signal.SIGSTOP:
            assert time.monotonic() > began + 5, "nobody heals in the place of one that renews its lease"
    finally:
        harness.kill()
        harness.communicate()
    for node in up.nodes():
        assert runner.run(up.running(node))
