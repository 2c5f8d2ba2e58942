"""What one activity costs: no-op activities of Chaos Toolkit 1.19 beside no-op injections of ours.

Each tool plays an experiment of 1 and one of N of them, each in a process of its own; the difference by N - 1 is the
cost of one, without the start (medians of the turns; the count is of activities). What each does for it:

- Chaos Toolkit, process: an action whose provider runs `true`: a program started and awaited, its result kept in
  memory, lines in its log; the journal is written once, at the end.
- Chaos Toolkit, python: an action whose provider calls a function that does nothing, in the same process: nearest to
  ours.
- bare loop: four lines appended to a file, each flushed to the disk (fsync): what our journal alone has to cost.
- ours: a step on the memory target: intent, injection, the look whether it bites, and the heal; four lines of
  journal, each flushed to the disk (fsync) before the next thing happens. In Chaos Toolkit that is an action, a probe
  and a rollback; the ratio is by activity all the same.

Neither checks the experiment before (`--no-validation`; our plan is read as made), nor looks for newer versions.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import spent, toolkit
from benchmarks.common.document import ROOT
from benchmarks.common.result import Result, Row, median
from benchmarks.common.spent import Spent
from benchmarks.common.stage import write_plan
from chaos.errors import ChaosError
from chaos.experiment.plan import Release, Step

N = 400
TIMES = 5
PROVIDERS: Mapping[str, Mapping[str, Any]] = {
    "Chaos Toolkit, process": {"type": "process", "path": "true"},
    "Chaos Toolkit, python": {"type": "python", "module": "noop", "func": "noop"},
}
OURS, BARE = "ours, memory target", "bare loop"


def rows() -> Result:
    toolkit.python()
    samples: dict[tuple[str, int], list[Spent]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "noop.py").write_text("def noop() -> bool:\n    return True\n")
        for turn in range(TIMES + 1):
            for n in (1, N):
                played = {tool: _play_theirs(folder, provider, n) for tool, provider in PROVIDERS.items()}
                played[OURS] = _play_ours(folder / f"{turn}-{n}", n)
                played[BARE] = _bare(folder / "bare", n)
                if turn:
                    for tool, one in played.items():
                        samples[tool, n].append(one)
    cost = {tool: _each(samples[tool, 1], samples[tool, N]) for tool in (OURS, BARE, *PROVIDERS)}
    return Result([
        Row(
            tool,
            TIMES * (N - 1),
            {
                "wall, ms each": 1e3 * each.wall,
                "processor, ms each": 1e3 * each.cpu,
                "processor, ours = 1": each.cpu / cost[OURS].cpu,
                f"whole run of {N}, s": median([s.wall for s in samples[tool, N]]),
            },
        )
        for tool, each in cost.items()
    ])  # fmt: skip


def _each(one: list[Spent], many: list[Spent]) -> Spent:
    """The median of the differences that each turn gave. Raises ChaosError where noise is all there is."""
    wall = median([b.wall - a.wall for a, b in zip(one, many, strict=True)]) / (N - 1)
    cpu = median([b.cpu - a.cpu for a, b in zip(one, many, strict=True)]) / (N - 1)
    if min(wall, cpu) <= 0:
        raise ChaosError(f"{N} activities took no longer than one: this machine is too busy to measure on")
    return Spent(wall, cpu)


def _play_theirs(folder: Path, provider: Mapping[str, Any], n: int) -> Spent:
    method = [{"type": "action", "name": f"act-{i}", "provider": provider} for i in range(n)]
    experiment = {"version": "1.0.0", "title": "no-ops", "description": "no-ops", "method": method, "rollbacks": []}
    (folder / "experiment.json").write_text(json.dumps(experiment))
    (folder / "journal.json").unlink(missing_ok=True)
    arguments = ("--no-version-check", "run", "--no-validation", "--journal-path", "journal.json", "experiment.json")
    one = spent.run(toolkit.command(*arguments), folder, {**os.environ, "PYTHONPATH": str(folder)})
    journal = json.loads((folder / "journal.json").read_text())
    done = [a["status"] for a in journal["run"]]
    assert done == ["succeeded"] * n, f"{journal['status']}: {len(done)} of {n} activities, {set(done)}"
    return one


def _play_ours(folder: Path, n: int) -> Spent:
    nodes = [f"node-{i:04}" for i in range(n)]
    steps = [Step(f"act-{i}", 0.0, "pause", {}, (name,), (Release(0.0, (name,)),)) for i, name in enumerate(nodes)]
    folder.mkdir()
    write_plan(folder, "memory", nodes, steps, steady=0.0)
    one = spent.run(
        [sys.executable, "-m", "benchmarks.common.stage", str(folder)], folder, {**os.environ, "PYTHONPATH": str(ROOT)}
    )
    healed = (folder / "journal.jsonl").read_text().count('"fault.heal"')
    assert healed == n, f"{healed} of {n} injections"
    return one


def _bare(file: Path, n: int) -> Spent:
    line = b"x" * 120 + b"\n"
    wall, cpu = time.perf_counter(), time.process_time()
    with file.open("wb", buffering=0) as out:
        for _ in range(4 * n):
            out.write(line)
            os.fsync(out.fileno())
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)
