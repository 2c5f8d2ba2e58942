"""A comparison in a hundred columns: who was affected, what was lost, how long, and the effect of each knob."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.model import badge
from chaos.report.comparison import Document
from chaos.report.comparison import words as say
from chaos.report.terminal import BARS, STYLE

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Cell = Callable[[Document, Mapping[str, Any], str], str]  # document, run or difference, journey → text
BESIDE = 5  # number of runs in one table
BAR = 40  # characters


def render(doc: Document, *, width: int = 100, color: bool = False) -> str:
    """Text of at most `width` columns, with colours for a terminal or without for a pipe."""
    from chaos.report.sheet import Sheet

    console = Sheet(min(width, 100), color)
    console.print(f"{doc['experiment']}: {len(doc['runs'])} runs compared", style="bold")
    for line in (*say.heading(doc), *(f"Mind: {w}." for w in doc["warnings"])):
        console.print(line, style="dim")
    console.print(_summary(doc))
    _by_journey(console, doc, "How long users were without it", _away, _shorter)
    _by_journey(console, doc, "Success while faults were active", _success, _points)
    _added(console, doc)
    _bars(console, doc)
    _strips(console, doc)
    _effects(console, doc)
    for run in doc["runs"]:
        console.print(f"{run['name']}  {run['run']}", soft_wrap=True)
    return console.written()


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for name in columns:
        table.add_column(name, header_style="dim", justify="left", no_wrap=name not in ("knobs", "hurt"))
    return table


def _summary(doc: Document) -> Table:
    from rich.text import Text

    table = _table("Results", "", "knobs", "verdict", "hurt", "failed", "longest away", "lost", "RPO")
    total = len(doc["journeys"])
    for run in doc["runs"]:
        rpo = "-" if run["rpo_s"] is None else f"{run['rpo_s']:.2f} s"
        said = badge(run["verdict"], run["expected_failures"])
        verdict = Text(said, style=STYLE[run["verdict"] if said == run["verdict"] else "XFAIL"])
        table.add_row(
            run["name"], say.knobs(run), verdict, f"{len(run['hurt'])} of {total}",
            f"{run['failed']:,}", say.away(run["longest_s"], doc["scale"]), say.lost(run), rpo,
        )  # fmt: skip
    table.caption, table.caption_justify = "hurt: journeys. failed: operations since the first fault.", "left"
    return table


def _by_journey(
    console: Console,
    doc: Document,
    title: str,
    absolute: Cell,
    difference: Cell,
) -> None:
    """Journeys as rows, runs as columns, a few at a time, with differences to the first run."""
    runs, others = doc["runs"], {o["name"]: o for o in doc["against_first"]}
    for k in range(0, len(runs), BESIDE):
        some: Sequence[Mapping[str, Any]] = runs[k : k + BESIDE]
        table = _table(title if not k else f"{title}, continued", "journey", *(r["name"] for r in some))
        for j in doc["journeys"]:
            cells = []
            for run in some:
                extra = difference(doc, others[run["name"]], j) if run["name"] in others else ""
                cells.append(absolute(doc, run, j) + (f" ({extra})" if extra else ""))
            table.add_row(j, *cells)
        if others:
            table.caption, table.caption_justify = f"In brackets: difference to {runs[0]['name']}.", "left"
        console.print(table)


def _added(console: Console, doc: Document) -> None:
    for k in range(0, len(doc["runs"]), BESIDE):
        rows = [(name, *cells[k : k + BESIDE]) for name, *cells in say.added(doc)]
        table = _table("Further measures", "measure", *(r["name"] for r in doc["runs"][k : k + BESIDE]))
        for row in rows:
            table.add_row(*row)
        if rows:
            console.print(table)


def _away(doc: Document, run: Mapping[str, Any], journey: str) -> str:
    return say.away(run["rto_s"].get(journey, 0.0), doc["scale"])


def _shorter(doc: Document, other: Mapping[str, Any], journey: str) -> str:
    return say.shorter(other["rto_s"].get(journey), doc["scale"])


def _success(doc: Document, run: Mapping[str, Any], journey: str) -> str:
    return say.share(run["success_during"].get(journey))


def _points(doc: Document, other: Mapping[str, Any], journey: str) -> str:
    return say.points(other["success_during"].get(journey))


def _bars(console: Console, doc: Document) -> None:
    most = max((r["failed"] for r in doc["runs"]), default=0)
    console.print("\nFailed operations", style="bold")
    for run in doc["runs"]:
        length = round(BAR * run["failed"] / most) if most else 0
        bar = "█" * (length or (1 if run["failed"] else 0))
        line = f"{run['name']:<3}{bar:<{BAR}} {run['failed']:>6,}  {say.knobs(run)}"
        console.print(line, overflow="ellipsis", no_wrap=True)


def _strips(console: Console, doc: Document) -> None:
    begin, end = doc["span"]
    console.print(f"\nSuccess of all users, {begin:.0f} s to {end:.0f} s of the run", style="bold")
    for run in doc["runs"]:
        strip = "".join("·" if s is None else BARS[-1] if s == 1 else BARS[min(int(s * 7), 6)] for s in run["strip"])
        console.print(f"{run['name']:<3}{strip}")


def _effects(console: Console, doc: Document) -> None:
    for effect in doc["effects"]:
        table = _table(say.effect(effect), "value", "runs", "hurt", "failed", "longest away", "lost")
        for row in effect["values"]:
            lost = "unknown" if row["lost"] is None else f"{row['lost']:g}"
            table.add_row(
                say.values(row), str(row["runs"]), f"{row['hurt']:g}", f"{row['failed']:,g}",
                say.away(row["longest_s"], doc["scale"]), lost,
            )  # fmt: skip
        table.caption, table.caption_justify = "Means over the runs that share the value.", "left"
        console.print(table)
    console.print()
