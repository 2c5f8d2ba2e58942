"""The harness's side of a load without a users' file, with a process that is played."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path

import msgspec
import pytest

from chaos.errors import BadExperiment, ChaosError
from chaos.experiment.plan import LoadSpec, Locust, Request
from chaos.load.closedload import ClosedLoad, load
from chaos.load.contract import ARRIVALS, NOTES, REQUESTS, Exit
from chaos.load.locustload import LocustLoad
from chaos.model import Note
from tests.messages import Says
from tests.unit.load.test_locustload import Host, argument, ready

LOCUST = Locust("../locustfile.py", 10.0, "http://front:8000", ("a", "b"), ("c",), ("Buyer",))
SPEC = LoadSpec("", 5, 0.0, 0.0, 7, locust=LOCUST)


def closed(host: Host, tmp_path: Path) -> ClosedLoad:
    (tmp_path / "locustfile.py").touch()
    (tmp_path / "run").mkdir()
    found = load(host, SPEC, tmp_path / "run", tmp_path, steady=0.05)
    assert isinstance(found, ClosedLoad)
    return found


def test_locust_is_told_what_the_plan_says(tmp_path: Path) -> None:
    """The file, users, tags and classes, the seed, and when operations begin to count; no arrivals are planned."""
    host = Host(begin=ready)
    users = closed(host, tmp_path)
    asyncio.run(users.start(t0 := time.monotonic() + 0.05, 9.0))
    (command,) = host.commands
    assert command[:5] == ["python3", "-m", "chaos.load.closedloop", "--mode", "run"]
    told = {name: argument(command, name) for name in ("--file", "--users", "--spawn-rate", "--host", "--seed")}
    assert told == {"--file": str(tmp_path / "locustfile.py"), "--users": "5", "--spawn-rate": "10.0",
                    "--host": "http://front:8000", "--seed": "7"}  # fmt: skip
    assert [w for w, o in zip(command[1:], command, strict=False) if o in ("--tag", "--exclude-tag", "--class")] == [
        "a", "b", "c", "Buyer"
    ]  # fmt: skip
    assert (argument(command, "--t0"), argument(command, "--until")) == (repr(t0), "9.0")
    assert not (tmp_path / "run" / ARRIVALS).exists()


def test_the_lead_is_enough_to_start_every_user(tmp_path: Path) -> None:
    """Ten a second: five users need half a second more."""
    assert closed(Host(), tmp_path).lead == 3.5


def test_nothing_is_read_back(tmp_path: Path) -> None:
    """Neither of a locustfile nor of requests."""
    host = Host(ends=True)
    asyncio.run(closed(host, tmp_path).readback())
    requests = LoadSpec("", 1, 1.0, 0.0, 7, http=(Request("a", "GET", "http://a/"),))
    asyncio.run(load(host, requests, tmp_path / "run", tmp_path, steady=0.05).readback())
    assert host.commands == []


@pytest.mark.parametrize("code", [Exit.USAGE, Exit.ENDED, Exit.NO_STACK], ids=str)
def test_what_locust_refuses_is_said(tmp_path: Path, code: int, says: Says) -> None:
    """With the log's last lines."""
    with says.raises(ChaosError):
        asyncio.run(closed(Host(code=code, ends=True), tmp_path).prepare())


def test_a_locustfile_that_is_gone_is_a_bad_experiment(tmp_path: Path, says: Says) -> None:
    """Said before anything is started."""
    users = closed(Host(), tmp_path)
    (tmp_path / "locustfile.py").unlink()
    with says.raises(BadExperiment):
        asyncio.run(users.prepare())


def test_notes_of_an_earlier_start_are_forgotten(tmp_path: Path) -> None:
    """As its operations are."""
    users = closed(Host(begin=ready), tmp_path)
    (tmp_path / "run" / NOTES).write_bytes(b'{"t":1.0,"kind":"died","what":"A"}\n')
    assert users.notes() == [Note(1.0, "died", what="A")]
    asyncio.run(users.start(time.monotonic() + 0.05, 9.0))
    assert users.notes() == ()


def test_requests_are_handed_over_privately(tmp_path: Path) -> None:
    """They may hold passwords, which the plan on the disk does not."""
    host = Host(ends=True)
    (tmp_path / "run").mkdir()
    sent = Request("a", "POST", "http://a/", headers={"Authorization": "Bearer x"}, json={"n": 1})
    users = load(host, LoadSpec("", 4, 9.0, 1.0, 7, http=(sent,)), tmp_path / "run", tmp_path, steady=0.05)
    assert isinstance(users, LocustLoad)
    asyncio.run(users.prepare())
    file = tmp_path / "run" / REQUESTS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert msgspec.json.decode(file.read_bytes(), type=tuple[Request, ...]) == (sent,)
    (command,) = host.commands
    assert argument(command, "--requests") == str(file) and argument(command, "--count") == "4"


def test_a_file_outside_of_the_stacks_folder_is_shown_with_its_own(tmp_path: Path) -> None:
    """It may share modules with its neighbours; a file of the stack needs nothing more."""
    for name in ("stack", "own", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "own" / "locustfile.py").touch()
    host = Host(ends=True)
    spec = LoadSpec("", 5, 0.0, 0.0, 7, locust=Locust("../../own/locustfile.py", 10.0))
    asyncio.run(load(host, spec, tmp_path / "run", tmp_path / "stack", steady=0.05).prepare())
    assert host.shown == [tmp_path / "own"] and argument(host.commands[0], "--file").endswith("/own/locustfile.py")
    asyncio.run(load(host, spec, tmp_path / "run", tmp_path, steady=0.05).stop())
