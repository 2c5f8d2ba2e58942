"""`python -m benchmarks [NAME…]`: run these (or all), keep the results, write docs/benchmarks.md from all that is kept.

Exit code 1 where one of them failed: its last result, if there is one, then stays as it was.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.common import document, machine
from benchmarks.common.result import Record, Result
from chaos.errors import ChaosError
from chaos.registry import hint


def found() -> Mapping[str, Callable[[], Result]]:
    """Every benchmark by name."""
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.ispkg and m.name != "__main__"]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: module.rows for name, module in modules.items() if hasattr(module, "rows")}


def measure(name: str, rows: Callable[[], Result]) -> Record:
    before, began = os.getloadavg()[0], time.monotonic()
    result = rows()
    return Record(
        name=name,
        about=inspect.cleandoc(sys.modules[rows.__module__].__doc__ or ""),
        command=f"python -m benchmarks {name}",
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seconds=round(time.monotonic() - began, 1),
        busy=(before, os.getloadavg()[0]),
        machine=machine.machine(),
        versions=machine.versions(),
        result=result,
    )


def perform(chosen: Mapping[str, Callable[[], Result]], results: Path, out: Path) -> Sequence[str]:
    """Run them one after another; `out` is written however they end. Returns the names of those that failed."""
    failed = []
    try:
        for name, rows in chosen.items():
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                record = measure(name, rows)
            except (ChaosError, OSError, AssertionError, RuntimeError):
                traceback.print_exc()
                failed.append(name)
            else:
                document.keep(record, results)
                print(document.section(record), flush=True)
    finally:
        out.write_text(document.render(document.kept(results)))
    return failed


def main() -> int:
    known = found()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--only-write", action="store_true", help="run nothing, write the document from what is kept")
    args = parser.parse_args()
    if unknown := [n for n in args.names if n not in known]:
        parser.error("; ".join(f"no benchmark {n!r}: {hint(n, known)}" for n in unknown))
    chosen = {} if args.only_write else {n: known[n] for n in args.names or known}
    failed = perform(chosen, document.RESULTS, document.DOCUMENT)
    if failed:
        print(f"failed, so their last results stand: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
