"""A project that others started: faults bite and heal, and afterwards everything of theirs is as before."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from chaos.errors import BadExperiment
from chaos.model import Node
from chaos.protocols.capabilities import CUT, DEPLOY, EXEC, KILL, PAUSE, SKEW, STARVE, STOP
from chaos.protocols.links import Link
from chaos.protocols.table import Refusal
from chaos.targets import known
from chaos.targets.attached.target import Attached
from chaos.targets.compose import command
from chaos.targets.docker import images
from chaos.targets.docker.engine import PROJECT, SERVICE, STACK
from chaos.waiting import block_until, comes_true
from tests.contract.kinds import Run

pytestmark = pytest.mark.engine

NAME = "chaostheirs"
SERVE = f"image: {images.helper_tag()}\n    command: [python3, -m, http.server, '8000']\n    stop_grace_period: 0s"
THEIRS = f"""
services:
  front:
    {SERVE}
    networks: [front]
    labels: {{chaos.zone: a}}
  api:
    {SERVE}
    networks: [front, back]
    restart: always
    environment: {{DOLLAR: "a$$b"}}
  deaf:
    image: {images.helper_tag()}
    command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"]
    networks: [back]
  frozen:
    {SERVE}
  ended:
    image: {images.helper_tag()}
    command: ["true"]
networks: {{front: , back: }}
volumes: {{data: }}
"""
USERS = """from chaos.load.openloop import OpenUser, journey


class Anybody(OpenUser):
    hosts = ["http://api:8000"]

    @journey("front")
    def front(self):
        self.get("/")
"""
FAULTS = """
name: theirs
claim: Nobody reaches api, and then everybody does.
load: {users: users.py, count: 5, rate: 20/s, floor: 5/s}
steady: {for: 2s}
recover: 3s
timeline:
  - {at: 1s, for: LONG, fault: partition, where: {name: api}}
  - {at: 1s, for: LONG, fault: kill, where: {name: front-2}}
  - {at: 1s, for: LONG, fault: pause, where: {name: front-1}}
checks: [{availability: {journey: front, phase: after, at_least: 99%}}]
"""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, api: APIClient) -> Iterator[Path]:
    """Started as its owner does; yields another folder, with our experiments alone."""
    place = tmp_path_factory.mktemp("theirs")
    (place / "docker-compose.yml").write_text(THEIRS, encoding="utf-8")
    compose = [*(command.find() or ()), "--project-name", NAME]
    ours = tmp_path_factory.mktemp("ours")
    (ours / "experiments").mkdir()
    for name, length in (("short", "2s"), ("long", "60s")):
        text = FAULTS.replace("LONG", length).replace("name: theirs", f"name: {name}")
        (ours / "experiments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (ours / "experiments" / "users.py").write_text(USERS, encoding="utf-8")
    try:
        subprocess.run([*compose, "up", "-d", "--scale", "front=2"], cwd=place, check=True, capture_output=True)
        ended = containers(api)["ended"]
        block_until(lambda: api.inspect_container(ended["Id"])["State"]["Status"] == "exited" or None, 10.0)
        api.pause(containers(api)["frozen"]["Id"])
        yield ours
    finally:
        subprocess.run([*compose, "down", "--volumes", "--timeout", "0"], cwd=place, check=True, capture_output=True)


@pytest.fixture
def attached(theirs: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Attached]:
    monkeypatch.chdir(theirs)
    one = made()
    run(one.prepare())
    yield one
    run(one.down())


def made() -> Attached:
    """As another command has it."""
    return Attached(known.read(known.ATTACHED, Path(f"project:{NAME}"), None, {}, {}))


def containers(api: APIClient) -> Mapping[str, Any]:
    """By service, with the number of a second one."""
    found = {}
    for row in api.containers(all=True, filters={"label": f"{PROJECT}={NAME}"}):
        number = row["Labels"]["com.docker.compose.container-number"]
        found[row["Labels"][SERVICE] + (number if number != "1" else "")] = row
    return found


def state(api: APIClient, started: bool = True) -> Any:
    """Everything of theirs that a fault could change; `started` also tells a container that was started again."""
    rows = []
    for row in api.containers(all=True, filters={"label": f"{PROJECT}={NAME}"}):
        found = api.inspect_container(row["Id"])
        host = {k: v for k, v in found["HostConfig"].items() if k not in ("CpuQuota", "CpuPeriod", "Memory")}
        limits = [max(found["HostConfig"][k] or 0, 0) for k in ("CpuQuota", "Memory")]  # -1 is one more word for none
        networks = {k: v["NetworkID"] for k, v in found["NetworkSettings"]["Networks"].items()}
        when = found["State"]["StartedAt"] if started else ""
        rows.append((found["Name"], row["Id"], found["State"]["Status"], when, found["Config"], host, limits, networks))
    there = [n["Id"] for n in api.networks() if (n["Labels"] or {}).get(PROJECT) == NAME]
    volumes = [v["Name"] for v in api.volumes()["Volumes"] or () if NAME in v["Name"]]
    return sorted(rows, key=lambda row: row[0]), sorted(there), sorted(volumes)


def node(name: str) -> Node:
    return Node(name, name, "")


def chaos(place: Path, *words: str, project: str = NAME) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "chaos", *words, "--project", project]
    return subprocess.run(
        argv,
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_a_project_is_described_by_what_runs_of_it(attached: Attached) -> None:
    """By service, and by number where there are two; what is paused or has ended is somebody's business."""
    stack = attached.stack
    assert [(n.name, n.component, n.zone) for n in stack.nodes] == [
        ("api", "api", ""), ("deaf", "deaf", ""), ("front-1", "front", "a"), ("front-2", "front", "a"),
    ]  # fmt: skip
    assert sorted(n.name for n in stack.elsewhere) == ["ended", "frozen"]
    assert stack.services["api"].environment["DOLLAR"] == "a$b"
    assert all(isinstance(found, Refusal) for found in (attached.can.get(DEPLOY), attached.can.get(SKEW)))


def test_every_fault_is_healed_by_another_command_and_nothing_of_theirs_has_changed(
    attached: Attached, api: APIClient, run: Run
) -> None:
    """Also what they had paused, and what had ended, as far as a fault did not touch it."""
    before, link = state(api, started=False), Link(frozenset({"front-1"}))

    async def play() -> None:
        can = attached.can
        await can.need(CUT).cut("test", [link])
        await can.need(KILL).kill([node("front-2"), node("api")])
        await can.need(PAUSE).pause([node("front-1")])
        await can.need(STARVE).starve([node("deaf")], 0.2)
        assert sorted(await made().residue()) == [
            "api is not running", "deaf is starved of processor", "front-1 is cut off from all others",
            "front-1 is paused", "front-2 is not running",
        ]  # fmt: skip
        other = made()
        assert other.nodes() == attached.nodes()  # what a fault has ended is still a node
        await other.heal()
        assert await made().residue() == []

    run(play())
    assert state(api, started=False) == before
    assert run(attached.can.need(EXEC).exec(node("front-2"), ["true"]))[0] == 0


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_a_stop_that_nobody_waits_for_any_more_does_not_end_a_node_after_the_heal(
    attached: Attached, api: APIClient, run: Run, how: str
) -> None:
    """The engine ends a node that ignores SIGTERM at the end of its grace, also for a harness that is gone."""
    before = state(api, started=False)

    async def cancelled() -> None:
        stop = asyncio.create_task(attached.can.need(STOP).stop([node("deaf")], 3.0))
        await asyncio.sleep(1.0)
        stop.cancel()
        await asyncio.wait([stop])

    if how == "cancelled":
        run(cancelled())
    else:
        code = (
            "import asyncio; from tests.contract.test_attached import made, node; from chaos.protocols.capabilities "
            "import STOP; asyncio.run(made().can.need(STOP).stop([node('deaf')], 3.0))"
        )
        root = str(Path(__file__).parents[2])
        harness = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root})
        block_until(lambda: run(made().residue()) == ["deaf is being stopped"] or None, 10.0)
        harness.send_signal(signal.SIGKILL)
        harness.wait()

    async def play() -> None:
        other = made()
        assert await other.residue() == ["deaf is being stopped"]
        await other.heal()
        assert await other.residue() == []

        async def gone() -> bool:
            return not await other.running(node("deaf"))

        assert not await comes_true(gone, 4.0)

    run(play())
    assert state(api, started=False) == before


def test_a_whole_run_bites_heals_and_leaves_all_as_it_was(theirs: Path, api: APIClient) -> None:
    """From a folder that has nothing of the project; the report's command names it."""
    before = state(api, started=False)
    done = chaos(theirs, "run", "short", "--metrics-port", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"--project {NAME}" in done.stdout
    assert state(api, started=False) == before and mine(api) == []
    status = chaos(theirs, "status")
    assert (status.returncode, status.stdout.count("healthy")) == (0, 4)


TEST = """
def test_front_is_served_by_the_other(chaos):
    assert {node.name for node in chaos.nodes} == {"api", "deaf", "front-1", "front-2"}
    with chaos.fault("pause", name="front-1") as fault:
        assert fault.nodes == ("front-1",)
        assert chaos.get("front-2", 8000).status == 200
    chaos.well("front-1")
"""


def test_a_test_of_theirs_breaks_and_heals_its_project(theirs: Path, api: APIClient, tmp_path: Path) -> None:
    """With pytest's plugin; a node is selected by its name, and its port needs no publishing."""
    before = state(api)
    (tmp_path / "test_theirs.py").write_text(TEST, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--chaos-project", NAME]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(api) == before and mine(api) == []


def mine(api: APIClient) -> list[str]:
    """What the harness has beside the project."""
    ours = {"label": f"{STACK}=project:{NAME}"}
    return [
        *(c["Id"] for c in api.containers(all=True, filters=ours)),
        *(v["Name"] for v in api.volumes(ours)["Volumes"] or ()),
    ]


def test_a_run_that_is_killed_is_healed_by_its_watchdog_and_holds_the_project_meanwhile(
    theirs: Path, api: APIClient, tmp_path: Path
) -> None:
    """A second command from another folder is refused: it is one project, wherever it is attached to from."""
    before = state(api, started=False)
    argv = [sys.executable, "-m", "chaos", "run", "long", "--metrics-port", "0", "--project", NAME, "--plain"]
    with (tmp_path / "said").open("wb") as said:
        harness = subprocess.Popen(argv, cwd=theirs, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        block_until(lambda: (tmp_path / "said").read_text().count(" active on ") == 3 or None, 60.0)
        (elsewhere := tmp_path / "elsewhere").mkdir()
        refused = chaos(elsewhere, "heal")
        assert refused.returncode != 0 and str(harness.pid) in refused.stderr
    finally:
        harness.kill()
        harness.wait()
    block_until(lambda: chaos(theirs, "heal").returncode == 0 or None, 60.0)
    assert state(api, started=False) == before and mine(api) == []


def test_what_is_no_project_of_others_is_refused(theirs: Path, tmp_path: Path, api: APIClient) -> None:
    """With the names of those that there are; a stack of the harness's own has its file."""
    with pytest.raises(BadExperiment, match=NAME):
        known.read(known.ATTACHED, Path("project:nobody"), None, {}, {})
    labels = {PROJECT: "chaosours", STACK: "/elsewhere/docker-compose.yml"}
    ours = api.create_container(images.helper_tag(), ["sleep", "1"], labels=labels)["Id"]
    try:
        with pytest.raises(BadExperiment, match=r"/elsewhere/docker-compose\.yml"):
            known.read(known.ATTACHED, Path("project:chaosours"), None, {}, {})
    finally:
        api.remove_container(ours)
    for words in (("up",), ("down",), ("run", "short", "--target", "compose"), ("run", "short", "--posture", "x")):
        assert chaos(theirs, *words).returncode in (2, 64)
