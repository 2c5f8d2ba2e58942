"""Machines that refuse user namespaces: what the commands say and do, and that what they name helps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from chaos.errors import TargetError
from chaos.targets.box import box

ROOT = Path(__file__).parents[2]
REFUSED = "unshare: unshare failed: Operation not permitted"


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the shop and its experiment, on such a machine and without a Docker engine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "unshare").write_text(f"#!/bin/sh\necho '{REFUSED}' >&2\nexit 1\n")
    (tools / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "shop")
    return tmp_path / "shop"


def doctor(*inside: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock", "XDG_STATE_HOME": str(home)}
    command = [*inside, sys.executable, "-m", "chaos", "doctor"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False)


def chaos(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chaos", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("words", [("up",), ("up", "--target", "process"), ("run", "stock-away")])
def test_a_command_that_needs_a_box_ends_with_the_reason(refusing: Path, words: tuple[str, ...]) -> None:
    """Once, with what the kernel said, and nothing is left behind."""
    done = chaos(refusing, *words)
    assert (done.returncode, done.stderr.count(REFUSED)) == (TargetError.exit_code, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert not (refusing / ".chaos" / "box.json").exists() and not (refusing / ".chaos" / "process.json").exists()


def test_the_reason_names_what_helps(refusing: Path) -> None:
    """A switch of the kernel that forbids it, or a container that was started without the right."""
    why = box.available() or ""
    assert REFUSED in why and ("sysctl " in why or box.CONTAINER in why)


def test_doctor_counts_the_target_out(refusing: Path) -> None:
    """With neither target it says so by its exit code."""
    done = chaos(refusing, "doctor")
    assert done.returncode == 2 and REFUSED in done.stdout


def test_a_kernel_that_allows_none_is_named_with_its_switch(tmp_path: Path) -> None:
    """A real one: in a namespace of users that may have none below it."""
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    done = doctor("unshare", "--user", "--map-root-user", "sh", "-c", f'{forbid} && exec "$@"', "sh", home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "allow them: sudo sysctl user.max_user_namespaces=" in done.stdout


@pytest.mark.engine
@pytest.mark.parametrize("options", [(), tuple(box.CONTAINER.split()[2:])])
def test_a_container_is_told_its_options_and_with_them_has_a_box(images: None, options: tuple[str, ...]) -> None:
    """Of the engine's real filters, without root. The options are those that the refusal names."""
    packages = sysconfig.get_paths()["purelib"]
    mounts = (word for place in {str(ROOT), packages} for word in ("--volume", f"{place}:{place}:ro"))
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", "--user", "1000", *options, *mounts, "--workdir", "/tmp",
         "--env", f"PYTHONPATH={ROOT}:{packages}", "--entrypoint", "python3", "chaos-stack/app", "-B", "-c",
         "from chaos.targets.box import box; print(box.available() or box.network_blocked())"],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (done.stdout == "None\n") if options else (box.CONTAINER in done.stdout)
