"""`chaos discover` and `chaos init` on the embedded target: what they print, and that it can be typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos.cli import main
from tests.messages import Says

FILE = """
services:
  web:
    command: python3 -m http.server 8000
    expose: ["8000"]
    environment: {STORE: "store:7000"}
    networks: {all: {ipv4_address: 10.78.1.10}}
  store:
    command: python3 -m http.server 7000
    networks: {all: {ipv4_address: 10.78.1.11}}
networks: {all: {ipam: {config: [{subnet: 10.78.1.0/24}]}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (made := tmp_path / "a project").mkdir()
    (made / "docker-compose.yml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(made)
    return made


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


def test_the_map_is_text_or_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Long lines are not wrapped, nothing is coloured, and nothing is written."""
    before = sorted(folder.iterdir())
    assert call("discover", "--target", "process") == 0
    assert "  web on store: environment STORE: store:7000\n" in (said := capsys.readouterr().out)
    assert "\x1b" not in said
    assert call("discover", "--target", "process", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [n["name"] for n in found["nodes"]] == ["store", "web"] and found["single"] == {"store": ["web"]}
    assert sorted(folder.iterdir()) == before


def test_init_ends_with_a_command_that_can_be_typed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From this folder, and from another one with --stack; each experiment plans."""
    assert call("init", "--target", "process") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == ["next: chaos plan node-kill --target process", "then: chaos run node-kill --target process"]
    names = [path.stem for path in sorted((folder / "experiments").glob("*.yaml"))]
    assert "partition" in names and "dns-outage" in names
    for name in names:
        assert call("plan", name, "--target", "process") == 0
    (elsewhere := folder.parent / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        capsys.readouterr()
        file = str(folder / "docker-compose.yml")
        assert call("init", "--target", "process", "--stack", file) == 0
        last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"then: chaos run node-kill --stack '{file}' --target process"
    assert not list(elsewhere.iterdir())


def test_without_a_port_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str], says: Says) -> None:
    """There is nothing to plan; with a port that is no HTTP, users connect."""
    file = folder / "docker-compose.yml"
    file.write_text(FILE.replace("store:7000", "").replace('["8000"]', "[]"), encoding="utf-8")
    assert call("init", "--target", "process") == 0
    out, err = capsys.readouterr()
    says(err)
    assert "next:" not in out and not (folder / "experiments").exists()
    file.write_text(FILE.replace('["8000"]', "[]"), encoding="utf-8")
    assert call("init", "--target", "process") == 0
    says(capsys.readouterr().err)
    assert call("plan", "node-kill", "--target", "process") == 0


def test_users_of_others_that_lack_a_journey_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """They are left as they are, and the new experiments would be refused."""
    users = folder / "experiments" / "users.py"
    users.parent.mkdir()
    text = (
        "from chaos.load.openloop import OpenUser, journey\nclass U(OpenUser):\n  @journey('x')\n  def x(self): ...\n"
    )
    users.write_text(text, encoding="utf-8")
    assert call("init", "--target", "process", "--force") == 0
    says(capsys.readouterr().err)
    assert users.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("command", ["discover", "init"])
def test_a_folder_without_a_stack_is_said(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """And nothing is written there."""
    monkeypatch.chdir(tmp_path)
    assert call(command, "--target", "process") == 64
    says(capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
