"""A comparison in a hundred columns: who was hurt, what was lost, how long, and each knob's share in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chaos.comparison import Document
from chaos.comparison import words as say
from chaos.reports.terminal import BARS, STYLE

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Cell = Callable[[Document, Mapping[str, Any], str], str]  # document, run or difference, journey → text
BESIDE = 5  # runs in one table
BAR = 40  # characters


def render(doc: Document, *, width: int = 100, color: bool = False) -> str:
    """Text of at most `width` columns, with colours for a terminal or without any for a pipe."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=min(width, 100), color_system="standard" if color else None, force_terminal=color,
        highlight=False, markup=False, emoji=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    console.print(f"{doc['experiment']}: {len(doc['runs'])} runs beside each other", style="bold")
    for line in (*say.heading(doc), *(f"Mind: {w}." for w in doc["warnings"])):
        console.print(line, style="dim")
    console.print(_summary(doc))
    _by_journey(console, doc, "How long users were without it", _away, _shorter)
    _by_journey(console, doc, "Success while faults bit", _success, _points)
    _bars(console, doc)
    _strips(console, doc)
    _effects(console, doc)
    for run in doc["runs"]:
        console.print(f"{run['name']}  {run['run']}", soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


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

    table = _table("What each came to", "", "knobs", "verdict", "hurt", "failed", "longest away", "lost", "RPO")
    total = len(doc["journeys"])
    for run in doc["runs"]:
        rpo = "-" if run["rpo_s"] is None else f"{run['rpo_s']:.2f} s"
        verdict = Text(run["verdict"], style=STYLE[run["verdict"]])
        if run["known_gaps"]:
            verdict.append(f" ({run['known_gaps']} known)", style="yellow")
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
    """Journeys down, runs across, a few at a time; from the second run on with the difference to the first."""
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
            table.caption, table.caption_justify = f"In brackets: against {runs[0]['name']}.", "left"
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
