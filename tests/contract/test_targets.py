"""One suite that every target and every fault passes: inject → confirm → heal → not confirm → heal again.

The embedded target lives in a box: `test_the_embedded_target_keeps_the_contract` plays this file again inside one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chaos import registry, stackfile
from chaos.errors import TargetError
from chaos.model import Node
from chaos.protocols import CanCut, CanExec, CanKill, CanPower, Cut, Fault
from chaos.targets import box
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
    "deploy": {"environment": {"MODE": "new"}},
    "kill": {},
    "pause": {},
    "power": {},
}
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
    text = FILE.read_text().replace("3600", str(os.getpid()))  # this target's own sleeps
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


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_every_fault_bites_heals_and_heals_again(target: Any, make: Callable[[], Any], run: Run, name: str) -> None:
    """Seen only while it is there, by a fresh process too; the node is healthy after it, and nothing is left."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert target.name == "process" and box.inside() == "plain" and cls.needs in {CanCut, CanPower}
        return
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-a"), node(target, "db-a")]

    async def play() -> None:
        assert not await fault.confirm(target, nodes)
        await fault.inject(target, nodes)
        try:
            assert await fault.confirm(target, nodes)
            assert await fault.confirm(make(), nodes), "a fresh process sees it"
            assert await target.residue(), "what is broken is found"
            await fault.heal(target, nodes[:1])
            assert not await fault.confirm(target, nodes), "healed on one of them"
        finally:
            await fault.heal(target, nodes)
        assert not await fault.confirm(target, nodes)
        await fault.heal(target, nodes)
        for n in nodes:
            assert await eventually(lambda n=n: target.healthy(n)), f"{n.name} is well again"  # type: ignore[misc]
        assert list(await target.residue()) == []

    run(play())


@pytest.mark.parametrize("name", registry.names("chaos.faults"))
def test_a_fresh_process_heals_what_a_dead_one_left(
    target: Any, make: Callable[[], Any], run: Run, name: str
) -> None:
    """`heal` of the target undoes any fault, without knowing who injected it; twice is as good as once."""
    cls = registry.load("chaos.faults", name)
    if not isinstance(target, cls.needs):
        assert box.inside() == "plain"
        return
    fault: Fault[Any] = registry.build(cls, EXAMPLES[name])
    nodes = [node(target, "web-b")]

    async def play() -> None:
        await fault.inject(target, nodes)
        other = make()
        await other.heal()
        await other.heal()
        assert not await fault.confirm(other, nodes)
        assert await eventually(lambda: other.healthy(nodes[0]))
        assert list(await other.residue()) == []

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
    whole, one = Cut(frozenset({"web-a", "db-a"})), Cut(frozenset({"web-a"}), frozenset({"web-b"}))

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
    ones = [Cut(frozenset({n.name})) for n in target.nodes()]

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
