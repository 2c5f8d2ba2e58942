"""A seeded sample of the kill matrix leaks nothing; and the matrix's own detector sees what is planted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.killmatrix import Matrix, write
from benchmarks.kills import play, proc
from benchmarks.kills.cells import Cell, cells, drawn
from benchmarks.kills.look import Containers, Look
from benchmarks.kills.look import _limits as limits_of
from benchmarks.kills.play import Player
from benchmarks.kills.rig import MARK, ROOT
from chaos.experiment import stack as stackfile
from chaos.place.standing import STATE
from chaos.targets.compose import owner
from chaos.targets.docker import network_helper
from chaos.targets.docker.engine import Engine
from tests.e2e.stage import processes_of

TARGETS = (pytest.param("process", marks=pytest.mark.box), pytest.param("compose", marks=pytest.mark.engine))
SEED = 3


@pytest.mark.parametrize(
    ("target", "kills", "jobs", "rows"),
    [
        pytest.param("process", 8, 4, "", marks=pytest.mark.box),
        pytest.param("process", 5, 4, "up ", marks=pytest.mark.box),
        pytest.param("compose", 2, 2, "", marks=pytest.mark.engine),
        pytest.param("compose", 2, 1, "up ", marks=pytest.mark.engine),
    ],
)
def test_a_seeded_sample_of_kills_leaks_nothing(target: str, kills: int, jobs: int, rows: str, tmp_path: Path) -> None:
    """Whoever is killed when: nothing stays broken and nobody stays behind; the table says how many they were."""
    matrix = Matrix(target, SEED, kills, tmp_path, jobs, rows)
    matrix.play()
    assert matrix.problems == []
    found = matrix.results.kills.values()
    assert [k for k in found if k.outcome == "leaked"] == []
    assert matrix.results.count == kills
    assert any(k.hurt for k in found), "a sample in which nothing was ever broken shows nothing"
    write(tmp_path, tmp_path / "killmatrix.md")
    assert f"0 leaked in {kills} kills" in (tmp_path / "killmatrix.md").read_text()
    assert processes_of(f"{MARK}={os.getpid()}-{target}-") == []


@pytest.fixture(scope="module", params=TARGETS)
def player(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A stack that stands, and that nobody has hurt."""
    from benchmarks.kills.rig import Rig

    one = Player(Rig(request.param, tmp_path_factory.mktemp("rig"), 9), "test")
    try:
        one._prepare("standing")
        yield one
    finally:
        one.close()


def eventually(look: Callable[[], list[str]], word: str) -> list[str]:
    """What is found as soon as something has `word` in it, else after 5 s."""
    end = time.monotonic() + 5.0
    found = look()
    while not any(word in text for text in found) and time.monotonic() < end:
        time.sleep(0.05)
        found = look()
    return found


def plant_table(look: Look, name: str) -> None:
    """As the network helper makes one: in the box, or in the host's network."""
    code = f"from chaos.helper import nft; nft.apply([dict(a=['10.1.1.1'], b=None, both=True)], {name!r})"
    if not isinstance(look, Containers):
        box = next(p.pid for p in look._ours() if "box/init.py" in p.command and "unshare" not in p.command)
        code = f"from benchmarks.kills.tables import enter; enter('{box}'); {code}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_table_left_behind_is_reported_and_healed(player: Player) -> None:
    """Beside the harness's own helper: nobody of it knows of this one."""
    name = "chaos"
    if player.rig.target == "compose":
        stack = stackfile.read(player.rig.folder / "stack.yml", strict=False)
        name = network_helper.table(Engine(player.rig.project, owner.mark(stack)))
    assert player.look.broken() == []
    plant_table(player.look, name)
    assert any(f"nft table {name}" in text for text in player.look.broken())
    assert player.rig.command("heal")[0] == 0
    assert player.look.broken() == []


def test_a_frozen_node_is_reported_and_healed(player: Player) -> None:
    """A paused container; embedded a process that was stopped behind the harness's back."""
    look = player.look
    if isinstance(look, Containers):
        one = next(c["Id"] for c in look.containers() if c["Labels"]["com.docker.compose.service"] == "web-a")
        look.api.pause(one)
    else:
        proc.send([p for p in look.node_processes("web-a") if p.command == "python3 -S server.py"], signal.SIGSTOP)
    assert any(text.startswith("web-a") for text in eventually(look.broken, "web-a"))
    assert player.rig.command("heal")[0] == 0
    assert look.broken() == []


def test_a_node_that_is_gone_is_reported_and_healed(player: Player) -> None:
    """All of its facts are missing."""
    proc.send(player.look.node_processes("db-a"), signal.SIGKILL)
    assert any("gone" in text for text in eventually(player.look.broken, "gone"))
    player.rig.command("heal")
    end = time.monotonic() + 10.0
    while player.look.broken() and time.monotonic() < end:
        time.sleep(0.1)
    assert player.look.broken() == []


def test_a_stray_process_of_a_run_is_reported(player: Player) -> None:
    """With the mark of a run, that nobody waits for."""
    assert player.look.strays() == []
    with subprocess.Popen(["sleep", "60"], env=player.rig.environment("run0")) as stray:
        try:
            assert any("sleep 60" in text for text in eventually(player.look.strays, "sleep 60"))
        finally:
            stray.kill()
    assert player.look.strays() == []


def test_what_no_heal_takes_away_is_a_leak(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the middle of a run whose harness is then killed: the kill counts as leaked, and says what is left."""
    if player.rig.target == "compose":
        assert player.look.broken() == []
        return
    monkeypatch.setattr(play, "HEALS", 3.0)
    reach = player._reach

    def plant_too(boundary: str, started: subprocess.Popen[bytes], dice: random.Random) -> str:
        plant_table(player.look, "planted")
        return reach(boundary, started, dice)

    monkeypatch.setattr(player, "_reach", plant_too)
    kill = player.play(0, Cell("process", "standing", "pause", "active", "harness SIGKILL"), random.Random(1))
    assert kill.outcome == "leaked" and any("nft table planted" in text for text in kill.left)


def test_a_second_command_that_is_not_refused_counts_as_a_leak(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody removes the lock's file in the middle of a run, and then heals: it takes the fault from the run."""
    if player.rig.target == "compose":
        assert player.look.broken() == []
        return
    reach = player._reach

    def unlock_too(boundary: str, started: subprocess.Popen[bytes], dice: random.Random) -> str:
        why = reach(boundary, started, dice)
        (player.rig.folder / STATE / "process.lock").unlink()
        return why

    monkeypatch.setattr(player, "_reach", unlock_too)
    kill = player.play(0, Cell("process", "standing", "pause", "stack up", "second heal"), random.Random(1))
    assert kill.outcome == "leaked" and any("not refused" in text for text in kill.left)


def test_a_stranger_that_is_touched_counts_as_a_leak(player: Player) -> None:
    """Restarted, or paused: it is not as it was. Only under compose anybody stands beside."""
    if player.strangers is None:
        assert player.rig.target == "process"
        return
    assert player.strangers.touched() == []
    one = next(name for name in player.strangers.whole if name.endswith("-alone"))
    player.strangers._api.pause(one.removeprefix("/"))
    try:
        assert len(player.strangers.touched()) == 1
    finally:
        player.strangers._api.unpause(one.removeprefix("/"))
    assert player.strangers.touched() == []


def test_a_limit_that_the_engine_cannot_forget_is_none() -> None:
    """Given back, a quota is -1 where it was 0 before; one that limits is seen."""
    never: dict[str, int] = {}
    given_back, starved = {"CpuQuota": -1, "CpuPeriod": 100_000}, {"CpuQuota": 2_000, "CpuPeriod": 100_000}
    assert limits_of(never) == limits_of(given_back) != limits_of(starved)


def test_one_seed_gives_one_order_and_a_round_has_every_cell_once() -> None:
    """So a result's number says what was killed when, and a later call can go on."""
    every = cells("process", ["kill", "pause"])
    first, second = ([c for _, (c, _) in zip(every, drawn(every, seed), strict=False)] for seed in (7, 7))
    assert first == second and set(first) == set(every) and len(set(every)) == len(every)
    assert first != [c for _, (c, _) in zip(every, drawn(every, 8), strict=False)]
