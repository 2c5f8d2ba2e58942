"""One suite that every target and every fault passes: inject → confirm → heal → not confirm → heal again.

The embedded target lives in a box: `test_the_embedded_target_keeps_the_contract` plays this file again inside one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chaos import registry, stackfile
from chaos.errors import TargetError
from chaos.faults._links import Shaping
from chaos.lifecycle import Company, active
from chaos.model import Node
from chaos.plan import Release, Step
from chaos.protocols import CanCut, CanExec, CanKill, CanLeak, CanShape, CanSqueeze, CanStarve, Fault, Link
from chaos.targets import box, faketime
from chaos.targets.memory import Memory

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
        from chaos.targets import boxed

        return lambda: boxed.here(stack, folder)
    request.getfixturevalue("images")
    from chaos.targets.compose import Compose

    return lambda: Compose(stack, project="chaos-contract", log_dir=folder)


@pytest.fixture(scope="module")
def target(make: Callable[[], Any], run: Run) -> Iterator[Any]:
    one = make()
    try:
        run(one.up())
        yield one
    finally:
        run(one.down())


def node(target: Any, name: str = "web-a") -> Node:
    return next(n for n in target.nodes() if n.name == name)


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
    why = getattr(target, "unfit", lambda *_: "")(cls.needs, node(target))
    assert not why or "CHAOS_FAKETIME" in why
    if why:
        pytest.skip(why)


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_every_fault_bites_heals_and_heals_again(target: Any, make: Callable[[], Any], run: Run, name: str) -> None:
    """Seen only while it is there, by a fresh process too; the node is healthy after it, and nothing is left."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert target.lacks[cls.needs.__name__], "a plan is refused in words"
        return
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "db-a")]

    async def play() -> None:
        assert not await fault.confirm(target, nodes)
        async with chatter(target, cls):
            await fault.inject(target, nodes)
            try:
                assert await fault.confirm(target, nodes)
                if not issubclass(cls, Shaping):  # packets that our helper holds back nobody else can measure
                    assert await fault.confirm(make(), nodes), "a fresh process sees it"
                assert await make().residue(), "what is broken is found"
                if not getattr(cls, "whole", False):
                    await fault.heal(target, nodes[:1])
                    assert not await fault.confirm(target, nodes), "healed on one of them"
            finally:
                await fault.heal(target, nodes)
            assert not await fault.confirm(target, nodes)
        assert not await fault.confirm(target, nodes)
        await fault.heal(target, nodes)
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n)), f"{n.name} is well again"  # type: ignore[misc]
        assert list(await target.residue()) == []

    run(play())


@asynccontextmanager
async def chatter(target: Any, cls: type[Any]) -> AsyncIterator[None]:
    """Traffic between all nodes while a fault of the network is tried."""
    if cls.needs is not CanShape or target.name == "memory":
        yield
        return
    network = "10.84" if target.name == "compose" else "10.77"
    async with asyncio.TaskGroup() as asking:
        for n in target.nodes():
            asking.create_task(target.exec(n, ["bash", "-c", f"NET={network}; {CHATTER}"], timeout=30.0))
        try:
            yield
        finally:
            await asyncio.gather(*(target.exec(n, ["bash", "-c", "rm -f /tmp/talk-$NAME"]) for n in target.nodes()))


NETWORK = [n for n in registry.names("chaos.faults") if registry.load("chaos.faults", n).needs is CanShape]


@pytest.mark.parametrize("name", NETWORK)
def test_a_fault_of_the_network_whose_rule_is_deleted_is_not_confirmed(
    target: Any, make: Callable[[], Any], run: Run, name: str
) -> None:
    """Sabotage: somebody deletes the table. Its figures said that packets met it before."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a")]

    async def play() -> None:
        async with chatter(target, cls):
            await fault.inject(target, nodes)
            assert await fault.confirm(target, nodes)
            assert max((await fault.figures(target, nodes)).values()) > 0
            await make().heal()
            assert not await fault.confirm(target, nodes)
        await fault.heal(target, nodes)
        assert list(await target.residue()) == []

    run(play())


async def kill_the_helper(target: Any) -> None:
    if target.name == "memory":
        target._cuts.clear()
        target._shapes.clear()
    elif target.name == "process":
        os.kill(target._network._helper._line._process.pid, signal.SIGKILL)
    else:
        helpers = await target._engine.beside("helper")  # the one of a target let go just before may still be ending
        assert helpers
        await target._engine.remove(helpers)


async def delete_the_table(target: Any) -> None:
    """As somebody else would."""
    if target.name == "memory":
        return await kill_the_helper(target)
    await target._network._helper.ask({"do": "clear"})
    return None


@pytest.mark.parametrize(("name", "sabotage"), [("delay", kill_the_helper), ("zone-cut", delete_the_table)])
def test_a_fault_of_the_network_that_ends_midway_is_found_out_before_its_heal(
    target: Any, run: Run, name: str, sabotage: Callable[[Any], Coroutine[Any, Any, None]]
) -> None:
    """Seen to bite, then its helper dies or its rules go: the journal says that it is gone, and the heal goes on."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
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
        async with chatter(target, cls), active(step, fault, nodes, target, sink, Company()) as bite:
            if undo:
                await undo(target)
            await bite.check(nodes)
            await bite.heal(nodes)
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
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target)]

    async def play() -> None:
        before = await fault.vitals(target, nodes)
        await fault.inject(target, nodes)
        try:
            during = await fault.vitals(target, nodes)
        finally:
            await fault.heal(target, nodes)
        after = await fault.vitals(target, nodes)
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
    if not isinstance(target, cls.needs) or target.name == "memory":
        assert target.name == "memory" or box.inside() == "plain"
        return
    fault: Fault[Any] = registry.build(cls, {**EXAMPLES[name], "to": ["web-b"]})
    nodes = [node(target, "db-a")]

    async def play() -> None:
        await fault.inject(target, nodes)
        try:
            assert not await fault.confirm(target, nodes)
        finally:
            await fault.heal(target, nodes)

    run(play())


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_a_fresh_process_heals_what_a_dead_one_left(target: Any, make: Callable[[], Any], run: Run, name: str) -> None:
    """`heal` of the target undoes any fault, without knowing who injected it; twice is as good as once."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "db-a")]

    async def play() -> None:
        await fault.inject(target, nodes)
        other = make()
        await other.heal()
        await other.heal()
        assert not await fault.confirm(other, nodes)
        assert await eventually(lambda: other.healthy(nodes[0]))
        assert list(await other.residue()) == []

    run(play())


async def start_it_again(target: Any, victim: Node) -> None:
    await target.start([victim])


async def loosen(target: Any, victim: Node) -> None:
    """Take the limits off a node as somebody would who does not know who laid them on."""
    if target.name == "memory":
        await target.feed([victim])
        await target.release([victim])
    elif target.name == "process":
        os.kill(target.limits.limiter(victim.name).pid, signal.SIGKILL)
        while target.limits.limiter(victim.name):
            await asyncio.sleep(0.01)
    else:
        container = await target._find(victim)
        none = {"CpuQuota": -1, "Memory": 1 << 62, "MemorySwap": 1 << 62}
        where = "/containers/{0}/update"
        await target._engine.ask(lambda api: api._post_json(api._url(where, container.id), data=none))


async def name_server_again(target: Any, victim: Node) -> None:
    """Names come back behind our back; nobody tells the notes."""
    if target.name == "process":
        await target._names._mount("show", victim.name)
    elif target.name == "compose":
        from chaos.targets.compose_names import _SHOW

        await target._names._enter(await target._find(victim), _SHOW)
    else:
        await target.show_names([victim])


async def make_room(target: Any, victim: Node) -> None:
    if target.name == "memory":
        await target.drain([victim])
    elif target.name == "process":
        from chaos.targets import boxed_disks

        for place in target._volumes(victim):
            boxed_disks.drain(place)
    else:
        code, said = await target.exec(victim, ["sh", "-c", "rm /data/.chaos-full"])
        assert code == 0, said


async def restart_with_the_right_time(target: Any, victim: Node) -> None:
    """All that the target wrote down about the node still says that its clock is off."""
    if target.name == "memory":
        return await target.unskew([victim])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faketime, "environment", lambda library, skew: {"FAKETIME": f"{skew:+.3f}"})
        await target.skew([victim], EXAMPLES["clock"]["skew"])
    assert f"{victim.name} has the wrong time" in await target.residue()
    return None


async def plug(target: Any, victim: Node) -> None:
    """End whatever leaks, and leave the limit and the notes."""
    if target.name == "memory":
        await target.seal([victim])
    elif target.name == "process":
        await loosen(target, victim)
    else:
        from chaos.targets.compose_limits import _END

        code, said = await target.exec(victim, ["sh", "-c", _END])
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
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
    only_where_it_is(target, cls)
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "web-b")]

    async def play() -> None:
        await fault.inject(target, nodes)
        try:
            assert await fault.confirm(target, nodes)
            await SABOTAGE[name](target, nodes[1])
            assert not await fault.confirm(target, nodes)
        finally:
            await target.heal()
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n))  # type: ignore[misc]


def test_a_client_is_told_what_the_http_fault_says(target: Any, run: Run) -> None:
    """From a node and from among the users, until it is healed; another path and another node answer themselves."""
    if not isinstance(target, CanShape) or target.name == "memory":
        assert target.name == "memory" or box.inside() == "plain"
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
        code, out = await target.exec(node(target, "web-b"), ["timeout", "5", "bash", "-c", f"{ask}; {say}"])
        assert code == 0, out
        microseconds, line = out.split(None, 1)
        return line.strip(), int(microseconds) / 1e6

    async def play() -> None:
        try:
            await refusing.inject(target, [one])
            assert (await told("/pay/7"))[0] == "HTTP/1.1 502 Bad Gateway"
            assert (await target.fetch("web-a", 8000, "/pay"))[0] == 502
            assert (await target.fetch("web-a", 8000, "/see"))[0] == 200
            assert "200" in (await told("/see"))[0] and "200" in (await told("/pay", "1.40"))[0]
            await refusing.heal(target, [one])
            await holding.inject(target, [one])
            answer, seconds = await told("/pay")
            assert "200" in answer and 0.3 <= seconds < 2
            assert (await holding.figures(target, [one])) == {"requests": 1, "requests_hit": 1, "delay_ms": 300}
        finally:
            await refusing.heal(target, [one])
            await holding.heal(target, [one])
        assert (await target.fetch("web-a", 8000, "/pay"))[0] == 200
        assert list(await target.residue()) == []

    run(play())


def test_a_starved_node_gets_its_share_and_no_more(target: Any, run: Run) -> None:
    """A whole second of a loop that wants a whole core, also in processes started after a restart."""
    if target.name == "memory" or not isinstance(target, CanStarve):
        assert target.name == "memory" or target.lacks["CanStarve"]
        return
    victim = node(target)

    async def play() -> None:
        await target.starve([victim], 0.1)
        try:
            assert await spent(target, victim) <= 0.2
            await target.kill([victim])
            await target.start([victim])
            assert await target.starved(victim)
            assert await spent(target, victim) <= 0.2
        finally:
            await target.feed([victim])
        assert not await target.starved(victim)
        assert await eventually(lambda: target.healthy(victim))

    run(play())


async def spent(target: Any, victim: Node) -> float:
    """Seconds of processor that a loop gets in a second."""
    script = 'timeout 1 bash -c "while :; do :; done"; TIMEFORMAT=; times'
    _, out = await target.exec(victim, ["bash", "-c", script])
    user, system = out.splitlines()[-1].split()
    return sum(60 * int(m) + float(s) for m, s in (t.rstrip("s").split("m") for t in (user, system)))


def test_pause_and_cpu_heal_in_any_order(target: Any, run: Run) -> None:
    """Neither wakes what the other holds, and what is left bites."""
    if not isinstance(target, CanStarve):
        assert target.lacks["CanStarve"]
        return
    victim = node(target)

    async def play() -> None:
        await target.starve([victim], 0.1)
        await target.pause([victim])
        await asyncio.sleep(0.3)  # a few periods of whoever doles out the processor
        assert await target.paused(victim)
        await target.feed([victim])
        await asyncio.sleep(0.3)
        assert await target.paused(victim)
        await target.starve([victim], 0.1)
        await asyncio.sleep(0.3)
        assert await target.paused(victim)
        await target.resume([victim])
        assert not await target.paused(victim) and await target.starved(victim)
        await target.heal()
        assert await eventually(lambda: target.healthy(victim))
        assert list(await target.residue()) == []

    run(play())


def test_who_wants_more_memory_than_there_is_is_killed(target: Any, run: Run) -> None:
    """The biggest process, not the node's own; and after heal there is memory again."""
    if target.name == "memory" or not isinstance(target, CanSqueeze):
        assert target.name == "memory" or target.lacks["CanSqueeze"]
        return
    victim = node(target)
    hog = ["sh", "-c", "python3 -S -c 'import time; x = bytearray(96 << 20); time.sleep(0.2)'; exit $?"]

    async def play() -> None:
        await target.squeeze([victim], 64 << 20)
        try:
            assert (await target.exec(victim, hog, 60.0))[0] == 137
            assert await target.healthy(victim)
        finally:
            await target.release([victim])
        assert (await target.exec(victim, hog, 60.0))[0] == 0

    run(play())


def test_a_leak_ends_the_node_by_its_own_memory(target: Any, run: Run) -> None:
    """The service is out of memory although it took none; the fault still counts as biting; heal brings it back."""
    if target.name == "memory" or not isinstance(target, CanLeak):
        assert target.name == "memory" or target.lacks["CanLeak"]
        return
    victim = node(target)

    async def play() -> None:
        await target.leak([victim], 64 << 20, 64 << 20)
        try:

            async def gone() -> bool:
                return not await target.running(victim)

            assert await eventually(gone), "the node ran out of memory"
            assert await target.leaks(victim)
        finally:
            await target.seal([victim])
            await target.start([victim])
        assert await eventually(lambda: target.healthy(victim))
        assert not await target.leaks(victim) and list(await target.residue()) == []

    run(play())


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
            sabotage.setattr(target, "stop", nothing)
            await fault.inject(target, [victim])
            assert not await fault.confirm(target, [victim])
        await fault.inject(target, [victim])
        assert await fault.confirm(target, [victim])
        await fault.heal(target, [victim])
        assert await eventually(lambda: target.healthy(victim))

    run(play())


def test_a_kill_takes_children_that_left_the_session_too(target: Any, run: Run) -> None:
    """Nothing of a killed node goes on."""
    if not isinstance(target, CanExec) or target.name == "memory":
        assert target.name == "memory"
        return
    victim = node(target)

    async def play() -> None:
        assert await children(target, victim) == 1
        await target.kill([victim])
        assert not await target.running(victim)
        await target.start([victim])
        assert await eventually(lambda: target.healthy(victim))
        assert await children(target, victim) == 1

    run(play())


async def children(target: Any, node: Node) -> int:
    same = "[ \"$(tr '\\0' ' ' < $f 2> /dev/null)\" = \"sleep $STAY \" ]"  # plain nodes see each other's processes
    script = f"exec 2> /dev/null; n=0; for f in /proc/[0-9]*/cmdline; do {same} && n=$((n+1)); done; echo $n"
    code, out = await target.exec(node, ["bash", "-c", script])
    assert code == 0, out
    return int(out)


def test_a_cut_swallows_packets_and_overlapping_cuts_heal_in_any_order(target: Any, run: Run) -> None:
    """A connection over a cut link hangs, it is not refused; the link is back when the last cut is gone."""
    if not isinstance(target, CanCut) or target.name == "memory":
        assert target.name == "memory" or box.inside() == "plain"
        return
    whole, one = Link(frozenset({"web-a", "db-a"})), Link(frozenset({"web-a"}), frozenset({"web-b"}))

    async def play() -> None:
        assert await reaches(target, "web-b", "1.10")
        await target.cut("first", [whole])
        await target.cut("second", [one])
        try:
            assert await target.is_cut(whole) and await target.is_cut(one)
            assert not await reaches(target, "web-b", "1.10")
            assert await reaches(target, "db-a", "1.10"), "inside the cut group traffic goes on"
            await target.join("first", [whole])
            assert not await reaches(target, "web-b", "1.10"), "the second cut still holds"
            assert await reaches(target, "web-b", "1.40")
        finally:
            await target.join("first", [whole])
            await target.join("second", [one])
        assert await reaches(target, "web-b", "1.10")
        assert not await target.is_cut(whole) and not await target.is_cut(one)

    run(play())


def test_joins_at_the_same_time_lose_none(target: Any, run: Run) -> None:
    """Two steps that release nodes in the same instant: both links are back."""
    if not isinstance(target, CanCut):
        assert box.inside() == "plain"
        return
    ones = [Link(frozenset({n.name})) for n in target.nodes()]

    async def play() -> None:
        await target.cut("power", ones)
        assert all(await asyncio.gather(*map(target.is_cut, ones)))
        await asyncio.gather(*(target.join("power", [one]) for one in ones))
        assert not any(await asyncio.gather(*map(target.is_cut, ones)))

    run(play())


async def reaches(target: Any, name: str, address: str) -> bool:
    """Whether a connection from inside a node comes about; 124 is `timeout`'s word for one that hung."""
    network = "10.84" if target.name == "compose" else "10.77"
    command = ["timeout", "0.5", "bash", "-c", f"exec 5<>/dev/tcp/{network}.{address}/8000"]
    code, out = await target.exec(node(target, name), command)
    assert code in {0, 124}, f"refused rather than swallowed: {out}"
    return bool(code == 0)


def test_commands_in_a_node_give_their_code_and_output(target: Any, run: Run) -> None:
    """Also when they fail, and when they take too long."""
    if target.name == "memory":
        assert run(target.exec(node(target), ["true"])) == (0, "")
        return
    code, out = run(target.exec(node(target), ["bash", "-c", "echo $NAME; exit 3"]))
    assert (code, out.strip()) == (3, "web-a")
    with pytest.raises(TargetError, match="sleep"):
        run(target.exec(node(target), ["sleep", "5"], timeout=0.3))


def test_a_node_that_does_not_become_healthy_is_named_with_its_last_words(
    target: Any, make: Callable[[], Any], run: Run
) -> None:
    """Which node, how it ended, its last lines, and where the rest is."""
    if not isinstance(target, CanKill) or target.name == "memory":
        assert target.name == "memory"
        return
    one = make()
    one._within = 5.0
    run(one.deploy(node(one, "web-b"), {"BIND": "not-an-address"}))
    try:
        with pytest.raises(TargetError, match=r"(?s)web-b.*Last lines.*(gaierror|Name|resolution).*Full log"):
            run(one.up())
    finally:
        run(one.undeploy(node(one, "web-b")))
        assert run(eventually(lambda: one.healthy(node(one, "web-b"))))


def test_every_fault_has_an_example_here() -> None:
    """A fault that this suite does not try is not done."""
    assert set(EXAMPLES) == set(registry.names("chaos.faults"))


@pytest.mark.parametrize("kind", [pytest.param("box", marks=pytest.mark.box), "plain"])
def test_the_embedded_target_keeps_the_contract(kind: str, tmp_path: Path) -> None:
    """This file again, inside a box of each kind; its tests that fail there are printed here."""
    if box.inside():
        assert os.environ["CHAOS_BOX_KIND"]
        return
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    code = box.run_inside(
        [str(Path(__file__)), f"--basetemp={tmp_path / 'inside'}"], state=tmp_path, program=pytest_here, kind=kind
    )  # type: ignore[call-overload,unused-ignore]
    assert code == 0
