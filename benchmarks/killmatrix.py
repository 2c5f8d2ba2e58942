"""Kill the harness, its watchdog, its helper, a node or the engine's connection at every step boundary, and look.

The same for `chaos up`, and for a second command on a stack that is in use. `--rows WORDS` plays only rows whose stack
or victim has these words: `--rows "up "`, `--rows second`, `--rows "harness and watchdog"`.
`python -m benchmarks.killmatrix --target process --kills 1000 --seed 7`. The seed gives the order of the cells and the
moments; results go to STATE/TARGET-sSEED-ROWS.jsonl line by line, and a second call goes on where the first one
stopped, or begins anew where the harness has changed meanwhile. Ctrl-C ends it
after the kills under way and writes what there is.
Processes are signalled only where they carry the mark of the run that was started here, by pid and start time.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.kills import cells as matrix
from benchmarks.kills.cells import Cell
from benchmarks.kills.play import Kill, Player
from benchmarks.kills.rig import ROOT, Broken, Rig
from benchmarks.kills.table import document

STATE = ROOT / "runs" / "killmatrix"
DOCUMENT = ROOT / "docs" / "benchmarks" / "killmatrix.md"
NO_KILL = {"missed", "absent"}
AHEAD = 8  # cells drawn ahead of their turn
Drawn = tuple[int, Cell, random.Random]
JOBS = {"process": 4, "compose": 1}  # runs side by side: they wait most of the time


def code() -> str:
    """Which harness this is."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "chaos").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class Results:
    """Kills by number, on disk as they come."""

    def __init__(self, path: Path, code: str) -> None:
        self._path, self._lock = path, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.kills = {k.n: k for k in read(path) if k.code == code}
        path.write_bytes(b"".join(msgspec.json.encode(k) + b"\n" for k in self.kills.values()))

    def add(self, kill: Kill) -> None:
        with self._lock, self._path.open("ab") as out:
            self.kills[kill.n] = kill
            out.write(msgspec.json.encode(kill) + b"\n")

    @property
    def count(self) -> int:
        return sum(k.outcome not in NO_KILL for k in self.kills.values())


def read(path: Path) -> list[Kill]:
    """A torn last line is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line, type=Kill) for line in lines]


class Matrix:
    """`kills` kills of one target, on `jobs` rigs side by side."""

    def __init__(self, target: str, seed: int, kills: int, state: Path, jobs: int, rows: str = "") -> None:
        self._code = code()
        self.results = Results(state / f"{target}-s{seed}-{rows}.jsonl", self._code)
        self._wanted, self._ending, self._lock = kills, threading.Event(), threading.Lock()
        self._rigs = [Rig(target, state / "rigs", n) for n in range(jobs)]
        self._drawn = enumerate(matrix.drawn(matrix.cells(target, self._rigs[0].faults(), rows), seed))
        self._absent = {(k.stack, k.victim) for k in self.results.kills.values() if _has_none(k)}
        self._ahead: list[Drawn] = []
        self._under_way = 0
        self.problems: list[str] = []

    def play(self) -> None:
        """Play until there are enough kills, or until an interrupt. Every rig is cleared in the end."""
        workers = [threading.Thread(target=self._work, args=(rig,)) for rig in self._rigs]
        for worker in workers:
            worker.start()
        try:
            while any(w.is_alive() for w in workers):
                time.sleep(0.2)
        except KeyboardInterrupt:
            print("interrupted: ending the kills under way and the stacks", file=sys.stderr, flush=True)
            self._ending.set()
        for worker in workers:
            worker.join()

    def _next(self, rig: Rig) -> Iterator[Drawn]:
        """Cells in the order drawn, but a rig takes those first for which its stack stands as it has to."""
        while not self._ending.is_set():
            with self._lock:
                self._draw()
                if not self._ahead:
                    return
                stands = "standing" if rig.standing else "owned"
                found = next((d for d in self._ahead if d[1].stack == stands), self._ahead[0])
                self._ahead.remove(found)
                self._under_way += 1
            yield found

    def _draw(self) -> None:
        """Some cells ahead, and never more than are wanted."""
        while len(self._ahead) < AHEAD and self.results.count + self._under_way + len(self._ahead) < self._wanted:
            n, (cell, dice) = next(self._drawn)
            if n not in self.results.kills and (cell.stack, cell.victim) not in self._absent:
                self._ahead.append((n, cell, dice))

    def _work(self, rig: Rig) -> None:
        player = Player(rig, self._code)
        try:
            for n, cell, dice in self._next(rig):
                try:
                    kill = player.play(n, cell, dice)
                    self.results.add(kill)
                finally:
                    with self._lock:
                        self._under_way -= 1
                if _has_none(kill):
                    self._absent.add((cell.stack, cell.victim))
                self._tell(kill, cell)
        except (Broken, OSError) as e:
            self.problems.append(f"{rig.folder}: {e}")
        finally:
            player.close()

    def _tell(self, kill: Kill, cell: Cell) -> None:
        how = f"{kill.healed:.2f} s" if kill.hurt else "nothing was broken"
        leaked = sum(k.outcome == "leaked" for k in self.results.kills.values())
        why = f": {'; '.join(kill.left)[:200]}" if kill.left else ""
        print(f"[{self.results.count}/{self._wanted}, {leaked} leaked] {cell}: {kill.outcome}, {how}{why}", flush=True)


def _has_none(kill: Kill) -> bool:
    """Helper and watchdog live as long as the run: where none was there once, none is waited for again."""
    return kill.outcome == "absent" and kill.victim in {"helper", "watchdog"} and kill.boundary not in {"up", "end"}


def write(state: Path, to: Path) -> None:
    """The document, from the results of every target and seed that this harness has."""
    found = {}
    for path in sorted(state.glob("*-s*-*.jsonl")):
        target, seed, rows = path.stem.split("-", 2)
        if kills := [k for k in read(path) if k.code == code()]:
            found[target, int(seed.removeprefix("s")), rows] = kills
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(document(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 without a leak, 1 with one, 2 where it could not be played."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killmatrix", description=__doc__)
    parser.add_argument("--target", choices=("process", "compose"), action="append", help="both, if none is named")
    parser.add_argument("--kills", type=int, default=1000, help="of each target")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", default="", help="only those whose stack or victim has this in it")
    parser.add_argument("--state", type=Path, default=STATE, help="where results and the stacks' folders are")
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("--jobs", type=int, help="runs side by side")
    args = parser.parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in the background
        signal.signal(number, signal.default_int_handler)
    leaks = problems = 0
    for target in args.target or ("process", "compose"):
        try:
            played = Matrix(target, args.seed, args.kills, args.state.resolve(), args.jobs or JOBS[target], args.rows)
        except Broken as e:
            print(f"killmatrix: {e}", file=sys.stderr)
            return 2
        played.play()
        leaks += sum(k.outcome == "leaked" for k in played.results.kills.values())
        problems += len(played.problems)
        for text in played.problems:
            print(f"killmatrix: {text}", file=sys.stderr)
    write(args.state, args.document)
    print(f"{leaks} leaked; {args.document}")
    return 2 if problems else int(leaks > 0)


if __name__ == "__main__":
    sys.exit(main())
