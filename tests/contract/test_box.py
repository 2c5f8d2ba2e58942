"""The box on the real kernel: what is in it stays in it, and nothing is left of it whoever is killed.

Scenarios run inside a box: this file is started again there, with the scenario's name and the folder of a small stack.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chaos import place
from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.model import Node
from chaos.place import standing
from chaos.protocols.capabilities import CUT, DEPLOY, EXEC, HOST, KILL, PAUSE
from chaos.protocols.links import Link
from chaos.run import halt
from chaos.run.handover import Handover
from chaos.targets import procfs
from chaos.targets.box import box
from chaos.targets.process.target import Process
from tests.messages import Says

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.box
# Answers with its name; keeps children in sessions of their own, as PostgreSQL's pg_ctl does, that fork all the time.
SERVER = """
import http.server, os, subprocess
for _ in range(int(os.environ.get("CHILDREN", "0"))):
    subprocess.Popen(["setsid", "sh", "-c", "while :; do sleep 0.02; done"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = " ".join([os.environ["NODE"], os.environ.get("MODE", "-"), os.environ["DATA"]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""
HEALTH = """exec 5<>/dev/tcp/127.0.0.1/8000 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&5
read -r -t 1 a b c <&5
[ "$b" = 200 ]"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack of three nodes in two zones."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "health.sh").write_text(HEALTH)
    services = {
        name: {
            "command": ["python3", "-S", "server.py"],
            "environment": {"NODE": name, "DATA": "/data", "CHILDREN": "2" if name == "one-a" else "0"},
            "labels": {"chaos.zone": name[-1]},
            "healthcheck": {"test": ["CMD", "bash", "health.sh"]},
            "volumes": ["/data"],
            "networks": {"stack": {"ipv4_address": address}},
        }
        for name, address in {"one-a": "10.77.1.10", "two-a": "10.77.1.11", "one-b": "10.77.2.10"}.items()
    }
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": services}))
    return tmp_path


def inside(scenario: Callable[[Process, Path], Awaitable[None]], folder: Path) -> int:
    argv = [__file__, scenario.__name__, str(folder)]
    path = ":".join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    program = ("env", f"PYTHONPATH={path}", sys.executable)
    return box.run_inside(argv, state=folder / "state", program=program)


def node(target: Process, name: str) -> Node:
    return next(n for n in target.nodes() if n.name == name)


async def until(holds: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < deadline, f"did not come true within {within} s"
        await asyncio.sleep(0.02)


async def answer(target: Process, name: str) -> str:
    return (await target.can.need(HOST).fetch(name, 8000, "/"))[1].decode()


async def connects(target: Process, source: str, to: str) -> int:
    """Exit code of a connection from node to node: 0, 1 refused, 124 swallowed."""
    command = ["timeout", "0.5", "bash", "-c", f"exec 3<>/dev/tcp/{to}/8000"]
    return (await target.can.need(EXEC).exec(node(target, source), command))[0]


# -- scenarios


async def lives(target: Process, folder: Path) -> None:
    await target.up()
    assert not await target.residue()
    name, mode, data = (await answer(target, "one-b")).split()
    assert (name, mode) == ("one-b", "-") and data != "/data" and Path(data).is_dir()
    code, output = await target.can.need(EXEC).exec(node(target, "one-b"), ["sh", "-c", "echo $NODE; exit 7"])
    assert (code, output) == (7, "one-b\n")
    with pytest.raises(TargetError, match="did not end within"):
        await target.can.need(EXEC).exec(node(target, "one-b"), ["sleep", "9"], timeout=0.1)
    await target.down()
    await target.down()
    assert not any([await target.running(n) for n in target.nodes()])


async def knows_its_place(target: Process, folder: Path) -> None:
    """Whoever made the box has asked for a halt, and pids are others here. A box that stands has somebody's stack in
    it, which is healed if the harness dies; one of our own ends with us."""
    os.environ["XDG_STATE_HOME"] = str(folder / "home")
    halt.halt("")
    with halt.admitted("x"):
        assert not (folder / "home/chaos/runs").exists()
    stack = stackfile.read(folder / "docker-compose.yml")
    standing.write(stack, "process")
    assert standing.read(stack.root, "process") == dict(stack.settings)
    with place.here("process", stack) as here:
        assert here.owned and not here.cleared_by
    os.environ |= Handover(standing=True).environment
    with place.here("process", stack) as here:
        heals = ["-m", "chaos", "heal", "--target", "process", "--stack", str(stack.path)]
        assert not here.owned and list(here.cleared_by[1:]) == heals


async def pauses(target: Process, folder: Path) -> None:
    await target.up()
    one = node(target, "one-a")
    await target.can.need(PAUSE).pause([one])
    assert await target.can.need(PAUSE).paused(one) and not await target.healthy(one)
    fresh = Process(stackfile.read(folder / "docker-compose.yml"))
    assert await fresh.residue() == ["one-a is paused"]
    await fresh.heal()
    assert not await target.can.need(PAUSE).paused(one) and await target.healthy(one) and not await target.residue()


async def dies_whole(target: Process, folder: Path) -> None:
    await target.up()
    one = node(target, "one-a")
    members = target.processes.namespaces.groups()["one-a"].members
    assert len(members) >= 3
    await target.can.need(KILL).kill([one])
    assert not await target.running(one)
    assert not [p for p in members if procfs.alive(p)]
    fresh = Process(stackfile.read(folder / "docker-compose.yml"))
    assert await fresh.residue() == ["one-a is not running"]
    await fresh.heal()
    await until(lambda: target.healthy(one))


async def deploys(target: Process, folder: Path) -> None:
    await target.up()
    one = node(target, "one-b")
    await target.can.need(DEPLOY).deploy(one, {"MODE": "new"})
    await until(lambda: target.healthy(one))
    assert (await answer(target, "one-b")).split()[1] == "new"
    await target.can.need(KILL).kill([one])
    await target.can.need(KILL).start([one])
    await until(lambda: target.healthy(one))
    assert (await answer(target, "one-b")).split()[1] == "new"
    fresh = Process(stackfile.read(folder / "docker-compose.yml"))
    assert await fresh.can.need(DEPLOY).deployed(one) == {"MODE": "new"}
    await fresh.heal()
    await until(lambda: target.healthy(one))
    assert (await answer(target, "one-b")).split()[1] == "-" and not await target.residue()


async def hosts(target: Process, folder: Path) -> None:
    await target.up()
    ask = "import urllib.request as u; print(u.urlopen('http://' + __import__('sys').argv[1]).read().decode())"
    guest = await target.can.need(HOST).host(["python3", "-c", ask, "one-a:8000"], folder, "guest.log")
    assert await guest.wait() == 0
    assert (folder / "logs/guest.log").read_text().startswith("one-a")
    deaf = "trap '' TERM; setsid sleep 1000 & echo deaf; sleep 1000"
    guest = await target.can.need(HOST).host(["sh", "-c", deaf], folder, "guest.log")
    await until(lambda: asyncio.sleep(0, "deaf" in (folder / "logs/guest.log").read_text()))
    below = procfs.below(guest._pid, procfs.everyone())  # type: ignore[attr-defined]
    await guest.stop(grace=0.1)
    assert await guest.wait() == 137
    await until(lambda: asyncio.sleep(0, not [p for p in below if procfs.alive(p)]))


async def cuts(target: Process, folder: Path) -> None:
    await target.up()
    zone, single = Link(frozenset({"one-a", "two-a"})), Link(frozenset({"one-a"}))
    assert await connects(target, "one-b", "one-a") == 0
    await target.can.need(CUT).cut("x", [zone])
    assert await target.can.need(CUT).is_cut(zone) and not await target.can.need(CUT).is_cut(single)
    assert await connects(target, "one-b", "one-a") == 124
    assert await connects(target, "two-a", "one-a") == 0
    with pytest.raises(TargetError, match="no answer within"):
        await target.can.need(HOST).fetch("one-a", 8000, "/", timeout=0.3)
    await target.can.need(CUT).cut("y", [single])
    await target.can.need(CUT).join("x", [zone])
    assert await connects(target, "two-a", "one-a") == 124
    assert await connects(target, "one-b", "two-a") == 0
    fresh = Process(stackfile.read(folder / "docker-compose.yml"))
    assert await fresh.residue() == ["one-a is cut off from all others"]
    await fresh.heal()
    assert await connects(target, "two-a", "one-a") == 0 and not await target.residue()


async def keeps_nodes_small(target: Process, folder: Path) -> None:
    await target.up()
    look = "grep -h -E '^(Cap|NoNew)' /proc/self/status; ls -d /proc/[0-9]* | wc -l; cat /etc/hosts"
    _, output = await target.can.need(EXEC).exec(node(target, "two-a"), ["sh", "-c", look])
    lines = output.splitlines()
    assert {line.split()[1].strip("0") for line in lines[:5]} == {""}, "a node has capabilities"
    assert lines[5].split() == ["NoNewPrivs:", "1"]
    assert int(lines[6]) < 8, "a node sees the processes of others"
    assert "10.77.2.10 one-b" in lines


async def reports_the_dead(target: Process, folder: Path) -> None:
    (folder / "server.py").write_text("print('no luck today'); raise SystemExit(3)")
    expected = r"(?s)did not become healthy within.*exited 3.*no luck today.*Full log: .*\.log"
    with pytest.raises(TargetError, match=expected):
        await target.up()


async def waits(target: Process, folder: Path) -> None:
    await target.up()
    (folder / "ready").touch()
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.append, number)
    while signal.SIGTERM not in told:
        await asyncio.sleep(0.02)
    (folder / "told").write_text(json.dumps(told))
    await target.can.need(KILL).kill(target.nodes()[:1])


# -- tests


SCENARIOS = [lives, knows_its_place, pauses, dies_whole, deploys, hosts, reports_the_dead, cuts, keeps_nodes_small]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_holds(scenario: Callable[[Process, Path], Awaitable[None]], folder: Path) -> None:
    """What a target promises holds in the box."""
    assert inside(scenario, folder) == 0


@pytest.fixture
def descriptors() -> Iterator[set[str]]:
    before = set(os.listdir("/proc/self/fd"))
    yield before
    assert set(os.listdir("/proc/self/fd")) == before


def test_exit_code_and_descriptors_pass_through(tmp_path: Path, descriptors: set[str]) -> None:
    """A listening socket opened before is still of the host's network, and the program's exit code is ours."""
    serve = """if True:
        import socket, sys
        socket.socket(fileno=int(sys.argv[1])).accept()[0].send(b"from inside")
        sys.exit(42)"""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as asking:
        number = listener.fileno()
        program = (sys.executable, "-c", serve)
        assert box.run_inside([str(number)], [number], tmp_path, program) == 42
        assert asking.recv(100) == b"from inside"


def outside(folder: Path) -> subprocess.Popen[bytes]:
    """A process that owns a box, or enters the one that stands, with `waits` inside."""
    script = f"""if True:
        import sys
        sys.path[:0] = [{str(PROJECT)!r}]
        from tests.contract.test_box import *
        sys.exit(inside(waits, Path({str(folder)!r})))"""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (folder / "ready").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process


def wait_for_end(procs: list[procfs.Proc], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while left := [p for p in procs if procfs.alive(p)]:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["outer", "unshare", "init", "harness"])
def test_killing_any_of_ours_leaves_nothing(victim: str, folder: Path) -> None:
    """SIGKILL of each of our processes in turn ends all of them and all nodes."""
    process = outside(folder)
    ours = procfs.below(process.pid, procfs.everyone())
    chain = [process.pid, *(p.pid for p in ours[:3])]  # each is the only child of the one before, until the harness
    order = ["outer", "unshare", "init", "harness"]
    os.kill(chain[order.index(victim)], signal.SIGKILL)
    wait_for_end(ours)
    assert process.wait(10) != 0
    assert not [p for p in ours if procfs.alive(p)]


def test_each_signal_arrives_once(folder: Path) -> None:
    """A signal to the process outside reaches the harness inside exactly once."""
    process = outside(folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.2)
    assert process.wait(10) == 0
    assert json.loads((folder / "told").read_text()) == [signal.SIGINT, signal.SIGTERM]


def test_a_standing_box_outlives_who_used_it(folder: Path, says: Says) -> None:
    """Nodes go on after the harness inside was told to end by its outer process's death, until the box is stopped."""
    state = folder / "state"
    stands = box.start(state)
    try:
        assert box.standing(state) == stands
        with says.raises(TargetError, pid=stands.pid):
            box.start(state)
        process = outside(folder)
        process.kill()
        process.wait(10)
        deadline = time.monotonic() + 10
        while not (folder / "told").exists():
            assert time.monotonic() < deadline, "the harness inside was not told"
            time.sleep(0.02)
        assert inside(finds_what_was_left, folder) == 0
        left = procfs.below(stands.pid, procfs.everyone())
        assert len(left) >= 3
    finally:
        assert box.stop(state)
    wait_for_end(left)
    assert box.standing(state) is None and not box.stop(state)


@pytest.mark.parametrize("kept", [True, False])
def test_a_box_outlives_who_made_it_only_once_it_was_told_to(kept: bool, tmp_path: Path) -> None:
    """Killed between making a box and leaving it to others, its maker takes it along: nobody would look for it."""
    script = f"""if True:
        import os, sys
        sys.path[:0] = [{str(PROJECT)!r}]
        from pathlib import Path
        from chaos.targets.box import box
        with box.founded(Path({str(tmp_path)!r})) as made:
            if {kept}:
                made.keep()
            print(made.standing.pid, flush=True)
            os.kill(os.getpid(), 9)"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = procfs.read(int(done.stdout))
    try:
        if kept:
            assert box.standing(tmp_path) is not None
        else:
            wait_for_end([found] if found else [])
            assert box.standing(tmp_path) is None
    finally:
        box.stop(tmp_path)


def test_a_box_that_cannot_be_written_down_is_not_made(tmp_path: Path) -> None:
    """There would be no way to find it again. No box is left; what else pytest started goes on."""

    def boxes() -> set[int]:
        found = set()
        for proc in procfs.below(os.getpid(), procfs.everyone()):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                if b"init.py" in Path(f"/proc/{proc.pid}/cmdline").read_bytes():
                    found.add(proc.pid)
        return found

    before = boxes()
    (tmp_path / "state").write_text("a file in the place of the folder")
    with pytest.raises(TargetError), box.founded(tmp_path / "state"):
        pass
    (tmp_path / "other" / "box.json.new").mkdir(parents=True)
    with pytest.raises(TargetError), box.founded(tmp_path / "other"):
        pass
    assert boxes() == before


def test_a_box_whose_block_fails_is_gone_when_it_is_left(tmp_path: Path) -> None:
    """Whatever interrupts what was to be done in it; and then another can be made."""
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), box.founded(tmp_path) as made:
            inside = procfs.below(made.standing.pid, procfs.everyone())
            raise KeyboardInterrupt
        assert not [p for p in inside if procfs.alive(p)] and procfs.read(made.standing.pid) is None
        assert not (tmp_path / "box.json").exists()


async def finds_what_was_left(target: Process, folder: Path) -> None:
    await until(lambda: asyncio.sleep(0, len(target.processes.namespaces.groups()) == 2))
    assert await target.residue() == ["one-a is not running"]


if __name__ == "__main__":
    stack = stackfile.read(Path(sys.argv[2]) / "docker-compose.yml")
    asyncio.run(globals()[sys.argv[1]](Process(stack, Path(sys.argv[2]) / "logs"), Path(sys.argv[2])))
