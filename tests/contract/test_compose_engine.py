"""The compose target on a real engine: what it says when the world is against it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.protocols.capabilities import CUT, DEPLOY, EXEC, HOST
from chaos.protocols.links import Link
from chaos.targets.compose.target import Compose
from chaos.targets.docker import engine, images
from chaos.targets.docker.engine import Engine, cgroup_parent
from tests.contract.kinds import Run

pytestmark = pytest.mark.engine

PROJECT = "chaos-engine-test"
BASE = Path(__file__).parents[2] / "services" / "images" / "base"
# Built here out of the harness's own image, so that no other has to be there.
STACK = """
x-chaos: {{base: base}}
services:
  one:
    image: {image}
    command: [python3, -c, "open('/tmp/up', 'w'); print('here I am', flush=True); import time; time.sleep(3600)"]
    healthcheck: {{test: [CMD, test, -e, /tmp/up]}}
    labels: {{chaos.component: one, chaos.zone: a}}
    networks: {{net: {{ipv4_address: 10.83.1.10}}}}
    volumes: [/data]
  two:
    image: {image}
    command: [python3, -m, http.server, "8000"]
    labels: {{chaos.component: two, chaos.zone: b}}
    healthcheck: {{test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"]}}
    networks: {{net: {{ipv4_address: 10.83.2.10}}}}
    ports: ["127.0.0.1:{port}:8000"]
    environment: {{WORD: "{word}"}}
networks:
  net: {{ipam: {{config: [{{subnet: 10.83.0.0/16, gateway: 10.83.0.1}}]}}}}
"""
Make = Callable[..., Compose]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes the target anew, as another process would have it."""
    folder = tmp_path_factory.mktemp("stack")
    port = free_port()
    (folder / "base").write_text(f"#!/bin/sh\nexec {BASE}\n", encoding="utf-8")
    (folder / "base").chmod(0o755)

    def one(word: str = "", stack: str = STACK, port: int = port) -> Compose:
        file = folder / "docker-compose.yml"
        file.write_text(stack.format(image=images.helper_tag(), port=port, word=word))
        return Compose(stackfile.read(file, strict=False), folder, within=10.0, project=PROJECT)

    return one


@pytest.fixture(scope="module")
def up(make: Make, run: Run) -> Iterator[Compose]:
    one = make()
    try:
        run(images.prepare(one.engine, one.stack, lambda _: None))
        run(one.up())
        yield one
    finally:
        run(make().down())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def engine_has(kind: str, label: str) -> list[str]:
    words = ["docker", kind, "ls", "--quiet", "--filter", f"label={label}={PROJECT}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_a_variable_arrives_as_it_was_written(up: Compose, run: Run) -> None:
    """Compose would take a dollar sign for a variable of its own."""
    two = up.nodes()[1]
    run(up.can.need(DEPLOY).deploy(two, {"WORD": "a$b${c}$$"}))
    try:
        assert run(up.can.need(EXEC).exec(two, ["python3", "-c", "import os; print(os.environ['WORD'])"])) == (
            0,
            "a$b${c}$$\n",
        )
        assert run(up.can.need(DEPLOY).deployed(two)) == {"WORD": "a$b${c}$$"}
    finally:
        run(up.can.need(DEPLOY).undeploy(two))
    assert run(up.can.need(DEPLOY).deployed(two)) == {}


def test_a_program_among_the_users_sees_the_nodes_and_leaves_its_output(
    up: Compose, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It resolves names, has an address outside every zone, and its exit code comes back. Of this machine's files it
    writes to the run's folder alone, as us, and it sees no more than the stack's and the harness's."""
    monkeypatch.setenv("HOSTNAME_OF_US", "x")
    (other := tmp_path.parent / "other").touch()
    code = f"""if True:
        import os, chaos
        from socket import *
        print(gethostbyname('two'), gethostbyname(gethostname()))
        for place in (os.getcwd(), os.path.dirname(chaos.__file__), {str(tmp_path)!r}):
            print(os.access(place, os.W_OK))
        print(os.path.exists({str(other)!r}), 'HOSTNAME_OF_US' in os.environ)
        raise SystemExit(7)"""

    async def play() -> int:
        hosted = await up.can.need(HOST).host(["python3", "-c", code], tmp_path, "users.log")
        return await hosted.wait()

    assert run(play()) == 7
    said = (tmp_path / "logs" / "users.log").read_text().splitlines()
    assert said == ["10.83.2.10 10.83.9.1", "False", "False", "True", "False False"]
    assert run(up.engine.beside("load")) == []


def test_where_the_engine_keeps_cgroups_containers_stand_beside_it(up: Compose, run: Run, tmp_path: Path) -> None:
    """Not all below one group, which gets no more of a short processor than one thread of the engine."""
    if run(up.engine.ask(cgroup_parent)) != "/":
        pytest.skip("this engine leaves cgroups to systemd")
    code = "print(open('/proc/self/cgroup').read())"

    async def play() -> int:
        hosted = await up.can.need(HOST).host(["python3", "-c", code], tmp_path, "where.log")
        return await hosted.wait()

    assert run(play()) == 0
    groups = (tmp_path / "logs" / "where.log").read_text().split()
    assert groups and all(line.rpartition(":")[2].count("/") == 1 for line in groups), groups


def test_a_guest_that_ignores_sigterm_is_killed(up: Compose, run: Run, tmp_path: Path) -> None:
    """`stop` gives it its grace and no more; twice is as good as once."""
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"

    async def play() -> int:
        hosted = await up.can.need(HOST).host(["python3", "-c", code], tmp_path, "deaf.log")
        await asyncio.sleep(0.5)
        await hosted.stop(grace=0.3)
        await hosted.stop()
        return await hosted.wait()

    assert run(play()) == 137


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_a_guest_whose_host_is_cancelled_is_ended_by_heal(up: Compose, run: Run, tmp_path: Path, delay: float) -> None:
    """A Ctrl-C while the engine makes its container: nobody holds it, and the next heal does not leave it."""

    async def play() -> list[object]:
        hosting = asyncio.ensure_future(up.can.need(HOST).host(["sleep", "3600"], tmp_path, "nobody.log"))
        await asyncio.sleep(delay)
        hosting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await hosting).stop()
        await up.heal()
        return list(await up.engine.beside("load"))

    assert run(play()) == []


def test_what_a_dying_harness_had_made_and_not_begun_is_residue_until_heal(up: Compose, make: Make, run: Run) -> None:
    """Killed between making a container and starting it. One that is at work is somebody's and stays."""

    def made(kind: str) -> str:
        labels = up.engine.own(kind)
        command = ["sleep", "3600"]
        return str(up.engine.ask_now(lambda a: a.create_container(images.helper_tag(), command, labels=labels))["Id"])

    async def play() -> list[object]:
        busy = made("guest")
        await up.engine.ask(lambda api: api.start(busy))
        idle = [made("guest"), made("helper")]
        try:
            left = await make().residue()
            assert sorted(left) == sorted(f"container {id_[:12]} was left behind by a harness" for id_ in idle)
            await make().heal()
            assert await make().residue() == []
            return [c.id for c in await up.engine.beside("guest")]
        finally:
            await up.engine.remove(c for c in await up.engine.beside() if c.id in (busy, *idle))

    assert len(run(play())) == 1


def test_a_published_port_and_an_address_are_both_fetched(up: Compose, run: Run) -> None:
    """`fetch` goes through the port on loopback where there is one."""
    assert run(up.can.need(HOST).fetch("two", 8000, "/"))[0] == 200
    with pytest.raises(TargetError, match=r"one: GET http://10\.83\.1\.10:8000/: "):
        run(up.can.need(HOST).fetch("one", 8000, "/"))


def test_a_harness_that_is_killed_takes_its_cuts_with_it(up: Compose, run: Run) -> None:
    """The helper's input ends with us, and the kernel's table with the helper."""
    cut = Link(frozenset({"one"}))
    code = f"""
import asyncio, os, sys, pathlib
from chaos.experiment import stack as stackfile
from chaos.protocols.capabilities import CUT
from chaos.protocols.links import Link
from chaos.targets.compose.target import Compose
one = Compose(stackfile.read(pathlib.Path({str(up.stack.path)!r}), strict=False), project={PROJECT!r})
asyncio.run(one.can.need(CUT).cut("test", [Link(frozenset({{"one"}}))]))
print("cut", flush=True)
sys.stdin.read()
"""
    harness = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert harness.stdout is not None and harness.stdout.readline() == b"cut\n"
        assert run(up.can.need(CUT).is_cut(cut)), "another process sees it, and to look is not to heal"
        assert run(up.residue()) == ["one is cut off from all others"]
        harness.send_signal(signal.SIGKILL)

        async def gone() -> bool:
            async with asyncio.timeout(10):
                while await up.can.need(CUT).is_cut(cut):
                    await asyncio.sleep(0.1)
            return True

        assert run(gone()) and run(up.residue()) == []
    finally:
        harness.kill()
        harness.communicate()


def test_a_taken_port_is_named(make: Make, up: Compose, run: Run) -> None:
    """Which port, and what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        with pytest.raises(TargetError, match=rf"port 127\.0\.0\.1:{port} is taken .*ports:"):
            run(make(port=port).up())
    run(make().up())
    assert run(up.residue()) == []


def test_an_image_that_nobody_has_is_named(make: Make, up: Compose, run: Run) -> None:
    """And which file asks for it."""
    missing = STACK.replace("image: {image}", "image: chaos.invalid/never-built", 1)
    with pytest.raises(TargetError, match=r"docker-compose\.yml: .*chaos\.invalid/never-built"):
        run(make(stack=missing).up())
    run(make().up())
    assert run(up.healthy(up.nodes()[0]))


def test_a_node_that_exits_is_named_with_its_last_words(make: Make, up: Compose, run: Run) -> None:
    """At once, and not when the patience is over."""
    broken = STACK.replace("open('/tmp/up', 'w');", "raise SystemExit('no tea');")
    with pytest.raises(TargetError, match=r"(?s)one did not become healthy.*exited 1.*no tea.*Full log: .*one\.log"):
        run(make(stack=broken).up())
    run(make().up())
    assert run(up.residue()) == []


def test_an_engine_that_stops_answering_is_an_error_in_words(
    up: Compose, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between us and the engine stands a relay that is frozen in the middle."""
    relay, address = tmp_path / "relay.py", tmp_path / "engine.sock"
    relay.write_text(RELAY)
    process = subprocess.Popen([sys.executable, str(relay), str(address)], stdout=subprocess.PIPE)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        engine = Engine(PROJECT, up.engine.stack, patience=1.0)
        assert len(run(engine.containers())) == 2
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(TargetError, match=r"the Docker engine stopped answering .*docker ps.*chaos down"):
            run(engine.containers())
    finally:
        process.kill()
        process.communicate()


RELAY = """
import asyncio, sys
async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    engine_reader, engine_writer = await asyncio.open_unix_connection("/var/run/docker.sock")
    await asyncio.gather(pump(reader, engine_writer), pump(engine_reader, writer))
async def main():
    server = await asyncio.start_unix_server(serve, sys.argv[1])
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def test_down_leaves_nothing_and_can_be_repeated(make: Make, up: Compose, run: Run, tmp_path: Path) -> None:
    """Containers, loads, helper, network and volumes are gone, also those that compose had made anew."""

    async def play() -> None:
        await up.can.need(HOST).host(["sleep", "3600"], tmp_path, "sleep.log")
        await up.can.need(CUT).cut("test", [Link(frozenset({"one"}))])
        await up.can.need(DEPLOY).deploy(up.nodes()[0], {"WORD": "new"})
        volumes = {name for c in (await up.engine.containers()).values() for name in c.volumes}
        assert volumes and all(len(name) == 64 for name in volumes)
        other = make()
        await other.down()
        await other.down()
        here = subprocess.run(["docker", "volume", "ls", "-q"], capture_output=True, text=True, check=True).stdout
        assert not volumes & set(here.split())

    run(play())
    assert engine_has("container", engine.PROJECT) == engine_has("container", engine.OURS) == []
    assert engine_has("network", engine.PROJECT) == []
    assert "here I am" in (up.log_dir / "one.log").read_text()  # type: ignore[operator]
