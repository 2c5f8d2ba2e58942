"""`python -m tests.fuzz [KIND...] --seconds N`: every kind in a process of its own, the time shared among them.

A finding is a file in `fuzz/KIND/`, with what it broke beside it; `python -m tests.fuzz KIND --replay FILE` tries it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.kinds import KINDS

OVER = 300.0  # seconds that a worker may need beyond its time, to shrink what it found or to start a stack
API = "api"  # the stack's HTTP API, which needs a stack and Schemathesis
WEIGHT = {API: 4}  # times the time of the others


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    known = [*KINDS, API]
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=60.0, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=None, help="default: another each day")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="where findings go")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try this input of KIND and nothing else")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if strange := [k for k in asked.kinds if k not in known]:
        parser.error(f"no kind called {', '.join(strange)}; known: {', '.join(known)}")
    if asked.replay:
        KINDS[asked.kinds[0]].check(asked.replay.read_bytes())
        print("no rule is broken")
        return 0
    seed = int(time.time()) // 86400 * 1_000_000 if asked.seed is None else asked.seed
    if asked.worker:
        return _worker(asked.kinds[0], asked.seconds, seed, asked.out)
    return _all(asked.kinds or known, asked.seconds, seed, asked.out, asked.jobs)


def _worker(name: str, seconds: float, seed: int, out: Path) -> int:
    from tests.fuzz.worker import Worker

    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    worker = Worker(KINDS[name], folder / "current")
    worker.work(seconds, seed)
    for finding in worker.found.values():
        _write(folder, finding.data, f"{finding.where}\n\n{finding.words}")
    (folder / "current").unlink(missing_ok=True)
    print(json.dumps({"inputs": worker.inputs, "findings": sorted(worker.found)}))
    return 0


def _write(folder: Path, data: bytes, words: str) -> None:
    name = hashlib.sha256(data).hexdigest()[:12]
    (folder / name).write_bytes(data)
    (folder / f"{name}.txt").write_text(words, errors="backslashreplace")


def _all(kinds: list[str], seconds: float, seed: int, out: Path, jobs: int) -> int:
    weights = [WEIGHT.get(kind, 1) for kind in kinds]
    each = seconds * min(jobs, len(kinds)) / sum(weights)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        shares = [each * weight for weight in weights]
        results = dict(zip(kinds, pool.map(lambda kind, part: _one(kind, part, seed, out), kinds, shares), strict=True))
    for kind, result in results.items():
        why = result.get("left out")
        print(
            f"{kind:<14} "
            + (f"left out: {why}" if why else f"{result['inputs']:>8} inputs  {len(result['findings'])} findings")
        )
        for where in result["findings"]:
            print(f"    {where}")
    total, found = sum(r["inputs"] for r in results.values()), sum(len(r["findings"]) for r in results.values())
    print(f"{total} inputs in {time.monotonic() - began:.0f} s, {found} findings" + (f" in {out}/" if found else ""))
    if found:
        print(f"again: {sys.executable} -m tests.fuzz KIND --replay {out}/KIND/FILE")
    return 1 if found else 0


def _one(kind: str, seconds: float, seed: int, out: Path) -> dict[str, Any]:
    """What the worker of this kind found. One that hangs or dies is a finding too."""
    program = ["tests.fuzz.api"] if kind == API else ["tests.fuzz", kind, "--worker"]
    command = [sys.executable, "-m", *program, "--seconds", str(seconds), "--seed", str(seed)]
    if kind == API and (why := _no_api()):
        return {"inputs": 0, "findings": [], "left out": why}
    try:
        done = subprocess.run(
            [*command, "--out", str(out)], capture_output=True, text=True, timeout=seconds + OVER, check=False
        )
        words = f"the process ended with {done.returncode}: {done.stderr[-3000:]}"
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return found
    except subprocess.TimeoutExpired:
        words = "the process did not end"
    current = out / kind / "current"
    _write(out / kind, current.read_bytes() if current.exists() else b"", words)
    return {"inputs": 0, "findings": [words]}


def _no_api() -> str | None:
    from chaos.targets.box import box

    if importlib.util.find_spec("schemathesis") is None:
        return "no schemathesis here: pip install -e '.[fuzz]'"
    return box.available()


if __name__ == "__main__":
    sys.exit(main())
