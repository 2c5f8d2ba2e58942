"""One suite that every target and every fault passes: inject → confirm → heal → not confirm → heal again.

The embedded target lives in a box: `test_the_embedded_target_keeps_the_contract` plays this file again inside one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chaos import registry
from chaos.errors import NoEffect, TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import Release, Step
from chaos.faults._links import ShapeFault
from chaos.model import Node
from chaos.protocols import Fault
from chaos.protocols.capabilities import (
    CUT,
    DEPLOY,
    EXEC,
    FILL,
    HIDE,
    HOST,
    KILL,
    LEAK,
    PAUSE,
    RESET,
    SHAPE,
    SKEW,
    SQUEEZE,
    STARVE,
)
from chaos.protocols.links import Link, Traffic
from chaos.run.lifecycle import active
from chaos.run.node_lock import NodeLock
from chaos.targets import faketime
from chaos.targets.box import box
from chaos.targets.memory.target import Memory

HERE = Path(__file__).parent
FILE = HERE / "stack.yml"
SERVER = '''"""Answers with its name; keeps a child in a session of its own, as database servers do."""
import http.server, os, subprocess
subprocess.Popen(["setsid", "sleep", os.environ["STAY"]])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["NAME"] + " " + os.environ.get("MODE", "-")).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ.get("BIND", "0.0.0.0"), 8000), Answer).serve_forever()
'''
EXAMPLES: dict[str, dict[str, Any]] = {  # parameters each fault is tried with; a fault without a line fails the suite
    "clock": {"skew": -3600.0},
    "corrupt": {"share": 0.5},
    "cpu": {"share": 0.1},
    "delay": {"ms": 40},
    "deploy": {"environment": {"MODE": "new"}},
    "disk": {},
    "dns": {},
    "duplicate": {"share": 0.5},
    "http": {"path": "/*"},
    "isolate": {},
    "kill": {},
    "leak": {"rate": 4, "limit": 256},
    "loss": {"share": 0.5},
    "memory": {"limit": 256},
    "partition": {"to": ["web-b"]},
    "pause": {},
    "power": {},
    "rate": {"kbit": 200},
    "reorder": {"share": 0.5},
    "reset": {},
    "restart": {"grace": 1.0},
    "staff": {"leave": ["ana", "bo"], "variable": "GONE", "ask": ["printenv", "GONE"]},
    "stop": {"grace": 1.0},
    "zone-cut": {},
}
# Peers that every node asks all the time while a network fault is tried: what nobody uses, nobody can see broken.
CHATTER = """
peers() { for at in 1.10 2.10 1.40; do echo "$NET.$at"; done; }
ask() { exec 5<> /dev/tcp/$1/8000 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&5 && cat <&5; }
export -f ask
: > /tmp/talk-$NAME
while [ -e /tmp/talk-$NAME ]; do for peer in $(peers); do timeout 0.3 bash -c "ask $peer" > /dev/null 2>&1; done; done
"""
LINKED = (CUT, SHAPE, RESET)
TARGETS = (
    ["process"] if box.inside() else ["memory", pytest.param("compose", marks=pytest.mark.engine)]
)  # inside a box only its own target makes sense

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """One event loop for all tests of a target."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module", params=TARGETS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    """Makes the target anew, as a process started later would have it."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "server.py").write_text(SERVER)
    text = FILE.read_text().replace("3600", str(10_000 + os.getpid()))  # this target's own sleeps
    if request.param == "compose":  # beside a messaging stack that may stand
        text = text.replace("10.77.", "10.84.")
    (folder / "stack.yml").write_text(text)
    stack = stackfile.read(folder / "stack.yml", strict=request.param == "process")
    if request.param == "memory":
        memory = Memory(stack.nodes)
        return lambda: memory  # it has nothing but its dicts
    if request.param == "process":
        from chaos.targets.process.target import Process

        return lambda: Process(stack, folder)
    request.getfixturevalue("images")
    from chaos.targets.compose.target import Compose

    return lambda: Compose(stack, project="chaos-contract", log_dir=folder)


@pytest.fixture(scope="module")
def target(make: Callable[[], Any], run: Run) -> Iterator[Any]:
    one = make()
    try:
        run(one.up())
        yield one
    finally:
        run(one.down())


def on(target: Any, fault: Fault[Any]) -> Any:
    """What the fault acts on."""
    return target.can.need(fault.needs)


def node(target: Any, name: str = "web-a") -> Node:
    nodes: Sequence[Node] = target.nodes()
    return next(n for n in nodes if n.name == name)


async def eventually(look: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 10.0) -> bool:
    """Whether `look` says yes within `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await look():
                await asyncio.sleep(0.1)
            return True
    return False


def test_up_leaves_every_node_healthy_and_nothing_broken(target: Any, run: Run) -> None:
    """`up` returns when each node's own health check passes."""
    assert [n.name for n in target.nodes()] == ["db-a", "web-a", "web-b"]
    assert all(run(target.healthy(n)) and run(target.running(n)) for n in target.nodes())
    assert run(target.residue()) == []


def only_where_it_is(target: Any, cls: type[Any]) -> None:
    """What the fault needs beside the target, this machine may not have; a plan is refused there in the same words."""
    why = target.can.need(cls.needs).unfit(node(target))
    assert not why or "CHAOS_FAKETIME" in why
    if why:
        pytest.skip(why)


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_every_fault_bites_heals_and_heals_again(target: Any, make: Callable[[], Any], run: Run, name: str) -> None:
    """Seen only while it is there, by a fresh process too; the node is healthy after it, and nothing is left."""
    cls = registry.load("chaos.faults", name)
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "db-a")]

    async def play() -> None:
        assert not await fault.confirm(on(target, fault), nodes)
        async with chatter(target, cls):
            await fault.inject(on(target, fault), nodes)
            try:
                assert await fault.confirm(on(target, fault), nodes)
                if not issubclass(cls, ShapeFault):  # packets that our helper holds back nobody else can measure
                    assert await fault.confirm(on(make(), fault), nodes), "a fresh process sees it"
                assert await make().residue(), "what is broken is found"
                if not getattr(cls, "whole", False):
                    await fault.heal(on(target, fault), nodes[:1])
                    assert not await fault.confirm(on(target, fault), nodes), "healed on one of them"
            finally:
                await fault.heal(on(target, fault), nodes)
            assert not await fault.confirm(on(target, fault), nodes)
        assert not await fault.confirm(on(target, fault), nodes)
        await fault.heal(on(target, fault), nodes)
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n)), f"{n.name} is well again"  # type: ignore[misc]
        assert list(await target.residue()) == []

    run(play())


@asynccontextmanager
async def chatter(target: Any, cls: type[Any]) -> AsyncIterator[None]:
    """Traffic between all nodes while a fault of the network is tried."""
    if cls.needs not in LINKED or target.name == "memory":
        yield
        return
    network = "10.84" if target.name == "compose" else "10.77"
    async with asyncio.TaskGroup() as asking:
        for n in target.nodes():
            asking.create_task(target.can.need(EXEC).exec(n, ["bash", "-c", f"NET={network}; {CHATTER}"], timeout=30.0))
        try:
            yield
        finally:
            await asyncio.gather(
                *(target.can.need(EXEC).exec(n, ["bash", "-c", "rm -f /tmp/talk-$NAME"]) for n in target.nodes())
            )


NETWORK = [n for n in registry.names("chaos.faults") if registry.load("chaos.faults", n).needs in LINKED]


@pytest.mark.parametrize("name", NETWORK)
def test_a_fault_of_the_network_whose_rule_is_deleted_is_not_confirmed(
    target: Any, make: Callable[[], Any], run: Run, name: str
) -> None:
    """Sabotage: somebody deletes the table. Its figures said that packets met it before."""
    cls = registry.load("chaos.faults", name)
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a")]

    async def play() -> None:
        async with chatter(target, cls):
            await fault.inject(on(target, fault), nodes)
            assert await fault.confirm(on(target, fault), nodes)
            assert max((await fault.figures(on(target, fault), nodes)).values()) > 0
            await make().heal()
            assert not await fault.confirm(on(target, fault), nodes)
        await fault.heal(on(target, fault), nodes)
        assert list(await target.residue()) == []

    run(play())


async def kill_the_helper(target: Any) -> None:
    if target.name == "memory":
        target._cuts.clear()
        target._shapes.clear()
    elif target.name == "process":
        os.kill(target.network.helper._line._process.pid, signal.SIGKILL)
    else:
        helpers = await target.engine.beside("helper")  # the one of a target let go just before may still be ending
        assert helpers
        await target.engine.remove(helpers)


async def delete_the_table(target: Any) -> None:
    """As somebody else would."""
    if target.name == "memory":
        return await kill_the_helper(target)
    await target.network.helper.ask({"do": "clear"})
    return None


@pytest.mark.parametrize(("name", "sabotage"), [("delay", kill_the_helper), ("zone-cut", delete_the_table)])
def test_a_fault_of_the_network_that_ends_midway_is_found_out_before_its_heal(
    target: Any, run: Run, name: str, sabotage: Callable[[Any], Coroutine[Any, Any, None]]
) -> None:
    """Seen to bite, then its helper dies or its rules go: the journal says that it is gone, and the heal goes on."""
    cls = registry.load("chaos.faults", name)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "db-a")]
    step = Step("one", 0.0, name, EXAMPLES[name], ("web-a", "db-a"), (Release(1.0, ("web-a", "db-a")),))

    class Sink:
        def __init__(self) -> None:
            self.kinds: list[str] = []

        def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None:
            self.kinds.append(kind)

    async def play(undo: Callable[[Any], Coroutine[Any, Any, None]] | None) -> str:
        sink = Sink()
        async with chatter(target, cls), active(step, fault, nodes, target, sink, NodeLock()) as one:
            if undo:
                await undo(target)
            await one.check(nodes)
            await one.heal(nodes)
        assert list(await target.residue()) == []
        assert [k for k in sink.kinds if k not in {"fault.still", "fault.gone"}] == LIFE
        return sink.kinds[3]

    assert run(play(None)) == "fault.still"
    assert run(play(sabotage)) == "fault.gone"


LIFE = ["step.intent", "fault.inject", "fault.active", "step.heal", "fault.heal"]


@pytest.mark.parametrize("name", ["delay", "isolate"])
def test_a_round_trip_shows_a_fault_of_the_network(target: Any, run: Run, name: str) -> None:
    """Before, during and after, without a word of any program in the node: 40 ms each way, and nothing over a cut."""
    cls = registry.load("chaos.faults", name)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target)]

    async def play() -> None:
        before = await fault.vitals(on(target, fault), nodes)
        await fault.inject(on(target, fault), nodes)
        try:
            during = await fault.vitals(on(target, fault), nodes)
        finally:
            await fault.heal(on(target, fault), nodes)
        after = await fault.vitals(on(target, fault), nodes)
        assert before["answered"] == after["answered"] == 1
        if name == "isolate":
            assert during == {"answered": 0}
        else:
            assert during["answered"] == 1 and during["round_trip_ms"] >= 80
            assert max(before["round_trip_ms"], after["round_trip_ms"]) < during["round_trip_ms"]

    run(play())


@pytest.mark.parametrize("name", ["isolate", "delay"])
def test_a_link_that_nobody_uses_confirms_nothing(target: Any, run: Run, name: str) -> None:
    """The rule is there; whether it bites nobody can say."""
    cls = registry.load("chaos.faults", name)
    if target.name == "memory":
        return
    fault: Fault[Any] = registry.build(cls, {**EXAMPLES[name], "to": ["web-b"]})
    nodes = [node(target, "db-a")]

    async def play() -> None:
        await fault.inject(on(target, fault), nodes)
        try:
            assert not await fault.confirm(on(target, fault), nodes)
        finally:
            await fault.heal(on(target, fault), nodes)

    run(play())


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_a_fresh_process_heals_what_a_dead_one_left(target: Any, make: Callable[[], Any], run: Run, name: str) -> None:
    """`heal` of the target undoes any fault, without knowing who injected it; twice is as good as once."""
    cls = registry.load("chaos.faults", name)
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "db-a")]

    async def play() -> None:
        await fault.inject(on(target, fault), nodes)
        other = make()
        await other.heal()
        await other.heal()
        assert not await fault.confirm(on(other, fault), nodes)
        assert await eventually(lambda: other.healthy(nodes[0]))
        assert list(await other.residue()) == []

    run(play())


async def start_it_again(target: Any, victim: Node) -> None:
    await target.can.need(KILL).start([victim])


async def loosen(target: Any, victim: Node) -> None:
    """Take the limits off a node as somebody would who does not know who laid them on."""
    if target.name == "memory":
        await target.can.need(STARVE).feed([victim])
        await target.can.need(SQUEEZE).release([victim])
    elif target.name == "process":
        os.kill(target.limits.limiter(victim.name).pid, signal.SIGKILL)
        while target.limits.limiter(victim.name):
            await asyncio.sleep(0.01)
    else:
        container = await target.engines.find(victim)
        none = {"CpuQuota": -1, "Memory": 1 << 62, "MemorySwap": 1 << 62}
        where = "/containers/{0}/update"
        await target.engine.ask(lambda api: api._post_json(api._url(where, container.id), data=none))


async def name_server_again(target: Any, victim: Node) -> None:
    """Names come back behind our back; nobody tells the notes."""
    if target.name == "process":
        await target.names._mount("show", victim.name)
    elif target.name == "compose":
        from chaos.targets.docker.names import _SHOW

        await target.names.of(victim.name)._each([victim.name], _SHOW)
    else:
        await target.can.need(HIDE).show_names([victim])


async def make_room(target: Any, victim: Node) -> None:
    if target.name == "memory":
        await target.can.need(FILL).drain([victim])
    elif target.name == "process":
        from chaos.targets.box import disks

        for place in target.processes.volumes(victim):
            disks.drain(place)
    else:
        code, said = await target.can.need(EXEC).exec(victim, ["sh", "-c", "rm /data/.chaos-full"])
        assert code == 0, said


async def restart_with_the_right_time(target: Any, victim: Node) -> None:
    """All that the target wrote down about the node still says that its clock is off."""
    if target.name == "memory":
        await target.can.need(SKEW).unskew([victim])
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faketime, "environment", lambda library, skew: {"FAKETIME": f"{skew:+.3f}"})
        await target.can.need(SKEW).skew([victim], EXAMPLES["clock"]["skew"])
    assert f"{victim.name} has the wrong time" in await target.residue()
    return None


async def plug(target: Any, victim: Node) -> None:
    """End whatever leaks, and leave the limit and the notes."""
    if target.name == "memory":
        await target.can.need(LEAK).seal([victim])
    elif target.name == "process":
        await loosen(target, victim)
    else:
        from chaos.targets.docker.limits import _END

        code, said = await target.can.need(EXEC).exec(victim, ["sh", "-c", _END])
        assert code == 0, said


SABOTAGE: dict[str, Callable[[Any, Node], Coroutine[Any, Any, None]]] = {  # what somebody undoes behind our back
    "clock": restart_with_the_right_time,
    "cpu": loosen,
    "disk": make_room,
    "dns": name_server_again,
    "leak": plug,
    "memory": loosen,
    "stop": start_it_again,
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_confirm_says_no_once_a_fault_was_undone_behind_our_back(target: Any, run: Run, name: str) -> None:
    """On one node of two: a fault that bites half of its nodes did not bite."""
    cls = registry.load("chaos.faults", name)
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "web-b")]

    async def play() -> None:
        await fault.inject(on(target, fault), nodes)
        try:
            assert await fault.confirm(on(target, fault), nodes)
            await SABOTAGE[name](target, nodes[1])
            assert not await fault.confirm(on(target, fault), nodes)
        finally:
            await target.heal()
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n))  # type: ignore[misc]


def test_a_client_is_told_what_the_http_fault_says(target: Any, run: Run) -> None:
    """From a node and from among the users, until it is healed; another path and another node answer themselves."""
    if target.name == "memory":
        return
    cls, one = registry.load("chaos.faults", "http"), node(target)
    refusing = registry.build(cls, {"path": "/pay*", "status": 502})
    holding = registry.build(cls, {"path": "/pay*", "ms": 300, "to": ["web-b"]})
    network = "10.84" if target.name == "compose" else "10.77"

    async def told(path: str, address: str = "1.10") -> tuple[str, float]:
        """What a node hears, and after how many seconds."""
        there, request = f"/dev/tcp/{network}.{address}/8000", f"GET {path} HTTP/1.1\\r\\n\\r\\n"
        ask = f"exec 5<>{there}; at=${{EPOCHREALTIME/./}}; printf '{request}' >&5; read -r line <&5"
        say = "echo $((${EPOCHREALTIME/./} - at)) $line"
        code, out = await target.can.need(EXEC).exec(
            node(target, "web-b"), ["timeout", "5", "bash", "-c", f"{ask}; {say}"]
        )
        assert code == 0, out
        microseconds, line = out.split(None, 1)
        return line.strip(), int(microseconds) / 1e6

    async def play() -> None:
        try:
            await refusing.inject(on(target, refusing), [one])
            assert (await told("/pay/7"))[0] == "HTTP/1.1 502 Bad Gateway"
            assert (await target.can.need(HOST).fetch("web-a", 8000, "/pay"))[0] == 502
            assert (await target.can.need(HOST).fetch("web-a", 8000, "/see"))[0] == 200
            assert "200" in (await told("/see"))[0] and "200" in (await told("/pay", "1.40"))[0]
            await refusing.heal(on(target, refusing), [one])
            await holding.inject(on(target, holding), [one])
            answer, seconds = await told("/pay")
            assert "200" in answer and 0.3 <= seconds < 2
            assert (await holding.figures(on(target, holding), [one])) == {
                "requests": 1,
                "requests_hit": 1,
                "delay_ms": 300,
            }
        finally:
            await refusing.heal(on(target, refusing), [one])
            await holding.heal(on(target, holding), [one])
        assert (await target.can.need(HOST).fetch("web-a", 8000, "/pay"))[0] == 200
        assert list(await target.residue()) == []

    run(play())


def test_a_starved_node_gets_its_share_and_no_more(target: Any, run: Run) -> None:
    """A whole second of a loop that wants a whole core, also in processes started after a restart."""
    if target.name == "memory":
        return
    victim = node(target)

    async def play() -> None:
        await target.can.need(STARVE).starve([victim], 0.1)
        try:
            assert await spent(target, victim) <= 0.2
            await target.can.need(KILL).kill([victim])
            await target.can.need(KILL).start([victim])
            assert await target.can.need(STARVE).starved(victim)
            assert await spent(target, victim) <= 0.2
        finally:
            await target.can.need(STARVE).feed([victim])
        assert not await target.can.need(STARVE).starved(victim)
        assert await eventually(lambda: target.healthy(victim))

    run(play())


async def spent(target: Any, victim: Node) -> float:
    """Seconds of processor that a loop gets in a second."""
    script = 'timeout 1 bash -c "while :; do :; done"; TIMEFORMAT=; times'
    _, out = await target.can.need(EXEC).exec(victim, ["bash", "-c", script])
    user, system = out.splitlines()[-1].split()
    return sum(60 * int(m) + float(s) for m, s in (t.rstrip("s").split("m") for t in (user, system)))


def test_pause_and_cpu_heal_in_any_order(target: Any, run: Run) -> None:
    """Neither wakes what the other holds, and what is left bites."""
    victim = node(target)

    async def play() -> None:
        await target.can.need(STARVE).starve([victim], 0.1)
        await target.can.need(PAUSE).pause([victim])
        await asyncio.sleep(0.3)  # a few periods of whoever doles out the processor
        assert await target.can.need(PAUSE).paused(victim)
        await target.can.need(STARVE).feed([victim])
        await asyncio.sleep(0.3)
        assert await target.can.need(PAUSE).paused(victim)
        await target.can.need(STARVE).starve([victim], 0.1)
        await asyncio.sleep(0.3)
        assert await target.can.need(PAUSE).paused(victim)
        await target.can.need(PAUSE).resume([victim])
        assert not await target.can.need(PAUSE).paused(victim) and await target.can.need(STARVE).starved(victim)
        await target.heal()
        assert await eventually(lambda: target.healthy(victim))
        assert list(await target.residue()) == []

    run(play())


def test_who_wants_more_memory_than_there_is_is_killed(target: Any, run: Run) -> None:
    """The biggest process, not the node's own; and after heal there is memory again."""
    if target.name == "memory":
        return
    victim = node(target)
    hog = ["sh", "-c", "python3 -S -c 'import time; x = bytearray(96 << 20); time.sleep(0.2)'; exit $?"]

    async def play() -> None:
        await target.can.need(SQUEEZE).squeeze([victim], 64 << 20)
        try:
            assert (await target.can.need(EXEC).exec(victim, hog, 60.0))[0] == 137
            assert await target.healthy(victim)
        finally:
            await target.can.need(SQUEEZE).release([victim])
        assert (await target.can.need(EXEC).exec(victim, hog, 60.0))[0] == 0

    run(play())


def test_a_leak_ends_the_node_by_its_own_memory(target: Any, run: Run) -> None:
    """The service is out of memory although it took none; the fault still counts as biting; heal brings it back."""
    if target.name == "memory":
        return
    victim = node(target)

    async def play() -> None:
        await target.can.need(LEAK).leak([victim], 64 << 20, 64 << 20)
        try:

            async def gone() -> bool:
                return not await target.running(victim)

            assert await eventually(gone), "the node ran out of memory"
            assert await target.can.need(LEAK).leaks(victim)
        finally:
            await target.can.need(LEAK).seal([victim])
            await target.can.need(KILL).start([victim])
        assert await eventually(lambda: target.healthy(victim))
        assert not await target.can.need(LEAK).leaks(victim) and list(await target.residue()) == []

    run(play())


def held_by(target: Any) -> Any:
    """What stops a target's nodes."""
    return {"memory": lambda: target, "process": lambda: target.processes, "compose": lambda: target.containers}[
        target.name
    ]()


def test_a_restart_that_left_the_processes_as_they_were_is_none(
    target: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node runs before and after: only the processes can tell."""
    fault: Fault[Any] = registry.build(registry.load("chaos.faults", "restart"), EXAMPLES["restart"])
    victim = node(target)

    async def nothing(*_: object) -> None:
        pass

    async def play() -> None:
        with monkeypatch.context() as sabotage:
            sabotage.setattr(held_by(target), "stop", nothing)
            await fault.inject(on(target, fault), [victim])
            assert not await fault.confirm(on(target, fault), [victim])
        await fault.inject(on(target, fault), [victim])
        assert await fault.confirm(on(target, fault), [victim])
        await fault.heal(on(target, fault), [victim])
        assert await eventually(lambda: target.healthy(victim))

    run(play())


def test_a_kill_takes_children_that_left_the_session_too(target: Any, run: Run) -> None:
    """Nothing of a killed node goes on."""
    if target.name == "memory":
        return
    victim = node(target)

    async def play() -> None:
        assert await children(target, victim) == 1
        await target.can.need(KILL).kill([victim])
        assert not await target.running(victim)
        await target.can.need(KILL).start([victim])
        assert await eventually(lambda: target.healthy(victim))
        assert await children(target, victim) == 1

    run(play())


async def children(target: Any, node: Node) -> int:
    same = "[ \"$(tr '\\0' ' ' < $f 2> /dev/null)\" = \"sleep $STAY \" ]"
    script = f"exec 2> /dev/null; n=0; for f in /proc/[0-9]*/cmdline; do {same} && n=$((n+1)); done; echo $n"
    code, out = await target.can.need(EXEC).exec(node, ["bash", "-c", script])
    assert code == 0, out
    return int(out)


def test_a_cut_swallows_packets_and_overlapping_cuts_heal_in_any_order(target: Any, run: Run) -> None:
    """A connection over a cut link hangs, it is not refused; the link is back when the last cut is gone."""
    if target.name == "memory":
        return
    whole, one = Link(frozenset({"web-a", "db-a"})), Link(frozenset({"web-a"}), frozenset({"web-b"}))

    async def play() -> None:
        assert await reaches(target, "web-b", "1.10")
        await target.can.need(CUT).cut("first", [whole])
        await target.can.need(CUT).cut("second", [one])
        try:
            assert await target.can.need(CUT).is_cut(whole) and await target.can.need(CUT).is_cut(one)
            assert not await reaches(target, "web-b", "1.10")
            assert await reaches(target, "db-a", "1.10"), "inside the cut group traffic goes on"
            await target.can.need(CUT).join("first", [whole])
            assert not await reaches(target, "web-b", "1.10"), "the second cut still holds"
            assert await reaches(target, "web-b", "1.40")
        finally:
            await target.can.need(CUT).join("first", [whole])
            await target.can.need(CUT).join("second", [one])
        assert await reaches(target, "web-b", "1.10")
        assert not await target.can.need(CUT).is_cut(whole) and not await target.can.need(CUT).is_cut(one)

    run(play())


def test_joins_at_the_same_time_lose_none(target: Any, run: Run) -> None:
    """Two steps that release nodes in the same instant: both links are back."""
    ones = [Link(frozenset({n.name})) for n in target.nodes()]

    async def play() -> None:
        await target.can.need(CUT).cut("power", ones)
        assert all(await asyncio.gather(*map(target.can.need(CUT).is_cut, ones)))
        await asyncio.gather(*(target.can.need(CUT).join("power", [one]) for one in ones))
        assert not any(await asyncio.gather(*map(target.can.need(CUT).is_cut, ones)))

    run(play())


async def reaches(target: Any, name: str, address: str) -> bool:
    """Whether a connection from inside a node comes about; 124 is `timeout`'s word for one that hung."""
    network = "10.84" if target.name == "compose" else "10.77"
    command = ["timeout", "0.5", "bash", "-c", f"exec 5<>/dev/tcp/{network}.{address}/8000"]
    code, out = await target.can.need(EXEC).exec(node(target, name), command)
    assert code in {0, 124}, f"refused rather than swallowed: {out}"
    return bool(code == 0)


def test_commands_in_a_node_give_their_code_and_output(target: Any, run: Run) -> None:
    """Also when they fail, and when they take too long."""
    if target.name == "memory":
        assert run(target.can.need(EXEC).exec(node(target), ["true"])) == (0, "")
        return
    code, out = run(target.can.need(EXEC).exec(node(target), ["bash", "-c", "echo $NAME; exit 3"]))
    assert (code, out.strip()) == (3, "web-a")
    with pytest.raises(TargetError, match="sleep"):
        run(target.can.need(EXEC).exec(node(target), ["sleep", "5"], timeout=0.3))


def test_a_node_that_does_not_become_healthy_is_named_with_its_last_words(
    target: Any, make: Callable[[], Any], run: Run
) -> None:
    """Which node, how it ended, its last lines, and where the rest is."""
    if target.name == "memory":
        return
    one = make()
    one.within = 5.0
    run(one.can.need(DEPLOY).deploy(node(one, "web-b"), {"BIND": "not-an-address"}))
    try:
        with pytest.raises(TargetError, match=r"(?s)web-b.*Last lines.*(gaierror|Name|resolution).*Full log"):
            run(one.up())
    finally:
        run(one.can.need(DEPLOY).undeploy(node(one, "web-b")))
        assert run(eventually(lambda: one.healthy(node(one, "web-b"))))


class Sink:
    """Of a play whose events nobody reads."""

    def emit(self, kind: str, subject: str, /, *, t: float | None = None, **data: object) -> None: ...


def lasting(name: str, nodes: Sequence[Node], **params: Any) -> tuple[Step, Fault[Any], Sequence[Node]]:
    names = tuple(n.name for n in nodes)
    fault = registry.build(registry.load("chaos.faults", name), {**EXAMPLES[name], **params})
    return Step("one", 0.0, name, EXAMPLES[name], names, (Release(1.0, names),)), fault, nodes


@pytest.mark.parametrize("name", ["cpu", "deploy", "dns", "kill", "memory", "pause", "stop"])
def test_what_was_so_before_an_inject_is_not_confirmed(
    target: Any, make: Callable[[], Any], run: Run, name: str
) -> None:
    """Another process did it to one of two nodes: nothing is injected, and the run that would have passed does not."""
    step, fault, nodes = lasting(name, [node(target, "web-a"), node(target, "web-b")])

    async def play() -> None:
        other = make()
        try:
            await fault.inject(on(other, fault), nodes[1:])
            with pytest.raises(NoEffect, match="web-b: "):
                async with active(step, fault, nodes, target, Sink(), NodeLock()):
                    pytest.fail("it was there before")
        finally:
            await other.heal()
        assert await target.running(nodes[0])
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n))  # type: ignore[misc]

    run(play())


def test_a_delay_is_felt_by_packets_or_is_none(target: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all nodes, measured from their host; a helper that says so and holds nothing back is found out."""
    step, fault, nodes = lasting("delay", target.nodes())

    async def users() -> None:
        while True:
            with suppress(TargetError):
                await target.can.need(HOST).fetch("web-a", 8000, "/")
            await asyncio.sleep(0.05)

    async def nothing(*_: object) -> None: ...

    async def told(*_: object) -> Traffic | None:
        return Traffic(1000, 0, 40.0) if injected else None

    async def lied(*_: object) -> None:
        injected.append(True)

    injected: list[bool] = []

    async def play() -> None:
        asking = asyncio.create_task(users() if target.name != "memory" else nothing())
        try:
            async with active(step, fault, nodes, target, Sink(), NodeLock()):
                pass
            with monkeypatch.context() as sabotage, pytest.raises(NoEffect, match="round_trip_ms"):
                sabotage.setattr(target.can.need(SHAPE), "shape", lied)
                sabotage.setattr(target.can.need(SHAPE), "traffic", told)
                async with active(step, fault, nodes, target, Sink(), NodeLock()):
                    pytest.fail("no packet is late")
        finally:
            asking.cancel()
            await target.heal()
        assert list(await target.residue()) == []

    run(play())


def test_a_memory_limit_that_no_node_meets_is_none(target: Any, run: Run) -> None:
    """Above what the container has of its own, and above what the machine has where it has no limit."""
    if target.name != "compose":
        return  # nothing but our own limiter limits a node there
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    async def play() -> None:
        for victim, limit in ((node(target, "db-a"), 400 << 20), (node(target, "web-a"), machine + (64 << 20))):
            step, fault, nodes = lasting("memory", [victim])
            object.__setattr__(fault, "limit", limit / (1 << 20))  # a plan has refused the second already
            with pytest.raises(NoEffect, match="was in force before"):
                async with active(step, fault, nodes, target, Sink(), NodeLock()):
                    pytest.fail("it limits nobody")

    run(play())


LIMITS = """cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes \\
cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares memory.max cpu.max cpu.weight 2> /dev/null"""


def test_limits_in_the_kernel_are_afterwards_what_they_were(target: Any, make: Callable[[], Any], run: Run) -> None:
    """Of a node without limits and of one with its own, whoever gives them back, and also where a note was lost."""
    if target.name != "compose":
        assert target.name in ("memory", "process")
        return
    nodes = [node(target, "web-a"), node(target, "db-a")]

    async def figures() -> list[str]:
        return [(await target.can.need(EXEC).exec(n, ["sh", "-c", LIMITS]))[1] for n in nodes]

    async def play() -> None:
        before = await figures()
        assert before[0].split() and before[0] != before[1], "one of them has limits of its own"
        for name in ("cpu", "memory", "leak"):
            fault = registry.build(registry.load("chaos.faults", name), EXAMPLES[name])
            await fault.inject(on(target, fault), nodes)
            during = await figures()
            assert all(one != other for one, other in zip(before, during, strict=True)), name
            await (make().heal() if name == "memory" else fault.heal(on(target, fault), nodes))
            assert await figures() == before, name
        await target.can.need(SQUEEZE).squeeze(nodes, 256 << 20)
        await target.notes.drop("memory", [n.name for n in nodes])  # as one does who dies between two notes
        assert len(await make().residue()) == len(nodes)
        await make().heal()
        assert await figures() == before and list(await target.residue()) == []

    run(play())


def test_a_signal_cancels_no_restart_policy(target: Any, run: Run) -> None:
    """What ends of it stays down while the fault lasts, though the engine would start it again; afterwards it would
    once more, also where the first process took no notice."""
    if target.name != "compose":
        assert target.name in ("memory", "process")
        return
    victim = node(target, "web-b")
    always = {"Name": "always", "MaximumRetryCount": 0}

    async def container() -> Any:
        id_ = (await target.engines.find(victim)).id
        return await target.engine.ask(lambda api: api.inspect_container(id_))

    async def update(policy: Any) -> None:
        id_ = (await target.engines.find(victim)).id
        await target.engine.ask(lambda api: api.update_container(id_, restart_policy=policy))

    async def starts_again() -> bool:
        """Its first process ends by itself: of a signal that it has a handler for once it is up, from within."""
        assert await eventually(lambda: target.healthy(victim))
        was = (await container())["State"]["StartedAt"]
        await target.can.need(EXEC).exec(victim, ["sh", "-c", "kill -INT 1"])
        return await eventually(lambda: started(was))

    async def started(before: str) -> bool:
        state = (await container())["State"]
        return bool(state["Running"] and state["StartedAt"] != before)

    async def play() -> None:
        step, kill, nodes = lasting("kill", [victim], signal="INT")
        await update(always)
        try:
            async with active(step, kill, nodes, target, Sink(), NodeLock()):
                await asyncio.sleep(1.0)
                assert not await target.running(victim)
                assert f"{victim.name} does not start again by itself" in await target.residue()
            assert await target.running(victim) and (await container())["HostConfig"]["RestartPolicy"] == always
            assert await starts_again() and await eventually(lambda: target.healthy(victim))
            with pytest.raises(NoEffect):
                step, deaf, nodes = lasting("kill", [victim], signal="TERM")
                async with active(step, deaf, nodes, target, Sink(), NodeLock()):
                    pytest.fail("its first process does not listen")
            assert (await container())["HostConfig"]["RestartPolicy"] == always
            assert await starts_again() and list(await target.residue()) == []
        finally:
            await update({"Name": "no", "MaximumRetryCount": 0})
            await target.heal()
        assert await eventually(lambda: target.healthy(victim))

    run(play())


def test_every_fault_has_an_example_here() -> None:
    """A fault that this suite does not try is not done."""
    assert set(EXAMPLES) == set(registry.names("chaos.faults"))


@pytest.mark.box
def test_the_embedded_target_keeps_the_contract(tmp_path: Path) -> None:
    """This file again, inside a box; its tests that fail there are printed here."""
    if box.inside():
        return
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    argv = [str(Path(__file__)), f"--basetemp={tmp_path / 'inside'}"]
    assert box.run_inside(argv, state=tmp_path, program=pytest_here) == 0
