"""zone-fire at 3,600 and 1,800 incident seconds a second: what the plant drives is the same fraction of the incident.

The same experiment, posture and seed is played twice on the embedded target, as it was, in full. Fractions are of the
incident's length, counted from the first fault. Power, boots and people are scaled and so must not matter; failover,
time-outs and retries are not scaled, so what they drive (the remedied posture's return of text) is not compared.
It fails where a figure differs by more than 20 %, or where the control was hurt: then the machine was measured.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.document import ROOT
from benchmarks.common.result import Result, Row
from chaos.errors import ChaosError
from chaos.record import findings
from chaos.record.findings import Document

SCALES = (3600, 1800)
JOURNEYS = ("login3p", "media", "mail")
APART = 0.20  # of the larger scale's figure
SEED = 7
# What has to hold before a run measures anything. The bank is the control: it suffers where the machine is too busy.
SOUND = ("floor", "steady", "effective", "availability bank", "latency bank")
UNITS = 32  # boot units of the plant


def rows() -> Result:
    with tempfile.TemporaryDirectory() as name:
        fast, slow = (_played(scale, Path(name)) for scale in SCALES)
    counts = "The count is of the journey's operations in both runs, or of the plant's boot units."
    both = zip(SCALES, (fast, slow), strict=True)
    ended = "; ".join(f"{f.run} at {scale:,} ended with {f.verdict}" for scale, f in both)
    return Result(beside(fast, slow), [counts, f"Seed {SEED}. {ended}."])


def beside(fast: Document, slow: Document) -> list[Row]:
    """Two findings.json, a row for each figure. Raises AssertionError where one is too far from the other."""
    found = []
    for of, count, a, b in _figures(fast, slow):
        ratio = b / a
        assert abs(ratio - 1) <= APART, f"{of}: {a:g} at {SCALES[0]}, {b:g} at {SCALES[1]}: a ratio of {ratio:.3f}"
        figures = {**{f"at {scale:,}": v for scale, v in zip(SCALES, (a, b), strict=True)}, "ratio": ratio}
        found.append(Row(of, count, figures))
    return found


def _figures(fast: Document, slow: Document) -> Iterator[tuple[str, int, float, float]]:
    """What it is, how many samples, its value at each scale. Raises ChaosError where a journey never came back."""
    for journey in JOURNEYS:
        a, b = ((f.measures.return_fraction or {}).get(journey) for f in (fast, slow))
        if not a or not b:
            raise ChaosError(f"{journey} returned at {a} and {b} of the incident: nothing to compare")
        n = sum(f.measures.availability[journey].n for f in (fast, slow))
        yield f"{journey} is back, fraction of the incident", n, a, b
    for name in (t.name for t in fast.facts if t.name.startswith("servers_back_at_f_")):
        a, b = (next(t.measured for t in f.facts if t.name == name) for f in (fast, slow))
        yield f"share of servers back at {name.rpartition('_')[2]} of the incident", UNITS, a, b


def _played(scale: int, folder: Path) -> Document:
    """findings.json of a whole run at this scale. Raises ChaosError where the run measures nothing."""
    text = (ROOT / "experiments/zone-fire.yaml").read_text()
    file, runs = folder / f"zone-fire-{scale}.yaml", ROOT / "runs" / f"scale-{scale}"
    changed, n = re.subn(r"^scale: \d+", f"scale: {scale}", text, count=1, flags=re.MULTILINE)
    assert n == 1, "experiments/zone-fire.yaml says no scale"
    file.write_text(changed)
    command = [sys.executable, "-m", "chaos", "run", str(file), "--target", "process", "--posture", "as-was",
               "--seed", str(SEED), "--runs", str(runs)]  # fmt: skip
    before = {str(p) for p in runs.glob("*/*/findings.json")}
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    made = sorted(runs.glob("*/*/findings.json"))
    if not made or str(made[-1]) in before:
        last = " | ".join(done.stdout.splitlines()[-5:])
        raise ChaosError(f"the run at scale {scale} ended with {done.returncode}: {last}")
    found = findings.read(made[-1])
    assert found is not None, "a run that ended wrote its findings"
    unsound = [f for f in found.findings if f.check in SOUND and f.verdict != "PASS"]
    if unsound:
        why = "; ".join(f.summary for f in unsound)
        raise ChaosError(f"the run at scale {scale} measures nothing ({made[-1].parent}): {why}")
    return found
