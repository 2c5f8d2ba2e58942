"""The command line: help that is there at once, wrong input of each kind in words with its exit code."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest

from chaos.cli import COMMANDS, GROUPS, main
from chaos.errors import ChaosError
from chaos.observe.metrics import listen
from tests.messages import Says

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command said before it ended, unwrapped, and without click's line on usage."""
    return " ".join(capsys.readouterr().err.split()).rpartition(" Error: ")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with something to type, a line each."""
    assert call(command, "--help") == 0
    typed = [line.split() for line in capsys.readouterr().out.partition("Examples:")[2].splitlines() if line.strip()]
    assert typed and all("chaos" in line and line[line.index("chaos") + 1] == command for line in typed)


def test_help_groups_every_command_and_has_an_example_of_each_group(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command once, below its group's title, with one line of text; the examples are commands that exist."""
    assert call("--help") == 0
    text = capsys.readouterr().out
    above, _, below = text.partition("Examples:")
    for title, group in GROUPS.items():
        section = above.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines() if line[2] != " "] == list(group), title
        assert any(f"  chaos {name} " in below for name in group), title
    assert len(COMMANDS) == sum(map(len, GROUPS.values())) and max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "args",
    [
        ("rnu", "zone-fire"),
        ("run",),
        ("plan", "zone-fir", "--target", "process"),
        ("plan", "zone-fire", "--target", "procces"),
        ("plan", "zone-fire", "--target", "process", "--posture", "remedid"),
        ("plan", "zone-fire", "--target", "process", "--set", "boot_lane=2"),
        ("plan", "zone-fire", "--target", "process", "--set", "boot_lanes"),
        ("plan", "zone-fire", "--target", "process", "--without", "deliver"),
        ("plan", "zone-fire", "--target", "process", "--stack", "nowhere.yml"),
        ("plan", "zone-fire", "--target", "process", "--stack", "/nowhere/compose.yaml"),
        ("plan", "zone-fire", "--target", "process", "--seed", "x"),
        ("plan", "zone-fire", "--target", "process", "--set", "spare_capacity=1"),
        ("run", "zone-fire", "--metrics-port", "65536"),
        ("run", "zone-fire", "--metrics-port", "-1"),
        ("gc", "--newer", "9" * 40 + "d"),
        ("gc", "--newer", "\u0661d"),
        ("check", "nothing-of-the-kind", "--runs", "none"),
        ("faults", "puse", "--target", "process"),
    ],
    ids=str,
)
def test_wrong_use_is_said_in_words_and_exits_64(
    args: tuple[str, ...], capsys: pytest.CaptureFixture[str], says: Says
) -> None:
    """What was found, what was expected."""
    assert call(*args) == 64
    says(refusal(capsys))


def test_a_users_file_that_is_no_python_is_refused_while_planning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its line; what the file does is found out by the load."""
    (tmp_path / "experiments" / "users").mkdir(parents=True)
    (tmp_path / "experiments" / "users" / "messaging.py").write_text("class A:\n    def x(self)\n        pass\n")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "services").symlink_to(ROOT / "services")
    experiment = str(shutil.copy(ROOT / "experiments" / "primary-loss.yaml", tmp_path / "experiments"))
    assert call("plan", experiment, "--target", "process", "--stack", str(tmp_path / "docker-compose.yml")) == 64
    assert "users/messaging.py:2: " in capsys.readouterr().err, "and then Python's own words"


def test_a_plan_of_one_seed_is_printed_twice_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte, and another seed differs."""
    printed = []
    for seed in ("3", "3", "4"):
        assert call("plan", "zone-fire", "--target", "process", "--seed", seed, "--json") == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert json.loads(printed[0])["seed"] == 3


def test_promql_without_a_prometheus_is_refused_while_planning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    """With the three ways out: install it, use compose, leave the check out."""
    monkeypatch.setenv("PATH", "/usr/bin/nothing:" + str(Path(sys.executable).parent))
    assert call("plan", "node-kill", "--target", "process") == 64
    says(refusal(capsys))


def test_a_taken_port_is_named_with_what_to_do(says: Says) -> None:
    """The harness's metrics port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ChaosError) as e:
            listen("127.0.0.1", port)
    says(re.sub(r"\(.*\)", "(<why>)", str(e.value)), port=port)


def test_leftovers_of_editors_break_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And files are found with either ending, but not with both."""
    for folder in ("experiments", "experiments/suites", "experiments/simulations", "seeds", "runs"):
        (tmp_path / folder / "folder.yaml").mkdir(parents=True)
        (tmp_path / folder / "._x.yaml").write_bytes(b"\xff\xfe\x00")
        (tmp_path / folder / ".#x.yaml").symlink_to("user@host.1:2")
        (tmp_path / folder / "x.yaml~").write_text("a: [")
    shutil.copy(ROOT / "experiments" / "node-kill.yaml", tmp_path / "experiments" / "node-kill.yml")
    shutil.copy(ROOT / "seeds" / "kakao-2022-10-15.yaml", tmp_path / "seeds" / "kakao-2022-10-15.yml")
    shutil.copytree(ROOT / "experiments" / "users", tmp_path / "experiments" / "users")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "services").mkdir()
    shutil.copy(ROOT / "services" / "staff.yaml", tmp_path / "services")
    monkeypatch.chdir(tmp_path)
    for args in (("list",), ("incident",), ("list", "--runs"), ("gc", "--keep", "1"), ("show", "node-kill"),
                 ("plan", "node-kill", "--target", "process", "--without", "promql")):  # fmt: skip
        assert call(*args) == 0, capsys.readouterr().err
    assert "node-kill" in capsys.readouterr().out
    shutil.copy(ROOT / "experiments" / "node-kill.yaml", tmp_path / "experiments")
    for command in (["list"], ["show", "node-kill"], ["plan", "node-kill", "--target", "process"]):
        assert call(*command) == 64
        said = capsys.readouterr().err
        assert "node-kill.yaml" in said and "node-kill.yml" in said


def test_schema_and_list_are_for_machines_and_people(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON; the list names every experiment with its claim."""
    assert call("schema") == 0
    assert "Experiment" in json.loads(capsys.readouterr().out)["$defs"]
    assert call("list") == 0
    listed = capsys.readouterr().out
    assert all(path.stem in listed for path in (ROOT / "experiments").glob("*.yaml"))
