"""Cold start of `chaos --help`, beside Chaos Toolkit's `chaos --help` and beside Python doing nothing.

Each is a process of its own, in turn, from its start to its end, files in the page cache. Python does nothing
(`python -c pass`) once in our environment and once in Chaos Toolkit's, because what an environment adds to Python's own
start (its `.pth` files) is not the tool's doing. Processor time says more than wall time on a busy machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.common import spent, toolkit
from benchmarks.common.document import ROOT
from benchmarks.common.result import Result, Row, median
from benchmarks.common.spent import Spent

TIMES = 20
OURS = [sys.executable, "-c", "from chaos.cli import main; main()", "--help"]


def rows() -> Result:
    programs = {
        "`chaos --help`": OURS,
        "`python -c pass`, our environment": [sys.executable, "-c", "pass"],
        "Chaos Toolkit: `chaos --help`": toolkit.command("--help"),
        "`python -c pass`, Chaos Toolkit's environment": [str(toolkit.python()), "-c", "pass"],
    }
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    samples: dict[str, list[Spent]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TIMES + 1):
            for name, command in programs.items():
                one = spent.run(command, Path(folder), env)
                if turn:  # the first fills the caches
                    samples[name].append(one)
    ours = median([s.cpu for s in samples["`chaos --help`"]])
    found = [
        Row(
            name,
            len(each),
            {
                "wall p50 ms": 1e3 * median([s.wall for s in each]),
                "processor p50 ms": 1e3 * median([s.cpu for s in each]),
                "processor, ours = 1": median([s.cpu for s in each]) / ours,
            },
        )
        for name, each in samples.items()
    ]
    return Result(found)
