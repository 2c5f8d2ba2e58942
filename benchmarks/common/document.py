"""docs/benchmarks.md from the results that runs have left in benchmarks/results: nothing else gets a figure into it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from benchmarks.common.result import Record, Row

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results"
DOCUMENT = ROOT / "docs/benchmarks.md"
MATRIX = ROOT / "docs/benchmarks/killmatrix.md"

HEAD = """# Benchmarks

Written by `make bench`; do not edit. Each section is one run on one machine, with the command that repeats it. Read the
ratios within a table, which one run made side by side; the absolute figures are this machine's at that hour (the load
average says how busy it was with other things) and no promise for another. Figures are medians of their count where a
column does not say otherwise.
"""


def keep(record: Record, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    readable = msgspec.json.format(msgspec.json.encode(record), indent=2)  # columns stay in their order
    (folder / f"{record.name}.json").write_bytes(readable + b"\n")


def kept(folder: Path) -> Sequence[Record]:
    """Every benchmark's last result, by name."""
    return [msgspec.json.decode(p.read_bytes(), type=Record) for p in sorted(folder.glob("*.json"))]


def render(records: Sequence[Record]) -> str:
    parts = [HEAD, *map(section, records)]
    if MATRIX.exists():
        parts.append("## killmatrix\n\nKills at every step have [a page of their own](benchmarks/killmatrix.md).\n")
    return "\n".join(parts)


def section(record: Record) -> str:
    """Title, what is measured, tables, notes, and the run that they come from."""
    title, _, rest = record.about.partition("\n")
    busy = " → ".join(f"{x:.1f}" for x in record.busy)
    made = [
        f"`{record.command}`, {record.date}, {record.seconds:.0f} s.",
        f"Machine: {', '.join(f'{v}' if k == 'cpu' else f'{k} {v}' for k, v in record.machine.items())};",
        f"load average {busy}.",
        f"Versions: {', '.join(f'{k} {v}' for k, v in record.versions.items())}.",
    ]
    tables = [_table(list(rows)) for _, rows in groupby(record.result.rows, lambda r: tuple(r.figures))]
    notes = "\n".join(f"- {note}" for note in record.result.notes)
    parts = [f"## {record.name}", title, rest.strip(), *tables, notes, " ".join(made)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[Row]) -> str:
    head = ["", "count", *rows[0].figures]
    lines = [head, ["---", *("---:" for _ in head[1:])]]
    lines += [[r.of, f"{r.count:,}", *map(_number, r.figures.values())] for r in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    """Three significant digits: more would be this run's noise."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
