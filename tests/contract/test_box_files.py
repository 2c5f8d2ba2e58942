"""What programs in the box see of this machine's files, and what they may write: nothing but what they need.

Scenarios run inside a box: this file is started again there, with the scenario's name and a small project's folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from chaos.experiment import stack as stackfile
from chaos.protocols.capabilities import DEPLOY, EXEC, HOST
from chaos.targets.box import box
from chaos.targets.process.isolation import is_ours_yet
from chaos.targets.process.target import Process

PROJECT = Path(__file__).parents[2]
REASON = box.available()
pytestmark = [pytest.mark.box, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

# A program that still has privileges must not be the stack's, nor load anything of it.
TRAP = '#!/bin/sh\necho trapped >> {marker}\nexec /usr/bin/{name} "$@"\n'
QUOTED = """QUOTED=it's "so" and $HOME `id` \\n
and so on"""
TRAPS = ("nsenter", "unshare", "mount", "setpriv", "sh")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stack of two nodes, a run's folder and a home with a secret, each in a place of its own below /tmp."""
    for name in ("stack/evil", "stack/.chaos", "run/logs", "home/.ssh", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/.ssh/id").write_text("secret of the home")
    (tmp_path / "elsewhere/file").write_text("secret of somebody else")
    for name in TRAPS:
        trap = tmp_path / "stack/evil" / name
        trap.write_text(TRAP.format(marker=tmp_path / "marker", name=name))
        trap.chmod(0o755)
    services = {
        name: {
            "command": ["sleep", "600"],
            "environment": {"DATA": "/data", "PATH": f"{tmp_path}/stack/evil:/usr/bin:/bin", "odd.name": "odd value",
                            "UID": "7", "IFS": ":", "QUOTED": QUOTED.partition("=")[2].replace("$", "$$")},
            "volumes": ["/data"],
            "labels": {"chaos.zone": "a"},
            "networks": {"n": {"ipv4_address": address}},
        }
        for name, address in {"one": "10.77.1.10", "two": "10.77.1.11"}.items()
    }  # fmt: skip
    (tmp_path / "stack/docker-compose.yml").write_text(json.dumps({"services": services}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OTHERS_TOKEN", "secret of the environment")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        yield tmp_path


def inside(scenario: Callable[[Process, Path], Awaitable[None]], project: Path) -> int:
    path = ":".join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    program = ("env", f"PYTHONPATH={path}", sys.executable)
    return box.run_inside([__file__, scenario.__name__, str(project)], state=project / "state", program=program)


async def said(target: Process, script: str, node: str = "one") -> str:
    """What a script that somebody who writes an experiment could have run inside a node prints."""
    one = next(n for n in target.nodes() if n.name == node)
    return (await target.can.need(EXEC).exec(one, ["/bin/sh", "-c", script]))[1]


def runs(pid: int, program: bytes) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(program)


# --- scenarios


async def sees_no_more_than_it_needs(target: Process, project: Path) -> None:
    await target.up()
    assert "services" in await said(target, "cat docker-compose.yml")
    others = [project / name for name in ("home/.ssh/id", "elsewhere/file", "socket", "run")]
    systems = ["/run/docker.sock", "/var/lib", "/etc/shadow", "/dev/mem", "/dev/kmsg"]
    for path in (*others, *systems, "/mnt/homes/two", "/mnt/nodes"):
        found = await said(target, f"cat {path} 2>/dev/null; ls -A {path} 2>/dev/null")
        assert found.strip() in ("", str(path)) and "secret" not in found, path
    assert set((await said(target, "ls /")).split()) <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "mnt", "nix", "opt", "proc", "root", "sbin", "sys"),
        *("tmp", "usr", "var", "home", "work", PROJECT.parts[1], Path(sys.prefix).parts[1]),
    }
    assert "refused" not in (reached := await said(target, f"python3 -c {CONNECT!r} {project}/socket")) and reached
    assert sorted((await said(target, "ls /proc/self/fd")).split()) == ["0", "1", "2", "3"], "3 is of ls itself"
    held = {line.split()[-1] for line in (await said(target, "ls -l /proc/1/fd")).splitlines()[1:]}
    assert held == {"/dev/null", "/mnt/nodes/one/exit", str(project / "run/logs/one.log")}


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


MINE = "chaos-test-of-files-of-its-own"


async def writes_only_what_is_its_own(target: Process, project: Path) -> None:
    await target.up()
    denied = [project / "stack", project / "stack/.chaos", project / "elsewhere", PROJECT, sys.prefix, "/", "/etc",
              "/usr", "/dev", "/proc/sys/kernel", "/var", "/mnt"]  # fmt: skip
    script = "; ".join(f"touch {place}/written && echo {place}" for place in denied)
    assert "can" in (found := await said(target, f"({script}) 2>&1")) and not found.startswith("/"), found
    assert not any(line.startswith("/") for line in found.splitlines()), found
    for place in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/power/state", "/proc/1/oom_score_adj"):
        assert "only" in await said(target, f"echo 1 > {place}") or not os.path.exists(place)
    for undo in ("umount /tmp", "mount -o remount,rw /usr", "mount -t tmpfs x /mnt", "umount -l /proc",
                 "unshare --user --map-root-user --mount umount -l /proc"):  # fmt: skip
        assert await said(target, f"{undo} >/dev/null 2>&1 && echo done") == "", undo
    home = project / "home"
    for place in ("/tmp", "/var/tmp", "/dev/shm", "$HOME", "$TMPDIR", "$DATA", str(home)):
        assert await said(target, f"echo mine > {place}/{MINE} && cat {place}/{MINE}") == "mine\n", place
    for place in ("/tmp", "/var/tmp", "/dev/shm", str(home)):
        assert await said(target, f"cat {place}/{MINE} 2>/dev/null", "two") == ""
        assert not Path(f"{place}/{MINE}").exists()
    assert sorted(p.name for p in home.iterdir()) == [".ssh"] and list((project / "stack/.chaos").iterdir()) == []


async def has_an_environment_of_its_own(target: Process, project: Path) -> None:
    """And takes it up only when it has no privileges any more."""
    await target.up()
    assert not (project / "marker").exists(), "a program of the stack ran with privileges"
    while not (sleeping := [p for p in target.processes.namespaces.groups()["one"].members if runs(p.pid, b"sleep")]):
        await asyncio.sleep(0.01)
    seen = await target.can.need(DEPLOY).environment(target.nodes()[0])
    assert seen is not None and seen["UID"] == "7" and "CHAOS_ENV" not in seen, "that of the shell before its exec"
    _, printed = await target.can.need(EXEC).exec(target.nodes()[0], ["/usr/bin/env", "-0"])
    for found in (Path(f"/proc/{sleeping[0].pid}/environ").read_text(), printed):
        assert "OTHERS_TOKEN" not in found and "CHAOS_" not in found and "secret" not in found
        assert {"UID=7", "IFS=:", "odd.name=odd value", QUOTED} <= set(found.split("\0")), found


async def the_load_writes_into_its_run_only(target: Process, project: Path) -> None:
    await target.up()
    (project / "run/kept").write_text("of the run")
    script = f"cat {project}/run/kept; echo of the load > {project}/run/ops; touch docker-compose.yml; "
    script += f"cat {project}/home/.ssh/id {project}/elsewhere/file; env; touch {project}/other /usr/x"
    hosted = await target.can.need(HOST).host(["sh", "-c", script], project / "run", "load.log")
    assert await hosted.wait() == 1
    log = (project / "run/logs/load.log").read_text()
    assert log.startswith("of the run") and (project / "run/ops").read_text() == "of the load\n"
    assert "secret" not in log and "OTHERS_TOKEN" not in log and log.count("ead-only") == 2, log
    assert not (project / "other").exists()


# --- tests


@pytest.mark.parametrize(
    "scenario",
    [sees_no_more_than_it_needs, writes_only_what_is_its_own, has_an_environment_of_its_own,
     the_load_writes_into_its_run_only],
)  # fmt: skip
def test_scenario_holds(scenario: Callable[[Process, Path], Awaitable[None]], project: Path) -> None:
    """As root, too, to whom all of this machine's files are open."""
    assert inside(scenario, project) == 0


def test_a_shell_before_its_exec_is_told_apart_from_the_nodes_program() -> None:
    """It still has our environment: what is asked of it says nothing of the node."""
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "CHAOS_ENV": "export A=1"}) as shell:
        assert is_ours_yet(shell.pid)
        shell.kill()


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    stack = stackfile.read(folder / "stack/docker-compose.yml")
    asyncio.run(globals()[sys.argv[1]](Process(stack, folder / "run/logs"), folder))
