"""The real command in a process of its own, with 500 MB and 10 s: what the calls in one process cannot show."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import project, runs
from tests.fuzz.kind import Kind
from tests.fuzz.place import ROOT, place

MEMORY = 500 << 20  # bytes, the interpreter and what it imports among them
SECONDS = 10.0  # of processor time; twelve times as much on the clock: below others a machine gives next to nothing


def chaos(*argv: str) -> subprocess.CompletedProcess[bytes]:
    """Raises AssertionError where it dies of a limit or shows a traceback."""
    p = place()
    env = os.environ | {
        "XDG_STATE_HOME": str(p.state.parent),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C",
    }
    before = _files(p.root.parent)
    done = subprocess.run([sys.executable, "-m", "chaos", *argv], cwd=p.root, env=env, capture_output=True,
    preexec_fn=_limited,
                          stdin=subprocess.DEVNULL, timeout=12 * SECONDS, check=False)  # fmt: skip
    said = done.stderr[-2000:].decode(errors="backslashreplace")
    assert done.returncode in {0, 1, 2, 3, 4, 64}, f"exit {done.returncode}: {said}"
    assert b"Traceback (most recent" not in done.stdout + done.stderr, said
    new = _files(p.root.parent) - before
    assert not (strange := [f for f in new if not f.startswith(str(p.runs))]), f"{strange}: {said}"
    return done


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def plan(data: bytes) -> None:
    p = place()
    file = p.root / "experiments" / "fuzzed.yaml"
    file.write_bytes(data)
    try:
        chaos("plan", "fuzzed", "--target", "process")
    finally:
        file.unlink()


def stack(data: bytes) -> None:
    file = place().root / "fuzzed.yml"
    file.write_bytes(data)
    chaos("plan", "node-kill", "--target", "process", "--stack", str(file))


def report(data: bytes) -> None:
    """Its own name for the file, so that the input says which one it is."""
    name, _, content = data.partition(b"\0")
    p = place()
    run = p.run(runs.RUN, name.decode(), content)
    assert chaos("check", str(run)).returncode in {0, 1, 2, 3, 4, 64}
    chaos("report", str(run))


_RUN = [st.tuples(st.just(f"{kind.name}.{end}".encode() + b"\0"), kind.inputs).map(b"".join)
        for kind in runs.KINDS for end in ("jsonl" if kind.name in ("journal", "ops") else "json",)
        if kind.name in ("plan", "journal", "ops", "env")]  # fmt: skip
_BY_NAME = {kind.name: kind for kind in project.KINDS}

KINDS = (
    Kind("command-plan", _BY_NAME["experiment"].inputs, plan, 3),
    Kind("command-stack", _BY_NAME["stack"].inputs, stack, 2),
    Kind("command-run", st.one_of(_RUN), report, 2),
)
