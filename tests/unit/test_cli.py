"""The command line: help that is there at once, wrong input of each kind in words with its exit code."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.cli import COMMANDS, main
from chaos.cli.metrics import listen
from chaos.errors import ChaosError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with something to type."""
    assert call(command, "--help") == 0
    assert f"chaos {command}" in capsys.readouterr().out.partition("Options:")[2]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("rnu", "zone-fire"), "no command 'rnu'; did you mean 'run'?"),
        (("run",), "Missing argument 'EXPERIMENT'"),
        (("plan", "zone-fir", "--target", "process"), "did you mean 'zone-fire'?"),
        (("plan", "zone-fire", "--target", "procces"), "'procces' is not one of 'compose', 'process'"),
        (("plan", "zone-fire", "--target", "process", "--posture", "remedid"), "did you mean 'remedied'?"),
        (("plan", "zone-fire", "--target", "process", "--set", "boot_lane=2"), "did you mean 'boot_lanes'?"),
        (("plan", "zone-fire", "--target", "process", "--set", "boot_lanes"), "expected KNOB=VALUE"),
        (("plan", "zone-fire", "--target", "process", "--without", "deliver"), "did you mean 'delivery'?"),
        (("plan", "zone-fire", "--target", "process", "--stack", "nowhere.yml"), "nowhere.yml: no such file"),
        (("plan", "zone-fire", "--target", "process", "--seed", "x"), "'x' is not a valid integer"),
        (("plan", "zone-fire", "--target", "process", "--set", "spare_capacity=1"), "such as 50%"),
        (("check", "nothing-of-the-kind"), "no run called 'nothing-of-the-kind'"),
        (("faults", "puse", "--target", "process"), "no fault called 'puse'; did you mean 'pause'?"),
    ],
)
def test_wrong_use_is_said_in_words_and_exits_64(
    args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found, what was expected."""
    assert call(*args) == 64
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_a_users_file_that_is_no_python_is_refused_while_planning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its line; what the file does is found out by the load."""
    (tmp_path / "experiments" / "users").mkdir(parents=True)
    (tmp_path / "experiments" / "users" / "messaging.py").write_text("class A:\n    def x(self)\n        pass\n")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "services").symlink_to(ROOT / "services")
    experiment = str(ROOT / "experiments" / "primary-loss.yaml")
    assert call("plan", experiment, "--target", "process", "--stack", str(tmp_path / "docker-compose.yml")) == 64
    assert "users/messaging.py:2: expected ':'" in capsys.readouterr().err


def test_a_plan_of_one_seed_is_printed_twice_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte, and another seed differs."""
    printed = []
    for seed in ("3", "3", "4"):
        assert call("plan", "zone-fire", "--target", "process", "--seed", seed, "--json") == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert json.loads(printed[0])["seed"] == 3


def test_promql_without_a_prometheus_is_refused_while_planning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the three ways out: install it, use compose, leave the check out."""
    monkeypatch.setenv("PATH", "/usr/bin/nothing:" + str(Path(sys.executable).parent))
    assert call("plan", "node-kill", "--target", "process") == 64
    said = capsys.readouterr().err
    assert all(words in said for words in ("install a `prometheus`", "--target compose", "--without promql"))


def test_a_taken_port_is_named_with_what_to_do() -> None:
    """The harness's metrics port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ChaosError, match=rf"127\.0\.0\.1:{port}.*--metrics-port N, or 0 for none"):
            listen("127.0.0.1", port)


def test_help_imports_nothing_heavy() -> None:
    """`chaos --help` is there at once because nothing but click is imported for it."""
    heavy = {"docker", "rich", "msgspec", "yaml", "jinja2", "aiohttp", "asyncio", "prometheus_client", "locust"}
    code = "import sys; from chaos.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('IMPORTED', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    imported = set(out.partition("IMPORTED")[2].split())
    assert "click" in imported and not imported & heavy


def test_schema_and_list_are_for_machines_and_people(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON; the list names every experiment with its claim."""
    assert call("schema") == 0
    assert "Experiment" in json.loads(capsys.readouterr().out)["$defs"]
    assert call("list") == 0
    listed = capsys.readouterr().out
    assert all(path.stem in listed for path in (ROOT / "experiments").glob("*.yaml"))
