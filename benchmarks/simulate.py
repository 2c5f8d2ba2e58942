"""What `chaos simulate` costs: 127.5 hours of 32,000 servers and 53 million users, and of ten times less and more.

Each is a process of its own, from its start to its end: the scene as it was, and beside it the eight what-ifs of the
dossier. Servers are simulated one by one, users in counts, so the cost goes with servers and hours, not with users.
It fails where the incident's own size takes more than 60 s or 2 GB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.common.document import ROOT
from benchmarks.common.result import Result, Row, median
from benchmarks.common.spent import Spent, run

INCIDENT = "kakao-2022-10-15"
SIZES = {(3_200, 5_300_000): 3, (32_000, 53_000_000): 3, (320_000, 530_000_000): 1}  # servers, users: turns
OWN = (32_000, 53_000_000)
WALL, MEMORY = 60.0, 2e9  # seconds, bytes: the most that the incident's own size may take


def rows() -> Result:
    found = []
    for (servers, users), turns in SIZES.items():
        spent = [_simulate(servers, users) for _ in range(turns)]
        wall, memory = median([s.wall for s in spent]), max(s.memory for s in spent)
        if (servers, users) == OWN:
            assert wall < WALL and memory < MEMORY, f"{wall:.1f} s and {memory / 1e6:.0f} MB; see {__file__}"
        figures = {
            "wall p50 s": wall,
            "processor p50 s": median([s.cpu for s in spent]),
            "memory at most, MB": memory / 1e6,
            "processor a server, ms": 1e3 * median([s.cpu for s in spent]) / servers,
        }
        found.append(Row(f"{servers:,} servers, {users:,} users", turns, figures))
    return Result(found)


def _simulate(servers: int, users: int) -> Spent:
    command = [sys.executable, "-m", "chaos", "simulate", INCIDENT, "--stack", str(ROOT / "docker-compose.yml"),
               "--servers", str(servers), "--users", str(users), "--json"]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        return run(command, Path(name))
