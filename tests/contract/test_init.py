"""`chaos init` on a project of others: what it writes plans at once, runs at once, and is not written twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chaos.targets.compose import command
from chaos.targets.docker import images

pytestmark = pytest.mark.engine

NAME = "chaosinit"  # of every project here
SERVE = f"image: {images.helper_tag()}\n    stop_grace_period: 0s\n    command: [python3, -m, http.server"
STACK = f"""
services:
  front:
    {SERVE}, '8000']
    expose: ['8000']
    networks: [front, back]
    depends_on: [api]
    environment: {{API: 'http://api:8080/'}}
    deploy: {{replicas: 2}}
  api:
    {SERVE}, '8080']
    networks: [back]
    environment: {{STORE_HOST: store}}
  store:
    {SERVE}, '7000']
    expose: ['7000']
    networks: [back]
networks: {{front: , back: }}
"""


def chaos(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "chaos", *words]
    return subprocess.run(
        argv, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", check=False,
        timeout=180,
    )  # fmt: skip


def well(place: Path, *words: str) -> str:
    done = chaos(place, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (made := tmp_path / f"{NAME}-file").mkdir()
    (made / "compose.yaml").write_text(STACK, encoding="utf-8")
    return made


def written(place: Path) -> dict[str, tuple[int, str]]:
    found = [place / "chaos.yaml", *sorted((place / "experiments").iterdir())]
    return {str(path): (path.stat().st_mtime_ns, path.read_text(encoding="utf-8")) for path in found}


def names(place: Path) -> Sequence[str]:
    return sorted(path.stem for path in (place / "experiments").glob("*.yaml"))


def test_what_init_writes_plans_and_runs_at_once_and_stays(place: Path) -> None:
    """A kill of a node is a PASS; the second init changes nothing; the map tells what was found."""
    found = json.loads(well(place, "discover", "--json"))
    assert [n["name"] for n in found["nodes"]] == ["api", "front-1", "front-2", "store"]
    assert {(n["component"], n["on"]) for n in found["needs"]} == {("front", "api"), ("api", "store")}
    assert not (place / "experiments").exists()
    assert well(place, "init").splitlines()[-1] == "then: chaos run node-kill"
    before = written(place)
    assert names(place) == ["dns-outage", "node-kill", "partition", "pause", "rolling-restart", "slow-dependency"]
    for name in names(place):
        well(place, "plan", name)
    well(place, "run", "node-kill", "--metrics-port", "0")
    well(place, "init")
    well(place, "init", "--force")
    assert written(place) == before


@pytest.fixture
def running(place: Path, tmp_path: Path) -> Iterator[Path]:
    """Their project runs; yields an empty folder of our own."""
    compose = [*(command.find() or ()), "--project-name", NAME]
    text = STACK.replace("expose: ['7000']", "ports: ['127.0.0.1::7000']")  # no number of HTTP, but it answers
    (place / "compose.yaml").write_text(text, encoding="utf-8")
    (ours := tmp_path / "ours").mkdir()
    try:
        up = [*compose, "--file", "compose.yaml", "up", "-d", "--scale", "front=2"]
        subprocess.run(up, cwd=place, check=True, capture_output=True)
        yield ours
    finally:
        down = [*compose, "--file", "compose.yaml", "down", "--volumes", "--timeout", "0"]
        subprocess.run(down, cwd=place, check=True, capture_output=True)


def test_init_of_a_running_project_asks_its_ports_and_writes_here(running: Path) -> None:
    """What answers a GET is HTTP whatever its number; each experiment plans on the project."""
    said = well(running, "init", "--project", NAME)
    assert said.splitlines()[-2:] == [
        f"{step} node-kill --project {NAME}" for step in ("next: chaos plan", "then: chaos run")
    ]
    users = (running / "experiments" / "users.py").read_text(encoding="utf-8")
    assert '"http://store:7000"' in users and '"http://front:8000"' in users and '"http://api:8080"' in users
    for name in names(running):
        well(running, "plan", name, "--project", NAME)
    assert "front on api" in well(running, "discover", "--project", NAME)


def test_an_unknown_project_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    """Exit 64, as every wrong argument."""
    for words in (("init",), ("discover",)):
        done = chaos(tmp_path, *words, "--project", "chaosnobody")
        assert done.returncode == 64 and "chaosnobody" in done.stderr
    assert not list(tmp_path.iterdir())
