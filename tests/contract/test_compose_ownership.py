"""Other people's containers, networks and volumes beside ours survive whatever we do; what is ours has a label."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from docker.types import IPAMConfig, IPAMPool

from chaos.errors import NotOurs, TargetError
from chaos.experiment import stack as stackfile
from chaos.place import standing as standing_stacks
from chaos.protocols.capabilities import CUT, DEPLOY, PAUSE, STARVE
from chaos.protocols.links import Link
from chaos.targets.compose import command
from chaos.targets.compose.target import Compose
from chaos.targets.docker import images
from chaos.targets.docker.engine import ONE_OFF, PROJECT, SERVICE, STACK
from tests.anybody import ANYBODY
from tests.contract.kinds import Run
from tests.e2e.stage import processes_of

pytestmark = pytest.mark.engine

PREFIX = "chaostest"  # of every project, network and volume here
SLEEP = f"image: {images.helper_tag()}\n    command: [sleep, '3600']\n    stop_grace_period: 0s"
# One node with everything that Compose makes for it, and a nameless volume.
OURS = f"""
services:
  web:
    {SLEEP}
    labels: {{chaos.zone: a}}
    networks: {{default: {{ipv4_address: 10.86.1.10}}}}
    volumes: ["data:/data", /nameless, "./here:/here:ro"]
networks: {{default: {{ipam: {{config: [{{subnet: 10.86.0.0/16}}]}}}}}}
volumes: {{data: {{labels: [a=b]}}}}
"""
THEIRS = f"services:\n  web:\n    {SLEEP}\n    volumes: ['data:/data', /nameless]\nvolumes: {{data: }}\n"
PAUSING = """
name: pause
claim: Nothing happens.
load: {users: users.py, count: 1, rate: 1/s, floor: 0/s}
timeline: [{at: 1s, for: 1s, fault: pause, where: {zone: a}}]
checks: []
"""
PLAY = ("run", "--metrics-port", "0")


@pytest.fixture(autouse=True)
def tidy(api: APIClient) -> Iterator[None]:
    """Nothing of one test is in the way of the next."""
    yield
    for c in api.containers(all=True):
        if any(PREFIX in name for name in c["Names"]) or PREFIX in c["Labels"].get(STACK, ""):
            api.remove_container(c["Id"], force=True, v=True)
    for n in api.networks():
        if n["Name"].startswith(PREFIX):
            api.remove_network(n["Id"])
    for v in api.volumes()["Volumes"] or ():
        if v["Name"].startswith((PREFIX, "c0ffee")):
            api.remove_volume(v["Name"])


def folder(place: Path, text: str) -> Path:
    place.mkdir(parents=True)
    (place / "docker-compose.yml").write_text(text, encoding="utf-8")
    (place / "experiments").mkdir()
    (place / "experiments" / "pause.yaml").write_text(PAUSING, encoding="utf-8")
    (place / "experiments" / "users.py").write_text(ANYBODY, encoding="utf-8")
    (place / "here").mkdir()
    (place / "here" / "file").write_text("of ours", encoding="utf-8")
    return place


def target(place: Path, project: str = "") -> Compose:
    return Compose(stackfile.read(place / "docker-compose.yml", strict=False), within=10.0, project=project)


def compose(place: Path, *words: str) -> None:
    """As a user types it."""
    argv = [*(command.find() or ()), *words]
    subprocess.run(argv, cwd=place, check=True, capture_output=True, env={**os.environ, "COMPOSE_PROJECT_NAME": ""})


def chaos(place: Path, *words: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    where = ["--target", "compose", "--stack", str(place / "docker-compose.yml")]
    argv = [sys.executable, "-m", "chaos", *words, *where]
    return subprocess.run(
        argv, cwd=place, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


def state(api: APIClient) -> dict[str, Any]:
    """Of all that has our prefix: whatever is started anew, emptied or made anew is another."""
    seen: dict[str, Any] = {}
    for c in api.containers(all=True):
        if any(PREFIX in name for name in c["Names"]):
            found = api.inspect_container(c["Id"])
            held = found["State"]
            volumes = sorted(m["Name"] for m in found["Mounts"] if m["Type"] == "volume")
            there = [api.inspect_volume(name)["CreatedAt"] for name in volumes]
            seen[found["Name"]] = (c["Id"], held["Status"], held["StartedAt"], held["Pid"], volumes, there)
    seen |= {n["Name"]: n["Id"] for n in api.networks() if n["Name"].startswith(PREFIX)}
    seen |= {v["Name"]: v["CreatedAt"] for v in api.volumes()["Volumes"] or () if v["Name"].startswith(PREFIX)}
    return seen


def names(api: APIClient) -> set[str]:
    """Of the same, in a way that allows something to be removed meanwhile."""
    found = {name for c in api.containers(all=True) for name in c["Names"] if PREFIX in name}
    rows = (*api.networks(), *(api.volumes()["Volumes"] or ()))
    return found | {row["Name"] for row in rows if row["Name"].startswith(PREFIX)}


def made(api: APIClient, name: str, **how: Any) -> str:
    """A container that runs, made by hand. Its id."""
    config = api.create_host_config(**{k: how.pop(k) for k in ("network_mode", "binds") if k in how})
    id_ = str(api.create_container(images.helper_tag(), ["sleep", "3600"], name=name, host_config=config, **how)["Id"])
    api.start(id_)
    return id_


@pytest.mark.parametrize(
    ("asked", "standing"),
    [("", False), (f"{PREFIX}shop", True)],
    ids=["a folder of the same name", "COMPOSE_PROJECT_NAME"],
)
def test_a_strangers_project_of_our_name_survives_every_command(
    asked: str, standing: bool, tmp_path: Path, api: APIClient
) -> None:
    """Refused and named, also where a file says that our stack stands; nothing of it is started or ended."""
    compose(folder(tmp_path / "theirs" / f"{PREFIX}shop", THEIRS), "up", "--detach")
    ours = folder(tmp_path / "ours" / (f"{PREFIX}mine" if asked else f"{PREFIX}shop"), OURS)
    env = {"COMPOSE_PROJECT_NAME": asked} if asked else {}
    before = state(api)
    assert len(before) == 3
    if standing:
        standing_stacks.write(stackfile.read(ours / "docker-compose.yml", strict=False), "compose")
    codes = {}
    for words in (["up"], [*PLAY, "experiments/pause.yaml"], ["drive"], ["heal"], ["status"], ["down"]):
        done = chaos(ours, *words, env=env)
        codes[words[0]] = done.returncode
        assert state(api) == before, f"{words}: {done.stderr}"
        if codes[words[0]] or words[0] == "down":
            assert all(name.strip("/") in done.stderr for name in before), f"{words}: {done.stderr}"
    assert codes == {"up": 2, "run": 2, "drive": 2, "down": 0} | dict.fromkeys(("heal", "status"), 2 if standing else 0)
    assert not list(ours.glob(".chaos/compose.json"))


def volume(api: APIClient, name: str) -> None:
    api.create_volume(name)


def network(api: APIClient, name: str) -> None:
    api.create_network(name)


def a_container(api: APIClient, name: str) -> None:
    made(api, name)


@pytest.mark.parametrize(
    ("make", "name", "text"),
    [
        (volume, f"{PREFIX}-a_data", OURS),
        (network, f"{PREFIX}-a_default", OURS),
        (volume, f"{PREFIX}a_data", OURS),  # 1.29's name before 1.21, which it would take for its own
        (network, f"{PREFIX}a_default", OURS),
        (a_container, f"{PREFIX}-a_web_1" if command.version() < (2,) else f"{PREFIX}-a-web-1", OURS),
        (a_container, f"{PREFIX}-fixed", OURS.replace("web:", f"web:\n    container_name: {PREFIX}-fixed", 1)),
        (volume, f"{PREFIX}-kept", OURS.replace("{data: {", f"{{data: {{name: {PREFIX}-kept, ")),
        (network, f"{PREFIX}-net", OURS.replace("{default: {ipam", f"{{default: {{name: {PREFIX}-net, ipam")),
    ],
)
def test_what_has_a_name_that_compose_would_take_is_refused(
    make: Callable[[APIClient, str], None], name: str, text: str, tmp_path: Path, api: APIClient, run: Run
) -> None:
    """Whoever made it, labelled or not; nothing is made beside it."""
    if name in (f"{PREFIX}a_data", f"{PREFIX}a_default") and command.version() >= (2,):
        pytest.skip("this Compose does not look for names of before 1.21")
    one = target(folder(tmp_path / f"{PREFIX}-a", text))
    make(api, name)
    before = state(api)
    with pytest.raises(TargetError, match=rf"(container|network|volume) {name}\b"):
        run(one.up())
    run(one.down())
    assert state(api) == before


def test_a_second_checkout_of_one_name_leaves_the_first_alone(tmp_path: Path, api: APIClient, run: Run) -> None:
    """Its `up` is refused with the first one's file; its heal, down and look see neither nodes, nor cuts, nor notes."""
    places = [folder(tmp_path / side / f"{PREFIX}shop", OURS) for side in ("one", "two")]
    first, second = map(target, places)
    cut = Link(frozenset({"web"}))

    async def play() -> None:
        await first.up()
        web = first.nodes()
        await first.can.need(CUT).cut("test", [cut])
        await first.can.need(STARVE).starve(web, 0.5)
        await first.can.need(PAUSE).pause(web)
        before = state(api)
        with pytest.raises(TargetError) as refused:
            await second.up()
        assert str(places[0] / "docker-compose.yml") in str(refused.value)
        await second.heal()
        assert await second.residue() == []
        with pytest.raises(NotOurs):
            await second.undisputed()
        await second.down()
        assert (
            state(api) == before
            and await first.can.need(CUT).is_cut(cut)
            and await first.can.need(PAUSE).paused(web[0])
        )
        assert {"web is cut off from all others", "web is starved of processor", "web is paused"} <= set(
            await first.residue()
        )
        elsewhere = target(places[0], f"{PREFIX}other")  # the same stack under another name
        await elsewhere.down()
        assert state(api) == before
        await first.heal()
        assert await first.residue() == []

    try:
        run(play())
    finally:
        run(first.down())
        run(first.network.close())
        run(second.network.close())
    assert state(api) == {}


def test_of_two_checkouts_that_start_at_once_one_gets_the_name(tmp_path: Path, api: APIClient, run: Run) -> None:
    """The other is refused and has touched nothing of it."""
    pair = [target(folder(tmp_path / side / f"{PREFIX}shop", OURS)) for side in ("one", "two")]

    async def play() -> None:
        ends = await asyncio.gather(*(one.up() for one in pair), return_exceptions=True)
        assert [type(end) for end in ends if end] == [NotOurs], ends
        first, second = sorted(pair, key=lambda one: ends[pair.index(one)] is not None)
        await second.down()
        assert await first.residue() == [] and await first.running(first.nodes()[0])

    try:
        run(play())
    finally:
        for one in pair:
            run(one.down())
    assert state(api) == {}


def ours(api: APIClient) -> dict[str, set[str]]:
    mine = {"label": f"{PROJECT}={PREFIX}mine"}
    found = {
        "container": [c["Labels"] for c in api.containers(all=True, filters=mine)],
        "network": [n["Labels"] for n in api.networks(filters=mine)],
        "volume": [v["Labels"] for v in api.volumes(filters=mine)["Volumes"] or ()],
    }
    return {kind: {labels.get(STACK, "") for labels in rows} for kind, rows in found.items() if rows}


def of_nodes(api: APIClient) -> set[str]:
    """The nameless volumes of our stack's containers."""
    labels = {"label": f"{PROJECT}={PREFIX}mine"}
    mounts = [m for row in api.containers(all=True, filters=labels) for m in row["Mounts"] if m["Type"] == "volume"]
    return {m["Name"] for m in mounts if re.fullmatch("[0-9a-f]{64}", m["Name"]) and not m["Name"].startswith("c0ffee")}


def test_what_is_ours_is_labelled_and_ends_and_what_hangs_on_it_stays(tmp_path: Path, api: APIClient) -> None:
    """A one-off of the user, containers on our network and on our volume, a volume that somebody named by 64 digits:
    all of them outlast a harness that is killed. Relative paths lead where they did. Nothing nameless is left."""
    hexed = "c0ffee" + 58 * "1"
    api.create_volume(hexed)
    text = OURS.replace("data:/data", "kept:/kept', 'data:/data").replace('"', "'")
    text = text.replace("volumes: {data", f"volumes: {{kept: {{external: {{name: {hexed}}}}}, data")
    place = folder(tmp_path / f"{PREFIX}mine", text)
    argv = [sys.executable, "-m", "chaos", "drive", "--target", "compose", "--stack", str(place / "docker-compose.yml")]
    nameless: set[str] = set()
    harness = subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert harness.stdout is not None and harness.stdin is not None
        assert json.loads(harness.stdout.readline())["ready"]
        whole = {kind: {str(place / "docker-compose.yml")} for kind in ("container", "network", "volume")}
        assert ours(api) == whole
        nameless |= of_nodes(api)
        for ask in (
            {"do": "inject", "fault": "deploy", "where": {"name": "web"}, "with": {"environment": {"A": "$b"}}},
            {"do": "exec", "node": "web", "command": ["sh", "-c", "cat /here/file; printenv A"]},
            {"do": "inject", "fault": "pause", "where": {"name": "web"}},
        ):
            harness.stdin.write(json.dumps(ask) + "\n")
            harness.stdin.flush()
            answer = json.loads(harness.stdout.readline())
            assert answer["ok"] and answer.get("output", "of ours$b\n") == "of ours$b\n", answer
        assert ours(api) == whole, "made anew by deploy"
        nameless |= of_nodes(api)
        once = {PROJECT: f"{PREFIX}mine", SERVICE: "web", ONE_OFF: "True"}  # as `docker compose run` makes it
        made(api, f"{PREFIX}-once", network_mode=f"{PREFIX}mine_default", labels=once)
        made(api, f"{PREFIX}-guest", network_mode=f"{PREFIX}mine_default")
        stopped = made(api, f"{PREFIX}-asleep", network_mode=f"{PREFIX}mine_default")
        api.kill(stopped)
        made(api, f"{PREFIX}-reader", binds=[f"{PREFIX}mine_data:/x"])
        theirs = {k: v for k, v in state(api).items() if not any(w in k for w in ("mine_web", "mine-web", "-note-"))}
        assert len(theirs) == 6
        harness.send_signal(signal.SIGKILL)
        end = time.monotonic() + 40
        while (found := names(api)) != set(theirs):
            assert time.monotonic() < end, found
            time.sleep(0.2)
    finally:
        harness.kill()
        harness.communicate()
    assert state(api) == theirs
    assert chaos(place, "down").returncode == 0 and state(api) == theirs
    for name in ("once", "guest", "asleep", "reader"):
        api.remove_container(f"{PREFIX}-{name}", force=True, v=True)
    assert chaos(place, "down").returncode == 0 and state(api) == {}
    left = {v["Name"] for v in api.volumes()["Volumes"] or ()}
    assert hexed in left and nameless and not nameless & left
    shutil.rmtree(place)


@pytest.fixture
def standing(tmp_path: Path, run: Run) -> Iterator[Compose]:
    one = target(folder(tmp_path / f"{PREFIX}mine", OURS))
    run(one.up())
    yield one
    run(one.down())
    run(one.network.close())


def twin(api: APIClient, one: Compose, name: str, **labels: str) -> str:
    """A second container of web, which never ran."""
    both = {PROJECT: f"{PREFIX}mine", SERVICE: "web", **labels}
    return str(api.create_container(images.helper_tag(), ["sleep", "1"], name=name, labels=both)["Id"])


def test_a_twin_that_compose_had_set_aside_is_named_and_ended(standing: Compose, api: APIClient, run: Run) -> None:
    """It was killed between making the new container and removing the old; the new one is the node."""
    (old,) = api.containers(filters={"label": standing.engine.nodes()})
    name = old["Names"][0].strip("/")
    api.kill(old["Id"])
    api.rename(old["Id"], f"{old['Id'][:12]}_{name}")
    new = twin(api, standing, name, **{STACK: standing.engine.stack})
    left = run(standing.residue())
    assert any(old["Id"][:12] in text for text in left) and "web is not running" in left
    run(standing.undisputed())
    run(standing.heal())
    assert [c["Id"] for c in api.containers(all=True, filters={"label": standing.engine.nodes()})] == [new]
    assert "second container" not in str(run(standing.residue()))


@pytest.mark.parametrize("mine", [True, False])
def test_a_twin_that_nobody_can_tell_from_the_node_is_named_and_stays(
    mine: bool, standing: Compose, api: APIClient, run: Run
) -> None:
    """No run starts beside it; `down` ends it where it is ours."""
    other = twin(api, standing, f"{PREFIX}-twin", **({STACK: standing.engine.stack} if mine else {}))
    once = twin(api, standing, f"{PREFIX}-run", **{ONE_OFF: "True"})
    assert [f"{PREFIX}-twin" in text for text in run(standing.residue())] == [True]
    run(standing.heal())
    for begin in (standing.undisputed, standing.up):
        with pytest.raises(NotOurs, match=f"{PREFIX}-twin"):
            run(begin())
    run(standing.down())
    left = {c["Id"] for c in api.containers(all=True, filters={"label": f"{PROJECT}={PREFIX}mine"})}
    assert left == ({once} if mine else {once, other})


def test_a_container_of_a_node_that_somebody_committed_is_somebodys(
    standing: Compose, api: APIClient, run: Run
) -> None:
    """Its image hands every label of the node down to it, ours too."""
    (node,) = (c["Id"] for c in api.containers(filters={"label": STACK}) if c["Labels"].get(SERVICE) == "web")
    image = api.commit(node, f"{PREFIX}-committed")["Id"]
    clone = ""
    try:
        clone = api.create_container(image, ["sleep", "3600"], name=f"{PREFIX}-clone")["Id"]
        api.start(clone)
        assert api.inspect_container(clone)["Config"]["Labels"][STACK] == str(standing.engine.stack)
        assert f"{PREFIX}-clone" in str(run(standing.residue()))
        with pytest.raises(NotOurs, match=f"{PREFIX}-clone"):
            run(standing.up())
        run(standing.down())
        assert [c["Names"] for c in api.containers(all=True) if PREFIX in str(c)] == [[f"/{PREFIX}-clone"]]
        assert api.inspect_container(clone)["State"]["Running"]
    finally:
        if clone:
            api.remove_container(clone, force=True, v=True)
        api.remove_image(image, force=True)


@pytest.mark.parametrize(
    ("other", "held"),
    [("other", ""), ("mine", ""), ("other", "a container"), ("mine", "a container"), ("other", "a claim")],
)
def test_an_empty_network_that_a_stack_of_ours_left_behind_is_used(
    tmp_path: Path, api: APIClient, run: Run, other: str, held: str
) -> None:
    """An engine that miscounted its endpoints keeps it, with its addresses. Not while that stack is or begins.

    A second checkout has the same project name if its folder has, as in CI.
    """
    name, other = f"{PREFIX}mine_default", f"{PREFIX}{other}"
    labels = {STACK: "/elsewhere/docker-compose.yml", PROJECT: other}
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="10.86.0.0/16")])
    left = api.create_network(name, driver="bridge", ipam=ipam, labels=labels)["Id"]
    if held == "a container":
        api.kill(made(api, f"{other}-web", network_mode=name, labels=labels))
    elif held:
        api.create_volume(f"{other}-note-owner", labels=labels)
    one = target(folder(tmp_path / f"{PREFIX}mine", OURS))
    try:
        if held:
            with pytest.raises(NotOurs, match=name):
                run(one.up())
            return
        run(one.up())
        assert [network["Id"] for network in run(one.engine.networks())] == [left]
        run(one.up())
        run(one.down())
        assert state(api) == {name: left}
    finally:
        run(one.network.close())
        if held == "a claim":
            api.remove_volume(f"{other}-note-owner")


ANEW = """
import asyncio, pathlib, sys
from chaos.experiment import stack as stackfile
from chaos.protocols.capabilities import DEPLOY
from chaos.targets.compose.target import Compose
one = Compose(stackfile.read(pathlib.Path(sys.argv[1]), strict=False))
asyncio.run(one.can.need(DEPLOY).deploy(one.nodes()[0], {"A": "b"}))
"""


def test_a_node_that_compose_was_making_anew_when_the_harness_was_killed_is_whole_after_heal(
    standing: Compose, api: APIClient, run: Run
) -> None:
    """Compose dies with it; the stop that it had asked for would end the node seconds after the heal."""
    events = api.events(decode=True, filters={"event": "kill", "label": f"{STACK}={standing.engine.stack}"})
    harness = subprocess.Popen([sys.executable, "-c", ANEW, str(standing.stack.path)])
    assert next(events)["Action"] == "kill", "the engine stops the node, which does not listen"
    harness.kill()
    harness.wait()
    end = time.monotonic() + 2.0
    while processes_of(str(standing.stack.path)):
        assert time.monotonic() < end, "Compose goes on"
        time.sleep(0.05)
    assert "web was being recreated" in run(standing.residue())
    run(standing.heal())
    assert run(standing.residue()) == []
    end = time.monotonic() + 4.0  # Compose gives it three seconds
    while time.monotonic() < end:
        assert run(standing.residue()) == []
        time.sleep(0.5)
    assert run(standing.can.need(DEPLOY).deployed(standing.nodes()[0])) == {}
