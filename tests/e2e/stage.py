"""A real `chaos` in a process of its own: start it, watch what it says, interrupt it, look what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
INCONCLUSIVE = 3
MARK = "CHAOS_TEST_RUNS"  # in the environment of a harness and its children: the folder of its runs
CHAOS = (sys.executable, "-m", "chaos")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    run: Path  # the run's folder

    @property
    def findings(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "findings.json").read_text())
        return found

    def verdict_of(self, check: str) -> dict[str, Any]:
        """The one finding whose check begins with these words."""
        (found,) = [f for f in self.findings["findings"] if f["check"].startswith(check)]
        return dict(found)


class Started:
    """A command that runs; everything it says is kept, in `said` or beside its runs."""

    def __init__(
        self, runs: Path, *args: str, env: dict[str, str] | None = None, said: Path | None = None, cwd: Path = ROOT
    ) -> None:
        self.runs, self.said = runs, said or runs
        self.said.mkdir(parents=True, exist_ok=True)
        self._out, self._err = (self.said / "stdout").open("w+"), (self.said / "stderr").open("w+")
        self.process = subprocess.Popen(
            [*CHAOS, *args, "--runs", str(runs)],
            cwd=cwd, env=os.environ | {MARK: str(runs)} | (env or {}), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
        )  # fmt: skip

    def wait_for(self, words: str, seconds: float = 120.0) -> None:
        """Until stderr says `words`; fails with all it said if it ends before, or does not within `seconds`."""
        end = time.monotonic() + seconds
        while words not in (said := (self.said / "stderr").read_text()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode} before {words!r}:\n{said}"
            assert time.monotonic() < end, f"no {words!r} within {seconds} s:\n{said}"
            time.sleep(0.05)

    def done(self, seconds: float = 280.0) -> Done:
        try:
            code = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._out.close()
            self._err.close()
        runs = sorted(plan.parent for plan in self.runs.glob("*/*/plan.json"))
        out, err = ((self.said / name).read_text() for name in ("stdout", "stderr"))
        return Done(code, out, err, runs[-1] if runs else self.runs)


def play(runs: Path, *args: str) -> Done:
    return shown(Started(runs, *args).done())


def shown(done: Done) -> Done:
    """Skips the test, visibly, where the machine was taken away from a run and something failed: it shows nothing."""
    if done.code == INCONCLUSIVE and (done.run / "findings.json").exists():
        for found in done.findings["findings"]:
            if found["check"] == "machine" and found["verdict"] == "INCONCLUSIVE":
                pytest.skip(found["summary"])
    return done


def processes_of(marker: str) -> list[str]:
    """Command lines of processes that have `marker` in their command line or environment, other than ours."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in command + environ:
            found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def containers() -> list[str]:
    """Containers of ours, running or not, and our networks that anything is attached to."""
    from docker import APIClient

    api = APIClient(timeout=30)
    try:
        every = api.containers(all=True)
        ours = [c["Names"][0] for c in every if any(k.startswith("chaos.") for k in c.get("Labels") or {})]
        networks = [n["Name"] for n in api.networks(filters={"label": "chaos.stack"})]
        return ours + [name for name in networks if api.inspect_network(name)["Containers"]]
    finally:
        api.close()


def nothing_left(target: str, runs: Path, seconds: float = 20.0) -> list[str]:
    """What is left running after `seconds` of what was started for `runs`; empty as soon as it is empty.

    Of the embedded target: harness, load and box, with which every node ends. Of Compose: every container of ours.
    """
    end = time.monotonic() + seconds
    while left := (containers() if target == "compose" else processes_of(f"{MARK}={runs}")):
        if time.monotonic() > end:
            return left
        time.sleep(0.2)
    return []
