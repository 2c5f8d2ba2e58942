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
from benchmarks.kills.ground import MARK, ROOT
from benchmarks.kills.look import Containers, Look
from benchmarks.kills.look import _limits as limits_of
from benchmarks.kills.play import Player
from tests.e2e.stage import processes_of

PROCESS = pytest.param("process", 8, 4, marks=pytest.mark.box)
COMPOSE = pytest.param("compose", 2, 2, marks=pytest.mark.engine)
SEED = 3


@pytest.mark.parametrize(("target", "kills", "jobs"), [PROCESS, COMPOSE])
def test_a_seeded_sample_of_kills_leaks_nothing(target: str, kills: int, jobs: int, tmp_path: Path) -> None:
    """Whoever is killed when: nothing stays broken and nobody stays behind; the table says how many they were."""
    matrix = Matrix(target, SEED, kills, tmp_path, jobs)
    matrix.play()
    assert matrix.problems == []
    found = matrix.results.kills.values()
    assert [k for k in found if k.outcome == "leaked"] == []
    assert matrix.results.count == kills
    assert any(k.hurt for k in found), "a sample in which nothing was ever broken shows nothing"
    write(tmp_path, tmp_path / "killmatrix.md")
    assert f"0 leaked in {kills} kills" in (tmp_path / "killmatrix.md").read_text()
    assert processes_of(f"{MARK}={os.getpid()}-{target}-") == []


@pytest.fixture(scope="module", params=[pytest.param(p.values[0], marks=p.marks) for p in (PROCESS, COMPOSE)])
def player(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A stack that stands, and that nobody has hurt."""
    from benchmarks.kills.ground import Ground

    one = Player(Ground(request.param, tmp_path_factory.mktemp("ground"), 9), "test")
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
        box = next(p.pid for p in look._ours() if "boxinit.py" in p.command and "unshare" not in p.command)
        code = f"from benchmarks.kills.tables import enter; enter('{box}'); {code}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_table_left_behind_is_reported_and_healed(player: Player) -> None:
    """Beside the harness's own helper: nobody of it knows of this one."""
    name = player.ground.project.replace("-", "_") if player.ground.target == "compose" else "chaos"
    assert player.look.broken() == []
    plant_table(player.look, name)
    assert any(f"nft table {name}" in text for text in player.look.broken())
    assert player.ground.command("heal")[0] == 0
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
    assert player.ground.command("heal")[0] == 0
    assert look.broken() == []


def test_a_node_that_is_gone_is_reported_and_healed(player: Player) -> None:
    """All of its facts are missing."""
    proc.send(player.look.node_processes("db-a"), signal.SIGKILL)
    assert any("gone" in text for text in eventually(player.look.broken, "gone"))
    player.ground.command("heal")
    end = time.monotonic() + 10.0
    while player.look.broken() and time.monotonic() < end:
        time.sleep(0.1)
    assert player.look.broken() == []


def test_a_stray_process_of_a_run_is_reported(player: Player) -> None:
    """With the mark of a run, that nobody waits for."""
    assert player.look.strays() == []
    with subprocess.Popen(["sleep", "60"], env=player.ground.environment("run0")) as stray:
        try:
            assert any("sleep 60" in text for text in eventually(player.look.strays, "sleep 60"))
        finally:
            stray.kill()
    assert player.look.strays() == []


def test_what_no_heal_takes_away_is_a_leak(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the middle of a run whose harness is then killed: the kill counts as leaked, and says what is left."""
    if player.ground.target == "compose":
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


def test_a_limit_that_the_engine_cannot_forget_is_none() -> None:
    """Given back, a quota is -1 where it was 0 before; one that limits is seen."""
    never, given_back, starved = ({}, {"CpuQuota": -1, "CpuPeriod": 100_000}, {"CpuQuota": 2_000, "CpuPeriod": 100_000})
    assert limits_of(never) == limits_of(given_back) != limits_of(starved)


def test_one_seed_gives_one_order_and_a_round_has_every_cell_once() -> None:
    """So a result's number says what was killed when, and a later call can go on."""
    every = cells("process", ["kill", "pause"])
    first, second = ([c for _, (c, _) in zip(every, drawn(every, seed), strict=False)] for seed in (7, 7))
    assert first == second and set(first) == set(every) and len(set(every)) == len(every)
    assert first != [c for _, (c, _) in zip(every, drawn(every, 8), strict=False)]
